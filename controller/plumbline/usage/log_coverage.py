"""What one source of log files proves for an account: since when, in which Regions and hours, for which event classes.

Puts together partitions, the trail as it is and how it changed. Judges no action; reads no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from plumbline.aws.errors import AwsError
from plumbline.model.coverage import (
    Interval,
    LogCoverage,
    SourceState,
    State,
    merge_intervals,
)
from plumbline.model.evidence import TrailChange
from plumbline.store.ledger import Partition
from plumbline.usage.log_source import LogSource
from plumbline.usage.selectors import assumed
from plumbline.usage.sync_report import SyncProblem
from plumbline.usage.trails import Trail

_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
# Events of a day's last hour may be delivered into the next day's folder.
_LATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrailFacts:
    """`trail`: as it is now, or why it could not be asked, or None where none is configured. `changes`: those the logs
    show. `seen_changed`: when our own pictures of it last differed. `unwatched`: until our first picture, where no logs are
    read that would show its changes."""

    trail: Trail | AwsError | None
    changes: Sequence[TrailChange] = ()
    seen_changed: datetime | None = None
    unwatched: datetime | None = None


def log_coverage(
    source: LogSource,
    account: str,
    regions: Sequence[str] | None,
    parts: Iterable[Partition],
    *,
    facts: TrailFacts,
    problems: Iterable[SyncProblem],
    window: Interval,
) -> LogCoverage:
    """The coverage of one account. `regions`: its enabled ones; None when unknown, and then nothing is complete.

    `parts`: the source's partitions, of this account and those without account. `problems`: of the pass just made.
    The state says whether `window` is covered; the intervals are all that is proven.
    """
    parts = [part for part in parts if part.key.account in (account, "")]
    problems = [problem for problem in problems if problem.account in (account, "")]
    if source.assume_complete:
        return _assumed(source, account, regions, parts, problems)
    trail = facts.trail
    if not isinstance(trail, Trail):
        return _unavailable(source, account, regions, trail)
    since = complete_since(facts)
    unwatched = facts.unwatched is not None and facts.unwatched == since
    covered = {
        region: _after(_without_damage(_proven(parts, region), parts, region), since) for region in _regions(parts)
    }
    coverage = LogCoverage(
        account=account,
        source=source.name,
        regions=None if regions is None else tuple(sorted(regions)),
        covered={region: spans for region, spans in sorted(covered.items()) if spans},
        management=trail.selection.management,
        data_types=trail.selection.data_types,
    )
    return _with_state(coverage, _state(coverage, trail, since, problems, window, unwatched=unwatched))


def complete_since(facts: TrailFacts) -> datetime | None:
    """From when on the trail's present selectors describe what it recorded; None when it is not known to log.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html (StartLoggingTime)
    """
    if not isinstance(facts.trail, Trail) or facts.trail.started_at is None:
        return None
    times = [facts.trail.started_at, *(change.at for change in facts.changes), facts.seen_changed, facts.unwatched]
    return max(at for at in times if at is not None)


def _regions(parts: Iterable[Partition]) -> list[str]:
    return sorted({part.key.region for part in parts if part.key.region})


def _proven(parts: Iterable[Partition], region: str) -> tuple[Interval, ...]:
    return merge_intervals([span for part in parts if part.key.region == region for span in part.covered])


def _without_damage(
    covered: tuple[Interval, ...], parts: Iterable[Partition], region: str | None
) -> tuple[Interval, ...]:
    """Without the days of which something could not be read."""
    for part in parts:
        if part.problems and (region is None or part.key.region in (region, "")):
            covered = _minus(covered, _day(part.key.day))
    return covered


def _day(day: str) -> Interval:
    """The day whose events may lie in a day folder; everything, for files without day folders."""
    try:
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return _ALWAYS
    return begin - _LATE, begin + timedelta(days=1)


def _minus(spans: tuple[Interval, ...], hole: Interval) -> tuple[Interval, ...]:
    pieces = [piece for low, high in spans for piece in ((low, min(high, hole[0])), (max(low, hole[1]), high))]
    return tuple((low, high) for low, high in pieces if low < high)


def _after(spans: tuple[Interval, ...], since: datetime | None) -> tuple[Interval, ...]:
    if since is None:
        return ()
    return tuple((max(low, since), high) for low, high in spans if high > since)


def _assumed(
    source: LogSource,
    account: str,
    regions: Sequence[str] | None,
    parts: Sequence[Partition],
    problems: Sequence[SyncProblem],
) -> LogCoverage:
    """What the landscape states of a folder, except where it could not be read."""
    selection = assumed(source.assume_complete)
    # A Region that is enabled but not configured to be read is not covered.
    read = [region for region in regions or () if not source.regions or region in source.regions]
    failed = {problem.region for problem in problems if not problem.day or problem.reason not in _COUNTED}
    covered = {
        region: spans
        for region in sorted(read)
        if not failed & {region, ""} and (spans := _without_damage((_ALWAYS,), parts, region))
    }
    damaged = sum(1 for part in parts if part.problems)
    state = SourceState(
        source.name, State.COMPLETE, "AssumedComplete", "the landscape states that the logs are complete"
    )
    if problems or damaged:
        message = problems[0].message if problems else f"{damaged} day folders could be read in part only"
        state = SourceState(source.name, State.PARTIAL, "NotAllRead", message, "repair or remove the files named")
    coverage = LogCoverage(
        account=account,
        source=source.name,
        regions=None if regions is None else tuple(sorted(regions)),
        covered=covered,
        management=selection.management,
        data_types=selection.data_types,
        state=state,
    )
    return coverage if regions is not None else _with_state(coverage, _regions_unknown(source.name))


# Problems that are in the partition of their day as well.
_COUNTED = frozenset({"Malformed", "MalformedRecord", "Truncated", "TooLarge"})


def _state(
    coverage: LogCoverage,
    trail: Trail,
    since: datetime | None,
    problems: Sequence[SyncProblem],
    window: Interval,
    *,
    unwatched: bool,
) -> SourceState:
    """Complete, or the first thing that is missing with what to do about it."""
    name, partial = coverage.source, State.PARTIAL
    start, end = window
    if since is None:
        remedy = f"start logging on the {trail.kind}"
        return SourceState(name, State.UNAVAILABLE, "TrailNotLogging", f"{trail.arn} does not log", remedy)
    if not trail.logging:
        message = f"{trail.arn} does not log at present"
        return SourceState(name, partial, "TrailNotLogging", message, f"start logging on the {trail.kind}")
    selected = coverage.management
    if not (selected.read or selected.write or coverage.data_types):
        message = "; ".join(trail.selection.partial) or f"the {trail.kind}'s selectors select nothing"
        remedy = "select all management events, or whole resource types"
        return SourceState(name, State.UNAVAILABLE, "SelectorsNotUnderstood", message, remedy)
    if coverage.regions is None:
        return _regions_unknown(name)
    if not trail.validation:
        message = "the trail writes no digest files, so nothing proves that its logs are complete"
        return SourceState(name, partial, "NoDigests", message, "enable log file validation on the trail")
    if problems:
        return SourceState(name, partial, problems[0].reason, problems[0].message, problems[0].remedy)
    if since > start:
        message = f"the {trail.kind} records as it does now since {since:%Y-%m-%dT%H:%MZ}"
        remedy = f"wait until {since + (end - start):%Y-%m-%d}"
        if unwatched:
            message += f", or longer: no source reads the logs of account {trail.owner} that would show a change"
            remedy = (
                f"add account {trail.owner}, which owns it, to the landscape, let it be collected, and add a source with its "
                f"management events; or {remedy}"
            )
            return SourceState(name, partial, "TrailUnwatched", message, remedy)
        return SourceState(name, partial, "TrailTooYoung", message, remedy)
    for region in coverage.regions:
        gap = coverage.first_gap(region, start, end)
        if gap is not None:
            message = f"{region}: delivery is not proven from {gap[0]:%Y-%m-%dT%H:%MZ} to {gap[1]:%Y-%m-%dT%H:%MZ}"
            return SourceState(name, partial, "LogGap", message, "wait until the gap is older than the lookback")
    return SourceState(name, State.COMPLETE)


def _regions_unknown(source: str) -> SourceState:
    message = "the account's enabled Regions could not be listed"
    remedy = "allow the member role account:ListRegions, and try again if AWS throttled it"
    return SourceState(source, State.PARTIAL, "RegionsUnknown", message, remedy)


def _unavailable(source: LogSource, account: str, regions: Sequence[str] | None, error: AwsError | None) -> LogCoverage:
    reason, message = "TrailUnknown", "no trail is configured, so silence in its logs says nothing"
    remedy = "set trailArn of the source to the trail that writes the bucket"
    if error is not None:
        reason, message, remedy = error.reason, str(error), error.remedy
    return LogCoverage(
        account=account,
        source=source.name,
        regions=None if regions is None else tuple(sorted(regions)),
        state=SourceState(source.name, State.UNAVAILABLE, reason, message, remedy),
    )


def _with_state(coverage: LogCoverage, state: SourceState) -> LogCoverage:
    return replace(coverage, state=state)
