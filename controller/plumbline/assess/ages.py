"""Since when a role is granted what it is granted. Silence before a grant says nothing about the grant.

Knows the rules of proof of age (semantics: own snapshots, or complete logs without a change). Judges no action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from plumbline.assess.window import Window
from plumbline.model.evidence import GrantChange
from plumbline.model.snapshot import Policy, Principal

# What can widen a grant. Removals are no youth.
_WIDENING = (
    "Attach",
    "Put",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "AddUserToGroup",
    "CreateRole",
    "CreateUser",
    "DeleteRolePermissionsBoundary",
    "DeleteUserPermissionsBoundary",
)
_INLINE = "inline/"  # in Policy.key; that of a group's policy has the group's name behind it
# Under this key our snapshots may tell since when the permissions boundary, or its absence, is as it is.
BOUNDARY = "boundary"


class Age(StrEnum):
    OLD = "old"  # proven to be in force for the whole lookback
    YOUNG = "young"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GrantAge:
    """`at`: of a young grant its time; of an unknown one since when our own snapshots see it, if they do."""

    age: Age
    at: datetime | None = None


def grant_ages(
    principal: Principal,
    first_seen: Mapping[str, datetime],
    changes: Sequence[GrantChange],
    window: Window,
    *,
    iam_logs_complete: bool,
    watched_since: datetime | None = None,
) -> dict[str, GrantAge]:
    """Policy key -> age. `first_seen`: policy key -> since when our snapshots saw it as it is now. `changes`: those of
    the principal's account. `iam_logs_complete`: IAM write events of the account are proven complete for the lookback.
    `watched_since`: our first snapshot of the account; what appeared after it is young, also where the logs of the last
    hours are still to come.
    """
    own = [c for c in changes if c.at > window.start and c.event_name.startswith(_WIDENING) and concerns(c, principal)]
    evidence = _Evidence(first_seen, own, window, iam_logs_complete, watched_since)
    limit = _limit_age(principal, evidence)
    return {policy.key: _both(_policy_age(policy, evidence), limit) for policy in principal.policies}


@dataclass(frozen=True, slots=True)
class _Evidence:
    first_seen: Mapping[str, datetime]
    changes: Sequence[GrantChange]  # the principal's own that widen, after the start of the lookback
    window: Window
    logs_complete: bool
    watched_since: datetime | None

    def age(self, key: str, touched: Sequence[datetime]) -> GrantAge:
        """Own snapshots, or complete logs without a change, prove age; either also proves youth."""
        seen = self.first_seen.get(key)
        if seen is not None and seen <= self.window.start:
            return GrantAge(Age.OLD, seen)
        appeared = seen is not None and self.watched_since is not None and seen > self.watched_since
        young = [*touched, *([seen] if appeared and seen is not None else ())]
        if young:
            return GrantAge(Age.YOUNG, max(young))
        return GrantAge(Age.OLD) if self.logs_complete else GrantAge(Age.UNKNOWN, seen)


def _policy_age(policy: Policy, evidence: _Evidence) -> GrantAge:
    touched = [c.at for c in evidence.changes if _touches(c, policy)]
    # Creation of the default version proves youth only: an old version can have been made the default yesterday.
    if policy.version_created_at is not None and policy.version_created_at > evidence.window.start:
        touched.append(policy.version_created_at)
    return evidence.age(policy.key, touched)


def _limit_age(principal: Principal, evidence: _Evidence) -> GrantAge:
    """Since when the principal as a whole is allowed what it is: an old policy grants nothing that the boundary of
    yesterday still blocked."""
    boundary = principal.boundary
    touched = [c.at for c in evidence.changes if _touches_all(c, principal)]
    if boundary and boundary.version_created_at and boundary.version_created_at > evidence.window.start:
        touched.append(boundary.version_created_at)
    if touched or BOUNDARY in evidence.first_seen:
        return evidence.age(BOUNDARY, touched)
    return GrantAge(Age.OLD)


def _both(one: GrantAge, other: GrantAge) -> GrantAge:
    """The age of what holds only since both hold: the worse, and of two alike the later."""
    order = (Age.YOUNG, Age.UNKNOWN, Age.OLD)
    worst = min((one.age, other.age), key=order.index)
    times = [age.at for age in (one, other) if age.age is worst and age.at is not None]
    return GrantAge(worst, max(times, default=None))


def concerns(change: GrantChange, principal: Principal) -> bool:
    """Whether the change is one of the principal itself, of a policy that it has, or of a group that it is in. Requests
    leave out the path; a name is unique within its account."""
    kind, _, name = change.target.rpartition(":")[2].partition("/")
    if kind == "policy":
        return change.target in (policy.arn for policy in (*principal.policies, principal.boundary) if policy)
    if change.account != principal.account:
        return False
    name = name.rpartition("/")[2]
    return name in principal.groups if kind == "group" else (kind, name) == (principal.kind, principal.name)


def _touches(change: GrantChange, policy: Policy) -> bool:
    kind, _, name = change.target.rpartition(":")[2].partition("/")
    if kind == "policy":
        return change.target == policy.arn
    key = change.policy or ""
    if kind == "group" and key.startswith(_INLINE):
        key = f"{_INLINE}{name.rpartition('/')[2]}/{key.removeprefix(_INLINE)}"
    return key == policy.key


def _touches_all(change: GrantChange, principal: Principal) -> bool:
    boundary = principal.boundary
    return change.policy is None or (boundary is not None and change.target == boundary.arn)
