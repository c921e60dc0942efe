"""Which changes of IAM may have brought drift in: by whom and when. Pure.

A change is found by what it names; it is never the reason for calling something drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from plumbline.assess.ages import concerns
from plumbline.model.assessment import DriftChange, GrantDrift
from plumbline.model.evidence import TRUST, GrantChange
from plumbline.model.snapshot import Policy, Principal, Snapshot

MOST = 5
_ADDING = ("Attach", "Put")


def changes_behind(
    drift: GrantDrift,
    principal: Principal,
    logged: Iterable[GrantChange],
    announced: Iterable[GrantChange],
    since: datetime | None,
) -> tuple[DriftChange, ...]:
    """The changes behind the drift of a principal, the newest first: those that the logs show, and those that were only
    announced. `since`: when its access was accepted; what was before is no part of the drift."""
    if not drift.additions:
        return ()
    known = set(logged)
    found = {DriftChange(change) for change in known} | {
        DriftChange(change, announced=True) for change in announced if change not in known
    }
    own = [
        one
        for one in found
        if concerns(one.change, principal)
        and (since is None or one.change.at >= since)
        and _may_bring(one.change, drift.policies)
    ]
    return tuple(
        sorted(own, key=lambda one: (one.change.at, one.change.event_name, one.announced), reverse=True)[:MOST]
    )


def _may_bring(change: GrantChange, policies: Collection[str]) -> bool:
    """An added policy that has no part in the drift did not bring it, nor does a trust policy; all else may have, for
    example by taking a Deny."""
    if change.policy == TRUST:
        return False
    if change.policy is None or not policies or not change.event_name.startswith(_ADDING):
        return True
    return change.policy in policies


def changes_of(
    snapshot: Snapshot, arns: Iterable[str], changes: Iterable[GrantChange]
) -> Iterator[tuple[GrantChange, str]]:
    """(change, ARN of a principal that it concerns), for the principals `arns`."""
    by_name: dict[tuple[str, str, str], list[Principal]] = {}
    by_policy: dict[str, list[Principal]] = {}
    for arn in arns:
        principal = snapshot.principals[arn]
        by_name.setdefault((principal.account, principal.kind, principal.name), []).append(principal)
        for policy in _policies(principal):
            if policy.arn:
                by_policy.setdefault(policy.arn, []).append(principal)
    for change in changes:
        for principal in _candidates(change, by_name, by_policy):
            yield change, principal.arn


def _candidates(
    change: GrantChange,
    by_name: Mapping[tuple[str, str, str], list[Principal]],
    by_policy: Mapping[str, list[Principal]],
) -> list[Principal]:
    kind, _, name = change.target.rpartition(":")[2].partition("/")
    if kind == "policy":
        return by_policy.get(change.target, [])
    return by_name.get((change.account, kind, name.rpartition("/")[2]), [])


def _policies(principal: Principal) -> Iterator[Policy]:
    yield from principal.policies
    if principal.boundary is not None:
        yield principal.boundary
