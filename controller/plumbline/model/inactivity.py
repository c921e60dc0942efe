"""What is said of the activity of a user, access key, password or role, and what it would be a candidate for.

Frozen data, no rules. A candidate is for people: nothing is changed in AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Literal


class Activity(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    UNDETERMINED = "undetermined"


Kind = Literal["user", "accessKey", "password", "role"]
KINDS: Final[tuple[Kind, ...]] = ("user", "accessKey", "password", "role")
# Deactivating a key can be taken back, deleting it cannot; so that is the first step.
CandidateAction = Literal["DeactivateAccessKey", "DeleteLoginProfile", "DeleteUser", "DeleteRole"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`since`: the day of the last use or, without one, of creation; None where that is not known. `action` is None where
    nothing is to be removed, or not by its owner. `sources` are those on which it rests; `detail` is for people."""

    kind: Kind
    principal: str
    unique_id: str
    activity: Activity
    reason: str
    key: str = ""
    since: date | None = None
    action: CandidateAction | None = None
    sources: tuple[str, ...] = ()
    detail: str = ""


def counts(judgements: Iterable[Judgement]) -> Mapping[Kind, Mapping[Activity, int]]:
    """Kind -> activity -> how many, all kinds and activities included."""
    result = {kind: dict.fromkeys(Activity, 0) for kind in KINDS}
    for one in judgements:
        result[one.kind][one.activity] += 1
    return result
