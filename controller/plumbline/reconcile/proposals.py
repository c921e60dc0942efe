"""Proposals: which role has one, what it says, and when its cause is gone. Pure.

One long-lived proposal for each role. The same facts give the same bytes; nothing is superseded for want of data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from plumbline.api.common import API_VERSION
from plumbline.api.proposal import BaselineRef, ProposalSpec, ProposalStatus, RemediationProposal
from plumbline.assess.assess import evidence_incomplete
from plumbline.assess.targets import owner_unknown
from plumbline.assess.window import Window
from plumbline.model.assessment import RoleAssessment, Verdict
from plumbline.model.plan import NotPlannable, Plan
from plumbline.plan import ProofError, plan_role
from plumbline.reconcile.baseline import BaselineResult, Severity, severity
from plumbline.reconcile.children import child_metadata, role_key
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.decisions import Rejections, approval, is_rejected
from plumbline.reconcile.proposal_status import PROOF_FAILED, documents, proposal_status
from plumbline.store.rejections import Role

_OPEN = Fact("Superseded", "False", "CausePresent")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as it should be, with the complete documents by digest. `open`: somebody is to decide or to act.
    `rank`: of one that this pass opens, its place among those that ask to be opened, least first."""

    proposal: RemediationProposal
    documents: Mapping[str, str]
    open: bool
    rank: Severity | None = None

    @property
    def name(self) -> str:
        return self.proposal.metadata.name


@dataclass(frozen=True, slots=True)
class Proposals:
    """Those of one baseline. `waiting`: roles out of line that get none yet because of its own limit."""

    wanted: tuple[Proposed, ...] = ()
    waiting: int = 0

    @property
    def opening(self) -> dict[str, Severity]:
        """Name -> rank of those that this pass opens."""
        return {p.name: p.rank for p in self.wanted if p.rank is not None}

    @property
    def open_before(self) -> frozenset[str]:
        return frozenset(p.name for p in self.wanted if p.open and p.rank is None)

    @property
    def names(self) -> dict[str, str]:
        """Role ARN -> name of its open proposal."""
        return {p.proposal.spec.role_arn: p.name for p in self.wanted if p.open}

    def opened(self, granted: Collection[str], existing: Mapping[str, RemediationProposal]) -> Proposals:
        """Only `granted` ones are opened; the others stay as they are."""
        kept = []
        for proposed in self.wanted:
            if proposed.rank is None or proposed.name in granted:
                kept.append(proposed)
            elif proposed.name in existing:
                kept.append(Proposed(existing[proposed.name], {}, open=False))
        return Proposals(tuple(kept), self.waiting)


def proposals(
    result: BaselineResult,
    existing: Mapping[str, RemediationProposal],
    window: Window,
    now: datetime,
    rejections: Rejections | None = None,
) -> Proposals:
    """All proposals of one baseline as they should be, within its own limit. `existing`: name -> those that it has in
    its namespace. `rejections`: what people of the namespace have rejected before."""
    spec, said = result.baseline.spec, rejections or {}
    candidates = {_name(a): a for a in result.out_of_line if spec.mode == "Propose" and a.not_editable is None}
    wanted = {n: _without_cause(result, old, said, now) for n, old in sorted(existing.items()) if n not in candidates}
    waiting = 0
    # Open ones keep their place, so that the cap does not make proposals come and go.
    for name in sorted(candidates, key=lambda n: not _is_open(existing.get(n), said)):
        assessment, old = candidates[name], existing.get(name)
        full = sum(p.open for p in wanted.values()) >= spec.limits.open_proposals
        rejected = is_rejected(old, said) if old is not None else _role(assessment) in said
        # What a person has rejected is not brought up again because a source failed.
        stays_closed = rejected and bool(evidence_incomplete(assessment))
        if stays_closed or (full and not _is_open(old, said)):
            waiting += not rejected
            if old is not None:
                wanted[name] = Proposed(old, {}, open=False)
            continue
        plan = _plan(assessment)
        if plan.changes or plan.not_plannable:
            wanted[name] = _proposed(result, assessment, plan, old, window, said, now)
        elif old is not None:
            wanted[name] = _without_cause(result, old, said, now)
    return Proposals(tuple(wanted.values()), waiting)


def _role(assessment: RoleAssessment) -> Role:
    return assessment.principal.arn, assessment.principal.unique_id


def _name(assessment: RoleAssessment) -> str:
    principal = assessment.principal
    return role_key(principal.name, principal.arn, principal.unique_id)


def _plan(assessment: RoleAssessment) -> Plan:
    principal = assessment.principal
    removable = assessment.bits(Verdict.UNUSED) & ~assessment.exempted_bits
    try:
        return plan_role(principal, removable=removable, used=assessment.bits(Verdict.USED), uses=assessment.uses)
    except ProofError as error:
        # A plan that cannot be proven is no plan; the others go on.
        failed = NotPlannable(error.policy, PROOF_FAILED, str(error))
        return Plan(principal.arn, principal.unique_id, (), (failed,), (), 0, 0)


