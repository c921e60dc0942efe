"""One pass over all resources of a store: landscapes first, then their baselines, then what they propose.

The order and what fails alone; what is right is decided next door. A resource that fails is reported in its status and
takes no other down.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa
import structlog

from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.common import Condition
from plumbline.api.landscape import IAMLandscape, LandscapeStatus
from plumbline.api.proposal import RemediationProposal
from plumbline.aws.calls import Call
from plumbline.aws.session import AwsSessions
from plumbline.reconcile.baseline_pass import (
    BaselinePass,
    assess_one,
    existing_of,
    open_granted,
    propose_one,
    remember_decisions,
)
from plumbline.reconcile.baseline_status import same_but_time
from plumbline.reconcile.collecting import Progress
from plumbline.reconcile.conditions import Fact, conditions, stalled
from plumbline.reconcile.exports import with_exported
from plumbline.reconcile.findings import findings_of
from plumbline.reconcile.landscape import (
    LandscapePass,
    OpenSessions,
    day_of,
    nothing_to_see,
    open_sessions,
    reconcile_landscape,
    same_but_times,
)
from plumbline.reconcile.places import Places, kept_places
from plumbline.reconcile.resources import Invalid, Resources, ResourceStore
from plumbline.reconcile.review_pass import with_review
from plumbline.reconcile.risks import with_risk

_log = structlog.get_logger()


@dataclass(slots=True)
class PassReport:
    """All that one pass did. `written`: resources whose text changed; `calls` of AWS by landscape;
    `scanned`: bytes, by landscape and source."""

    as_of: date
    now: datetime
    landscapes: dict[str, LandscapePass] = field(default_factory=dict)
    stalled_landscapes: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, BaselinePass] = field(default_factory=dict)
    invalid: Sequence[Invalid] = ()
    calls: dict[str, Mapping[Call, int]] = field(default_factory=dict)
    scanned: dict[tuple[str, str], int] = field(default_factory=dict)
    written: int = 0


def reconcile_all(
    store: ResourceStore,
    engine: sa.Engine,
    now: datetime,
    *,
    sessions: OpenSessions = open_sessions,
    progress: Progress = lambda _: None,
) -> PassReport:
    """Reads everything, collects, assesses, plans, and writes what changed. Raises OSError when the store cannot be
    written, sqlalchemy.exc.SQLAlchemyError when the database fails."""
    resources = store.load()
    report = PassReport(as_of=day_of(now), now=now, invalid=resources.invalid)
    for invalid in resources.invalid:
        report.written += store.write_invalid(invalid, _invalid_status(invalid, now))
        _log.error("invalid resource", where=invalid.where, kind=invalid.kind, messages=list(invalid.messages))
    by_landscape: dict[str, list[LeastPrivilegeBaseline]] = {name: [] for name in resources.landscapes}
    for baseline in resources.baselines.values():
        by_landscape.setdefault(baseline.spec.landscape_ref.name, []).append(baseline)
    for name, baselines in sorted(by_landscape.items()):
        landscape = resources.landscapes.get(name)
        if landscape is None:
            _missing(store, report, baselines, name, resources.invalid)
        elif landscape.spec.suspend:
            report.stalled_landscapes[name] = "suspended"
            _waiting(report, baselines, f"the landscape {name} is suspended")
        else:
            _one_landscape(store, engine, report, landscape, baselines, resources, sessions, progress)
    return report


def _one_landscape(
    store: ResourceStore,
    engine: sa.Engine,
    report: PassReport,
    landscape: IAMLandscape,
    baselines: Sequence[LeastPrivilegeBaseline],
    resources: Resources,
    sessions: OpenSessions,
    progress: Progress,
) -> None:
    name = landscape.metadata.name
    opened = sessions(landscape)
    done = reconcile_landscape(
        landscape,
        baselines,
        resources.service_accounts,
        engine,
        opened,
        as_of=report.as_of,
        now=report.now,
        progress=progress,
    )
    done = with_review(with_risk(done, baselines), engine, report.now)
    report.landscapes[name] = done
    report.calls[name] = opened.calls.counts()
    report.scanned |= opened.calls.scanned_bytes()
    why = nothing_to_see(done.view.snapshot)
    if why or landscape.spec.security_hub is None:  # else it is written once it is known what Security Hub took
        report.written += write_landscape(store, landscape, done.status)
    if why:
        for baseline in baselines:
            # The status is read in a namespace, and AWS's words name principals that are none of it.
            message = f"the landscape {name} shows no account; its status says why"
            told = f"the landscape {name} shows no account: {why}"
            _not_assessed(store, report, baseline, "LandscapeNotReady", message, told)
        return
    assessed = []
    for baseline in baselines:
        if baseline.spec.suspend:
            _waiting(report, [baseline], "spec.suspend is set")
            continue
        progress(f"baseline {baseline.metadata.key}: {len(done.selections[baseline.metadata.key].selected)} roles")
        assessed.append(assess_one(engine, done, baseline, report.as_of, report.now))
    _propose(engine, report, done, assessed, resources.proposals, baselines)
    _write_proposals(store, report, assessed)
    for one in assessed:
        report.written += _write_baseline(store, one)
    unreadable = {one.key for one in resources.invalid if one.kind == "LeastPrivilegeBaseline"}
    keys = {baseline.metadata.key for baseline in baselines} | unreadable
    _export(store, engine, report, landscape, keys, opened)


def _export(
    store: ResourceStore,
    engine: sa.Engine,
    report: PassReport,
    landscape: IAMLandscape,
    keys: Collection[str],
    sessions: AwsSessions,
) -> None:
    """`keys`: of all baselines that there are, readable or not."""
    if landscape.spec.security_hub is None:
        return
    name = landscape.metadata.name
    done = report.landscapes[name]
    findings = {
        key: findings_of(one.result, one.proposals.names)
        for key, one in report.baselines.items()
        if one.result is not None and one.baseline.spec.landscape_ref.name == name
    }
    old = landscape.status.conditions if landscape.status else []
    done = with_exported(done, findings, keys, engine, sessions, old, report.now)
    report.landscapes[name] = done
    report.calls[name] = sessions.calls.counts()
    report.written += write_landscape(store, landscape, done.status)


def _propose(
    engine: sa.Engine,
    report: PassReport,
    done: LandscapePass,
    assessed: Sequence[BaselinePass],
    known: Mapping[str, RemediationProposal],
    baselines: Sequence[LeastPrivilegeBaseline],
) -> None:
    """All baselines say first what they would open; then the places of the landscape are given."""
    existing = {one.baseline.metadata.key: existing_of(one.baseline, known, done.governed) for one in assessed}
    places = Places()
    places.expect(done.landscape.spec.limits.open_proposals, kept_places(baselines, done.governed))
    for one in assessed:
        key = one.baseline.metadata.key
        namespace = one.baseline.metadata.namespace or ""
        rejections = remember_decisions(engine, namespace, existing[key].values(), report.now)
        propose_one(one, existing[key], done, report.as_of, report.now, rejections)
        places.hear(key, one.proposals.open_before, one.proposals.opening)
    for one in assessed:
        key = one.baseline.metadata.key
        open_granted(one, places.grant(key), existing[key], done, report.as_of, report.now)
        report.baselines[key] = one


def write_landscape(store: ResourceStore, landscape: IAMLandscape, status: LandscapeStatus) -> bool:
    """Writes the status unless only the time of the pass differs."""
    if same_but_times(landscape.status, status):
        return False
    return store.write_status(landscape.model_copy(update={"status": status}))


def _write_baseline(store: ResourceStore, one: BaselinePass) -> bool:
    if one.status is None or same_but_time(one.baseline.status, one.status):
        return False
    return store.write_status(one.baseline.model_copy(update={"status": one.status}))


def _write_proposals(store: ResourceStore, report: PassReport, assessed: Sequence[BaselinePass]) -> None:
    # Documents come first: a proposal never names a document that is not there.
    for one in assessed:
        for proposed in one.proposed:
            for digest, text in sorted(proposed.documents.items()):
                report.written += store.write_document(digest, text)
            report.written += store.write_proposal(proposed.proposal)


# What cannot be assessed


def _missing(
    store: ResourceStore,
    report: PassReport,
    baselines: Sequence[LeastPrivilegeBaseline],
    name: str,
    invalid: Sequence[Invalid],
) -> None:
    """Baselines without their landscape are stalled, and nothing of theirs is superseded."""
    broken = any(i.kind == "IAMLandscape" and i.key == name for i in invalid)
    what = "cannot be read; correct it" if broken else "does not exist; create it, or correct spec.landscapeRef.name"
    report.stalled_landscapes[name] = what
    for baseline in baselines:
        _not_assessed(store, report, baseline, "LandscapeNotFound", f"the landscape {name} {what}")


def _not_assessed(
    store: ResourceStore,
    report: PassReport,
    baseline: LeastPrivilegeBaseline,
    reason: str,
    message: str,
    told: str = "",
) -> None:
    """`told`: what the one who runs the pass is told, if it is more than the status says."""
    report.baselines[baseline.metadata.key] = BaselinePass(baseline, reason=told or message)
    old = baseline.status or BaselineStatus()
    facts = stalled(reason, message, "Compliant", "EvidenceComplete")
    found = conditions(old.conditions, facts, baseline.metadata.generation, report.now)
    # Figures of the last pass stay: they are dated by assessedAt, and the conditions say that they are old.
    status = old.model_copy(update={"conditions": found, "observed_generation": baseline.metadata.generation})
    report.written += store.write_status(baseline.model_copy(update={"status": status}))


def _waiting(report: PassReport, baselines: Sequence[LeastPrivilegeBaseline], reason: str) -> None:
    for baseline in baselines:
        report.baselines[baseline.metadata.key] = BaselinePass(baseline, reason=reason)


def _invalid_status(invalid: Invalid, now: datetime) -> dict[str, object]:
    """A resource that cannot be read keeps nothing but the message that says what is wrong."""
    facts: list[Fact] = stalled("InvalidSpec", "; ".join(invalid.messages))
    old = _old_conditions(invalid)
    found = conditions(old, facts, 0, now)
    return {"conditions": [c.model_dump(mode="json", by_alias=True, exclude_none=True) for c in found]}


def _old_conditions(invalid: Invalid) -> list[Condition]:
    """The conditions of the last pass, so that a second pass over the same mistake writes nothing."""
    status = invalid.raw.get("status") or {}
    try:
        return [Condition.model_validate(c) for c in status.get("conditions", ())]
    except ValueError:
        return []
