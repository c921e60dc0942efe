"""Who can assume which role: hops whose trust policy and identity side were evaluated together, and paths over them.

Knows principals, their accounts and policies, and Pod Identity associations; must not know usage. A hop whose source or
target lies outside the data stays, marked as unconfirmed. Service-linked roles are no hops.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Literal, get_args

from plumbline.assess import pod_identity, service_accounts
from plumbline.assess.assuming import ASSUME, Entry, entry, request_of
from plumbline.assess.known_keys import EVERYBODY, collected, known_of, not_inside, takes_tags, whole_organizations
from plumbline.assess.recall import Parted, Recalled
from plumbline.assess.seen import Remembered, Seen, known_caller, trust_of
from plumbline.assess.unseen import Unseen, unseen
from plumbline.iam.granted import grants
from plumbline.iam.principals import Caller, Naming, caller
from plumbline.iam.statements import CompiledDocument, Request
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Principal

Status = Literal["confirmed", "conditional", "unconfirmed"]
Basis = Literal["trust", "identity", "service", "federation", "podIdentity"]
_STATUSES = get_args(Status)
_SAML, _TAG = "sts:assumerolewithsaml", "sts:tagsession"
# As hops compare, which is slower one by one.
_PLACE = attrgetter("source", "target", "basis", "conditions", "status", "external", "passes_tags")


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """`source` can assume the role `target`. `basis`: `trust`, the trust policy names the source, or everybody;
    `identity`, it names only the account, or nobody has read it, and the source's policies allow; `service` and
    `federation` for what has no identity side; `podIdentity`, an association gives the role to a service account.

    `conditions`: what has to hold, as operator and key, for `conditional` hops. `external`: the source is outside of the
    data: the root of a foreign account, or `*`; then nobody has looked at its own policies, and the hop is unconfirmed,
    as it is where a document could not be read, or where `target` is a role outside of the data, which a policy of the
    source names; nothing leads on from there. `passes_tags`: the session has tags that go with it into each role that it
    assumes in turn, so that each has to let them in; `tagged`: the same hop of such a session, None where it is refused.
    """

    source: str
    target: str
    basis: Basis
    conditions: tuple[str, ...]
    status: Status
    external: bool = False
    passes_tags: bool = False
    tagged: Hop | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """A shortest way from one principal to a role, hop by hop."""

    hops: tuple[Hop, ...]

    @property
    def source(self) -> str:
        return self.hops[0].source

    @property
    def target(self) -> str:
        return self.hops[-1].target


def hops(
    principals: Mapping[str, Principal],
    accounts: Mapping[str, Account],
    associated: Mapping[str, PodIdentity] = MappingProxyType({}),
    asked: str = "",
    *,
    beyond: Mapping[str, Unseen] | None = None,
    remembered: Remembered[Parted[tuple[Hop, ...]]] | None = None,
) -> list[Hop]:
    """Every hop into a role of the data, or into one outside that a policy names, sorted. `accounts`: SCPs and RCPs by
    account; an account that is not among them has none in the data. `associated`: Pod Identity by account. `asked`: a
    service account that need not be named by any trust policy. Of the same principals and accounts: `beyond`, what they
    may assume unseen, if it is at hand; `remembered`, the hops into each role."""
    remembered = remembered or Remembered(Seen(principals, accounts), Parted())
    seen = remembered.seen
    world = _World(seen, accounts, asked)
    shared = seen.same("reach", world.shared)
    into = (_into(account, world, shared, remembered) for account in seen.members)
    found = [hop for roles in into for each in roles.values() for hop in each]
    if beyond is None:
        beyond = unseen(principals, accounts, remembered=Remembered(seen, Recalled()))
    outward = _outward(beyond)
    return sorted([*found, *outward, *{*_associated(principals, accounts, associated)}], key=_PLACE)


def _outward(beyond: Mapping[str, Unseen]) -> Iterator[Hop]:
    for source, one in beyond.items():
        for target, conditions in one.named:
            yield Hop(source, target, "identity", conditions, "unconfirmed")


def _associated(
    principals: Mapping[str, Principal], accounts: Mapping[str, Account], associated: Mapping[str, PodIdentity]
) -> Iterator[Hop]:
    for one in (one for found in associated.values() for one in found.associations):
        given = pod_identity.given(one, principals, accounts)
        if given is not None:
            status: Status = "unconfirmed" if given.unread else "conditional"
            yield Hop(given.source, given.role, "podIdentity", given.conditions, status, passes_tags=one.session_tags)


def _into(
    account: str, world: _World, shared: object, remembered: Remembered[Parted[tuple[Hop, ...]]]
) -> Mapping[str, tuple[Hop, ...]]:
    """Role -> the hops into it. They rest on the role's own account and on those whose principals its trust policy may let
    in; `shared`: on what those of all roles do."""
    seen = remembered.seen
    members, own = seen.members[account], seen.accounts[account]
    trusted = {names: _accounts(seen, names) for names in {*members.trusted.values()}}
    bases = {role.arn: (role, shared, own, trusted[members.trusted[role.arn]]) for role in members.roles}
    return remembered.findings.of(account, bases, lambda basis: world.into(basis[0]))


def _accounts(seen: Seen, names: frozenset[str] | None) -> object:
    return seen.everything if names is None else [seen.accounts.get(name) for name in sorted(names)]


def paths(found: Iterable[Hop], source: str | None = None) -> list[Path]:
    """One shortest path for each pair, sorted by source and target; only those from `source` where it is given."""
    following: dict[str, list[Hop]] = {}
    for hop in sorted(found, key=lambda h: (h.source, h.status != "confirmed", h.target)):
        following.setdefault(hop.source, []).append(hop)
    starts = sorted(following) if source is None else [source]
    return [path for start in starts for path in _from(start, following)]


def _from(start: str, following: Mapping[str, Sequence[Hop]]) -> list[Path]:
    """Breadth first over roles, with and without tags that go with the session: with them less may be in reach."""
    reached: dict[tuple[str, bool], tuple[Hop, ...]] = {(start, False): ()}
    shortest: dict[str, tuple[Hop, ...]] = {}
    queue = deque(reached)
    while queue:
        here, tagged = queue.popleft()
        for hop in following.get(here, ()):
            taken, there = (hop.tagged if tagged else hop), (hop.target, tagged or hop.passes_tags)
            if taken is not None and there not in reached and hop.target != start:
                reached[there] = (*reached[here, tagged], taken)
                shortest.setdefault(hop.target, reached[there])
                queue.append(there)
    return [Path(way) for _, way in sorted(shortest.items())]


class _World:
    """The data in the forms in which it is asked."""

    def __init__(self, seen: Seen, accounts: Mapping[str, Account], asked: str) -> None:
        self._accounts = accounts
        self._members = seen.members
        self._principals = {arn: one for members in seen.members.values() for arn, one in members.principals.items()}
        self._known = collected(seen.members, accounts)
        self._outside = not_inside(accounts, self._known)
        self._in_cluster: dict[str, set[str]] = {}
        named = chain.from_iterable(members.in_clusters for members in seen.members.values())
        for cluster, accounts_of in (*named, *filter(None, [service_accounts.one_of(asked)])):
            self._in_cluster.setdefault(cluster, set()).add(accounts_of)

    @property
    def shared(self) -> object:
        """What the hops into any role rest on, besides principals and accounts."""
        return self._known, self._in_cluster, whole_organizations(self._accounts)

    def into(self, role: Principal) -> tuple[Hop, ...]:
        """The hops into one role: of each source the best, because one source may come in as several callers, such as a
        role and a session of it, or two roles of a foreign account."""
        trust = trust_of(role)
        if trust is None:
            return ()
        best: dict[str, Hop] = {}
        for who, principal in dict.fromkeys(self._sources(role, trust)):
            cluster = service_accounts.issuer(who)
            for hop in (
                self._from_cluster(who, cluster, role, trust) if cluster else self._hop(who, principal, role, trust)
            ):
                if hop.source != role.arn:
                    best[hop.source] = _better(best[hop.source], hop) if hop.source in best else hop
        return tuple(best.values())

    def _sources(self, role: Principal, trust: CompiledDocument) -> Iterator[tuple[Caller, str | None]]:
        """(caller, its ARN in the data or None) of everybody whom the trust policy may let in, the most direct first."""
        accounts, everybody = set[str](), False
        for statement in trust.statements:
            if not statement.allow:
                continue
            if statement.principals is None or statement.principals_negated:
                everybody = True
                continue
            found = statement.principals
            everybody = everybody or found.everybody
            accounts |= found.accounts
            for arn in sorted(found.arns):
                yield from self._exact(arn)
            for name in sorted(found.services):
                yield Caller("service", name), None
            for name in sorted(found.providers):
                yield Caller("provider", name), None
        for account in sorted(self._members.keys() if everybody else accounts & self._members.keys()):
            # In its own account, a trust policy that lets in everybody needs no identity side.
            alone, members = everybody and account == role.account, self._members[account]
            for principal in members.principals.values() if alone else members.assuming:
                yield caller(principal.arn), principal.arn
        uncollected = self._accounts.keys() - self._known if everybody else set[str]()
        for account in sorted((accounts | uncollected) - self._known):
            yield _root(account), None
        if everybody:
            yield caller(EVERYBODY), None

    def _exact(self, arn: str) -> Iterator[tuple[Caller, str | None]]:
        who = known_caller(arn)
        if who is None:
            return
        if arn in self._principals:
            yield who, arn
        elif who.account not in self._known:
            yield who, None
        elif who.kind == "session" and who.account in self._members:
            yield from ((who, role.arn) for role in self._members[who.account].roles if role.name == who.name)

    def _hop(self, who: Caller, arn: str | None, role: Principal, trust: CompiledDocument) -> Iterator[Hop]:
        principal = None if arn is None else self._principals[arn]
        external = principal is None and (who.has_identity or who.kind == "anonymous")
        known = known_of(who, principal, self._accounts, self._outside)
        found = entry(request_of(who, _action(who), role, known, self._accounts), principal, trust, self._accounts)
        if found is None:
            return
        session = (f"session {who.arn}",) if who.kind == "session" else ()
        hop = Hop(
            source=_source(who, principal),
            target=role.arn,
            basis=_basis(who, trust, found.request),
            conditions=tuple(sorted({*found.conditions, *session})),
            status="unconfirmed" if external else _status([found], session),
            external=external,
        )
        if principal is not None and principal.kind == "role" and takes_tags(role.trust):
            tagging = entry(request_of(who, _TAG, role, known, self._accounts), principal, trust, self._accounts)
            if tagging is not None:
                conditions = tuple(sorted({*hop.conditions, *tagging.conditions}))
                tagged = replace(hop, conditions=conditions, status=_status([found, tagging], session))
                hop = replace(hop, tagged=tagged)
        yield hop

    def _from_cluster(self, who: Caller, cluster: str, role: Principal, trust: CompiledDocument) -> Iterator[Hop]:
        """From the service accounts of an EKS cluster instead of its identity provider."""
        for subject in service_accounts.subjects(trust, who, self._in_cluster.get(cluster, ())):
            known = known_of(who, None, self._accounts)
            known = replace(known, keys={**known.keys, **subject.keys})
            request = request_of(who, service_accounts.WEB_IDENTITY, role, known, self._accounts)
            found = entry(request, None, trust, self._accounts)
            if found is not None and any(one.applies(request) is not False for one in subject.statements):
                also = (*subject.by, *service_accounts.exists(subject.accounts))
                conditions = tuple(sorted({*found.conditions, *also}))
                yield Hop(subject.name, role.arn, "federation", conditions, _status([found], also))


def _status(entries: Sequence[Entry], also: Sequence[str]) -> Status:
    """`also`: conditions that the policies themselves do not tell."""
    if any(one.unread for one in entries):
        return "unconfirmed"
    return "confirmed" if not also and all(one.certain for one in entries) else "conditional"


def _better(one: Hop, other: Hop) -> Hop:
    """With and without tags, which are two questions."""
    tagged = [hop.tagged for hop in (one, other) if hop.tagged is not None]
    return replace(min(one, other, key=_order), tagged=min(tagged, key=_order, default=None))


def _order(hop: Hop) -> tuple[int, int, tuple[str, ...], str]:
    """The most certain first, then what asks for least."""
    return _STATUSES.index(hop.status), len(hop.conditions), hop.conditions, hop.basis


def _root(account: str) -> Caller:
    """Stands for the principals of a foreign account; its root itself cannot assume roles."""
    return replace(caller(account), kind="role", name=EVERYBODY)


def _action(who: Caller) -> str:
    if who.kind != "provider":
        return ASSUME
    return _SAML if ":saml-provider/" in who.name else service_accounts.WEB_IDENTITY


def _source(who: Caller, principal: Principal | None) -> str:
    """Foreign accounts appear as their root."""
    if principal is not None:
        return principal.arn
    if who.has_identity:
        return f"arn:{who.partition}:iam::{who.account}:root"
    return who.name


def _basis(who: Caller, trust: CompiledDocument, request: Request) -> Basis:
    if who.kind == "service":
        return "service"
    if who.kind == "provider":
        return "federation"
    named = [
        s.naming(who) or Naming.NONE
        for s in trust.statements
        if s.allow and grants(s.origin, request.action) and s.applies(request) is not False
    ]
    return "trust" if max(named, default=Naming.NONE) > Naming.ACCOUNT else "identity"
