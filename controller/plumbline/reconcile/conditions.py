"""Conditions after the kstatus rules. Pure.

`Ready`, and the domain's own, are always present; `Reconciling` and `Stalled` only while true.
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from plumbline.api.common import Condition

Status = Literal["True", "False", "Unknown"]
_MAX_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class Fact:
    type: str
    status: Status
    reason: str
    message: str = ""


def conditions(previous: Sequence[Condition], facts: Iterable[Fact], generation: int, now: datetime) -> list[Condition]:
    """The facts as conditions, sorted by type, the last of each type. The time of transition changes only where the
    status does; a condition that is no fact any more is gone."""
    before = {condition.type: condition for condition in previous}
    result = []
    for _, fact in sorted({fact.type: fact for fact in facts}.items()):
        old = before.get(fact.type)
        since = old.last_transition_time if old is not None and old.status == fact.status else now
        message = fact.message if len(fact.message) <= _MAX_MESSAGE else fact.message[: _MAX_MESSAGE - 1] + "…"
        result.append(
            Condition(
                type=fact.type,
                status=fact.status,
                reason=fact.reason,
                message=message,
                observed_generation=generation,
                last_transition_time=since.replace(microsecond=0),
            )
        )
    return result


def stalled(reason: str, message: str, *others: str) -> list[Fact]:
    """The facts of a resource that cannot be assessed until somebody changes something."""
    return [
        Fact("Ready", "False", reason, message),
        Fact("Stalled", "True", reason, message),
        *(Fact(name, "Unknown", reason, message) for name in others),
    ]