def _is_open(proposal: RemediationProposal | None, rejections: Rejections) -> bool:
    if proposal is None or proposal.status is None:
        return False
    return not (_is_superseded(proposal.status) or is_rejected(proposal, rejections))


def _is_superseded(status: ProposalStatus) -> bool:
    return any(c.type == "Superseded" and c.status == "True" for c in status.conditions)


def _proposed(
    result: BaselineResult,
    assessment: RoleAssessment,
    plan: Plan,
    old: RemediationProposal | None,
    window: Window,
    rejections: Rejections,
    now: datetime,
) -> Proposed:
    baseline = result.baseline
    owner = assessment.owner
    said = proposal_status(assessment, plan, owner, old.status if old else None, window)
    proposal = RemediationProposal(
        api_version=API_VERSION,
        kind="RemediationProposal",
        metadata=child_metadata(baseline, _name(assessment), old.metadata.generation if old else 1),
        spec=ProposalSpec(
            baseline_ref=BaselineRef(name=baseline.metadata.name),
            role_arn=plan.role_arn,
            decision=old.spec.decision if old else None,
        ),
        status=said,
    )
    facts = [Fact("Ready", "True", "Assessed"), _validated(plan), approval(proposal, rejections), _OPEN]
    proposal = _with_conditions(proposal, old, facts, now)
    is_open = not is_rejected(proposal, rejections)
    opens = is_open and not _is_open(old, rejections)
    return Proposed(proposal, documents(plan), open=is_open, rank=severity(assessment) if opens else None)


def _validated(plan: Plan) -> Fact:
    if plan.changes:
        message = f"removes {plan.removed} actions; contained in the old access, {plan.replayed_uses} uses replayed"
        return Fact("Validated", "True", "Proven", message)
    reasons = sorted({n.reason for n in plan.not_plannable})
    return Fact(
        "Validated", "False", "ProofFailed" if PROOF_FAILED in reasons else "NothingPlannable", "; ".join(reasons)
    )


def _with_conditions(
    proposal: RemediationProposal, old: RemediationProposal | None, facts: list[Fact], now: datetime
) -> RemediationProposal:
    previous = old.status.conditions if old and old.status else []
    generation = proposal.metadata.generation
    changed = {"conditions": conditions(previous, facts, generation, now), "observed_generation": generation}
    return proposal.model_copy(update={"status": (proposal.status or ProposalStatus()).model_copy(update=changed)})


def _without_cause(result: BaselineResult, old: RemediationProposal, rejections: Rejections, now: datetime) -> Proposed:
    """An existing proposal whose role is not (or no longer) proposed. It is superseded only where that is known."""
    found = next((a for a in result.assessments if a.principal.arn == old.spec.role_arn), None)
    status = old.status or ProposalStatus()
    kept = {c.type: Fact(c.type, c.status, c.reason, c.message) for c in status.conditions}
    if not _unknown(result, old.spec.role_arn, found):
        facts = [Fact("Ready", "True", "Assessed"), Fact("Superseded", "True", *_superseded_because(result, found))]
    elif _is_superseded(status):
        return Proposed(old, {}, open=False)
    else:
        unowned = found is not None and owner_unknown(found.principal)
        what = "the owner of this role is not known" if unowned else "the evidence for this role is incomplete"
        message = f"{what}, so the plan was not computed again"
        facts = [Fact("Ready", "True", "Assessed"), Fact("Validated", "Unknown", "EvidenceIncomplete", message), _OPEN]
    facts = [*kept.values(), approval(old, rejections), *facts]
    proposal = _with_conditions(old, old, facts, now)
    return Proposed(proposal, {}, open=_is_open(proposal, rejections))


def _unknown(result: BaselineResult, arn: str, found: RoleAssessment | None) -> bool:
    """Whether it cannot be said that the cause is gone."""
    if result.baseline.spec.mode != "Propose":
        return False
    if found is not None:
        if owner_unknown(found.principal):
            return True
        return found.not_editable is None and bool(evidence_incomplete(found))
    return arn not in result.selection.selected and arn.split(":")[4] not in result.selection.seen


def _superseded_because(result: BaselineResult, found: RoleAssessment | None) -> tuple[str, str]:
    if found is None:
        return "NotTargeted", "the role is gone, or this baseline no longer governs it"
    if result.baseline.spec.mode != "Propose":
        return "ModeChanged", "the baseline no longer proposes changes"
    if found.not_editable:
        return "NotEditable", found.not_editable
    if found.out_of_line:
        return "NothingToRemove", "the role is beyond a threshold, but has no unused access that could be removed"
    return "WithinThresholds", "the role is within the thresholds"
