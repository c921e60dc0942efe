"""One pass of one landscape: live IAM and evidence in, the view for its baselines and its status out.

The only part of a pass that calls AWS. Baselines read the view and never call AWS themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import REQUESTED_AT, parse_duration
from plumbline.api.landscape import AccountStatus, IAMLandscape, LandscapeStatus, SourceStatus
from plumbline.api.routing import Routing
from plumbline.assess.targets import Claim, Selection, governing, may_target, select
from plumbline.assess.window import Window
from plumbline.aws.session import AwsSessions
from plumbline.iam.catalogue import catalogue
from plumbline.inventory.collect import NO_CHANGES, collect
from plumbline.inventory.credentials import Need
from plumbline.inventory.templates import with_templates
from plumbline.model.analyzers import RECOMMENDED
from plumbline.model.analyzers import SOURCE as UNUSED_ACCESS
from plumbline.model.coverage import SourceState, State
from plumbline.model.credentials import SOURCE as CREDENTIAL_REPORT
from plumbline.model.inactivity import Judgement
from plumbline.model.pod_identity import SOURCE as POD_IDENTITY
from plumbline.model.policy_validation import SOURCE as POLICY_VALIDATION
from plumbline.model.snapshot import Account, Principal, Snapshot
from plumbline.reconcile.analyzers import analyzers_status, in_place
from plumbline.reconcile.collecting import Collecting, Progress, Wish
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.evidence import Evidence, collect_evidence
from plumbline.reconcile.inactivity import Lookbacks, inactivity_status, judge, own_use
from plumbline.reconcile.inventory import all_aggregated, inventory_status
from plumbline.reconcile.policy_validation import policy_validation_status, validation_states
from plumbline.reconcile.view import LandscapeView
from plumbline.reconcile.ways import ways_of, ways_valid
from plumbline.store.memory import remember_grants
from plumbline.usage import access_answers
from plumbline.usage.sources import policy_generation

_LISTED = 50
# Without a baseline the logs are read as for production.
_DEFAULT_LOOKBACK = 90

OpenSessions = Callable[[IAMLandscape], AwsSessions]


@dataclass(frozen=True, slots=True)
class Escalating:
    """Who certainly can gain privileges, and of whom that cannot be said."""

    certain: tuple[Principal, ...] = ()
    unclear: tuple[Principal, ...] = ()


@dataclass(frozen=True, slots=True)
class LandscapePass:
    """What one pass found. `judgements`: what is said of users, keys, passwords and roles; `escalating`: of the analysis of
    risks; both None where nobody asked. `review_until`: the day on which time alone changes the review."""

    landscape: IAMLandscape
    view: LandscapeView
    evidence: Evidence
    selections: Mapping[str, Selection]
    governed: Mapping[str, str]
    status: LandscapeStatus
    judgements: tuple[Judgement, ...] | None = None
    escalating: Escalating | None = None
    review_until: date | None = None


def open_sessions(landscape: IAMLandscape) -> AwsSessions:
    spec = landscape.spec
    return AwsSessions(
        spec.member_role.name,
        spec.member_role.external_id,
        requests_per_second=spec.aws_requests_per_second,
    )


def reconcile_landscape(
    landscape: IAMLandscape,
    baselines: Sequence[LeastPrivilegeBaseline],
    service_accounts: Mapping[str, str | None],
    engine: sa.Engine,
    sessions: AwsSessions,
    *,
    as_of: date,
    now: datetime,
    progress: Progress = lambda _: None,
    changed: Mapping[str, datetime] = NO_CHANGES,
) -> LandscapePass:
    """Collects snapshot and evidence. `baselines`: all that refer to this landscape; they decide for which roles evidence
    is asked and how far back. `service_accounts`: namespace/name -> role ARN. `changed`: account -> when a change in it was
    last announced. Never raises AwsError."""
    name, spec = landscape.metadata.name, landscape.spec
    snapshot = collect(sessions, spec, name, now, progress, changed=changed)
    selections = select_roles(landscape, baselines, snapshot, service_accounts)
    if spec.config_aggregator is not None:
        selected = {arn for selection in selections.values() for arn in selection.selected}
        snapshot = with_templates(sessions, snapshot, selected, now, progress)
        selections = select_roles(landscape, baselines, snapshot, service_accounts)
    first_seen = remember_grants(engine, snapshot, now)
    governed = govern(baselines, selections)
    report = spec.evidence.credential_report
    lookbacks = Lookbacks.of(report, snapshot, baselines, governed) if report is not None else None
    wish = _wish(landscape, baselines, snapshot, selections, lookbacks, as_of)
    evidence = collect_evidence(Collecting(sessions, engine, snapshot, spec, wish, now, progress))
    view = LandscapeView(
        snapshot=snapshot,
        usage=evidence.usage,
        coverage=evidence.coverage,
        changes=evidence.changes,
        first_seen=first_seen,
        log_sources=evidence.log_sources,
        partition=_partition(snapshot),
        memory=parse_duration(spec.memory),
        ways=ways_of(spec)[0],
        routing=spec.routing,
        own_routing=own_routing(baselines, governed),
    )
    judgements = None
    if lookbacks is not None:
        assuming = [*evidence.assuming, *own_use(spec, snapshot)]
        judgements = judge(view, lookbacks, evidence.credentials, assuming, as_of)
    return LandscapePass(
        landscape=landscape,
        view=view,
        evidence=evidence,
        selections=selections,
        governed=governed,
        status=_status(landscape, view, evidence, now, judgements),
        judgements=judgements,
    )


def select_roles(
    landscape: IAMLandscape,
    baselines: Iterable[LeastPrivilegeBaseline],
    snapshot: Snapshot,
    service_accounts: Mapping[str, str | None],
) -> dict[str, Selection]:
    """Baseline key -> its roles, within what `allowedTargets` lets its namespace target."""
    result = {}
    for baseline in baselines:
        namespace = baseline.metadata.namespace or ""
        own = {
            key.partition("/")[2]: arn for key, arn in service_accounts.items() if key.partition("/")[0] == namespace
        }
        result[baseline.metadata.key] = select(baseline.spec, namespace, snapshot, landscape.spec.allowed_targets, own)
    return result


def govern(baselines: Iterable[LeastPrivilegeBaseline], selections: Mapping[str, Selection]) -> dict[str, str]:
    """Role ARN -> key of the baseline that governs it."""
    return governing(
        [Claim(b.metadata.key, b.metadata.creation_timestamp, selections[b.metadata.key]) for b in baselines]
    )


def own_routing(baselines: Iterable[LeastPrivilegeBaseline], governed: Mapping[str, str]) -> dict[str, Routing]:
    """Role ARN -> the routing of the baseline that governs it."""
    routings = {baseline.metadata.key: baseline.spec.routing for baseline in baselines}
    return {arn: routings[key] for arn, key in governed.items() if key in routings}


def _wish(
    landscape: IAMLandscape,
    baselines: Sequence[LeastPrivilegeBaseline],
    snapshot: Snapshot,
    selections: Mapping[str, Selection],
    lookbacks: Lookbacks | None,
    as_of: date,
) -> Wish:
    memory = parse_duration(landscape.spec.memory)
    lookback = max((b.spec.lookback_days for b in baselines), default=_DEFAULT_LOOKBACK)
    principals = {arn for selection in selections.values() for arn in selection.selected}
    need = None
    if lookbacks is not None:
        lookback = max(lookback, lookbacks.longest)
        principals |= lookbacks.idle_at_sight(as_of, memory)
        keys = Window.of(as_of, lookbacks.keys, memory)
        need = Need(fresh=keys.end, idle=keys.start)
    window = Window.of(as_of, lookback, memory)
    generation: dict[str, timedelta] = {}
    for baseline in baselines:
        grants = [g for g in landscape.spec.allowed_targets if baseline.metadata.namespace in g.namespaces]
        for arn in baseline.spec.policy_generation:
            if may_target(grants, arn, snapshot):
                asked = timedelta(days=baseline.spec.lookback_days)
                generation[arn] = max(asked, generation.get(arn, asked))
    return Wish(
        start=window.start,
        end=window.end,
        memory=window.memory,
        principals=frozenset(principals),
        generation=generation,
        credentials=need,
    )


def _partition(snapshot: Snapshot) -> str:
    return next((arn.split(":", 2)[1] for arn in snapshot.principals), "aws")


# Status


def _status(
    landscape: IAMLandscape,
    view: LandscapeView,
    evidence: Evidence,
    now: datetime,
    judgements: Sequence[Judgement] | None = None,
) -> LandscapeStatus:
    snapshot, owners = view.snapshot, view.owners
    failing = [account for account in snapshot.accounts.values() if account.error]
    sources = source_statuses(evidence, snapshot)
    old = landscape.status.conditions if landscape.status else []
    found, validations, facts = evidence.analyzers, evidence.validations, _facts(snapshot, failing, sources)
    if found is not None:
        facts.append(in_place(found))
    if landscape.spec.escalation_ways:
        facts.append(ways_valid(landscape.spec))
    asked = landscape.spec.config_aggregator is not None
    if asked:
        facts.append(all_aggregated(snapshot))
    return LandscapeStatus(
        observed_generation=landscape.metadata.generation,
        conditions=conditions(old, facts, landscape.metadata.generation, now),
        accounts=len(snapshot.accounts),
        accounts_reachable=sum(1 for account in snapshot.accounts.values() if account.collected_at),
        **snapshot_figures(snapshot),
        collected_at=now.replace(microsecond=0),
        catalogue=catalogue().version,
        failing_accounts=[
            AccountStatus(id=a.id, reason=a.error_reason or "Unknown", message=a.error or "") for a in failing[:_LISTED]
        ],
        failing_accounts_truncated=max(0, len(failing) - _LISTED),
        inventory=inventory_status(snapshot) if asked else None,
        sources=sources[:_LISTED],
        events=dict(evidence.records),
        inactivity=inactivity_status(judgements, owners) if judgements is not None else None,
        analyzers=analyzers_status(found, landscape.spec, snapshot, owners) if found is not None else None,
        policy_validation=policy_validation_status(validations, day_of(now), owners)
        if validations is not None
        else None,
        last_handled_reconcile_at=landscape.metadata.annotations.get(REQUESTED_AT, ""),
    )


def snapshot_figures(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "principals": len(snapshot.principals),
        "roles": sum(1 for principal in snapshot.principals.values() if principal.kind == "role"),
        "snapshot_digest": snapshot.digest,
    }


def _facts(snapshot: Snapshot, failing: Sequence[Account], sources: Sequence[SourceStatus]) -> list[Fact]:
    return [_ready(snapshot), _reachable(snapshot, failing), _complete(sources)]


def nothing_to_see(snapshot: Snapshot) -> str:
    """Why there is no account at all, else empty. Then nothing can be assessed, and nothing may be superseded."""
    if snapshot.accounts:
        return ""
    return snapshot.organization_error or "the organization has no account that is not excluded"


def _ready(snapshot: Snapshot) -> Fact:
    why = nothing_to_see(snapshot)
    if why:
        return Fact("Ready", "False", "NoAccounts", why)
    return Fact(
        "Ready", "True", "Collected", f"{len(snapshot.accounts)} accounts, {len(snapshot.principals)} principals"
    )


def _reachable(snapshot: Snapshot, failing: Sequence[Account]) -> Fact:
    problems = [f"account {a.id}: {a.error}" for a in failing]
    if snapshot.organization_error:
        problems.insert(0, f"organization: {snapshot.organization_error}")
    if not problems:
        return Fact("AccountsReachable", "True", "AllCollected")
    reason = "OrganizationUnreadable" if snapshot.organization_error else "AccountsFailed"
    return Fact("AccountsReachable", "False", reason, "; ".join(problems))


def same_but_times(old: LandscapeStatus | None, new: LandscapeStatus) -> bool:
    """Whether the status says nothing new but when it was seen."""
    if old is None:
        return False
    inventory = old.inventory
    if inventory is not None and new.inventory is not None:
        inventory = inventory.model_copy(update={"oldest": new.inventory.oldest})
    return old.model_copy(update={"collected_at": new.collected_at, "inventory": inventory}) == new


def _complete(sources: Sequence[SourceStatus]) -> Fact:
    """Findings of unused access, what AWS recommends, policy validation and Pod Identity decide no verdict: what they lack
    is no missing evidence."""
    deciding_none = (UNUSED_ACCESS, RECOMMENDED, POLICY_VALIDATION, POD_IDENTITY)
    sources = [source for source in sources if source.name not in deciding_none]
    missing = [f"{s.name}: {s.message or s.reason}" for s in sources if s.state != "complete"]
    if not sources:
        message = "no evidence source is configured, so nothing can become unused; name one under spec.evidence"
        return Fact("EvidenceComplete", "False", "NoSources", message)
    if missing:
        return Fact("EvidenceComplete", "False", "SourcesIncomplete", "; ".join(missing))
    return Fact("EvidenceComplete", "True", "AllSourcesDelivered")


def source_statuses(evidence: Evidence, snapshot: Snapshot) -> list[SourceStatus]:
    """One for each configured source: in how many accounts it is complete, and the first thing that is missing."""
    coverage = evidence.coverage
    found = [
        _source_status(
            name,
            {
                account: log.state or SourceState(name, State.COMPLETE)
                for account, logs in coverage.logs.items()
                for log in logs
                if log.source == name
            },
        )
        for name in evidence.log_sources
    ]
    for name, states in (
        (access_answers.SOURCE, coverage.last_accessed),
        (policy_generation.SOURCE, coverage.generation),
        (UNUSED_ACCESS, coverage.unused_access),
    ):
        if name in coverage.configured and states:
            found.append(_source_status(name, _by_account(states, snapshot)))
    if coverage.recommended:
        found.append(_source_status(RECOMMENDED, coverage.recommended))
    if CREDENTIAL_REPORT in coverage.configured:
        states = {account: known.source for account, known in evidence.credentials.items()}
        found.append(_source_status(CREDENTIAL_REPORT, states))
    if evidence.validations is not None:
        found.append(_source_status(POLICY_VALIDATION, validation_states(evidence.validations, snapshot)))
    if snapshot.pod_identity:
        found.append(_source_status(POD_IDENTITY, {a: known.source for a, known in snapshot.pod_identity.items()}))
    return found


def _by_account(states: Mapping[str, SourceState], snapshot: Snapshot) -> dict[str, SourceState]:
    """Account -> the state of its first principal that is not complete, else complete."""
    result: dict[str, SourceState] = {}
    for arn, state in sorted(states.items()):
        account = snapshot.principals[arn].account
        if account not in result or result[account].state is State.COMPLETE:
            result[account] = state
    return result


def _source_status(name: str, states: Mapping[str, SourceState]) -> SourceStatus:
    missing = [(account, state) for account, state in sorted(states.items()) if state.state is not State.COMPLETE]
    overall = State.COMPLETE
    if missing or not states:
        nothing = all(state.state is State.UNAVAILABLE for state in states.values())
        overall = State.UNAVAILABLE if nothing else State.PARTIAL
    account, first = missing[0] if missing else ("", None)
    return SourceStatus(
        name=name,
        state=overall.value,
        complete_accounts=len(states) - len(missing),
        accounts=len(states),
        reason=first.reason if first else "",
        message=f"account {account}: {first.message}" if first else "",
        remedy=first.remedy if first else "",
    )


def day_of(now: datetime) -> date:
    """The UTC day that verdicts are for."""
    return now.astimezone(UTC).date()
