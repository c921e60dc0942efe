"""The sources that answer SQL about events, CloudTrail Lake, Athena and Trino: brought up to date, and what they prove.

Joins sessions, store and sources. A source that fails says so in the state of each account. Judges no action.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from plumbline.api.sources import Athena, CloudTrailLake, Trino
from plumbline.aws.errors import AwsError
from plumbline.iam.overlay import overlay
from plumbline.model.coverage import LogCoverage, SourceState, State
from plumbline.reconcile.collecting import Collecting
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


def lake_logs(given: Collecting, config: CloudTrailLake) -> Iterable[LogCoverage]:
    """The coverage of one event data store, account by account."""
    source = Lake(given.sessions, config, jobs=_queries(given, config.name))
    try:
        store = source.describe()
    except AwsError as error:
        return _unavailable(given, config.name, error)
    # What the store has given up already would look like silence.
    report = _synced(given, source, max(given.wish.start, given.now - store.kept))
    facts = _facts(given, store.trail)
    parts = partitions(given.engine, given.landscape, config.name).values()
    return [
        lake_coverage(
            config.name,
            account,
            regions,
            parts,
            store=store,
            facts=facts,
            problems=report.problems,
            window=given.window,
            joined=given.snapshot.accounts[account].joined_at,
        )
        for account, regions in given.accounts.items()
    ]


def athena_logs(given: Collecting, config: Athena) -> Iterable[LogCoverage]:
    """The coverage of one table in Athena, account by account."""
    source = AthenaLogs(given.sessions, config, given.accounts, jobs=_queries(given, config.name))
    return _table_logs(given, source, config)


def trino_logs(given: Collecting, config: Trino) -> Iterable[LogCoverage]:
    """The same of one table in Trino."""
    return _table_logs(given, TrinoLogs(given.sessions, config, given.accounts), config)


def _table_logs(given: Collecting, source: AthenaLogs | TrinoLogs, config: Athena | Trino) -> Iterable[LogCoverage]:
    report = _synced(given, source, given.wish.start)
    try:
        logs = source.trail.logs
    except AwsError as error:
        return _unavailable(given, config.name, error)
    facts = trail_facts(given, config.trail_arn)
    parts = partitions(given.engine, given.landscape, config.name).values()
    return [
        table_coverage(logs, account, regions, parts, facts=facts, problems=report.problems, window=given.window)
        for account, regions in given.accounts.items()
    ]


def trail_facts(given: Collecting, arn: str | None) -> TrailFacts:
    """The trail as it is and was. It is asked as the member role of the account that owns it."""
    if arn is None:
        return TrailFacts(None)
    trail = _fetched(given, arn)
    return _facts(given, trail) if isinstance(trail, Trail) else TrailFacts(trail)


def _fetched(given: Collecting, arn: str) -> Trail | AwsError:
    _, _, _, region, account, _ = arn.split(":", 5)
    try:
        return fetch_trail(given.sessions.client("cloudtrail", account, region), arn, account)
    except AwsError as error:
        return error


def _facts(given: Collecting, trail: Trail) -> TrailFacts:
    since, changed = remember_selection(given.engine, given.landscape, trail, given.now)
    watched = _watched(given, trail)
    return TrailFacts(
        trail,
        trail_changes(given.engine, given.landscape, trail.arn),
        seen_changed=since if changed else None,
        unwatched=None if watched else since,
    )


def _watched(given: Collecting, trail: Trail) -> bool:
    """Whether logs are read that show changes of the trail: management events of the account that owns it, from its home
    Region, by the trail itself or by that of another source. No logs are read of an account that could not be collected."""
    if trail.owner not in given.accounts:
        return False
    if _shows_changes(trail, trail):
        return True
    others = {config.trail_arn for config in given.spec.evidence.event_logs if not isinstance(config, CloudTrailLake)}
    found = (_fetched(given, arn) for arn in sorted(filter(None, others)))
    return any(_shows_changes(other, trail) for other in found if isinstance(other, Trail))


def _shows_changes(shown: Trail, trail: Trail) -> bool:
    selected = shown.selection.management
    return (
        selected.write
        and "cloudtrail.amazonaws.com" not in selected.excluded_sources
        and (shown.multi_region or shown.home_region == trail.home_region)
        and (shown.organization or shown.owner == trail.owner)
    )


def _queries(given: Collecting, source: str) -> Queries:
    return Queries(given.engine, given.landscape, source, given.now)


def _synced(given: Collecting, source: QuerySource, start: datetime) -> SyncReport:
    report = sync_days(
        given.engine,
        given.landscape,
        source,
        start=start,
        now=given.now,
        overlay=overlay(),
        progress=given.progress,
    )
    given.sessions.calls.scanned(given.landscape, source.name, report.scanned)
    given.progress(
        f"{source.name}: {report.queries} queries, {report.scanned:,} bytes scanned, {report.records:,} records, "
        f"{len(report.problems)} problems"
    )
    return report


def _unavailable(given: Collecting, name: str, error: AwsError) -> list[LogCoverage]:
    given.progress(f"{name}: {error.summary}")
    state = SourceState(name, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
    return [LogCoverage(account, name, regions, state=state) for account, regions in given.accounts.items()]
