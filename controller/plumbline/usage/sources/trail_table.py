"""A table over the bucket of a trail: what a query names of it, and what the bucket's digest files prove.

What Athena and Trino share. Knows the table's partitions and columns and the trail's folders; runs no query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from plumbline.api.sources import Athena, CloudTrailLogs, Trino
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State, overlap
from plumbline.store.ledger import Partition, PartitionKey
from plumbline.usage.digest_days import DayProof, proven_day
from plumbline.usage.log_coverage import TrailFacts, log_coverage
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.objects import Folder
from plumbline.usage.sources.days import ALL, SHOWS_NOTHING, asked_days
from plumbline.usage.sources.query import Table
from plumbline.usage.sources.sql import Kind
from plumbline.usage.sync_report import SyncProblem

GIGABYTE: Final = 10**9
_THREADS = 8


class TrailTable:
    """One configured table. `accounts`: those to ask for, with their enabled Regions."""

    def __init__(
        self, sessions: AwsSessions, config: Athena | Trino, accounts: Mapping[str, Sequence[str] | None]
    ) -> None:
        self._sessions, self._config = sessions, config
        self._regions = {a: tuple(config.regions or regions or ()) for a, regions in accounts.items()}
        self.scopes = tuple(sorted(account for account, regions in self._regions.items() if regions))

    @cached_property
    def logs(self) -> LogSource:
        """The log files behind the table, for their digests. Raises AwsError."""
        config, s3 = self._config, self._config.s3
        if s3 is None:
            return LogSource(config.name, Folder(Path()), (), config.trail_arn, tuple(config.regions))
        logs = CloudTrailLogs(name=config.name, s3=s3, trail_arn=config.trail_arn, regions=config.regions)
        return log_source(logs, self._sessions.client("s3", account=s3.account, region=s3.region))

    def days(self, name: str, first: date, last: date, scopes: Sequence[str]) -> tuple[Table, list[tuple[Kind, str]]]:
        """What the usage query asks of the table `name` for these days and accounts, and the values to bind, unchecked."""
        # The events of a day's last hour may lie in the next day's folder.
        after = last + timedelta(days=1)
        regions = sorted({region for account in scopes for region in self._regions[account]})
        values: list[tuple[Kind, str]] = [
            *(("account", account) for account in scopes),
            *(("region", region) for region in regions),
            *(("day", f"{day:%Y/%m/%d}") for day in (first, after)),
            *(("time", f"{day}T00:00:00Z") for day in (first, after)),
        ]
        table = Table(
            name=name,
            where=f"account IN ({_places(scopes)}) AND region IN ({_places(regions)}) AND day BETWEEN ? AND ?"
            " AND eventTime >= ? AND eventTime < ?",
            request="requestParameters",
            shape="array_join(array_sort(map_keys(TRY(CAST(json_parse(requestParameters) AS map(varchar, json))))), ',')",
            resources="json_format(CAST(transform(resources, r -> r.arn) AS JSON))",
        )
        return table, values

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, DayProof]:
        """What the digests in the day folders prove. Without a trail nothing is: then digests prove nothing."""
        if self._config.trail_arn is None:
            return {}
        places = [(a, r, day) for a in scopes for r in self._regions[a] for day in days]
        logs = self.logs
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="digests") as pool:
            found = list(pool.map(lambda place: proven_day(logs, *place), places))
        return {
            PartitionKey(logs.name, a, r, d.isoformat()): proof for (a, r, d), proof in zip(places, found, strict=True)
        }


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)


def table_coverage(
    logs: LogSource,
    account: str,
    regions: Sequence[str] | None,
    parts: Iterable[Partition],
    *,
    facts: TrailFacts,
    problems: Sequence[SyncProblem],
    window: Interval,
) -> LogCoverage:
    """What the trail proves of one account, as for its log files: by selectors and digests, of the days asked for."""
    parts = list(parts)
    days = asked_days(parts, account)
    if not days and problems:
        state = SourceState(logs.name, State.UNAVAILABLE, problems[0].reason, problems[0].message, problems[0].remedy)
        return LogCoverage(account, logs.name, None if regions is None else tuple(sorted(regions)), state=state)
    own = [part for part in parts if part.key.account == account and part.key.region != ALL]
    asked = [replace(part, covered=overlap(part.covered, days)) for part in own]
    problems = [*problems, *_shows_nothing(logs.name, account, own, window)]
    return log_coverage(logs, account, regions, asked, facts=facts, problems=problems, window=window)


def _shows_nothing(source: str, account: str, parts: Iterable[Partition], window: Interval) -> Iterator[SyncProblem]:
    """The days of the window of which the table shows nothing, although the trail has log files of them."""
    begin, end = (at.date().isoformat() for at in window)
    found = sorted(
        (part.key.day, part.key.region)
        for part in parts
        if begin <= part.key.day < end and any(one["reason"] == SHOWS_NOTHING for one in part.problems)
    )
    if found:
        (day, region), others = found[-1], len(found) - 1
        more = f", nor of {others} more days and Regions" if others else ""
        message = f"{region}: the table shows no event of {day}{more}, of which the bucket of the trail has log files"
        remedy = (
            "check LOCATION and partitions of the table, or name the bucket that it is over; asked again once a day"
        )
        yield SyncProblem(source, account, region, day, SHOWS_NOTHING, message, remedy)
