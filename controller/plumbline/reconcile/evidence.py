"""Collects the evidence of one landscape: event logs, last-accessed data, policy generation. Talks to AWS and the store.

A source that fails says so in its state and stops no other. Judges no action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from plumbline.api.landscape import LandscapeSpec
from plumbline.api.sources import CloudTrailLogs
from plumbline.assess.assumptions import assumes
from plumbline.aws.errors import AwsError
from plumbline.aws.session import AwsSessions
from plumbline.iam.overlay import overlay
from plumbline.inventory.credentials import Need, collect_credentials
from plumbline.model.analyzers import SOURCE as UNUSED_ACCESS
from plumbline.model.coverage import Coverage, LogCoverage, SourceState, State
from plumbline.model.credentials import SOURCE as CREDENTIAL_REPORT
from plumbline.model.credentials import AccountCredentials
from plumbline.model.evidence import Evidence as Observation
from plumbline.model.evidence import GeneratedPolicy, GrantChange, LastAccessed, PrincipalUsage
from plumbline.model.snapshot import Snapshot
from plumbline.reconcile.analyzer_evidence import analyzed
from plumbline.reconcile.analyzers import AnalyzersFound
from plumbline.reconcile.event_queries import athena_logs, lake_logs, trail_facts, trino_logs
from plumbline.store.access import forget_answers, load_answers
from plumbline.store.ledger import (
    PartitionKey,
    bins,
    forget_before,
    forget_other_sources,
    grant_changes,
    partitions,
    usage_of,
)
from plumbline.usage import access_answers
from plumbline.usage.log_coverage import log_coverage
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.principals import usage_of_principals
from plumbline.usage.sources import last_accessed, policy_generation
from plumbline.usage.sources.policy_generation import Wanted
from plumbline.usage.sync_report import SyncReport
from plumbline.usage.trail_logs import sync

Progress = Callable[[str], None]
_PROGRESS_EVERY = 25  # partitions


@dataclass(frozen=True, slots=True)
class Wish:
    """What the baselines of a landscape ask of its evidence: the longest lookback as [start, end), since when uses are
    remembered, the principals in question, for whom a policy is to be generated, and how good credential reports must be."""

    start: datetime
    end: datetime
    memory: datetime
    principals: frozenset[str]
    generation: Mapping[str, timedelta] = field(default_factory=dict)
    credentials: Need | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """`usage` by principal ARN, `changes` and `credentials` by account; `records` by bin. `generation_open`: jobs still to
    come. `analyzers`: None where none are asked for. `assuming`: all that the logs show of roles being assumed, also by callers that are no principals of ours."""

    usage: Mapping[str, PrincipalUsage]
    coverage: Coverage
    changes: Mapping[str, Sequence[GrantChange]]
    records: Mapping[str, int]
    log_sources: tuple[str, ...]
    generation_open: int = 0
    credentials: Mapping[str, AccountCredentials] = field(default_factory=dict)
    assuming: tuple[Observation, ...] = ()
    analyzers: AnalyzersFound | None = None


def collect_evidence(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    spec: LandscapeSpec,
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> Evidence:
    """All evidence of the landscape's principals. Never raises AwsError or OSError of a source."""
    name, sources = snapshot.landscape, spec.evidence
    _forget(engine, snapshot, spec, wish)
    logs: dict[str, list[LogCoverage]] = {}
    for config in sources.cloud_trail_logs:
        for coverage in _logs(sessions, engine, snapshot, config, wish, now, progress):
            logs.setdefault(coverage.account, []).append(coverage)
    for coverage in _queried(sessions, engine, snapshot, spec, wish, now, progress):
        logs.setdefault(coverage.account, []).append(coverage)
    found, findings = analyzed(sessions, engine, snapshot, spec, wish.principals, now, progress)
    answers, access_states = _last_accessed(sessions, engine, snapshot, spec, wish, now, progress)
    generated, generation_states, still_open = _generated(sessions, engine, snapshot, spec, wish, now, progress)
    logged = usage_of(engine, name, wish.memory)
    usage = usage_of_principals(snapshot.principals.values(), logged, answers, generated, findings.answers)
    credentials = {}
    if wish.credentials is not None:
        credentials = collect_credentials(sessions, snapshot, wish.credentials, now, progress)
    return Evidence(
        usage=usage,
        coverage=Coverage(
            logs={account: tuple(found) for account, found in sorted(logs.items())},
            last_accessed=access_states,
            generation=generation_states,
            unused_access=findings.states,
            required=_required(spec),
            configured=_configured(spec),
        ),
        changes=grant_changes(engine, name, wish.start, snapshot.principals),
        records=bins(engine, name),
        log_sources=tuple(config.name for config in sources.event_logs),
        generation_open=still_open,
        credentials=credentials,
        analyzers=found,
        assuming=tuple(e for use in logged.values() for e in use.evidence if assumes(e)),
    )


def _configured(spec: LandscapeSpec) -> frozenset[str]:
    names = {config.name for config in spec.evidence.event_logs}
    names |= {access_answers.SOURCE} if spec.evidence.last_accessed else set()
    names |= {CREDENTIAL_REPORT} if spec.evidence.credential_report else set()
    names |= {UNUSED_ACCESS} if spec.analyzers and spec.analyzers.unused_access else set()
    return frozenset(names | ({policy_generation.SOURCE} if spec.evidence.policy_generation else set()))


