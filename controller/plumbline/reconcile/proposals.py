"""Proposals: which role has one, what it says, and when its cause is gone. Pure.

One long-lived proposal for each role. The same facts give the same bytes; nothing is superseded for want of data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import API_VERSION, GROUP, MANAGED_BY, Condition, ObjectMeta, OwnerReference
from plumbline.api.proposal import (
    BaselineRef,
    ChangeStatus,
    NotPlannableStatus,
    ProofStatus,
    ProposalSpec,
    ProposalStatus,
    RemediationProposal,
    StatementProofStatus,
    UnusedAction,
)
from plumbline.assess.assess import evidence_incomplete
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import RoleAssessment, Verdict
from plumbline.model.plan import Plan
from plumbline.model.snapshot import digest_of
from plumbline.plan import plan_role
from plumbline.reconcile.baseline import BaselineResult, owner_of
from plumbline.reconcile.conditions import Fact, conditions

# Room for the conditions and metadata below the 64 KB that a status may have.
_STATUS_BYTES = 48 * 1024
_LISTED_ACTIONS = 20
_BASELINE_LABEL = f"{GROUP}/baseline"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as it should be, with the complete documents by digest."""

    proposal: RemediationProposal
    documents: Mapping[str, str]
    open: bool


def proposal_name(role_name: str, role_arn: str, unique_id: str) -> str:
    """Role name, cut, and ten hex digits of role ARN and unique id; never depends on the content."""
    digest = hashlib.sha256(f"{role_arn}\n{unique_id}".encode()).hexdigest()[:10]
    readable = re.sub(r"[^a-z0-9-]+", "-", role_name.lower()).strip("-")[:40].strip("-")
    return f"{readable}-{digest}" if readable else f"role-{digest}"


def proposals(
    result: BaselineResult, existing: Mapping[str, RemediationProposal], window: Window, now: datetime
) -> list[Proposed]:
    """All proposals of one baseline as they should be. `existing`: name -> those that it has in its namespace."""
    spec = result.baseline.spec
    wanted: list[Proposed] = []
    seen: set[str] = set()
    candidates = [a for a in result.out_of_line if spec.mode == "Propose" and a.not_editable is None]
    # Open ones keep their place, so that the cap does not make proposals come and go.
    candidates.sort(key=lambda a: not _is_open(existing.get(_name(a))))
    for assessment in candidates:
        name = _name(assessment)
        open_now = sum(p.open for p in wanted)
        if open_now >= spec.limits.open_proposals and not _is_open(existing.get(name)):
            continue
        plan = _plan(assessment)
        if plan.changes or plan.not_plannable:
            seen.add(name)
            wanted.append(_proposed(result, assessment, plan, existing.get(name), window, now))
    for name, proposal in existing.items():
        if name not in seen:
            wanted.append(_without_cause(result, proposal, now))
    return wanted


def _name(assessment: RoleAssessment) -> str:
    principal = assessment.principal
    return proposal_name(principal.name, principal.arn, principal.unique_id)


def _plan(assessment: RoleAssessment) -> Plan:
    removable = assessment.bits(Verdict.UNUSED) & ~assessment.exempted_bits
    return plan_role(
        assessment.principal, removable=removable, used=assessment.bits(Verdict.USED), uses=assessment.uses
    )


def _is_open(proposal: RemediationProposal | None) -> bool:
    if proposal is None or proposal.status is None:
        return False
    return not any(c.type == "Superseded" and c.status == "True" for c in proposal.status.conditions)


