"""The steps of one baseline's pass, with what the store remembers between them: assess, propose, open. Calls no AWS.

Both `plumbline run` and the operator take them in this order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import sqlalchemy as sa

from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.validity import first_change
from plumbline.assess.window import Window
from plumbline.reconcile.baseline import BaselineResult, assess_baseline
from plumbline.reconcile.baseline_status import Waiting, status_of
from plumbline.reconcile.decisions import Rejections, heard
from plumbline.reconcile.findings import findings_of
from plumbline.reconcile.landscape import (
    LandscapePass,
)
from plumbline.reconcile.proposals import Proposals, Proposed, proposals
from plumbline.reconcile.review import Role, changes_of_review, review_of, role_of
from plumbline.store.memory import accept, accepted_of
from plumbline.store.register import Registered, register_findings
from plumbline.store.rejections import Rejection, rejections_of, remember_rejections
from plumbline.store.rejections import Role as RejectedRole


@dataclass(slots=True)
class BaselinePass:
    """One baseline after a pass; `result` is None where it could not be assessed, and `reason` says why."""

    baseline: LeastPrivilegeBaseline
    result: BaselineResult | None = None
    status: BaselineStatus | None = None
    proposals: Proposals = field(default_factory=Proposals)
    registered: tuple[Registered, ...] = ()
    reason: str = ""

    @property
    def proposed(self) -> Sequence[Proposed]:
        return self.proposals.wanted


def assess_one(
    engine: sa.Engine, landscape: LandscapePass, baseline: LeastPrivilegeBaseline, as_of: date, now: datetime
) -> BaselinePass:
    """Assesses one baseline and remembers its accepted access."""
    key = baseline.metadata.key
    result = assess_baseline(
        landscape.view,
        baseline,
        landscape.selections[key],
        landscape.governed,
        accepted_of(engine, key),
        as_of,
        now,
    )
    accept(engine, key, result.accepted)
    registered = register_findings(engine, key, findings_of(result, {}), now)
    days = [*changes_of_review(registered, baseline.spec.review, as_of), *([d] if (d := result.valid_until) else [])]
    return BaselinePass(baseline, replace(result, valid_until=first_change(days, as_of)), registered=registered)


def existing_of(
    baseline: LeastPrivilegeBaseline, known: Mapping[str, RemediationProposal], governed: Mapping[str, str]
) -> dict[str, RemediationProposal]:
    """The proposals in the baseline's namespace that are its own or of roles that it governs now; those that another
    baseline of the namespace has taken over are left to that one."""
    key = baseline.metadata.key
    namespace = baseline.metadata.namespace
    result = {}
    for proposal in known.values():
        if proposal.metadata.namespace != namespace:
            continue
        governor = governed.get(proposal.spec.role_arn)
        taken_over = governor not in (None, key) and str(governor).partition("/")[0] == namespace
        own = proposal.spec.baseline_ref.name == baseline.metadata.name and not taken_over
        if own or governor == key:
            result[proposal.metadata.name] = proposal
    return result


def remember_decisions(
    engine: sa.Engine, namespace: str, proposals: Collection[RemediationProposal], now: datetime
) -> dict[RejectedRole, Rejection]:
    """What people of the namespace have rejected, with what these proposals say now remembered."""
    known = rejections_of(engine, namespace)
    rejected, withdrawn = heard(proposals, known, now)
    remember_rejections(engine, namespace, rejected, withdrawn)
    return {role: one for role, one in known.items() if role not in withdrawn} | {one.role: one for one in rejected}


def propose_one(
    one: BaselinePass,
    existing: Mapping[str, RemediationProposal],
    landscape: LandscapePass,
    as_of: date,
    now: datetime,
    rejections: Rejections | None = None,
) -> None:
    """Fills in what the baseline would propose within its own limit."""
    if one.result is None:
        return
    window = Window.of(as_of, one.baseline.spec.lookback_days, landscape.view.memory)
    one.proposals = proposals(one.result, existing, window, now, rejections)


def open_granted(
    one: BaselinePass,
    granted: Collection[str],
    existing: Mapping[str, RemediationProposal],
    landscape: LandscapePass,
    as_of: date,
    now: datetime,
) -> None:
    """Leaves of the new proposals those for which there is a place, and fills in the status."""
    if one.result is None:
        return
    asked = len(one.proposals.opening)
    limit = landscape.landscape.spec.limits.open_proposals
    one.proposals = one.proposals.opened(granted, existing)
    waiting = Waiting(one.proposals.waiting, asked - len(granted), limit)
    complete = not one.result.incomplete and not one.result.accepted_lost
    review = review_of(one.registered, _roles(one), one.baseline.spec.review, as_of, complete=complete)
    one.status = status_of(one.result, one.proposals.names, waiting, now, as_of, review)


def _roles(one: BaselinePass) -> dict[str, Role]:
    """Role ARN -> owner, proposal and decision."""
    assessed = one.result.assessments if one.result is not None else ()
    owners = {a.principal.arn: a.owner for a in assessed}
    found = {arn: Role(owner) for arn, owner in owners.items()}
    for proposed in one.proposed:
        arn = proposed.proposal.spec.role_arn
        if proposed.open or arn not in found:
            found[arn] = role_of(proposed.proposal, owners.get(arn, ""))
    return found
