"""Who can assume which role: hops whose trust policy and identity side were evaluated together, and paths over them.

Knows principals, their accounts and policies; must not know usage. A hop whose source lies outside the data stays,
marked as unconfirmed. Service-linked roles are no hops.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from plumbline.assess import guardrails
from plumbline.assess.guardrails import document
from plumbline.iam.authorize import Layers, Outcome, authorize
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Context
from plumbline.iam.documents import PolicyError
from plumbline.iam.granted import grants, policy_planes
from plumbline.iam.principals import Caller, Naming, caller
from plumbline.iam.statements import CompiledDocument, CompiledStatement, Documents, Request
from plumbline.model.snapshot import Account, Principal

Status = Literal["confirmed", "conditional", "unconfirmed"]
Basis = Literal["trust", "identity", "service", "federation"]
EVERYBODY = "*"
_ASSUME, _WEB_IDENTITY, _SAML = "sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml"


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """`source` can assume the role `target`. `basis`: `trust`, the trust policy names the source, or everybody;
    `identity`, it names only the account, and the source's policies allow; `service` and `federation` for what has no
    identity side.

    `conditions`: what has to hold, as operator and key, for `conditional` hops. `external`: the source is outside of the
    data: the root of a foreign account, or `*`; then nobody has looked at its own policies, and the hop is unconfirmed,
    as it is where a document could not be read.
    """

    source: str
    target: str
    basis: Basis
    conditions: tuple[str, ...]
    status: Status
    external: bool = False


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


def hops(principals: Mapping[str, Principal], accounts: Mapping[str, Account]) -> list[Hop]:
    """Every hop into a role of the data, sorted. `accounts`: SCPs and RCPs by account; an account that is not among them
    has none in the data."""
    world = _World(principals, accounts)
    return sorted(hop for role in world.roles for hop in world.into(role))


def paths(found: Iterable[Hop], source: str | None = None) -> list[Path]:
    """One shortest path for each pair, sorted by source and target; only those from `source` where it is given."""
    following: dict[str, list[Hop]] = {}
    for hop in sorted(found, key=lambda h: (h.source, h.status != "confirmed", h.target)):
        following.setdefault(hop.source, []).append(hop)
    starts = sorted(following) if source is None else [source]
    return [path for start in starts for path in _from(start, following)]


def _from(start: str, following: Mapping[str, Sequence[Hop]]) -> list[Path]:
    reached: dict[str, tuple[Hop, ...]] = {start: ()}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for hop in following.get(here, ()):
            if hop.target not in reached:
                reached[hop.target] = (*reached[here], hop)
                queue.append(hop.target)
    return [Path(way) for _, way in sorted(reached.items()) if way]


class _World:
    """The data in the forms in which it is asked."""

    def __init__(self, principals: Mapping[str, Principal], accounts: Mapping[str, Account]) -> None:
        self._principals = {arn: p for arn, p in principals.items() if not _service_linked(p)}
        self._accounts = accounts
        self._known = {p.account for p in principals.values()} | {a for a, one in accounts.items() if one.error is None}
        self._named = {(p.account, p.name): p for p in self._principals.values() if p.kind == "role"}
        self.roles = [p for p in self._principals.values() if p.kind == "role"]
        self._assuming: dict[str, list[Principal]] = {}
        bit = catalogue().bits_of([_ASSUME])
        for principal in self._principals.values():
            if _may_assume(principal, bit):
                self._assuming.setdefault(principal.account, []).append(principal)

    def into(self, role: Principal) -> Iterator[Hop]:
        """The hops into one role, each source once."""
        trust = document(role.trust, "resource")
        if trust is None:
            return
        seen = set[str]()
        for who, principal in dict.fromkeys(self._sources(trust)):
            hop = self._hop(who, principal, role, trust)
            if hop is not None and hop.source not in seen and hop.source != role.arn:
                seen.add(hop.source)
                yield hop

    def _sources(self, trust: CompiledDocument) -> Iterator[tuple[Caller, str | None]]:
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
        for account in sorted(self._known if everybody else accounts & self._known):
            for principal in self._assuming.get(account, ()):
                yield caller(principal.arn), principal.arn
        for account in sorted(accounts - self._known):
            yield _root(account), None
        if everybody:
            yield caller(EVERYBODY), None

    def _exact(self, arn: str) -> Iterator[tuple[Caller, str | None]]:
        try:
            who = caller(arn)
        except ValueError:
            return
        if arn in self._principals:
            yield who, arn
        elif who.account not in self._known:
            yield who, None
        elif who.kind == "session" and (role := self._named.get((who.account or "", who.name))) is not None:
            yield who, role.arn

    def _hop(self, who: Caller, arn: str | None, role: Principal, trust: CompiledDocument) -> Hop | None:
        principal = None if arn is None else self._principals[arn]
        action = _action(who)
        known = who.keys() if arn is not None or not who.has_identity else _keys_of_foreign(who)
        keys = {**({} if who.kind == "anonymous" else known), "aws:resourceaccount": (role.account,)}
        request = Request(who, action, role.arn, role.account, Context(keys, complete=False))
        outcome = authorize(request, self._layers(who, principal, role, trust))
        if not outcome.may_allow:
            return None
        conditions = _conditions(outcome, request)
        external = principal is None and (who.has_identity or who.kind == "anonymous")
        unread = outcome.decision != "allowed" and any(hit.statement is None for hit in outcome.decided_by)
        status: Status = "conditional" if outcome.decision != "allowed" else "confirmed"
        if who.kind == "session":
            conditions, status = tuple(sorted({*conditions, f"session {who.arn}"})), "conditional"
        return Hop(
            source=_source(who, principal),
            target=role.arn,
            basis=_basis(who, trust, request),
            conditions=conditions,
            status="unconfirmed" if external or unread else status,
            external=external,
        )

    def _layers(self, who: Caller, principal: Principal | None, role: Principal, trust: CompiledDocument) -> Layers:
        rcps = guardrails.rcps(self._accounts.get(role.account))
        if principal is None:
            identity: Documents = (None,) if who.has_identity else ()
            return Layers(identity=identity, resource=(trust,), rcps=rcps)
        return Layers(
            identity=tuple(document(p.document, "identity") for p in principal.policies),
            boundary=() if principal.boundary is None else (document(principal.boundary.document, "identity"),),
            resource=(trust,),
            scps=guardrails.scps(principal, self._accounts.get(principal.account)),
            rcps=rcps,
        )


def _service_linked(principal: Principal) -> bool:
    return principal.path.startswith(guardrails.SERVICE_LINKED)


def _may_assume(principal: Principal, bit: int) -> bool:
    for policy in principal.policies:
        try:
            if policy.document is None or policy_planes(policy.document).allow & bit:
                return True
        except PolicyError:
            return True
    return False


def _root(account: str) -> Caller:
    """Stands for the principals of a foreign account; its root itself cannot assume roles."""
    return replace(caller(account), kind="role", name=EVERYBODY)


def _keys_of_foreign(who: Caller) -> Mapping[str, tuple[str, ...]]:
    keys = who.keys()
    if who.name != EVERYBODY:
        return keys
    return {key: keys[key] for key in ("aws:principalaccount", "aws:principalisawsservice")}


def _action(who: Caller) -> str:
    if who.kind != "provider":
        return _ASSUME
    return _SAML if ":saml-provider/" in who.name else _WEB_IDENTITY


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


def _conditions(outcome: Outcome, request: Request) -> tuple[str, ...]:
    """The conditions on keys that are not known, of the statements that may decide."""
    if outcome.decision == "allowed":
        return ()
    found = set[str]()
    for hit in outcome.decided_by:
        statement: CompiledStatement | None = hit.statement
        if statement is None or hit.certain:
            continue
        for clause in statement.clauses:
            if clause.holds(request.context) is None:
                found.add(f"{clause.operator.label} {clause.name}")
        if statement.resources is not None and statement.resources.variables:
            found |= {f"variable {v.name}" for v in statement.resources.variables}
    return tuple(sorted(found))
