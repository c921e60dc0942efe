"""What records add up to: groups of like ones with count, times and resources, and the sum of several such tallies.

The sum is the same in whatever order and parts records were counted. Must not know how records are read, or actions.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from plumbline.model.evidence import MAX_RESOURCES, GrantChange, Outcome, TrailChange
from plumbline.usage.attribution import Caller
from plumbline.usage.classify import Bin
from plumbline.usage.records import Problem

# More are cut, to what is shown.
_KEPT = MAX_RESOURCES + 32


# So few are kept in a tuple, which takes a quarter of a set's memory.
_FEW = 16


class Key(NamedTuple):
    """What makes records one group."""

    caller: Caller
    event_source: str
    event_name: str
    variant: str
    code: str | None
    outcome: Outcome
    refused: str | None
    invoked_by: str | None
    special: Bin | None


_NO_EXTRA: Mapping[str, Group] = {}


class Group:
    """The tally of one group. `repeated`: records of it that were delivered again, which `count` leaves out.
    `resources`: each a set of ARNs that one call was about; `full`: some were cut, and the rest is in a list, in
    order, which takes an eighth of a set's memory; `unknown`: some call named none.
    `shared`: ids of copies that the caller's own account may hold as well. There are many groups; what most have not is
    made when needed."""

    __slots__ = (
        "_limit",
        "count",
        "extra",
        "first",
        "full",
        "last",
        "repeated",
        "resources",
        "shared",
        "truncated",
        "unknown",
    )

    def __init__(self, at: datetime) -> None:
        self.count = self.repeated = 0
        self.first = self.last = at
        self.resources: Collection[tuple[str, ...]] = ()
        self.full = self.truncated = self.unknown = False
        self._limit: tuple[str, ...] = ()  # when some were cut: the last that was kept
        self.shared: array[int] | None = None
        self.extra = _NO_EXTRA

    def seen(self, at: datetime) -> None:
        """Counts one more."""
        self.count += 1
        if at > self.last:
            self.last = at
        elif at < self.first:
            self.first = at

    def about(self, resources: tuple[str, ...]) -> None:
        """Notes what one call was about."""
        if not resources:
            self.unknown = True
        elif self.full or resources not in self.resources:
            self.keep(resources)

    def keep(self, resources: tuple[str, ...]) -> None:
        """Takes in what is not among `resources` yet, or may be when the group is full."""
        kept = self.resources
        if isinstance(kept, list):
            if resources <= self._limit:
                place = bisect_left(kept, resources)
                if kept[place] != resources:
                    kept.insert(place, resources)
                    self._cut(kept, _KEPT)
        elif isinstance(kept, set):
            kept.add(resources)
            if len(kept) > _KEPT:
                self._cut(sorted(kept), _KEPT)
        elif len(kept) < _FEW:
            self.resources = (*kept, resources)
        else:
            self.resources = {*kept, resources}

    def _cut(self, kept: list[tuple[str, ...]], most: int) -> None:
        """Keeps the first in order, so that what is kept does not hang on the order of reading."""
        if len(kept) > most:
            del kept[MAX_RESOURCES:]
            self.resources, self._limit = kept, kept[-1]
            self.full = self.truncated = True

    def inside(self, action: str, at: datetime) -> Group:
        """The tally of an extra action."""
        if action not in self.extra:
            self.extra = {**self.extra, action: Group(at)}
        return self.extra[action]

    def share(self, marks: Iterable[int]) -> None:
        """Notes copies of calls across accounts."""
        if self.shared is None:
            self.shared = array("q")
        self.shared.extend(marks)

    def join(self, other: Group) -> None:
        """Adds another tally of the same group."""
        self.count += other.count
        self.repeated += other.repeated
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.truncated |= other.truncated
        self.unknown |= other.unknown
        if other.resources:
            joined = sorted({*self.resources, *other.resources})
            self.resources = tuple(joined)
            self._cut(joined, MAX_RESOURCES)
        if other.shared:
            self.share(other.shared)
        for name, extra in other.extra.items():
            if name in self.extra:
                self.extra[name].join(extra)
            else:
                self.extra = {**self.extra, name: extra}


class Place:
    """Where records are counted: in a group, and in these of its extra actions."""

    __slots__ = ("extra", "group", "number")

    def __init__(self, number: int, group: Group, extra: tuple[Group, ...]) -> None:
        self.number, self.group, self.extra = number, group, extra

    def repeated(self, times: int) -> None:
        """Takes records that were counted for repetitions of others."""
        self.group.repeated += times
        for one in (self.group, *self.extra):
            one.count -= times


@dataclass(slots=True)
class Tally:
    """All that was counted. `callers`: ids of calls across accounts whose own copy, which names the role, was read."""

    groups: dict[Key, Group] = field(default_factory=dict)
    callers: array[int] = field(default_factory=lambda: array("q"))
    malformed: int = 0
    grants: set[GrantChange] = field(default_factory=set)
    trails: set[TrailChange] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def join_group(self, key: Key, group: Group) -> None:
        """Adds one group of another tally."""
        mine = self.groups.get(key)
        if mine is None:
            self.groups[key] = group
        else:
            mine.join(group)
