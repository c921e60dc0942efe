"""What a role asked for and is not granted: listed for people as possible additions, never proposed, never added. Pure.

Denied calls may be attacks or mistakes, and uses without a grant may be allowed by a resource's own policy. So each is only
told, and what could be misused to gain privileges is marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from plumbline.assess.escalation_ways import Way
from plumbline.iam.catalogue import Catalogue, catalogue
from plumbline.model.assessment import Addition
from plumbline.model.evidence import Evidence

_RESOURCES = 5
ESCALATION, PRIVILEGED, UNKNOWN = "escalation", "privileged", "unknownAction"


def possible_additions(
    evidence: Iterable[Evidence],
    used_not_granted: Iterable[str],
    granted: int,
    since: datetime,
    known: Catalogue,
    escalating: int,
) -> tuple[Addition, ...]:
    """Of the evidence at or after `since`, by action. `granted`: the bits of what is granted or masked; `escalating`: of
    the actions of ways to gain privileges."""
    not_granted = frozenset(used_not_granted)
    found: dict[tuple[str, Literal["denied", "usedNotGranted"]], list[Evidence]] = {}
    for one in evidence:
        if one.last < since or one.ambiguous:
            continue
        if one.outcome == "denied":
            found.setdefault((one.action, "denied"), []).append(one)
        elif one.outcome == "used" and one.action in not_granted:
            found.setdefault((one.action, "usedNotGranted"), []).append(one)
    return tuple(
        Addition(
            action=action,
            why=why,
            count=sum(one.count for one in seen),
            last=max(one.last for one in seen),
            resources=tuple(sorted({arn for one in seen for arn in one.resources}))[:_RESOURCES],
            granted_elsewhere=bool(known.expand(action) & granted),
            guarded=guard(action, escalating),
        )
        for (action, why), seen in sorted(found.items())
    )


def guard(action: str, escalating: int) -> str:
    """Why the action needs more than a glance before it is granted; empty where it does not."""
    known = catalogue()
    bits = known.expand(action)
    if not bits:
        return UNKNOWN
    if bits & escalating:
        return ESCALATION
    return PRIVILEGED if bits & known.privileged else ""


def escalating_bits(ways: Iterable[Way]) -> int:
    """The actions that any of the ways needs."""
    return catalogue().bits_of(action for way in ways for action in way.actions)
