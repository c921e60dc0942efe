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
    "UpdateRole",
)


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
) -> dict[str, GrantAge]:
    """Policy key -> age. `first_seen`: policy key -> since when our snapshots saw it as it is now. `changes`: those of
    the principal's account. `iam_logs_complete`: IAM write events of the account are proven complete for the lookback.
    """
    return {
        policy.key: _age(principal, policy, first_seen.get(policy.key), changes, window, iam_logs_complete)
        for policy in principal.policies
    }


def _age(
    principal: Principal,
    policy: Policy,
    first_seen: datetime | None,
    changes: Sequence[GrantChange],
    window: Window,
    iam_logs_complete: bool,
) -> GrantAge:
    if first_seen is not None and first_seen <= window.start:
        return GrantAge(Age.OLD, first_seen)
    # Creation of the default version proves youth only: an old version can have been made the default yesterday.
    touched = [c.at for c in changes if c.at > window.start and _touches(c, principal, policy)]
    if policy.version_created_at is not None and policy.version_created_at > window.start:
        touched.append(policy.version_created_at)
    if touched:
        return GrantAge(Age.YOUNG, max(touched))
    if iam_logs_complete:
        return GrantAge(Age.OLD)
    return GrantAge(Age.UNKNOWN, first_seen)


def _touches(change: GrantChange, principal: Principal, policy: Policy) -> bool:
    if not change.event_name.startswith(_WIDENING):
        return False
    if change.target == principal.arn:
        return change.policy is None or change.policy == policy.key
    return policy.arn is not None and change.target == policy.arn
