"""The ways to gain privileges by which a landscape is judged: those that are known, and its own. Pure.

An entry that is no way, or whose id a newer version of Plumbline has taken, is told in a condition and takes no other down.
"""

from __future__ import annotations

from typing import Final

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.escalation_ways import Way, WayError, ways_beside
from plumbline.reconcile.conditions import Fact

WAYS_VALID: Final = "EscalationWaysValid"


def ways_of(spec: LandscapeSpec) -> tuple[tuple[Way, ...], tuple[WayError, ...]]:
    """All that count, and what is wrong with those of the landscape that do not."""
    entries = [{key: value for key, value in way.wire().items() if value} for way in spec.escalation_ways]
    return ways_beside(entries, "spec.escalationWays")


def ways_valid(spec: LandscapeSpec) -> Fact:
    _, errors = ways_of(spec)
    if errors:
        return Fact(WAYS_VALID, "False", "WaysInvalid", f"{'; '.join(map(str, errors))}. These ways are not looked for")
    return Fact(WAYS_VALID, "True", "AllValid", f"{len(spec.escalation_ways)} beside the known ones")
