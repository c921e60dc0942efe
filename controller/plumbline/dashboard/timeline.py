"""The evidence of one principal over time, as places on a line: when each service was used, what the logs cover, and since
when grants are as they are. Pure; knows evidence and coverage, not how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plumbline.assess.silence import dated_services
from plumbline.assess.window import Window
from plumbline.dashboard.coverage import SourceView
from plumbline.model.evidence import GrantChange, PrincipalUsage
from plumbline.model.snapshot import Principal

MOST_SERVICES = 14  # drawn; the table below the drawing has more
_BEFORE = 0.12  # of the lookback, shown before it


@dataclass(frozen=True, slots=True)
class Span:
    """`low` and `high` from 0 to 1. `earlier`: it began before what is shown. `kind`: used, attempted, denied, covered,
    gap."""

    low: float
    high: float
    kind: str
    text: str
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the table: an action, or what of it is known."""

    action: str
    outcome: str
    first: datetime | None
    last: datetime
    count: int | None
    source: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """`lookback`: from where to where silence counts. `marks`: (place, text) of creation and changes of grants."""

    start: datetime
    end: datetime
    lookback: tuple[float, float]
    coverage: tuple[Row, ...]
    services: tuple[Row, ...]
    more_services: int
    marks: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    seen: tuple[Seen, ...] = field(default=())


def timeline(
    principal: Principal,
    usage: PrincipalUsage,
    window: Window,
    sources: Sequence[SourceView],
    changes: Iterable[GrantChange],
) -> Timeline:
    """`sources`: those of the principal's account; `changes`: IAM writes seen in its logs."""
    length = window.end - window.start
    start, end = window.start - length * _BEFORE, window.end + timedelta(days=2)
    scale = _Scale(start, end)
    seen = sorted(_seen(usage), key=lambda one: (-one.last.timestamp(), one.action.lower(), one.source))
    services: dict[str, list[Seen]] = {}
    for one in seen:
        services.setdefault(one.action.partition(":")[0], []).append(one)
    drawn = sorted(name for name, found in services.items() if any(one.last >= start for one in found))
    rows = [Row(name, tuple(scale.use(one) for one in reversed(services[name]) if one.last >= start)) for name in drawn]
    return Timeline(
        start=start,
        end=end,
        lookback=(scale.place(window.start), scale.place(window.end)),
        coverage=tuple(
            Row(one.source, tuple(_covered(one, scale, window))) for one in sources if one.covered is not None
        ),
        services=tuple(rows[:MOST_SERVICES]),
        more_services=max(0, len(rows) - MOST_SERVICES),
        marks=tuple(_marks(principal, changes, scale)),
        ticks=tuple(_ticks(scale)),
        seen=tuple(seen),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime

    def place(self, at: datetime) -> float:
        return min(max((at - self.start) / (self.end - self.start), 0.0), 1.0)

    def use(self, one: Seen) -> Span:
        first = one.first or one.last
        times = "" if one.count is None else f", {one.count:,} times"
        text = f"{one.action} {one.outcome} {_days(first, one.last)}{times} ({one.source})"
        return Span(self.place(first), self.place(one.last), one.outcome, text, first < self.start)


def _seen(usage: PrincipalUsage) -> Iterator[Seen]:
    for one in usage.evidence:
        detail = f"by {', '.join(one.via_services)}" if one.via_services else ", ".join(one.codes)
        yield Seen(one.action, one.outcome, one.first, one.last, one.count, one.source, detail)
    for use in usage.unmapped:
        name = f"{use.event_source.partition('.')[0]}:{use.event_name}"
        yield Seen(name, "unmapped", None, use.last, use.count, "logs", "an event that no action is known for")
    for source, service in dated_services(usage):
        tracked = [action for action in service.actions.values() if action.last is not None]
        for action in tracked:
            if action.last is not None:
                yield Seen(action.action, "attempted", None, action.last, None, source)
        if not tracked and service.last is not None:
            yield Seen(f"{service.namespace}:*", "attempted", None, service.last, None, source, "some action of it")


def _covered(source: SourceView, scale: _Scale, window: Window) -> Iterator[Span]:
    """What is proven complete, and the gaps of the lookback."""
    at = window.start
    for low, high in source.covered or ():
        if low > at and at < window.end:
            yield _gap(at, min(low, window.end), scale)
        at = max(at, high)
        if high > scale.start and low < scale.end:
            yield Span(scale.place(low), scale.place(high), "covered", f"complete {_days(low, high)}")
    if at < window.end:
        yield _gap(at, window.end, scale)


def _gap(low: datetime, high: datetime, scale: _Scale) -> Span:
    return Span(scale.place(low), scale.place(high), "gap", f"not proven complete {_days(low, high)}")


def _marks(principal: Principal, changes: Iterable[GrantChange], scale: _Scale) -> Iterator[tuple[float, str]]:
    if principal.created_at >= scale.start:
        yield scale.place(principal.created_at), f"{principal.created_at:%Y-%m-%d}: the {principal.kind} was created"
    keys = {policy.arn for policy in principal.policies if policy.arn}
    for change in sorted(changes, key=lambda one: (one.at, one.event_name)):
        if change.at >= scale.start and (change.target == principal.arn or change.target in keys):
            policy = f" {change.policy}" if change.policy else ""
            yield scale.place(change.at), f"{change.at:%Y-%m-%d}: {change.event_name}{policy}"
    for one in principal.policies:
        if one.version_created_at is not None and one.version_created_at >= scale.start:
            at = one.version_created_at
            yield scale.place(at), f"{at:%Y-%m-%d}: version {one.version_id or ''} of {one.name} was created"


def _ticks(scale: _Scale) -> Iterator[tuple[float, str]]:
    """First days of months, or every few of them where there are many; days where there are few months."""
    days = (scale.end - scale.start).days
    if days < 75:
        for number in range(1, days, max(days // 6, 1)):
            at = scale.start + timedelta(days=number)
            yield scale.place(at), f"{at:%d %b}"
        return
    at = scale.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = max(1, round(days / 30))
    step, number = -(-months // 7), 0
    while at <= scale.end:
        if at >= scale.start:
            if number % step == 0:
                yield scale.place(at), f"{at:%b %Y}" if at.month == 1 or number == 0 else f"{at:%b}"
            number += 1
        at = (at + timedelta(days=32)).replace(day=1)


def _days(first: datetime, last: datetime) -> str:
    if first.date() == last.date():
        return f"on {first:%Y-%m-%d}"
    return f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