def _required(spec: LandscapeSpec) -> frozenset[str]:
    names = {config.name for config in spec.evidence.event_logs if config.required}
    access, generation = spec.evidence.last_accessed, spec.evidence.policy_generation
    names |= {access_answers.SOURCE} if access and access.required else set()
    report = spec.evidence.credential_report
    names |= {CREDENTIAL_REPORT} if report and report.required else set()
    return frozenset(names | ({policy_generation.SOURCE} if generation and generation.required else set()))


def _forget(engine: sa.Engine, snapshot: Snapshot, spec: LandscapeSpec, wish: Wish) -> None:
    """What is older than the memory, of sources that are no longer configured, or of principals that are gone."""
    forget_before(engine, snapshot.landscape, wish.memory.date().isoformat())
    forget_other_sources(engine, snapshot.landscape, [config.name for config in spec.evidence.event_logs])
    collected = {account.id for account in snapshot.accounts.values() if not account.error}
    gone = [
        arn
        for arn in load_answers(engine, snapshot.landscape)
        if arn not in snapshot.principals and arn.split(":")[4] in collected
    ]
    forget_answers(engine, snapshot.landscape, gone)


# Event logs


def _logs(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    config: CloudTrailLogs,
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    """The coverage of one source, account by account. One that cannot be opened at all is unavailable everywhere."""
    accounts = _readable(snapshot)
    try:
        source = _opened(sessions, config)
    except (AwsError, OSError) as error:
        state = _unopened(config, error)
        progress(f"logs {config.name}: {state.message}")
        return [LogCoverage(account, config.name, regions, state=state) for account, regions in accounts.items()]
    report = _synced(engine, snapshot.landscape, source, accounts, wish, now, progress)
    facts = trail_facts(sessions, engine, snapshot.landscape, source.trail_arn, now)
    found = partitions(engine, snapshot.landscape, source.name).values()
    return [
        log_coverage(
            source,
            account,
            regions,
            found,
            facts=facts,
            problems=report.failed(account),
            window=(wish.start, wish.end),
        )
        for account, regions in accounts.items()
    ]


def _opened(sessions: AwsSessions, config: CloudTrailLogs) -> LogSource:
    client = None
    if config.s3 is not None:
        client = sessions.client("s3", account=config.s3.account, region=config.s3.region)
    return log_source(config, client)


def _unopened(config: CloudTrailLogs, error: Exception) -> SourceState:
    if isinstance(error, AwsError):
        return SourceState(config.name, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
    remedy = "check the path of the folder, and that it can be read"
    return SourceState(config.name, State.UNAVAILABLE, "Unreadable", str(error), remedy)


def _synced(
    engine: sa.Engine,
    landscape: str,
    source: LogSource,
    accounts: Mapping[str, tuple[str, ...] | None],
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> SyncReport:
    def seen(key: PartitionKey, report: SyncReport) -> None:
        if report.read % _PROGRESS_EVERY == 0:
            progress(f"logs {source.name}: account {key.account}, {report.records:,} records read")

    report = sync(engine, landscape, source, accounts, start=wish.start, now=now, overlay=overlay(), progress=seen)
    progress(
        f"logs {source.name}: {report.records:,} records in {report.objects:,} new objects, "
        f"{report.unchanged + report.sealed:,} day folders unchanged, {len(report.problems)} problems"
    )
    return report


def _queried(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    spec: LandscapeSpec,
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> Iterable[LogCoverage]:
    """The coverage of the sources that answer SQL."""
    name, accounts, window = snapshot.landscape, _readable(snapshot), (wish.start, wish.end)
    for lake in spec.evidence.cloud_trail_lake:
        yield from lake_logs(sessions, engine, name, lake, accounts, window=window, now=now, progress=progress)
    for athena in spec.evidence.athena:
        yield from athena_logs(sessions, engine, name, athena, accounts, window=window, now=now, progress=progress)
    for trino in spec.evidence.trino:
        yield from trino_logs(sessions, engine, name, trino, accounts, window=window, now=now, progress=progress)


def _readable(snapshot: Snapshot) -> dict[str, tuple[str, ...] | None]:
    """The accounts whose logs are read, with their enabled Regions."""
    return {a.id: a.regions for a in snapshot.accounts.values() if a.state == "ACTIVE" and not a.error}


# Last-accessed data and policy generation


def _last_accessed(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    spec: LandscapeSpec,
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> tuple[dict[str, LastAccessed], dict[str, SourceState]]:
    if spec.evidence.last_accessed is None:
        return {}, {}
    wanted = [p for arn, p in snapshot.principals.items() if arn in wish.principals]
    found = last_accessed.collect(
        sessions, engine, snapshot.landscape, spec.evidence.last_accessed, wanted, now=now, progress=progress
    )
    return found.answers, found.states


def _generated(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    spec: LandscapeSpec,
    wish: Wish,
    now: datetime,
    progress: Progress,
) -> tuple[dict[str, GeneratedPolicy], dict[str, SourceState], int]:
    config = spec.evidence.policy_generation
    wanted = [
        Wanted(snapshot.principals[arn], lookback)
        for arn, lookback in sorted(wish.generation.items())
        if arn in snapshot.principals
    ]
    if config is None or not wanted:
        return {}, {}, 0
    found = policy_generation.advance(sessions, engine, snapshot.landscape, config, wanted, now=now, progress=progress)
    return found.policies, found.states, found.open
