"""A policy from evidence: what a principal was seen to do, as statements, and beside it what the evidence cannot say.

Pure. Evidence is no proof of completeness: the lists beside the policy are as much the answer as the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from plumbline.iam.catalogue import catalogue
from plumbline.iam.fitting import MANAGED_LIMIT
from plumbline.iam.grants import Grant, TooLargeError, documents
from plumbline.iam.overlay import overlay
from plumbline.model.evidence import Evidence, UnmappedUse

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: managed policies of one role by default.
MOST_POLICIES: Final = 10

# In a live policy these are wildcards or begin a variable.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
_ESCAPES = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})
_ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`policy`: a document, without statements when nothing was seen; `policies`: the same, divided so that each fits
    into a managed policy; empty where even that does not do. `kept`: actions of it that are not sure to be
    needed, with why. `unmapped`: events that no action could be named for. `denied`: actions that AWS refused.
    `invisible`: services of the policy whose other use these logs may not show, with how many actions and why."""

    policy: dict[str, Any]
    policies: tuple[dict[str, Any], ...] = ()
    kept: tuple[dict[str, str], ...] = ()
    unmapped: tuple[dict[str, Any], ...] = ()
    denied: tuple[str, ...] = ()
    invisible: tuple[dict[str, Any], ...] = ()
    unique_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def suggest(evidence: Iterable[Evidence], unmapped: Iterable[UnmappedUse], since: datetime) -> Suggestion:
    """The policy that allows what the evidence of one principal shows at or after `since`."""
    recent = [item for item in evidence if item.last >= since]
    seen = [item for item in recent if item.outcome != "denied"]
    resources: dict[tuple[str, str], set[str]] = {}
    for item in seen:
        resources.setdefault((item.action, item.passed_to), set()).update(_resources(item))
    actions = {action for action, _ in resources}
    statements = _statements(resources)
    policy = {"Version": "2012-10-17", "Statement": statements}
    policies = _divided(policy)
    ids = sorted({item.unique_id for item in recent if item.unique_id})
    return Suggestion(
        policy=policy,
        policies=policies,
        kept=_kept(seen),
        unmapped=tuple(_event(use) for use in sorted(unmapped, key=_event_order) if use.last >= since),
        denied=tuple(sorted({item.action for item in recent if item.outcome == "denied"} - actions)),
        invisible=_invisible(actions),
        unique_ids=tuple(ids),
        warnings=tuple(_warnings(policy, len(policies), ids)),
    )


def _resources(item: Evidence) -> tuple[str, ...]:
    """What the action is to be allowed on. `*` where some call's resource is unknown, or the action takes none."""
    if not item.resources or item.resources_truncated or not catalogue().resource_types(item.action):
        return _ALL
    return tuple(arn.translate(_ESCAPES) for arn in item.resources)


def _statements(resources: dict[tuple[str, str], set[str]]) -> list[dict[str, Any]]:
    """One statement for all actions with the same resources and condition; those on named resources first. Roles are passed
    to the services to which they were passed, where these are known."""
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (action, service), arns in resources.items():
        groups.setdefault((_ALL if "*" in arns else tuple(sorted(arns)), service), []).append(action)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0] == _ALL, sorted(group[1]), group[0]))
    return [_statement(sorted(actions), arns, service) for (arns, service), actions in ordered]


def _statement(actions: Sequence[str], arns: Sequence[str], service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(arns)}
    return statement | ({"Condition": {"StringEquals": {"iam:PassedToService": service}}} if service else {})


def _kept(seen: Sequence[Evidence]) -> tuple[dict[str, str], ...]:
    """Actions in the policy for which no call was certainly authorized, or which only may lie behind an event."""
    sure = {item.action for item in seen if item.outcome == "used" and not item.ambiguous}
    reasons: dict[str, str] = {}
    for item in seen:
        if item.action not in sure:
            reason = "ambiguousEvent" if item.outcome == "used" else "attempted"
            reasons[item.action] = min(reason, reasons.get(item.action, reason))
    return tuple({"action": action, "reason": reasons[action]} for action in sorted(reasons))


def _event(use: UnmappedUse) -> dict[str, Any]:
    return {
        "eventSource": use.event_source,
        "eventName": use.event_name,
        "services": sorted(use.services),
        "count": use.count,
    }


def _event_order(use: UnmappedUse) -> tuple[str, str]:
    return use.event_source, use.event_name


def _invisible(actions: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """For each service of the policy how many of its other actions leave no event, or only a data event."""
    known = set(actions)
    found = []
    for service in sorted({action.partition(":")[0] for action in known}):
        kinds = {"data": 0, "never": 0, "unknown": 0}
        for action in catalogue().names_of(catalogue().service(service)):
            kind = overlay().visibility(action).kind
            if kind in kinds and action not in known:
                kinds[kind] += 1
        if any(kinds.values()):
            found.append({
                "service": service,
                "onlyDataEvents": kinds["data"],
                "neverLogged": kinds["never"],
                "unknown": kinds["unknown"],
            })  # fmt: skip
    return tuple(found)


def _divided(policy: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    if not policy["Statement"] or _size(policy) <= MANAGED_LIMIT:
        return (policy,)
    grants = [
        Grant("Allow", tuple(s["Action"]), tuple(s["Resource"]), json.dumps(s.get("Condition", {})))
        for s in policy["Statement"]
    ]
    try:
        return tuple(json.loads(text) for text in documents(grants, most=MOST_POLICIES))
    except TooLargeError:
        return ()


def _size(policy: dict[str, Any]) -> int:
    return len(json.dumps(policy, separators=(",", ":")))


def _warnings(policy: dict[str, Any], count: int, ids: Sequence[str]) -> Iterable[str]:
    size = _size(policy)
    if count > 1:
        yield f"the policy has {size} characters, and a managed policy may have {MANAGED_LIMIT}: it is divided into {count}"
    elif count == 0:
        yield f"the policy has {size} characters, which {MOST_POLICIES} managed policies of {MANAGED_LIMIT} do not hold"
    if len(ids) > 1:
        yield f"the principal was deleted and made again: the evidence is of {', '.join(ids)}"
