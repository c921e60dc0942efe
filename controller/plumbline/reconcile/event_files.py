"""CloudTrail's files in a bucket or a folder: read into the store, and what they prove.

Joins sessions, store and reader. A source that cannot be opened says so in the state of each account. Judges no action.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.api.sources import CloudTrailLogs
from plumbline.aws.errors import AwsError
from plumbline.iam.overlay import overlay
from plumbline.model.coverage import LogCoverage, SourceState, State
from plumbline.reconcile.collecting import Collecting
from plumbline.reconcile.event_queries import trail_facts
from plumbline.store.ledger import PartitionKey, partitions
from plumbline.usage.log_coverage import log_coverage
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.sync_report import SyncReport
from plumbline.usage.trail_logs import sync

_PROGRESS_EVERY = 25  # partitions


def file_logs(given: Collecting, config: CloudTrailLogs) -> Iterable[LogCoverage]:
    """The coverage of one source, account by account. One that cannot be opened at all is unavailable everywhere."""
    try:
        source = _opened(given, config)
    except (AwsError, OSError) as error:
        state = _unopened(config, error)
        given.progress(f"logs {config.name}: {state.message}")
        return [LogCoverage(account, config.name, regions, state=state) for account, regions in given.accounts.items()]
    report = _synced(given, source)
    facts = trail_facts(given, source.trail_arn)
    found = partitions(given.engine, given.landscape, source.name).values()
    return [
        log_coverage(source, account, regions, found, facts=facts, problems=report.failed(account), window=given.window)
        for account, regions in given.accounts.items()
    ]


def _opened(given: Collecting, config: CloudTrailLogs) -> LogSource:
    client = None
    if config.s3 is not None:
        client = given.sessions.client("s3", account=config.s3.account, region=config.s3.region)
    return log_source(config, client)


def _unopened(config: CloudTrailLogs, error: Exception) -> SourceState:
    if isinstance(error, AwsError):
        return SourceState(config.name, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
    remedy = "check the path of the folder, and that it can be read"
    return SourceState(config.name, State.UNAVAILABLE, "Unreadable", str(error), remedy)


def _synced(given: Collecting, source: LogSource) -> SyncReport:
    def seen(key: PartitionKey, report: SyncReport) -> None:
        if report.read % _PROGRESS_EVERY == 0:
            given.progress(f"logs {source.name}: account {key.account}, {report.records:,} records read")

    report = sync(
        given.engine,
        given.landscape,
        source,
        given.accounts,
        start=given.wish.start,
        now=given.now,
        overlay=overlay(),
        progress=seen,
    )
    given.progress(
        f"logs {source.name}: {report.records:,} records in {report.objects:,} new objects, "
        f"{report.unchanged + report.sealed:,} day folders unchanged, {len(report.problems)} problems"
    )
    return report
