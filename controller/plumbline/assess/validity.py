"""Until when an assessment holds while the facts stay: the days on which time alone may change it. Pure.

Knows every time that verdicts, ages of grants and exemptions compare with the lookback. It may name a day too many, and
then one pass more is made; it must not miss one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from plumbline.api.baseline import Exemption
from plumbline.assess.ages import concerns
from plumbline.assess.log_reach import LogReach
from plumbline.assess.silence import TOLD_WITHIN, TRACKING_PERIOD, dated_services
from plumbline.assess.window import DELIVERY_ALLOWANCE, Window
from plumbline.model.coverage import LogCoverage
from plumbline.model.evidence import GrantChange, PrincipalUsage
from plumbline.model.snapshot import Principal

_DAY = timedelta(days=1)


def first_change(days: Iterable[date], as_of: date) -> date | None:
    """The first of the days after `as_of`; None where time alone never changes anything."""
    return min((day for day in days if day > as_of), default=None)


def changes_of_role(
    principal: Principal,
    usage: PrincipalUsage,
    first_seen: Mapping[str, datetime],
    changes: Sequence[GrantChange],
    window: Window,
) -> Iterator[date]:
    """When uses leave the lookback or the memory, grants grow old enough, or last-accessed data becomes stale."""
    start = _offset(window, window.start)
    for offset in {start, _offset(window, window.memory)}:
        yield from _crossings(_uses(usage), offset)
    yield from _crossings(_grants(principal, first_seen, changes), start)
    if usage.last_accessed is not None:
        collected = usage.last_accessed.collected_at
        yield from _crossings([collected], DELIVERY_ALLOWANCE - TOLD_WITHIN)
        yield from _crossings([collected - TRACKING_PERIOD], start)


def changes_of_logs(logs: Iterable[LogCoverage], reach: LogReach, window: Window) -> Iterator[date]:
    """When the lookback reaches the edge of what is proven complete. A gap is named with its times, which may be those
    of the lookback itself."""
    if any(one.reason == "logGap" for one in reach.incomplete):
        yield window.as_of + _DAY
    edges = {at for log in logs for spans in log.covered.values() for span in spans for at in span}
    yield from _crossings(edges, _offset(window, window.start))
    yield from _crossings(edges, DELIVERY_ALLOWANCE)


def changes_of_exemptions(exemptions: Iterable[Exemption]) -> Iterator[date]:
    return (exemption.expires + _DAY for exemption in exemptions if exemption.expires < date.max)


def _uses(usage: PrincipalUsage) -> Iterator[datetime]:
    yield from (evidence.last for evidence in usage.evidence)
    yield from (event.last for event in usage.unmapped)
    if usage.generated is not None:
        yield usage.generated.end
    if usage.unused_access is not None and usage.unused_access.role_last is not None:
        yield usage.unused_access.role_last
    for _, service in dated_services(usage):
        yield from (at for at in (service.last, *(a.last for a in service.actions.values())) if at is not None)


def _grants(
    principal: Principal, first_seen: Mapping[str, datetime], changes: Sequence[GrantChange]
) -> Iterator[datetime]:
    policies = [*principal.policies, *([principal.boundary] if principal.boundary else [])]
    yield principal.created_at
    yield from first_seen.values()
    yield from (policy.version_created_at for policy in policies if policy.version_created_at is not None)
    yield from (change.at for change in changes if concerns(change, principal))


def _offset(window: Window, edge: datetime) -> timedelta:
    """How long before the day of assessment an edge of the window lies: the same on every day."""
    return datetime.combine(window.as_of, time(), UTC) - edge


def _crossings(times: Iterable[datetime], offset: timedelta) -> Iterator[date]:
    """The days on which an edge that lies `offset` before the day reaches each of the times, and on which it is past."""
    for at in set(times):
        if at.year >= date.max.year - 1:
            continue  # no day comes so late
        reached = at.astimezone(UTC) + offset
        day = reached.date()
        if reached == datetime.combine(day, time(), UTC):
            yield day
        yield day + _DAY
