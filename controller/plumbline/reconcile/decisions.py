"""What people have decided on a plan, now or before the proposal was made again. Pure.

Knows decisions and remembered rejections. Must not know how a plan is made, nor where rejections are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from plumbline.api.proposal import Decision, RemediationProposal
from plumbline.reconcile.conditions import Fact
from plumbline.store.rejections import Rejection, Role

Rejections = Mapping[Role, Rejection]


def role_of(proposal: RemediationProposal) -> Role:
    return proposal.spec.role_arn, proposal.status.unique_id if proposal.status else ""


def is_rejected(proposal: RemediationProposal, rejections: Rejections) -> bool:
    """Whether a person has closed the plan that the proposal shows."""
    decision = _on_this_plan(proposal)
    if decision is not None:
        return decision.state == "Rejected"
    return _before(proposal, rejections) is not None


def approval(proposal: RemediationProposal, rejections: Rejections) -> Fact:
    """The condition Approved. A decision in the proposal says more than one that is only remembered."""
    decision = _on_this_plan(proposal)
    if decision is not None:
        message = f"by {decision.by}: {decision.reason}".rstrip(": ")
        return Fact("Approved", "True" if decision.state == "Approved" else "False", decision.state, message)
    before = _before(proposal, rejections)
    if before is not None:
        said = f"the same plan was rejected by {before.by} on {before.at:%Y-%m-%d}: {before.reason}".rstrip(": ")
        return Fact("Approved", "False", "RejectedBefore", f"{said}; approve it to take that back")
    if proposal.spec.decision is None:
        return Fact("Approved", "Unknown", "NoDecision", "nobody has decided yet")
    return Fact("Approved", "Unknown", "DecisionForOtherPlan", "the decision is for another plan digest")


def heard(
    proposals: Iterable[RemediationProposal], known: Rejections, now: datetime
) -> tuple[list[Rejection], list[Role]]:
    """What is to be remembered anew, and which rejections somebody has taken back: by approving the plan, or by
    withdrawing the decision that the proposal has already shown."""
    rejected, withdrawn = [], []
    for proposal in proposals:
        decision, old = _on_this_plan(proposal), known.get(role_of(proposal))
        if decision is not None and decision.state == "Rejected":
            fresh = Rejection(
                *role_of(proposal), decision.plan_digest, decision.by, decision.reason, now.replace(microsecond=0)
            )
            if old is None or replace(old, at=fresh.at) != fresh:
                rejected.append(fresh)
        elif _before(proposal, known) is not None and (decision is not None or _showed_rejection(proposal)):
            withdrawn.append(role_of(proposal))
    return rejected, withdrawn


def _on_this_plan(proposal: RemediationProposal) -> Decision | None:
    decision, status = proposal.spec.decision, proposal.status
    if decision is None or status is None or decision.plan_digest != status.plan_digest:
        return None
    return decision


def _before(proposal: RemediationProposal, rejections: Rejections) -> Rejection | None:
    found = rejections.get(role_of(proposal))
    return found if found is not None and proposal.status and found.plan_digest == proposal.status.plan_digest else None


def _showed_rejection(proposal: RemediationProposal) -> bool:
    conditions = proposal.status.conditions if proposal.status else []
    return any((c.type, c.reason) == ("Approved", "Rejected") for c in conditions)
