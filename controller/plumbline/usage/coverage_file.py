"""What the caller states of logs given by hand: a file with the trails that wrote them, or event classes assumed complete.

Knows the file's form, which docs/commands.md describes. Without such a statement files prove nothing about what was not
logged. Judges no action.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.json_files import JsonFileError, PlaceError, object_of, read_json
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State
from plumbline.model.evidence import TrailChange
from plumbline.model.times import utc
from plumbline.usage.selectors import Selection, assumed, selection_of
from plumbline.usage.trails import without_global_services

ASSUMED = "assumed"
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_MEMBERS = frozenset({"trails", "regions"})
_TRAIL = frozenset({"trail", "status", "selectors", "from", "until"})


@dataclass(frozen=True, slots=True)
class StatedTrail:
    """One trail, all of whose log files are given. `account`: the only one that it records; None for an organization's.
    `region`: likewise. `span`: when its selectors are stated to have been as they are and its files to be given."""

    name: str
    arn: str
    account: str | None
    region: str | None
    selection: Selection
    span: Interval

    @property
    def owner(self) -> str:
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Statement:
    """`regions`: account -> its enabled Regions, as far as they are stated."""

    trails: tuple[StatedTrail, ...] = ()
    regions: Mapping[str, tuple[str, ...]] | None = None
    assumed: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (*(trail.name for trail in self.trails), *([ASSUMED] if self.assumed else ()))


def read_statement(path: Path) -> Statement:
    """Raises JsonFileError."""
    try:
        return _statement(read_json(path))
    except PlaceError as error:
        raise JsonFileError(f"{path}: {error}") from error


def _statement(data: Any) -> Statement:
    object_of(data, _MEMBERS, "$")
    raw = data.get("trails")
    if not isinstance(raw, list) or not raw:
        raise PlaceError("$.trails", "is no list of trails")
    trails = tuple(_trail(one, f"$.trails[{at}]") for at, one in enumerate(raw))
    if len({trail.name for trail in trails}) < len(trails):
        raise PlaceError("$.trails", "has a trail twice")
    regions = data.get("regions", {})
    if not isinstance(regions, dict) or not all(isinstance(names, list) for names in regions.values()):
        raise PlaceError("$.regions", "is no object from account id to its enabled Regions")
    return Statement(trails, {account: tuple(sorted(map(str, names))) for account, names in regions.items()})


def _trail(raw: Any, where: str) -> StatedTrail:
    object_of(raw, _TRAIL, where)
    trail, status, selectors = (_answer(raw, name, where) for name in ("trail", "status", "selectors"))
    arn = str(trail.get("TrailARN") or "")
    if arn.count(":") < 5:
        raise PlaceError(f"{where}.trail.TrailARN", "is missing; save the output of aws cloudtrail get-trail")
    selection = selection_of(selectors)
    if not trail.get("IncludeGlobalServiceEvents", False):
        selection = without_global_services(selection)
    return StatedTrail(
        name=str(trail.get("Name") or arn.rpartition("/")[2]),
        arn=arn,
        account=None if trail.get("IsOrganizationTrail") else arn.split(":")[4],
        region=None if trail.get("IsMultiRegionTrail") else str(trail.get("HomeRegion") or arn.split(":")[3]),
        selection=selection,
        span=_span(raw, status, where),
    )


def _answer(raw: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """The output of get-trail is in a member of its own; both forms are taken."""
    found = raw.get(name)
    if not isinstance(found, dict):
        raise PlaceError(f"{where}.{name}", "is missing or no JSON object")
    inner = found.get("Trail") if name == "trail" else None
    return inner if isinstance(inner, dict) else found


def _span(raw: Mapping[str, Any], status: Mapping[str, Any], where: str) -> Interval:
    """Since the latest StartLogging and `from`; until StopLogging, where it is not logging, and `until`."""
    since = [_time(raw, "from", where), _time(status, "StartLoggingTime", f"{where}.status")]
    if since[1] is None:
        raise PlaceError(
            f"{where}.status.StartLoggingTime", "is missing; save the output of aws cloudtrail get-trail-status"
        )
    until = [_time(raw, "until", where)]
    if status.get("IsLogging") is not True:
        until.append(_time(status, "StopLoggingTime", f"{where}.status") or _FIRST)
    return max(at for at in since if at is not None), min((at for at in until if at is not None), default=_LAST)


def _time(raw: Mapping[str, Any], name: str, where: str) -> datetime | None:
    value = raw.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float):  # as version 1 of the AWS command line prints it
            return datetime.fromtimestamp(value, UTC)
        return utc(str(value))
    except (ValueError, OverflowError, OSError) as error:
        raise PlaceError(f"{where}.{name}", f"is {value!r}, and no time such as 2026-01-31T00:00:00Z") from error


def stated_coverage(
    statement: Statement,
    accounts: Iterable[str],
    home_region: str,
    changes: Sequence[TrailChange],
    damaged: Sequence[str],
    members: Collection[str],
) -> dict[str, tuple[LogCoverage, ...]]:
    """Account -> what the statement proves, once for each trail that records it. `changes` of trails: their selectors of
    today do not describe the time before. `damaged`: files that could not be read; then nothing is complete. `members`:
    the accounts that an organization's trail is known to record; its silence about another one says nothing."""
    return {
        account: (
            *(
                _of_trail(trail, account, statement, home_region, changes, damaged)
                for trail in statement.trails
                if account in (trail.account, trail.owner) or (trail.account is None and account in members)
            ),
            *([_assumed(statement, account, home_region, damaged)] if statement.assumed else ()),
        )
        for account in accounts
    }


def _of_trail(
    trail: StatedTrail,
    account: str,
    statement: Statement,
    home_region: str,
    changes: Sequence[TrailChange],
    damaged: Sequence[str],
) -> LogCoverage:
    # What a trail of all Regions records is complete in each of them, whichever are enabled.
    regions = (statement.regions or {}).get(account, None if trail.region else (home_region,))
    since = max([trail.span[0], *(change.at for change in changes if change.trail == trail.arn)])
    covered = {}
    if since < trail.span[1] and not damaged:
        covered = {region: ((since, trail.span[1]),) for region in regions or () if trail.region in (None, region)}
        if not trail.region:
            covered[home_region] = ((since, trail.span[1]),)
    return LogCoverage(
        account=account,
        source=trail.name,
        regions=regions,
        covered=covered,
        management=trail.selection.management,
        data_types=trail.selection.data_types,
        state=_state(trail.name, damaged),
    )


def _assumed(statement: Statement, account: str, home_region: str, damaged: Sequence[str]) -> LogCoverage:
    selection = assumed(statement.assumed)
    return LogCoverage(
        account=account,
        source=ASSUMED,
        regions=(home_region,),
        covered={} if damaged else {home_region: ((_FIRST, _LAST),)},
        management=selection.management,
        data_types=selection.data_types,
        state=_state(ASSUMED, damaged),
    )


def _state(source: str, damaged: Sequence[str]) -> SourceState:
    if damaged:
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        message = f"{damaged[0]}{more} could not be read in full"
        return SourceState(source, State.PARTIAL, "NotAllRead", message, "repair the files, or give them again")
    return SourceState(source, State.COMPLETE, "Stated", "as the caller states")
