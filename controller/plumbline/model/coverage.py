"""What each source could have observed, and whether it did so completely.

Knows the states of sources and their reach in accounts, Regions, event classes and hours. Judges no action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Interval = tuple[datetime, datetime]


class State(StrEnum):
    COMPLETE = "complete"
    PARTIAL = "partial"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class SourceState:
    """The state of one source for one scope. `reason` is CamelCase, `message` for people, `remedy` what to do."""

    source: str
    state: State
    reason: str = ""
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ManagementSelection:
    """Which management events are logged: reads, writes, and event sources left out (for example kms.amazonaws.com)."""

    read: bool = False
    write: bool = False
    excluded_sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LogCoverage:
    """What the event logs prove for one account.

    `regions`: the enabled Regions; None when they are unknown, and then nothing is complete.
    `covered`: per Region the sorted, merged intervals in which delivery is proven complete.
    `data_types`: CloudTrail resource types whose data events are all selected, such as `AWS::Lambda::Function`.
    """

    account: str
    source: str
    regions: tuple[str, ...] | None
    covered: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    management: ManagementSelection = ManagementSelection()
    data_types: frozenset[str] = frozenset()
    state: SourceState | None = None

    def first_gap(self, region: str, start: datetime, end: datetime) -> Interval | None:
        """The first interval of [start, end) in which this Region is not proven complete; None when there is none."""
        at = start
        for low, high in self.covered.get(region, ()):
            if low > at:
                return at, min(low, end)
            at = max(at, high)
            if at >= end:
                return None
        return (at, end) if at < end else None


@dataclass(frozen=True, slots=True)
class AskedAbout:
    """The states of the sources that are asked about one principal, as in Coverage; None where it was not asked."""

    last_accessed: SourceState | None = None
    generation: SourceState | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Everything that is known about what could be seen, for one landscape.

    `logs`: account -> its log coverages, one for each configured log source.
    `last_accessed`: principal ARN -> state; a principal that is missing there was never asked: unavailable.
    `generation`: principal ARN -> state, only for principals for which policy generation is configured.
    `required`: names of the sources without which nothing is called unused.
    `unused_access`: principal ARN -> state, only where analyzers of unused access are asked for.
    `recommended`: account that is asked -> state, only where Security Hub is asked for what it recommends.
    """

    logs: Mapping[str, tuple[LogCoverage, ...]] = field(default_factory=dict)
    last_accessed: Mapping[str, SourceState] = field(default_factory=dict)
    generation: Mapping[str, SourceState] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    configured: frozenset[str] = frozenset()
    unused_access: Mapping[str, SourceState] = field(default_factory=dict)
    recommended: Mapping[str, SourceState] = field(default_factory=dict)

    def about(self, arn: str) -> AskedAbout:
        return AskedAbout(self.last_accessed.get(arn), self.generation.get(arn))


def merge_intervals(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """Sorted intervals in which touching and overlapping ones are joined."""
    merged: list[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def overlap(intervals: Sequence[Interval], others: Sequence[Interval]) -> tuple[Interval, ...]:
    """What lies in both."""
    both = [(max(low, a), min(high, b)) for low, high in intervals for a, b in others]
    return merge_intervals([(low, high) for low, high in both if low < high])
