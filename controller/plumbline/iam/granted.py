"""Granted access at the level of actions: what identity-based policies allow after boundary, SCPs and full Deny.

Knows policies and the catalogue, not usage. Resources and conditions matter only as far as they decide whether a Deny
blocks an action altogether. Evaluation logic:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, Statement, parse_identity
from plumbline.iam.patterns import covers, overlaps

ScpLevels = tuple[tuple[str, ...], ...]


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
    known = catalogue()
    if statement.actions is not None:
        return known.expand_all(statement.actions)
    return known.all ^ known.expand_all(statement.not_actions or ())


@lru_cache(maxsize=16384)
def policy_planes(document: str) -> Planes:
    """The planes of one identity-based policy, boundary or SCP. Raises PolicyError when it is not legal."""
    known = catalogue()
    sets = {"allow": 0, "allow_all": 0, "deny_full": 0, "deny_partial": 0}
    unknown: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in parse_identity(document).statements:
        bits = statement_bits(statement)
        if statement.effect == "Allow":
            sets["allow"] |= bits
            sets["allow_all"] |= bits if statement.all_resources else 0
        else:
            sets["deny_full" if statement.all_resources else "deny_partial"] |= bits
        if statement.effect == "Allow" or statement.all_resources:
            unknown[statement.effect].update(a for a in statement.actions or () if not known.expand(a))
    return Planes(**sets, allow_unknown=_once(unknown["Allow"]), deny_unknown=_once(unknown["Deny"]))


def granted(principal: PrincipalLike, scp_levels: ScpLevels | None, *, scp_exempt: bool = False) -> Granted:
    """Granted and masked actions of a principal.

    `scp_levels`: the documents of each level, root first; `()` when no SCP is in force, None when they could not be
    read. `scp_exempt`: a principal of the management account, or a service-linked role, which SCPs spare:
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    RCPs are no matter here: they belong to the resource's account, so never block an action altogether.
    """
    identity, documents, by_policy, missing = _identity(principal)
    unknown = [f"the document of {key} could not be read" for key in missing]
    layers: list[tuple[str, ...]] = []
    if principal.boundary is not None:
        if principal.boundary.document is not None and _readable(principal.boundary.document):
            layers.append((principal.boundary.document,))
        else:
            unknown.append(f"the document of the boundary {principal.boundary.key} could not be read")
    if not scp_exempt:
        if scp_levels is not None and all(_readable(d) for level in scp_levels for d in level):
            layers.extend(scp_levels)
        else:
            unknown.append("the service control policies of the account could not be read")
    left = identity.allow ^ (identity.allow & identity.deny_full)
    for layer in layers:
        planes = _level(layer)
        left &= planes.allow ^ (planes.allow & planes.deny_full)
    masked_unknown = frozenset(n for n in identity.allow_unknown if _name_masked(n, documents, layers))
    return Granted(
        granted=left,
        masked=identity.allow ^ left,
        granted_unknown=identity.allow_unknown - masked_unknown,
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


def _identity(principal: PrincipalLike) -> tuple[Planes, list[str], dict[str, int], list[str]]:
    identity, documents, missing = Planes(), [], []
    by_policy: dict[str, int] = {}
    for policy in principal.policies:
        if policy.document is None or not _readable(policy.document):
            missing.append(policy.key)
            continue
        planes = policy_planes(policy.document)
        identity |= planes
        documents.append(policy.document)
        by_policy[policy.key] = by_policy.get(policy.key, 0) | planes.allow
    unknown = _once(identity.allow_unknown)  # each once, also across policies that spell it differently
    identity = Planes(identity.allow, identity.allow_all, identity.deny_full, identity.deny_partial, unknown)
    return identity, documents, by_policy, sorted(missing)


def _readable(document: str) -> bool:
    try:
        policy_planes(document)
    except PolicyError:
        return False
    return True


@lru_cache(maxsize=4096)
def _level(documents: tuple[str, ...]) -> Planes:
    """Documents that act together, such as one level of SCPs; an empty level allows nothing."""
    result = Planes()
    for document in documents:
        result |= policy_planes(document)
    return result


def _once(patterns: frozenset[str] | set[str]) -> frozenset[str]:
    by_lower: dict[str, str] = {}
    for pattern in sorted(patterns):
        by_lower.setdefault(pattern.lower(), pattern)
    return frozenset(by_lower.values())


def _name_masked(name: str, documents: list[str], layers: list[tuple[str, ...]]) -> bool:
    """A name that the catalogue does not know is masked only when no part of its pattern can get through."""
    if any(_denies_all(name, s) for d in documents for s in parse_identity(d).statements):
        return True
    for layer in layers:
        statements = [s for d in layer for s in parse_identity(d).statements]
        if any(_denies_all(name, s) for s in statements) or not any(_may_allow(name, s) for s in statements):
            return True
    return False


def _denies_all(name: str, statement: Statement) -> bool:
    if statement.effect != "Deny" or not statement.all_resources:
        return False
    if statement.actions is not None:
        return any(covers(pattern, name) for pattern in statement.actions)
    return not any(overlaps(pattern, name) for pattern in statement.not_actions or ())


def _may_allow(name: str, statement: Statement) -> bool:
    if statement.effect != "Allow":
        return False
    if statement.actions is not None:
        return any(overlaps(pattern, name) for pattern in statement.actions)
    return not any(covers(pattern, name) for pattern in statement.not_actions or ())
