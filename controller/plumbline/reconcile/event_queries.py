"""The sources that answer SQL about events, CloudTrail Lake, Athena and Trino: brought up to date, and what they prove.

Joins sessions, store and sources. A source that fails says so in the state of each account. Judges no action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from plumbline.api.sources import Athena, CloudTrailLake, Trino
from plumbline.aws.errors import AwsError
from plumbline.aws.session import AwsSessions
from plumbline.iam.overlay import overlay
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State
from plumbline.store.ledger import partitions, trail_changes
from plumbline.store.queries import Queries
from plumbline.usage.log_coverage import TrailFacts
from plumbline.usage.sources.athena import AthenaLogs
from plumbline.usage.sources.cloudtrail_lake import Lake, lake_coverage
from plumbline.usage.sources.days import QuerySource, sync_days
from plumbline.usage.sources.trail_table import table_coverage
from plumbline.usage.sources.trino import TrinoLogs
from plumbline.usage.sync_report import SyncReport
from plumbline.usage.trails import Trail, fetch_trail, remember_selection

Progress = Callable[[str], None]
Accounts = Mapping[str, tuple[str, ...] | None]


def lake_logs(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    config: CloudTrailLake,
    accounts: Accounts,
    *,
    window: Interval,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    """The coverage of one event data store, account by account. `accounts`: with their enabled Regions."""
    source = Lake(sessions, config, jobs=Queries(engine, landscape, config.name, now))
    try:
        store = source.describe()
    except AwsError as error:
        return _unavailable(config.name, accounts, error, progress)
    # What the store has given up already would look like silence.
    start = max(window[0], now - store.kept)
    report = _synced(engine, landscape, source, start, now, progress)
    facts = _facts(engine, landscape, store.trail, now)
    parts = partitions(engine, landscape, config.name).values()
    return [
        lake_coverage(
            config.name, account, regions, parts, store=store, facts=facts, problems=report.problems, window=window
        )
        for account, regions in accounts.items()
    ]


def athena_logs(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    config: Athena,
    accounts: Accounts,
    *,
    window: Interval,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    """The coverage of one table in Athena, account by account. `accounts`: with their enabled Regions."""
    source = AthenaLogs(sessions, config, accounts, jobs=Queries(engine, landscape, config.name, now))
    return _table_logs(sessions, engine, landscape, source, config, accounts, window=window, now=now, progress=progress)


def trino_logs(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    config: Trino,
    accounts: Accounts,
    *,
    window: Interval,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    """The same of one table in Trino."""
    source = TrinoLogs(sessions, config, accounts)
    return _table_logs(sessions, engine, landscape, source, config, accounts, window=window, now=now, progress=progress)


def _table_logs(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    source: AthenaLogs | TrinoLogs,
    config: Athena | Trino,
    accounts: Accounts,
    *,
    window: Interval,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    report = _synced(engine, landscape, source, window[0], now, progress)
    try:
        logs = source.trail.logs
    except AwsError as error:
        return _unavailable(config.name, accounts, error, progress)
    facts = trail_facts(sessions, engine, landscape, config.trail_arn, now)
    parts = partitions(engine, landscape, config.name).values()
    return [
        table_coverage(logs, account, regions, parts, facts=facts, problems=report.problems, window=window)
        for account, regions in accounts.items()
    ]


def trail_facts(sessions: AwsSessions, engine: sa.Engine, landscape: str, arn: str | None, now: datetime) -> TrailFacts:
    """The trail as it is and was. It is asked as the member role of the account that owns it."""
    if arn is None:
        return TrailFacts(None)
    _, _, _, region, account, _ = arn.split(":", 5)
    try:
        trail = fetch_trail(sessions.client("cloudtrail", account, region), arn, account)
    except AwsError as error:
        return TrailFacts(error)
    return _facts(engine, landscape, trail, now)


def _facts(engine: sa.Engine, landscape: str, trail: Trail, now: datetime) -> TrailFacts:
    changed = remember_selection(engine, landscape, trail, now)
    return TrailFacts(trail, trail_changes(engine, landscape, trail.arn), changed)


def _synced(
    engine: sa.Engine, landscape: str, source: QuerySource, start: datetime, now: datetime, progress: Progress
) -> SyncReport:
    report = sync_days(engine, landscape, source, start=start, now=now, overlay=overlay(), progress=progress)
    progress(
        f"{source.name}: {report.queries} queries, {report.scanned:,} bytes scanned, {report.records:,} records, "
        f"{len(report.problems)} problems"
    )
    return report


def _unavailable(name: str, accounts: Accounts, error: AwsError, progress: Progress) -> list[LogCoverage]:
    progress(f"{name}: {error.summary}")
    state = SourceState(name, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
    return [LogCoverage(account, name, regions, state=state) for account, regions in accounts.items()]
