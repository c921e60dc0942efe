"""Collects the evidence of one landscape: event logs, last-accessed data, policy generation. Talks to AWS and the store.

A source that fails says so in its state and stops no other. Judges no action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.assumptions import assumes
from plumbline.assess.silence import TOLD_WITHIN
from plumbline.inventory.credentials import collect_credentials
from plumbline.model.analyzers import SOURCE as UNUSED_ACCESS
from plumbline.model.coverage import Coverage, LogCoverage, SourceState
from plumbline.model.credentials import SOURCE as CREDENTIAL_REPORT
from plumbline.model.credentials import AccountCredentials
from plumbline.model.evidence import Evidence as Observation
from plumbline.model.evidence import GeneratedPolicy, GrantChange, LastAccessed, PrincipalUsage
from plumbline.model.policy_validation import SOURCE as POLICY_VALIDATION
from plumbline.model.policy_validation import PolicyValidations, ValidationDay
from plumbline.model.snapshot import digest_of
from plumbline.reconcile.analyzer_evidence import analyzed
from plumbline.reconcile.analyzers import AnalyzersFound
from plumbline.reconcile.collecting import Collecting
from plumbline.reconcile.event_files import file_logs
from plumbline.reconcile.event_queries import athena_logs, lake_logs, trino_logs
from plumbline.reconcile.policy_validation_pass import last_validated, validated
from plumbline.store.access import forget_answers, load_answers
from plumbline.store.ledger import bins, forget_before, forget_other_sources, grant_changes, usage_of
from plumbline.store.places import settle
from plumbline.usage import access_answers
from plumbline.usage.principals import usage_of_principals
from plumbline.usage.sources import last_accessed, policy_generation
from plumbline.usage.sources.policy_generation import Wanted


@dataclass(frozen=True, slots=True)
class Evidence:
    """`usage` by principal ARN, `changes` and `credentials` by account; `records` by bin. `generation_open`: roles with news
    of their jobs within minutes. `analyzers` and `validations`: None where none are asked for; `last_validated`: the last
    day on which they were. `assuming`: all that the logs show of roles being assumed, also by callers that are no
    principals of ours."""

    usage: Mapping[str, PrincipalUsage]
    coverage: Coverage
    changes: Mapping[str, Sequence[GrantChange]]
    records: Mapping[str, int]
    log_sources: tuple[str, ...]
    generation_open: int = 0
    credentials: Mapping[str, AccountCredentials] = field(default_factory=dict)
    assuming: tuple[Observation, ...] = ()
    analyzers: AnalyzersFound | None = None
    validations: PolicyValidations | None = None
    last_validated: ValidationDay | None = None


def collect_evidence(given: Collecting) -> Evidence:
    """All evidence of the landscape's principals. Never raises AwsError or OSError of a source."""
    engine, name, snapshot, wish = given.engine, given.landscape, given.snapshot, given.wish
    _forget(given)
    logs: dict[str, list[LogCoverage]] = {}
    for coverage in _logs(given):
        logs.setdefault(coverage.account, []).append(coverage)
    found, findings = analyzed(given)
    answers, access_states = _last_accessed(given)
    generated, generation_states, still_open = _generated(given)
    logged = usage_of(engine, name, wish.memory)
    usage = usage_of_principals(snapshot.principals.values(), logged, answers, generated, findings.answers)
    credentials = {}
    if wish.credentials is not None:
        credentials = collect_credentials(given.sessions, snapshot, wish.credentials, given.now, given.progress)
    return Evidence(
        usage=usage,
        coverage=Coverage(
            logs={account: tuple(found) for account, found in sorted(logs.items())},
            last_accessed=access_states,
            generation=generation_states,
            unused_access=findings.states,
            recommended=findings.recommended,
            required=_required(given.spec),
            configured=_configured(given.spec),
        ),
        changes=grant_changes(engine, name, wish.start, snapshot.principals),
        records=bins(engine, name),
        log_sources=tuple(config.name for config in given.spec.evidence.event_logs),
        generation_open=still_open,
        credentials=credentials,
        analyzers=found,
        validations=validated(given),
        last_validated=last_validated(given),
        assuming=tuple(e for use in logged.values() for e in use.evidence if assumes(e)),
    )


def _configured(spec: LandscapeSpec) -> frozenset[str]:
    names = {config.name for config in spec.evidence.event_logs}
    names |= {access_answers.SOURCE} if spec.evidence.last_accessed else set()
    names |= {CREDENTIAL_REPORT} if spec.evidence.credential_report else set()
    names |= {POLICY_VALIDATION} if spec.policy_validation else set()
    names |= {UNUSED_ACCESS} if spec.analyzers and spec.analyzers.unused_access else set()
    return frozenset(names | ({policy_generation.SOURCE} if spec.evidence.policy_generation else set()))


def _required(spec: LandscapeSpec) -> frozenset[str]:
    names = {config.name for config in spec.evidence.event_logs if config.required}
    access, generation = spec.evidence.last_accessed, spec.evidence.policy_generation
    names |= {access_answers.SOURCE} if access and access.required else set()
    report = spec.evidence.credential_report
    names |= {CREDENTIAL_REPORT} if report and report.required else set()
    return frozenset(names | ({policy_generation.SOURCE} if generation and generation.required else set()))


def _forget(given: Collecting) -> None:
    """What is older than the memory, or of principals that are gone."""
    engine, name, snapshot = given.engine, given.landscape, given.snapshot
    forget_before(engine, name, given.wish.memory.date().isoformat())
    forget_other_sources(engine, name, [config.name for config in given.spec.evidence.event_logs], given.wish.memory)
    collected = {account.id for account in snapshot.accounts.values() if not account.error}
    gone = [
        arn for arn in load_answers(engine, name) if arn not in snapshot.principals and arn.split(":")[4] in collected
    ]
    forget_answers(engine, name, gone)


def _logs(given: Collecting) -> Iterator[LogCoverage]:
    """The coverage of every event log, source by source and account by account."""
    sources = given.spec.evidence
    for config in sources.event_logs:
        if settle(given.engine, given.landscape, config.name, digest_of([repr(config.place)])):
            given.progress(f"{config.name}: reads in another place than before, so everything is read again")
    for files in sources.cloud_trail_logs:
        yield from file_logs(given, files)
    for lake in sources.cloud_trail_lake:
        yield from lake_logs(given, lake)
    for athena in sources.athena:
        yield from athena_logs(given, athena)
    for trino in sources.trino:
        yield from trino_logs(given, trino)


def _last_accessed(given: Collecting) -> tuple[dict[str, LastAccessed], dict[str, SourceState]]:
    config = given.spec.evidence.last_accessed
    if config is None:
        return {}, {}
    wanted = [p for arn, p in given.snapshot.principals.items() if arn in given.wish.principals]
    found = last_accessed.collect(
        given.sessions,
        given.engine,
        given.landscape,
        config,
        wanted,
        now=given.now,
        needed=given.wish.end + TOLD_WITHIN,
        progress=given.progress,
    )
    return found.answers, found.states


def _generated(given: Collecting) -> tuple[dict[str, GeneratedPolicy], dict[str, SourceState], int]:
    config, principals = given.spec.evidence.policy_generation, given.snapshot.principals
    wanted = [
        Wanted(principals[arn], lookback)
        for arn, lookback in sorted(given.wish.generation.items())
        if arn in principals
    ]
    if config is None or not wanted:
        return {}, {}, 0
    found = policy_generation.advance(
        given.sessions, given.engine, given.landscape, config, wanted, now=given.now, progress=given.progress
    )
    return found.policies, found.states, found.open
