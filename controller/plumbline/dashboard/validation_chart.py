"""Findings of policy validation over the days, as places on a drawing. Pure; knows days, not how they are drawn.

A line goes only from one day to the next: what nobody looked at is a gap, and so is marked a day with documents that were
not checked, because a smaller number proves nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from plumbline.model.policy_validation import TYPES, FindingType, ValidationDay

WIDTH: Final = 900
HEIGHT: Final = 180
_DAY: Final = timedelta(days=1)
_LEAST: Final = timedelta(days=6)  # so that one day is not the whole width
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """`parts`: each of days without a gap, as points."""

    type: FindingType
    parts: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """From where to where not everything is known, and why."""

    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`top`: the number at the upper edge. `ticks`: (place, day)."""

    start: date
    end: date
    width: int
    height: int
    top: int
    lines: tuple[Line, ...]
    gaps: tuple[Gap, ...]
    ticks: tuple[tuple[float, str], ...]


def chart(days: Sequence[ValidationDay]) -> Chart | None:
    """`days`: the oldest first. None without any."""
    if not days:
        return None
    end = days[-1].day
    start = min(days[0].day, end - _LEAST)
    top = max(1, *(number for day in days for number in day.findings.values()))
    scale = _Scale(start, (end - start).days, top)
    return Chart(
        start=days[0].day,
        end=end,
        width=WIDTH,
        height=HEIGHT,
        top=top,
        lines=tuple(Line(type_, tuple(_parts(days, type_, scale))) for type_ in TYPES),
        gaps=tuple(_gaps(days, scale)),
        ticks=tuple(_ticks(start, end, scale)),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: date
    days: int
    top: int

    def x(self, day: date) -> float:
        return WIDTH * (day - self.start).days / self.days

    def y(self, number: int) -> float:
        return HEIGHT * (1 - number / self.top)


def _parts(
    days: Sequence[ValidationDay], type_: FindingType, scale: _Scale
) -> Iterator[tuple[tuple[float, float], ...]]:
    part: list[tuple[float, float]] = []
    last: date | None = None
    for day in days:
        if last is not None and day.day - last > _DAY:
            yield tuple(part)
            part = []
        part.append((scale.x(day.day), scale.y(day.findings.get(type_, 0))))
        last = day.day
    yield tuple(part)


def _gaps(days: Sequence[ValidationDay], scale: _Scale) -> Iterator[Gap]:
    half = WIDTH / scale.days / 2
    for before, after in pairwise(days):
        if after.day - before.day > _DAY:
            text = f"nothing was checked between {before.day} and {after.day}"
            yield Gap(scale.x(before.day), scale.x(after.day), text)
    for day in days:
        if day.unchecked or day.uncollected:
            text = f"{day.day}: {day.unchecked:,} of {day.checked + day.unchecked:,} documents were not checked"
            text += f", {day.uncollected:,} accounts were not collected" if day.uncollected else ""
            yield Gap(max(scale.x(day.day) - half, 0), min(scale.x(day.day) + half, WIDTH), text)


def _ticks(start: date, end: date, scale: _Scale) -> Iterator[tuple[float, str]]:
    step = max(1, -(-(end - start).days // _TICKS))
    day = start
    while day <= end:
        yield scale.x(day), f"{day:%Y-%m-%d}"
        day += step * _DAY
