"""One pass of one baseline whose landscape has been collected: assess, propose, write. Calls no AWS.

Nothing is computed again while its inputs are as the last pass left them and time alone changes nothing: that is kept in
memory, so a restart computes once more, and writes only what differs. Knows no queue and no landscape's life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.common import parse_duration
from plumbline.api.proposal import RemediationProposal
from plumbline.api.report import RoleAccessReport
from plumbline.assess.window import Window
from plumbline.kube.client import BASELINES, PROPOSALS, REPORTS, Json, KubeClient
from plumbline.model.finding import Findings
from plumbline.operator.keys import Key
from plumbline.operator.open_reports import WRITTEN as OPEN_REPORT_WRITTEN
from plumbline.operator.open_reports import OpenReports
from plumbline.operator.writer import Writer, children, parsed
from plumbline.reconcile.baseline_pass import BaselinePass, assess_one, open_granted, propose_one, remember_decisions
from plumbline.reconcile.baseline_status import same_but_time
from plumbline.reconcile.children import BASELINE_LABEL, label_of
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.decisions import Rejections
from plumbline.reconcile.findings import findings_of
from plumbline.reconcile.inputs import facts_digest, state_digest
from plumbline.reconcile.landscape import LandscapePass, day_of
from plumbline.reconcile.places import Places
from plumbline.reconcile.reports import reports
from plumbline.store.documents import save_documents
from plumbline.store.memory import accepted_of

_TOLD = 5  # roles, in one pass
Assess = Callable[[sa.Engine, LandscapePass, LeastPrivilegeBaseline, date, datetime], BaselinePass]


@dataclass(frozen=True, slots=True)
class _Memo:
    """What the last pass rested on and left, and the day on which it may become untrue."""

    facts: str
    state: str
    as_of: date
    valid_until: date | None

    def holds(self, facts: str, state: str, as_of: date) -> bool:
        until = self.valid_until or date.max
        return (self.facts, self.state) == (facts, state) and self.as_of <= as_of < until


@dataclass(frozen=True, slots=True)
class _Found:
    """What the API server has of a baseline: its children as they came, and the readable ones of its own."""

    proposal_bodies: Mapping[str, Json]
    report_bodies: Mapping[str, Json]
    proposals: Mapping[str, RemediationProposal]
    reports: Mapping[str, RoleAccessReport]


class Assessments:
    """`assess` may be replaced by tests. Raises KubeError and SQLAlchemyError."""

    def __init__(self, kube: KubeClient, engine: sa.Engine, writer: Writer, assess: Assess = assess_one) -> None:
        self._kube = kube
        self._engine = engine
        self._writer = writer
        self._assess = assess
        self._memos: dict[Key, _Memo] = {}
        self._open_reports = OpenReports(kube)
        self.findings: dict[str, Findings] = {}  # by the baseline's key

    def doubt(self, key: Key) -> None:
        """What the last pass left is not what the status says any more: the next one computes."""
        self._memos.pop(key, None)

    def forget(self, key: Key) -> None:
        self._memos.pop(key, None)
        self.findings.pop(f"{key.namespace}/{key.name}", None)
        self._open_reports.forget(f"{key.namespace}/{key.name}")

    def rests(
        self, key: Key, baseline: LeastPrivilegeBaseline, done: LandscapePass, places: Places, now: datetime
    ) -> bool:
        """Whether a pass over these facts would compute nothing, as far as nobody changed what the last one left."""
        memo, as_of = self._memos.get(key), day_of(now)
        if memo is None or baseline.metadata.key not in done.selections or not places.settled(baseline.metadata.key):
            return False
        window = Window.of(as_of, baseline.spec.lookback_days, done.view.memory)
        return memo.holds(facts_digest(done, baseline, window), memo.state, as_of)

    def run(
        self,
        key: Key,
        baseline: LeastPrivilegeBaseline,
        body: Json,
        done: LandscapePass,
        places: Places,
        now: datetime,
    ) -> BaselineStatus:
        """The status as it is after the pass. `places`: those of the landscape."""
        as_of = day_of(now)
        window = Window.of(as_of, baseline.spec.lookback_days, done.view.memory)
        found = self._children(key, baseline)
        rejections = remember_decisions(self._engine, key.namespace, found.proposals.values(), now)
        facts = facts_digest(done, baseline, window)
        memo, old = self._memos.get(key), baseline.status
        if memo is not None and old is not None and places.settled(baseline.metadata.key):
            state = self._state(baseline, old, rejections, [*found.proposals.values(), *found.reports.values()])
            if memo.holds(facts, state, as_of) and self._open_reports.stands(baseline):
                return self._still_so(baseline, body, old, as_of, now)
        self._memos.pop(key, None)  # half a pass leaves no memory
        one = self._assess(self._engine, done, baseline, as_of, now)
        propose_one(one, found.proposals, done, as_of, now, rejections)
        places.hear(baseline.metadata.key, one.proposals.open_before, one.proposals.opening)
        open_granted(one, places.grant(baseline.metadata.key), found.proposals, done, as_of, now)
        status, result = one.status, one.result
        if status is None or result is None:
            raise TypeError("an assessed baseline has a status")
        for proposed in one.proposed:
            save_documents(self._engine, proposed.documents)
            known = found.proposal_bodies.get(proposed.name) or self._kube.get(PROPOSALS, key.namespace, proposed.name)
            self._writer.child(PROPOSALS, proposed.proposal, known)
        findings = findings_of(result, one.proposals.names)
        status = self._with_open_report(baseline, findings, status, now)
        written = reports(result, status, found.reports, window)
        self._write_reports(written, found)
        self._write_status(baseline, body, status, now)
        left = self._state(baseline, status, rejections, [*(p.proposal for p in one.proposed), *written])
        if not any(c.type == OPEN_REPORT_WRITTEN and c.status == "False" for c in status.conditions):
            self._memos[key] = _Memo(facts, left, as_of, result.valid_until)
        self.findings[baseline.metadata.key] = findings
        return status

    def _with_open_report(
        self, baseline: LeastPrivilegeBaseline, findings: Findings, status: BaselineStatus, now: datetime
    ) -> BaselineStatus:
        fact = self._open_reports.write(baseline, findings, status)
        if fact is None:
            return status
        facts = [Fact(c.type, c.status, c.reason, c.message) for c in status.conditions]
        before = baseline.status.conditions if baseline.status else []
        found = conditions(before, [*facts, fact], baseline.metadata.generation, now)
        return status.model_copy(update={"conditions": found})

    def _children(self, key: Key, baseline: LeastPrivilegeBaseline) -> _Found:
        labels = f"{BASELINE_LABEL}={label_of(baseline.metadata.name)}"
        proposal_bodies = children(self._kube, PROPOSALS, key.namespace, labels)
        report_bodies = children(self._kube, REPORTS, key.namespace, labels)
        # Names may be longer than labels, so others may have the same.
        own = {name: body for name, body in report_bodies.items() if _of(body, key)}
        proposals = parsed(RemediationProposal, {n: b for n, b in proposal_bodies.items() if _of(b, key)})
        return _Found(proposal_bodies, own, proposals, parsed(RoleAccessReport, own))

    def _state(
        self,
        baseline: LeastPrivilegeBaseline,
        status: BaselineStatus,
        rejections: Rejections,
        found: Iterable[RemediationProposal | RoleAccessReport],
    ) -> str:
        return state_digest(baseline, status, accepted_of(self._engine, baseline.metadata.key), rejections, found)

    def _still_so(
        self, baseline: LeastPrivilegeBaseline, body: Json, old: BaselineStatus, as_of: date, now: datetime
    ) -> BaselineStatus:
        """Says once in an interval that what it says is still so."""
        status = old.model_copy(update={"assessed_at": now.replace(microsecond=0), "as_of": as_of})
        if _due(old, status, parse_duration(baseline.spec.interval)):
            self._writer.status(BASELINES, baseline.metadata, status, body.get("status"))
        return status

    def _write_status(
        self, baseline: LeastPrivilegeBaseline, body: Json, status: BaselineStatus, now: datetime
    ) -> None:
        old = baseline.status
        if same_but_time(old, status) and old and not _due(old, status, parse_duration(baseline.spec.interval)):
            return
        self._writer.status(BASELINES, baseline.metadata, status, body.get("status"))
        self._writer.transitions(body, old.conditions if old else [], status.conditions, now)
        for note in drift_news(old, status):
            self._writer.event(body, "Warning", "GrantDrift", note, now)

    def _write_reports(self, wanted: Iterable[RoleAccessReport], found: _Found) -> None:
        names = set()
        for report in wanted:
            names.add(report.metadata.name)
            self._writer.child(REPORTS, report, found.report_bodies.get(report.metadata.name))
        for name in sorted(set(found.report_bodies) - names):
            self._writer.remove(REPORTS, found.report_bodies[name])


def drift_news(old: BaselineStatus | None, new: BaselineStatus) -> list[str]:
    """A sentence for each of the first roles whose live access goes further beyond the accepted than it did."""
    before = {role.role_arn: set(role.grant_drift) for role in old.roles_reported} if old else {}
    notes = []
    for role in new.roles_reported:
        added = [one for one in role.grant_drift if one not in before.get(role.role_arn, ())]
        if added:
            more = f" and {role.grant_drift_count - len(added)} more" if role.grant_drift_count > len(added) else ""
            last = role.grant_drift_changes[0] if role.grant_drift_changes else None
            who = f"; {last.event} by {last.by} at {last.at:%Y-%m-%dT%H:%M:%SZ}" if last else ""
            notes.append(f"{role.role_arn} was granted {', '.join(added)}{more}{who}")
    return notes[:_TOLD]


def _of(body: Json, key: Key) -> bool:
    return bool((body["spec"].get("baselineRef") or {}).get("name") == key.name)


def _due(old: BaselineStatus, status: BaselineStatus, interval: timedelta) -> bool:
    """Whether the time of the last assessment is older than an interval."""
    if old.assessed_at is None or status.assessed_at is None:
        return True
    return status.assessed_at - old.assessed_at >= interval
