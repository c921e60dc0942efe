"""What the status of a baseline says of its assessed roles: counts, conditions, and the worst of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from plumbline.api.baseline import (
    BaselineSpec,
    BaselineStatus,
    DriftChangeStatus,
    RoleCounts,
    RoleStatus,
    Unassessed,
)
from plumbline.api.common import REQUESTED_AT
from plumbline.api.review import ReviewStatus
from plumbline.assess.assess import (
    distances,
    evidence_incomplete,
    generated_figure,
    rare_use,
    undetermined_by_reason,
)
from plumbline.assess.targets import Selection
from plumbline.model.assessment import DriftChange, RoleAssessment
from plumbline.reconcile.accepted import ACCEPTED_UNKNOWN
from plumbline.reconcile.agreement import agreement_status
from plumbline.reconcile.baseline import BaselineResult
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.resources import STATUS_BYTES, size_of

_STATUS_LISTED = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """Roles out of line without a place: by the baseline's own limit, and by the landscape's, which is `limit`."""

    own: int = 0
    shared: int = 0
    limit: int = 0


def status_of(
    result: BaselineResult,
    proposals: Mapping[str, str],
    waiting: Waiting,
    now: datetime,
    as_of: date,
    review: ReviewStatus | None = None,
) -> BaselineStatus:
    """The status of a baseline. `proposals`: role ARN -> name of its open proposal."""
    baseline = result.baseline
    sums = RoleCounts(
        used=sum(a.counts.used for a in result.assessments),
        unused=sum(a.counts.unused for a in result.assessments),
        undetermined=sum(a.counts.undetermined for a in result.assessments),
        masked=sum(a.counts.masked for a in result.assessments),
        exempted=sum(a.exempted for a in result.assessments),
        rare_use=sum(rare_use(a) for a in result.assessments),
        grant_drift=sum(len(a.drift.additions) for a in result.assessments),
    )
    out = result.out_of_line
    reported = [*out, *(a for a in result.assessments if not a.out_of_line and _is_unclear(a))]
    listed = [_role_status(a, result, proposals) for a in reported[: baseline.spec.limits.reports]]
    unassessed = result.selection.unassessed
    granted_total = sums.used + sums.unused + sums.undetermined
    status = BaselineStatus(
        observed_generation=baseline.metadata.generation,
        conditions=conditions(
            baseline.status.conditions if baseline.status else [],
            [*_facts(result, baseline.spec, as_of), *_limited(waiting, baseline.spec)],
            baseline.metadata.generation,
            now,
        ),
        assessed_at=now.replace(microsecond=0),
        as_of=as_of,
        lookback=f"{baseline.spec.lookback_days}d",
        roles=len(result.assessments),
        roles_out_of_line=len(out),
        roles_undetermined=len(result.incomplete)
        + sum(u.target.startswith(("arn:", "serviceAccount/")) for u in unassessed),
        governed_elsewhere=result.governed_elsewhere,
        open_proposals=len(proposals),
        waiting_proposals=waiting.own + waiting.shared,
        counts=sums,
        reduction_percentage=round(100 * sums.unused / max(granted_total, 1), 1),
        unused_access_disagreements=sum(a.agreement.disagreements for a in result.assessments if a.agreement),
        accepted_roles=len(result.accepted_digests),
        roles_reported=listed,
        roles_truncated=len(reported) - len(listed),
        unassessed=list(unassessed[:_STATUS_LISTED]),
        unassessed_truncated=max(0, len(unassessed) - _STATUS_LISTED),
        review=review,
        last_handled_reconcile_at=baseline.metadata.annotations.get(REQUESTED_AT, ""),
    )
    return _within_size(status)


def _is_unclear(assessment: RoleAssessment) -> bool:
    return bool(evidence_incomplete(assessment)) or not assessment.drift.accepted_known


def _within_size(status: BaselineStatus) -> BaselineStatus:
    """As many roles, worst first, and unassessed targets as an object may hold; the rest is counted."""
    over = size_of(status) - STATUS_BYTES
    roles, unassessed = list(status.roles_reported), list(status.unassessed)
    while over > 0 and (roles or unassessed):
        rest: list[RoleStatus] | list[Unassessed] = roles if len(roles) >= len(unassessed) else unassessed
        over -= size_of(rest.pop()) + 1
    return status.model_copy(
        update={
            "roles_reported": roles,
            "roles_truncated": status.roles_truncated + len(status.roles_reported) - len(roles),
            "unassessed": unassessed,
            "unassessed_truncated": status.unassessed_truncated + len(status.unassessed) - len(unassessed),
        }
    )


def _facts(result: BaselineResult, spec: BaselineSpec, as_of: date) -> list[Fact]:
    facts = [Fact("Ready", "True", "Assessed", f"{len(result.assessments)} roles assessed"), _evidence(result)]
    facts.append(_compliant(result, spec, facts[-1]))
    if result.accepted_lost:
        message = (
            "the store that held the accepted access is lost, so grant drift since then cannot be seen; set "
            "spec.grantDrift.acceptedAt to the present time to accept what is live, or name roles with their liveDigest "
            "under spec.grantDrift.accepted"
        )
        facts.append(Fact(ACCEPTED_UNKNOWN, "True", "StoreLost", message))
    expired = [e for e in spec.exemptions if e.expires < as_of]
    if expired:
        message = "; ".join(f"{', '.join(e.actions)} of {e.owner} expired on {e.expires}" for e in expired)
        facts.append(Fact("ExemptionsExpired", "True", "Expired", message))
    return facts


def _limited(waiting: Waiting, spec: BaselineSpec) -> Iterable[Fact]:
    """That roles wait for a proposal, and for which limit; nothing while none does."""
    own = f"{waiting.own} roles wait, because limits.openProposals of this baseline is {spec.limits.open_proposals}"
    name = spec.landscape_ref.name
    shared = f"{waiting.shared} roles wait, because limits.openProposals of the landscape {name} is {waiting.limit}"
    remedy = "decide on open proposals, or raise the limit"
    if waiting.shared:
        message = "; ".join([own, shared] if waiting.own else [shared])
        yield Fact("ProposalsLimited", "True", "LandscapeLimit", f"{message}; {remedy}")
    elif waiting.own:
        yield Fact("ProposalsLimited", "True", "BaselineLimit", f"{own}; {remedy}")


def _compliant(result: BaselineResult, spec: BaselineSpec, evidence: Fact) -> Fact:
    """True only where all that was to be known is known: no data never means clean."""
    roles, out = len(result.assessments), len(result.out_of_line)
    unknown = sum(1 for a in result.assessments if not a.drift.accepted_known)
    if out:
        return Fact("Compliant", "False", "RolesOutOfLine", f"{out} of {roles} roles exceed a threshold")
    if evidence.status != "True":
        return Fact("Compliant", "Unknown", "EvidenceIncomplete", evidence.message)
    if spec.thresholds.grant_drift is not None and (unknown or result.accepted_lost):
        return Fact("Compliant", "Unknown", ACCEPTED_UNKNOWN, f"the accepted access of {unknown} roles is unknown")
    if not roles:
        return Fact("Compliant", "Unknown", "NoRoles", "no role is assessed; see spec.targets and status.unassessed")
    undetermined = sum(a.counts.undetermined for a in result.assessments)
    message = f"all {roles} roles are within the thresholds; {undetermined} actions are undetermined"
    return Fact("Compliant", "True", "WithinThresholds", message)


def _evidence(result: BaselineResult) -> Fact:
    """Whether every required source delivered for every target."""
    reasons: dict[str, int] = {}
    for assessment in result.assessments:
        for reason in evidence_incomplete(assessment):
            reasons[reason] = reasons.get(reason, 0) + 1
    parts = [f"{reason}: {number} roles" for reason, number in sorted(reasons.items())]
    if result.selection.unassessed:
        parts.append(f"{len(result.selection.unassessed)} targets not assessed")
    if parts:
        return Fact("EvidenceComplete", "False", "SourcesIncomplete", "; ".join(parts))
    return Fact("EvidenceComplete", "True", "AllSourcesDelivered")


def _role_status(a: RoleAssessment, result: BaselineResult, proposals: Mapping[str, str]) -> RoleStatus:
    spec = result.baseline.spec
    accepted = result.accepted_digests.get(a.principal.arn, "")
    return RoleStatus(
        role_arn=a.principal.arn,
        used=a.counts.used,
        unused=a.counts.unused,
        undetermined=a.counts.undetermined,
        masked=a.counts.masked,
        exempted=a.exempted,
        rare_use=rare_use(a),
        reduction_percentage=a.counts.reduction_percentage,
        unused_privileged=a.unused_privileged,
        grant_drift=[addition[:300] for addition in a.drift.additions[:5]],
        grant_drift_count=len(a.drift.additions),
        grant_drift_changes=[_drift_change(one, result.selection) for one in a.drift.changes],
        over=list(a.out_of_line),
        distance=distances(a, spec.thresholds),
        not_editable=a.not_editable or "",
        why_undetermined=undetermined_by_reason(a),
        proposal=proposals.get(a.principal.arn, ""),
        owner=a.owner,
        accepted_digest=accepted,
        live_digest=a.drift.live_digest if a.drift.live_digest != accepted else "",
        policy_generation=generated_figure(a),
        unused_access=agreement_status(a),
    )


def _drift_change(one: DriftChange, selection: Selection) -> DriftChangeStatus:
    """Who made it is named only where the namespace may see that role; the landscape's status names everybody."""
    change = one.change
    account = change.by.split(":")[4] if change.by.count(":") > 4 else ""
    hidden = f"a principal of account {account}" if account else "unknown"
    return DriftChangeStatus(
        event=change.event_name,
        policy=change.policy or "",
        at=change.at.replace(microsecond=0),
        by=change.by if change.by in selection.selected else hidden,
        source="queue" if one.announced else "logs",
    )


def same_but_time(one: BaselineStatus | None, other: BaselineStatus) -> bool:
    """Whether two statuses say the same, the times of the pass aside."""
    if one is None:
        return False
    cleared = {"assessed_at": None, "as_of": None}
    return one.model_copy(update=cleared).model_dump(mode="json") == other.model_copy(update=cleared).model_dump(
        mode="json"
    )
