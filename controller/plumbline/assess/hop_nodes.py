"""The ends of hops as numbers, grouped by what they are and by account; and what is certain about a hop.

Knows hops, principals and accounts; must not know what a principal is granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from plumbline.assess import pod_identity, service_accounts
from plumbline.assess.known_keys import EVERYBODY
from plumbline.assess.reach import Hop
from plumbline.iam.documents import PolicyError
from plumbline.iam.statements import compiled
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Principal


class Kind(StrEnum):
    """What a source is to a role, the most dangerous first. `EXTERNAL`: an account outside of the data. `FEDERATION`: an
    identity provider, and so any service account of an EKS cluster; `SERVICE_ACCOUNT`: one of them, or all of a pattern."""

    EVERYBODY = "everybody"
    EXTERNAL = "externalAccount"
    FEDERATION = "federation"
    OTHER = "otherAccount"
    SERVICE_ACCOUNT = "serviceAccount"
    SAME = "sameAccount"
    SERVICE = "service"


OUTSIDE = (Kind.EVERYBODY, Kind.EXTERNAL, Kind.FEDERATION, Kind.SERVICE_ACCOUNT, Kind.SERVICE)


@dataclass(frozen=True, slots=True)
class Nodes:
    """`names`: both ends of every hop and every principal but service-linked roles, sorted: first sources that are
    outside, kind by kind, then account by account, with the roles outside that are reached. `spans`: a kind that is
    outside, or an account -> where its nodes begin and end. `accounts`: node -> its account, None for sources that are
    outside. `uncollected`: nodes that stand for an account of the data whose principals are not known."""

    names: tuple[str, ...]
    index: Mapping[str, int]
    spans: Mapping[str, tuple[int, int]]
    accounts: tuple[str | None, ...]
    uncollected: frozenset[int]

    def kind(self, source: int, target: int) -> Kind:
        """Of the source, for a role of the data."""
        account = self.accounts[source]
        if account is None:
            return next(kind for kind in OUTSIDE if self.spans[kind][0] <= source < self.spans[kind][1])
        return Kind.SAME if account == self.accounts[target] else Kind.OTHER


def nodes(principals: Mapping[str, Principal], hops: Iterable[Hop], accounts: Mapping[str, Account]) -> Nodes:
    own = {p.account for p in principals.values()} | accounts.keys()
    found = {(p.account, arn) for arn, p in principals.items() if not service_linked(p)}
    outside = dict[str, Kind]()
    uncollected, beyond = set[tuple[str, str]](), set[tuple[str, str]]()
    for hop in hops:
        if hop.target not in principals:
            beyond.add((_account_of(hop.target), hop.target))
        if hop.source not in principals and hop.source not in outside:
            account = _account(hop)
            if account in own:
                uncollected.add((account, hop.source))
            else:
                outside[hop.source] = _kind(hop)
    ordered = sorted(outside, key=lambda name: (OUTSIDE.index(outside[name]), name))
    inside = sorted(found | uncollected | beyond)
    spans: dict[str, tuple[int, int]] = {}
    at = 0
    for kind in OUTSIDE:
        count = sum(one is kind for one in outside.values())
        spans[kind] = (at, at + count)
        at += count
    for place, (account, _) in enumerate(inside, at):
        spans[account] = (spans.get(account, (place, place))[0], place + 1)
    names = (*ordered, *(name for _, name in inside))
    index = {name: at for at, name in enumerate(names)}
    of = (*(None for _ in ordered), *(account for account, _ in inside))
    return Nodes(names, index, spans, of, frozenset(index[name] for _, name in uncollected))


class Certainty:
    """Which hops are confirmed. A foreign account decides itself what its own policies allow, so that to know nothing
    about them makes a role no less exposed: such a hop is confirmed unless conditions, or RCPs that could not be read,
    may stop it. `unread`: accounts with such RCPs."""

    def __init__(self, principals: Mapping[str, Principal], accounts: Mapping[str, Account]) -> None:
        self._principals = principals
        self.unread = frozenset(name for name, account in accounts.items() if not _rcps_read(account))

    def confirmed(self, hop: Hop) -> bool:
        if hop.status == "confirmed":
            return True
        role = self._principals.get(hop.target)
        return hop.external and not hop.conditions and (role is None or role.account not in self.unread)


def unassociated(
    principals: Mapping[str, Principal], hops: Iterable[Hop], associated: Mapping[str, PodIdentity]
) -> frozenset[str]:
    """Roles that EKS Pod Identity may assume for service accounts that are not known."""
    roles = {hop.target for hop in hops if hop.source == pod_identity.SERVICE}
    complete = {account for account, found in associated.items() if found.complete}
    return frozenset(arn for arn in roles if principals[arn].account not in complete)


def service_linked(principal: Principal) -> bool:
    """Such a role only its service can assume, which nobody can change: it is no hop."""
    return principal.path.startswith("/aws-service-role/")


def trust_unread(principal: Principal) -> bool:
    """Then no hops into the role are known."""
    if principal.kind != "role" or service_linked(principal):
        return False
    return principal.trust is None or not _read(principal.trust)


def _kind(hop: Hop) -> Kind:
    if hop.source == EVERYBODY:
        return Kind.EVERYBODY
    if hop.basis == "service":
        return Kind.SERVICE
    if hop.basis == "podIdentity":
        return Kind.SERVICE_ACCOUNT
    if hop.basis != "federation":
        return Kind.EXTERNAL
    accounts = service_accounts.of_node(hop.source)
    return Kind.FEDERATION if accounts is None or accounts[1] == service_accounts.ANY else Kind.SERVICE_ACCOUNT


def _account(hop: Hop) -> str:
    """Of an account's root or one of its principals; empty for what is in no account."""
    if hop.basis in ("service", "federation", "podIdentity"):
        return ""
    return _account_of(hop.source)


def _account_of(arn: str) -> str:
    return (arn.split(":", 5) + [""] * 5)[4]


def _rcps_read(account: Account) -> bool:
    levels = account.rcp_levels
    return levels is not None and all(_read(document) for level in levels for document in level)


def _read(document: str) -> bool:
    try:
        compiled(document, "resource")
    except PolicyError:
        return False
    return True
