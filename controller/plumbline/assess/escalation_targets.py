"""What there is to be taken over: roles by the services that they trust, users, groups, and hops between principals.

Knows the principals of the data, the worst first; must not know what anybody may do, except to assume roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from plumbline.assess import guardrails
from plumbline.assess.escalation_asking import Answer, partition, trusted
from plumbline.assess.escalation_power import Power, granted_by, guardrail, power
from plumbline.assess.escalation_resources import SOME
from plumbline.assess.reach import Hop
from plumbline.assess.seen import Seen
from plumbline.iam.principals import Caller, caller
from plumbline.iam.statements import Documents
from plumbline.model.snapshot import Account, Group, Policy, Principal

_UNTOLD = Policy("unknown", "inline", document=None)
_SESSION = "session "  # how hops name a session among their conditions


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """`policies` None: it is known only as a group of its members. Then its path is not known either, and `form` is its
    ARN with whatever path; `arn` has none."""

    name: str
    arn: str
    form: str | None
    policies: tuple[Policy, ...] | None
    power: Power


class Targets:
    """The data in the forms in which it is asked."""

    def __init__(
        self,
        seen: Seen,
        accounts: Mapping[str, Account],
        hops: Iterable[Hop],
        groups: Iterable[Group] = (),
    ) -> None:
        self._members = seen.members
        self.principals = {arn: one for members in seen.members.values() for arn, one in members.principals.items()}
        self.unread = [role for members in seen.members.values() for role in members.unread]
        self._accounts = accounts
        self._guardrails = {name: guardrail(accounts.get(name)) for name in seen.members}
        self._hops: dict[str, dict[str, Hop]] = {}
        for hop in hops:
            if not hop.external and hop.source in self.principals and hop.target in self.principals:
                self._hops.setdefault(hop.source, {})[hop.target] = hop
        self.told: dict[str, list[Group]] = {}
        for group in groups:
            self.told.setdefault(group.account, []).append(group)
        # Only of accounts of which somebody is judged, and of those who can be reached from there.
        self._unlimited: dict[str, Power] = {}
        self._powers: dict[str, Power] = {}
        self._ranked: dict[tuple[str, str], list[Principal]] = {}
        self._trusting: dict[tuple[str, tuple[str, ...]], list[tuple[Principal, Answer]]] = {}
        self._groups: dict[str, dict[str, KnownGroup]] = {}

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
        for arn in self._members[account].principals:
            yield from self._hops.get(arn, {}).values()

    def guardrail(self, account: str) -> Power:
        return self._guardrails[account]

    def of_kind(self, account: str, kind: str) -> list[Principal]:
        """The roles or users of an account, the worst first."""
        if (account, kind) not in self._ranked:
            found = (one for one in self._members[account].principals.values() if one.kind == kind)
            self._ranked[account, kind] = sorted(found, key=self._rank)
        return self._ranked[account, kind]

    def groups(self, account: str) -> Mapping[str, KnownGroup]:
        """By name, the worst first: those that were told, and others that users are in."""
        if account not in self._groups:
            found = {group.name: _group(group) for group in self.told.get(account, ())}
            for user in self.of_kind(account, "user"):
                found.update({name: _untold(name, user) for name in user.groups if name not in found})
            ranked = sorted(found.values(), key=lambda group: (group.power.rank, group.arn))
            self._groups[account] = {group.name: group for group in ranked}
        return self._groups[account]

    def trusting(self, account: str, services: tuple[str, ...]) -> list[tuple[Principal, Answer]]:
        """The roles of an account that trust one of the services, the worst first."""
        if (account, services) not in self._trusting:
            asked = [(role, trusted(role, services, self._accounts)) for role in self.of_kind(account, "role")]
            self._trusting[account, services] = [(role, answer) for role, answer in asked if answer is not None]
        return self._trusting[account, services]

    def assumable(self, source: Principal, *, own: bool, others: bool) -> list[Principal]:
        """The roles into which there is a hop, and those whose trust policy could not be read, the worst first. `own`,
        `others`: those of the account of the source, and of other ones."""
        found = {arn: self.principals[arn] for arn in self._hops.get(source.arn, ())}
        found |= {p.arn: p for p in self.unread if p.arn != source.arn}
        wanted = (p for p in found.values() if (own if p.account == source.account else others))
        return sorted(wanted, key=self._rank)

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


def _group(group: Group) -> KnownGroup:
    return KnownGroup(group.name, group.arn, None, group.policies, granted_by(group.policies))


def _untold(name: str, member: Principal) -> KnownGroup:
    """What it grants may be anything."""
    prefix = f"arn:{partition(member.arn)}:iam::{member.account}:group/"
    return KnownGroup(name, f"{prefix}{name}", f"{prefix}{SOME}/{name}", None, granted_by([_UNTOLD]))