def _proposed(
    result: BaselineResult,
    assessment: RoleAssessment,
    plan: Plan,
    old: RemediationProposal | None,
    window: Window,
    now: datetime,
) -> Proposed:
    baseline = result.baseline
    documents = {_digest(c.document): c.document for c in plan.changes if c.document}
    figure = ""
    if assessment.generated_difference is not None:
        current, named, unused, share = assessment.generated_difference
        figure = f"current {current}, generated {named}, current minus generated {unused} ({share} %)"
    unused_rows = list(_unused(assessment, window))
    status = ProposalStatus(
        observed_generation=old.metadata.generation if old else 1,
        as_of=_as_of(old, plan, window.as_of),
        unique_id=plan.unique_id,
        plan_digest=plan.digest,
        removed_actions=plan.removed,
        reduction_percentage=round(100 * plan.removed / max(assessment.counts.granted, 1), 1),
        owner=owner_of(assessment.principal, baseline.spec),
        changes=[
            ChangeStatus(
                kind=change.kind,
                policy=change.policy,
                removed_actions=change.removed_actions,
                new_policy_name=change.new_policy_name or "",
                document=change.document or "",
                document_digest=_digest(change.document) if change.document else "",
                before_digest=_digest(change.before),
                diff=change.diff,
            )
            for change in plan.changes
        ],
        unused=unused_rows[:100],
        unused_truncated=max(0, len(unused_rows) - 100),
        not_plannable=[
            NotPlannableStatus(policy=n.policy, reason=n.reason, message=n.message, actions=n.actions)
            for n in plan.not_plannable[:50]
        ],
        proof=ProofStatus(
            contained=True,
            replayed_uses=plan.replayed_uses,
            statements=[
                StatementProofStatus(
                    policy=p.policy, statement=p.statement, before=p.before, after=p.after, used=p.used
                )
                for p in plan.proof[:100]
            ],
            statements_truncated=max(0, len(plan.proof) - 100),
        ),
        policy_generation=figure,
    )
    status = _within_size(status)
    facts = _facts(plan, old, superseded=None)
    status = status.model_copy(update={"conditions": _conditions(old, facts, now)})
    proposal = RemediationProposal(
        api_version=API_VERSION,
        kind="RemediationProposal",
        metadata=_metadata(baseline, _name(assessment), old),
        spec=ProposalSpec(
            baseline_ref=BaselineRef(name=baseline.metadata.name),
            role_arn=plan.role_arn,
            decision=old.spec.decision if old else None,
        ),
        status=status,
    )
    return Proposed(proposal, documents, open=True)


def _metadata(baseline: LeastPrivilegeBaseline, name: str, old: RemediationProposal | None) -> ObjectMeta:
    owner = OwnerReference(
        api_version=API_VERSION,
        kind=baseline.kind,
        name=baseline.metadata.name,
        uid=baseline.metadata.uid or "",
        controller=True,
        block_owner_deletion=False,
    )
    labels = {_BASELINE_LABEL: baseline.metadata.name[:63].rstrip("-."), MANAGED_BY: "plumbline"}
    return ObjectMeta(
        name=name,
        namespace=baseline.metadata.namespace,
        labels=labels,
        owner_references=[owner],
        generation=old.metadata.generation if old else 1,
    )


def _as_of(old: RemediationProposal | None, plan: Plan, day: date) -> str:
    """The day of the plan's facts: it moves only when the plan does, so that unchanged facts write nothing."""
    if old is not None and old.status is not None and old.status.plan_digest == plan.digest and old.status.as_of:
        return old.status.as_of
    return day.isoformat()


def _facts(plan: Plan, old: RemediationProposal | None, superseded: Fact | None) -> list[Fact]:
    if plan.changes:
        message = f"removes {plan.removed} actions; contained in the old access, {plan.replayed_uses} uses replayed"
        validated = Fact("Validated", "True", "Proven", message)
    else:
        validated = Fact("Validated", "False", "NothingPlannable", "; ".join(n.reason for n in plan.not_plannable))
    return [validated, _approved(old, plan.digest), superseded or Fact("Superseded", "False", "CausePresent")]


