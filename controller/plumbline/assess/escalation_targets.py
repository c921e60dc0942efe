"""What there is to be taken over: roles by the services that they trust, users, groups, and hops between principals.

Knows the principals of the data, the worst first; must not know what anybody may do, except to assume roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from plumbline.assess import guardrails
from plumbline.assess.escalation_asking import Answer, partition, trusted
from plumbline.assess.escalation_power import Power, granted_by, guardrail, power
from plumbline.assess.escalation_resources import SOME
from plumbline.assess.reach import Hop
from plumbline.iam.principals import Caller, caller
from plumbline.iam.statements import Documents
from plumbline.model.snapshot import Account, Policy, Principal

_SESSION = "session "  # how hops name a session among their conditions


@dataclass(frozen=True, slots=True)
class Group:
    """Known by its members' policies alone. `own`: its inline policies; `perhaps`: with the managed policies that all of
    its known members have, some of which may be its own. `form`: its ARN with whatever path."""

    name: str
    arn: str
    form: str
    own: Power
    perhaps: Power


class Targets:
    """The data in the forms in which it is asked."""

    def __init__(
        self, principals: Mapping[str, Principal], accounts: Mapping[str, Account], hops: Iterable[Hop]
    ) -> None:
        self.principals = {arn: p for arn, p in sorted(principals.items()) if not _service_linked(p)}
        self.members: dict[str, list[Principal]] = {}
        for principal in self.principals.values():
            self.members.setdefault(principal.account, []).append(principal)
        self.unread = [
            p for p in self.principals.values() if p.kind == "role" and guardrails.document(p.trust, "resource") is None
        ]
        self._accounts = accounts
        self._guardrails = {name: guardrail(accounts.get(name)) for name in self.members}
        self._hops: dict[str, dict[str, Hop]] = {}
        for hop in hops:
            if not hop.external and hop.source in self.principals and hop.target in self.principals:
                self._hops.setdefault(hop.source, {})[hop.target] = hop
        # Only of accounts of which somebody is judged, and of those who can be reached from there.
        self._unlimited: dict[str, Power] = {}
        self._powers: dict[str, Power] = {}
        self._ranked: dict[tuple[str, str], list[Principal]] = {}
        self._trusting: dict[tuple[str, tuple[str, ...]], list[tuple[Principal, Answer]]] = {}
        self._groups: dict[str, list[Group]] = {}

    def unlimited(self, principal: Principal) -> Power:
        """What it can do as far as no SCP limits it."""
        if principal.arn not in self._unlimited:
            self._unlimited[principal.arn] = power(principal)
        return self._unlimited[principal.arn]

    def power(self, principal: Principal) -> Power:
        if principal.arn not in self._powers:
            self._powers[principal.arn] = self.unlimited(principal) & self._guardrails[principal.account]
        return self._powers[principal.arn]

    def hops_from(self, account: str) -> Iterator[Hop]:
        """From one principal of the data to another."""
        for principal in self.members[account]:
            yield from self._hops.get(principal.arn, {}).values()

    def guardrail(self, account: str) -> Power:
        return self._guardrails[account]

    def of_kind(self, account: str, kind: str) -> list[Principal]:
        """The roles or users of an account, the worst first."""
        if (account, kind) not in self._ranked:
            found = (principal for principal in self.members.get(account, ()) if principal.kind == kind)
            self._ranked[account, kind] = sorted(found, key=self._rank)
        return self._ranked[account, kind]

    def groups(self, account: str) -> list[Group]:
        if account not in self._groups:
            self._groups[account] = _groups(self.of_kind(account, "user"))
        return self._groups[account]

    def trusting(self, account: str, services: tuple[str, ...]) -> list[tuple[Principal, Answer]]:
        """The roles of an account that trust one of the services, the worst first."""
        if (account, services) not in self._trusting:
            asked = [(role, trusted(role, services, self._accounts)) for role in self.of_kind(account, "role")]
            self._trusting[account, services] = [(role, answer) for role, answer in asked if answer is not None]
        return self._trusting[account, services]

    def assumable(self, source: Principal) -> list[Principal]:
        """The roles into which there is a hop, and those whose trust policy could not be read, the worst first."""
        found = {arn: self.principals[arn] for arn in self._hops.get(source.arn, ())}
        found |= {p.arn: p for p in self.unread if p.arn != source.arn}
        return sorted(found.values(), key=self._rank)

    def sessions(self, source: Principal, target: Principal) -> Iterator[Caller]:
        """The sessions of a role to which a hop is bound."""
        hop = self._hops.get(source.arn, {}).get(target.arn)
        for condition in hop.conditions if hop else ():
            if condition.startswith(_SESSION):
                yield caller(condition.removeprefix(_SESSION))

    def trust(self, role: Principal) -> tuple[Documents, tuple[Documents, ...]]:
        """The trust policy and the RCPs of a role."""
        rcps = guardrails.rcps(self._accounts.get(role.account))
        return (guardrails.document(role.trust, "resource"),), rcps

    def _rank(self, principal: Principal) -> tuple[tuple[int, int], str]:
        return self.power(principal).rank, principal.arn


def _service_linked(principal: Principal) -> bool:
    return principal.path.startswith("/aws-service-role/")


def groups_of(principal: Principal) -> list[str]:
    """The groups that a user is in, as far as the names of its policies tell: GROUP/POLICY."""
    inline = (p.name.partition("/") for p in principal.policies if p.kind == "inline")
    return sorted({group for group, slash, _ in inline if slash}) if principal.kind == "user" else []


def group_arns(principal: Principal, name: str) -> tuple[str, str]:
    """The ARN of a group of the principal's account, and a pattern for it with any path."""
    prefix = f"arn:{partition(principal.arn)}:iam::{principal.account}:group/"
    return f"{prefix}{name}", f"{prefix}{SOME}/{name}"


def _groups(users: Iterable[Principal]) -> list[Group]:
    """The worst first."""
    members = sorted(((name, user) for user in users for name in groups_of(user)), key=lambda m: (m[0], m[1].arn))
    found = [_group(name, [user for _, user in of_group]) for name, of_group in groupby(members, key=lambda m: m[0])]
    return sorted(found, key=lambda group: (group.perhaps.rank, group.arn))


def _group(name: str, members: list[Principal]) -> Group:
    inline: dict[tuple[str, str | None], Policy] = {}
    shared: dict[str, Policy] | None = None
    for user in members:
        own = {(p.name, p.document): p for p in user.policies if p.kind == "inline" and p.name.startswith(f"{name}/")}
        inline |= own
        managed = {p.key: p for p in user.policies if p.kind != "inline"}
        shared = managed if shared is None else {key: p for key, p in shared.items() if key in managed}
    arn, form = group_arns(members[0], name)
    with_shared = granted_by([*inline.values(), *(shared or {}).values()])
    return Group(name, arn, form, granted_by(inline.values()), with_shared)
