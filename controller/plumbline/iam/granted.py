"""Granted access at the level of actions: what identity-based policies allow after boundary, SCPs and full Deny.

Knows policies and the catalogue, not usage. Resources and conditions matter only as far as they decide whether a Deny
blocks an action altogether. Evaluation logic:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, Statement, parse_identity
from plumbline.iam.patterns import covers, overlaps

ScpLevels = tuple[tuple[str, ...], ...]
SCPS_UNREAD: Final = "the service control policies of the account could not be read"


class PolicyLike(Protocol):
    """What is needed of model.Policy; this package stands below the model."""

    @property
    def key(self) -> str: ...
    @property
    def document(self) -> str | None: ...


class PrincipalLike(Protocol):
    @property
    def policies(self) -> Sequence[PolicyLike]: ...
    @property
    def boundary(self) -> PolicyLike | None: ...


@dataclass(frozen=True, slots=True)
class Planes:
    """One document, or several together, as sets of actions.

    `allow`: allowed on some resource under some condition. `allow_all`: on Resource "*" without a condition.
    `deny_full`: denied on all resources without a condition. `deny_partial`: denied somewhere or sometimes only.
    The unknown sets hold Action patterns, as written, that match nothing in the catalogue.
    """

    allow: int = 0
    allow_all: int = 0
    deny_full: int = 0
    deny_partial: int = 0
    allow_unknown: frozenset[str] = frozenset()
    deny_unknown: frozenset[str] = frozenset()

    @property
    def through(self) -> int:
        """Allowed somewhere, and not denied altogether."""
        return self.allow ^ (self.allow & self.deny_full)

    def __or__(self, other: Planes) -> Planes:
        return Planes(
            self.allow | other.allow,
            self.allow_all | other.allow_all,
            self.deny_full | other.deny_full,
            self.deny_partial | other.deny_partial,
            self.allow_unknown | other.allow_unknown,
            self.deny_unknown | other.deny_unknown,
        )


@dataclass(frozen=True, slots=True)
class Granted:
    """What a principal is granted. `granted` and `masked` are disjoint and together what identity policies allow.

    `known` False: a document or the SCPs could not be read (`unknown_reason` says which); then the sets hold what the
    readable documents give, and the truth may be more or less. `by_policy`: Policy.key -> the actions that the policy
    allows, masked ones included.
    """

    granted: int
    masked: int
    granted_unknown: frozenset[str] = frozenset()
    masked_unknown: frozenset[str] = frozenset()
    known: bool = True
    unknown_reason: str = ""
    by_policy: Mapping[str, int] = field(default_factory=dict)


def statement_bits(statement: Statement) -> int:
    """The known actions that a statement speaks about; NotAction means all others.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
    """
    return _spoken(statement)[0]


def _spoken(statement: Statement) -> tuple[int, list[str]]:
    """`statement_bits`, and the patterns of its Action that match nothing known."""
    known = catalogue()
    if statement.actions is not None:
        return known.matched(statement.actions)
    return known.all ^ known.expand_all(statement.not_actions or ()), []


@lru_cache(maxsize=16384)
def policy_planes(document: str) -> Planes:
    """The planes of one identity-based policy, boundary or SCP. Raises PolicyError when it is not legal."""
    allow = allow_all = deny_full = deny_partial = 0
    allow_unknown: set[str] = set()
    deny_unknown: set[str] = set()
    for statement in parse_identity(document).statements:
        bits, unknown = _spoken(statement)
        everywhere = statement.all_resources
        if statement.effect == "Allow":
            allow |= bits
            allow_all |= bits if everywhere else 0
            allow_unknown.update(unknown)
        elif everywhere:
            deny_full |= bits
            deny_unknown.update(unknown)
        else:
            deny_partial |= bits
    return Planes(allow, allow_all, deny_full, deny_partial, _once(allow_unknown), _once(deny_unknown))


def granted(principal: PrincipalLike, scp_levels: ScpLevels | None, *, scp_exempt: bool = False) -> Granted:
    """Granted and masked actions of a principal.

    `scp_levels`: the documents of each level, root first; `()` when no SCP is in force, None when they could not be
    read. `scp_exempt`: a principal of the management account, or a service-linked role, which SCPs spare:
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    RCPs are no matter here: they belong to the resource's account, so never block an action altogether.
    """
    allow, deny, names, by_policy, missing = _identity(principal)
    unknown = [f"the document of {key} could not be read" for key in missing]
    layers: list[tuple[str, ...]] = []
    left = allow ^ (allow & deny)
    if principal.boundary is not None:
        document = principal.boundary.document
        planes = None if document is None else _planes(document)
        if document is not None and planes is not None:
            layers.append((document,))
            left &= planes.through
        else:
            unknown.append(f"the document of the boundary {principal.boundary.key} could not be read")
    if not scp_exempt:
        through = None if scp_levels is None else _through(scp_levels)
        if scp_levels is not None and through is not None:
            layers.extend(scp_levels)
            left &= through
        else:
            unknown.append(SCPS_UNREAD)
    masked_unknown = frozenset(n for n in names if _name_masked(n, principal, layers)) if names else names
    return Granted(
        granted=left,
        masked=allow ^ left,
        granted_unknown=names - masked_unknown,
        masked_unknown=masked_unknown,
        known=not unknown,
        unknown_reason="; ".join(unknown),
        by_policy=by_policy,
    )


def statements_granting(principal: PrincipalLike, action: str) -> list[tuple[str, Statement]]:
    """(Policy.key, Statement) of every Allow statement of the principal's policies that grants this action, in order.

    Unreadable documents are passed over: `granted` says that they exist.
    """
    return [
        (policy.key, statement)
        for policy in principal.policies
        if policy.document is not None and _readable(policy.document)
        for statement in parse_identity(policy.document).statements
        if statement.effect == "Allow" and grants(statement, action)
    ]


def grants(statement: Statement, action: str) -> bool:
    """Does the statement speak about this one action, known to the catalogue or not?"""
    if statement.actions is not None:
        return any(covers(pattern, action) for pattern in statement.actions)
    return not any(covers(pattern, action) for pattern in statement.not_actions or ())


def _identity(principal: PrincipalLike) -> tuple[int, int, frozenset[str], dict[str, int], list[str]]:
    """What the principal's policies allow somewhere, deny altogether, and allow by names that the catalogue does not know;
    what each allows; and which could not be read."""
    allow = deny = 0
    names: frozenset[str] = frozenset()
    by_policy: dict[str, int] = {}
    missing: list[str] = []
    for policy in principal.policies:
        key = policy.key
        planes = None if policy.document is None else _planes(policy.document)
        if planes is None:
            missing.append(key)
            continue
        allow |= planes.allow
        deny |= planes.deny_full
        if planes.allow_unknown:
            names |= planes.allow_unknown
        by_policy[key] = by_policy[key] | planes.allow if key in by_policy else planes.allow
    # Each name once, also across policies that spell it differently.
    return allow, deny, _once(names) if names else names, by_policy, sorted(missing)


@lru_cache(maxsize=16384)
def _planes(document: str) -> Planes | None:
    """None for a document that cannot be read: that is kept too."""
    try:
        return policy_planes(document)
    except PolicyError:
        return None


def _readable(document: str) -> bool:
    return _planes(document) is not None


@lru_cache(maxsize=4096)
def _through(levels: ScpLevels) -> int | None:
    """The actions that every level lets through; an empty level allows nothing. None when one cannot be read."""
    result = catalogue().all
    for documents in levels:
        level = Planes()
        for document in documents:
            planes = _planes(document)
            if planes is None:
                return None
            level |= planes
        result &= level.through
    return result


def _once(patterns: frozenset[str] | set[str]) -> frozenset[str]:
    by_lower: dict[str, str] = {}
    for pattern in sorted(patterns):
        by_lower.setdefault(pattern.lower(), pattern)
    return frozenset(by_lower.values())


def _name_masked(name: str, principal: PrincipalLike, layers: list[tuple[str, ...]]) -> bool:
    """A name that the catalogue does not know is masked only when no part of its pattern can get through."""
    documents = tuple(p.document for p in principal.policies if p.document is not None and _readable(p.document))
    return _denied(name, documents) or any(_stopped(name, layer) for layer in layers)


def _denied(name: str, documents: tuple[str, ...]) -> bool:
    return any(_denies_all(name, s) for document in documents for s in _full_denies(document))


@lru_cache(maxsize=16384)
def _full_denies(document: str) -> tuple[Statement, ...]:
    """Few documents have any."""
    return tuple(s for s in parse_identity(document).statements if s.effect == "Deny" and s.all_resources)


@lru_cache(maxsize=65536)
def _stopped(name: str, layer: tuple[str, ...]) -> bool:
    """Does a layer let no part of the pattern through?"""
    if _denied(name, layer):
        return True
    return not any(_may_allow(name, s) for document in layer for s in parse_identity(document).statements)


def _meet(pattern: str, name: str) -> bool:
    """`overlaps`, which is slow, only for patterns of one service."""
    service, other = pattern.partition(":")[0], name.partition(":")[0]
    if service.lower() != other.lower() and not any(wildcard in service + other for wildcard in "*?"):
        return False
    return _overlaps(pattern, name)


# The same few names meet the documents of many accounts.
_overlaps = lru_cache(maxsize=65536)(overlaps)


def _denies_all(name: str, statement: Statement) -> bool:
    """Does a full Deny speak about all of the pattern?"""
    if statement.actions is not None:
        return any(covers(pattern, name) for pattern in statement.actions)
    return not any(_meet(pattern, name) for pattern in statement.not_actions or ())


def _may_allow(name: str, statement: Statement) -> bool:
    if statement.effect != "Allow":
        return False
    if statement.actions is not None:
        return any(_meet(pattern, name) for pattern in statement.actions)
    return not any(covers(pattern, name) for pattern in statement.not_actions or ())