def _approved(old: RemediationProposal | None, digest: str) -> Fact:
    decision = old.spec.decision if old else None
    if decision is None:
        return Fact("Approved", "Unknown", "NoDecision", "nobody has decided yet")
    if decision.plan_digest != digest:
        return Fact("Approved", "Unknown", "DecisionForOtherPlan", "the decision is for another plan digest")
    status = "True" if decision.state == "Approved" else "False"
    return Fact("Approved", status, decision.state, f"by {decision.by}: {decision.reason}".rstrip(": "))  # type: ignore[arg-type]


def _conditions(old: RemediationProposal | None, facts: Iterable[Fact], now: datetime) -> list[Condition]:
    previous = old.status.conditions if old and old.status else []
    return conditions(previous, facts, old.metadata.generation if old else 1, now)


def _without_cause(result: BaselineResult, old: RemediationProposal, now: datetime) -> Proposed:
    """An existing proposal whose role is not (or no longer) proposed. It is superseded only where that is known."""
    arn = old.spec.role_arn
    found = next((a for a in result.assessments if a.principal.arn == arn), None)
    status = old.status or ProposalStatus()
    if _unknown(result, arn, found):
        message = "the evidence for this role is incomplete, so the plan was not computed again"
        facts = [
            Fact("Validated", "Unknown", "EvidenceIncomplete", message),
            Fact("Superseded", "False", "CausePresent"),
        ]
        still_open = _is_open(old)
    else:
        facts = [Fact("Superseded", "True", *_superseded_because(result, found))]
        still_open = False
    kept = [
        Fact(c.type, c.status, c.reason, c.message)
        for c in status.conditions
        if c.type not in {fact.type for fact in facts}
    ]
    status = status.model_copy(update={"conditions": _conditions(old, [*facts, *kept], now)})
    return Proposed(old.model_copy(update={"status": status}), {}, still_open)


def _unknown(result: BaselineResult, arn: str, found: RoleAssessment | None) -> bool:
    """Whether it cannot be said that the cause is gone."""
    if found is not None:
        return not found.out_of_line and bool(evidence_incomplete(found)) and result.baseline.spec.mode == "Propose"
    account = f"account/{arn.split(':')[4]}"
    return any(u.target in (arn, account) and u.reason == "AccountNotCollected" for u in result.selection.unassessed)


def _superseded_because(result: BaselineResult, found: RoleAssessment | None) -> tuple[str, str]:
    if found is None:
        return "NotTargeted", "the role is gone, or this baseline no longer governs it"
    if result.baseline.spec.mode != "Propose":
        return "ModeChanged", "the baseline no longer proposes changes"
    if found.not_editable:
        return "NotEditable", found.not_editable
    return "WithinThresholds", "the role is within the thresholds"


def _unused(assessment: RoleAssessment, window: Window) -> Iterable[UnusedAction]:
    """What is unused, by service: since when, and which sources say so."""
    known = catalogue()
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for finding in assessment.findings:
        if finding.verdict is Verdict.UNUSED:
            for name in known.names_of(finding.bits & ~assessment.exempted_bits):
                rows.setdefault((name.split(":")[0], finding.sources), []).append(name)
    for (service, sources), names in sorted(rows.items()):
        yield UnusedAction(
            service=service,
            count=len(names),
            actions=names[:_LISTED_ACTIONS],
            truncated=max(0, len(names) - _LISTED_ACTIONS),
            since=None,
            reason=f"silent for {(window.end - window.start).days} days",
            sources=list(sources),
        )


def _within_size(status: ProposalStatus) -> ProposalStatus:
    """Differences go first, then documents; both stay by digest in the folder of documents and the store."""
    for members in (("diff",), ("diff", "document")):
        if len(status.model_dump_json(by_alias=True)) <= _STATUS_BYTES:
            return status
        cut = [change.model_copy(update=dict.fromkeys(members, "")) for change in status.changes]
        status = status.model_copy(update={"changes": cut, "documents_omitted": True})
    return status


def _digest(text: str | None) -> str:
    return digest_of([text or ""])
