"""One pass of one baseline: from the landscape's view to assessed roles and status. Pure; calls neither AWS nor store.

Knows how facts become counts, conditions and entries of the status. Proposals are next door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from plumbline.api.baseline import BaselineSpec, BaselineStatus, LeastPrivilegeBaseline, RoleCounts, RoleStatus
from plumbline.assess import drift as grants
from plumbline.assess.ages import grant_ages
from plumbline.assess.assess import Rules, assess_role, distances, evidence_incomplete, undetermined_by_reason
from plumbline.assess.targets import Selection
from plumbline.assess.verdicts import Context
from plumbline.assess.window import Window
from plumbline.iam.granted import granted
from plumbline.model.assessment import GrantDrift, RoleAssessment
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.snapshot import Principal
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.view import LandscapeView
from plumbline.store.memory import Accepted

_STATUS_LISTED = 50


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """What one pass found. `accepted`: what the store must remember of accepted access."""

    baseline: LeastPrivilegeBaseline
    assessments: tuple[RoleAssessment, ...]
    selection: Selection
    governed_elsewhere: int
    accepted: tuple[Accepted, ...]
    accepted_digests: Mapping[str, str]
    accepted_lost: bool

    @property
    def out_of_line(self) -> tuple[RoleAssessment, ...]:
        """Roles beyond a threshold, worst first."""
        return tuple(sorted((a for a in self.assessments if a.out_of_line), key=_severity))

    @property
    def incomplete(self) -> tuple[RoleAssessment, ...]:
        """Roles of which a required source did not deliver."""
        return tuple(a for a in self.assessments if evidence_incomplete(a))


def _severity(assessment: RoleAssessment) -> tuple[int, int, int, str]:
    unused = assessment.counts.unused - assessment.exempted
    drift = len(assessment.drift.additions)
    return (-assessment.unused_privileged, -drift, -unused, assessment.principal.arn)


def assess_baseline(
    view: LandscapeView,
    baseline: LeastPrivilegeBaseline,
    selection: Selection,
    governed: Mapping[str, str],
    accepted: Mapping[str, Accepted],
    as_of: date,
    now: datetime,
) -> BaselineResult:
    key = baseline.metadata.key
    own = [arn for arn in selection.selected if governed.get(arn) == key]
    window = Window.of(as_of, baseline.spec.lookback_days, view.memory)
    # A status that knows accepted roles beside a store that knows none: the store was lost, and what is live now may
    # already have drifted.
    known_before = baseline.status.accepted_roles if baseline.status else 0
    lost = known_before > 0 and not accepted and _accepted_at(baseline.spec, now) is None
    rules = Rules(baseline.spec.thresholds, baseline.spec.exemptions)
    contexts: dict[str, Context] = {}
    assessments, remembered, digests = [], [], {}
    for arn in own:
        principal = view.snapshot.principals[arn]
        if principal.account not in contexts:
            contexts[principal.account] = view.context(principal.account, window, baseline.spec.rare_use == "remove")
        drift, entry = _grant_drift(principal, baseline.spec, accepted.get(arn), now, lost)
        if entry is not None:
            digests[arn] = entry.digest
            if entry is not accepted.get(arn):
                remembered.append(entry)
        assessments.append(_assess(view, principal, rules, drift, contexts[principal.account]))
    return BaselineResult(
        baseline=baseline,
        assessments=tuple(assessments),
        selection=selection,
        governed_elsewhere=len(selection.selected) - len(own),
        accepted=tuple(remembered),
        accepted_digests=digests,
        accepted_lost=lost,
    )


def _assess(
    view: LandscapeView, principal: Principal, rules: Rules, drift: GrantDrift, context: Context
) -> RoleAssessment:
    account = view.snapshot.accounts[principal.account]
    exempt = account.management or principal.path.startswith("/aws-service-role/") or account.scp_levels is None
    # Unknown SCPs leave an upper bound: what they block could not have been used, so its removal is safe as well.
    access = granted(principal, account.scp_levels or (), scp_exempt=exempt)
    usage = view.usage.get(principal.arn, PrincipalUsage())
    ages = grant_ages(
        principal,
        view.first_seen.get(principal.arn, {}),
        view.changes.get(principal.account, ()),
        context.window,
        iam_logs_complete=view.iam_logs_complete(context),
        watched_since=view.watched_since.get(principal.account),
    )
    return assess_role(principal, access, usage, ages, drift, rules, context)


def _accepted_at(spec: BaselineSpec, now: datetime) -> datetime | None:
    at = spec.grant_drift.accepted_at
    return at if at is not None and at <= now else None


def _grant_drift(
    principal: Principal, spec: BaselineSpec, known: Accepted | None, now: datetime, lost: bool
) -> tuple[GrantDrift, Accepted | None]:
    """Drift against the accepted access, and what is accepted from now on. Seeing drift never accepts it."""
    if not principal.policies_known:
        # Half a picture is neither accepted nor called drift.
        return GrantDrift(accepted_known=known is not None), known
    live = grants.atoms_of(principal)
    digest = grants.accepted_digest(live)
    asked = _accepted_at(spec, now)
    by_entry = any(e.role_arn == principal.arn and e.digest == digest for e in spec.grant_drift.accepted)
    same_role = known is not None and known.unique_id == principal.unique_id
    if known is None or not same_role:
        if lost and not by_entry:
            return GrantDrift(accepted_known=False), None
        return GrantDrift(), _accept(principal, live, digest, now)
    if by_entry or (asked is not None and known.accepted_at < asked):
        if digest == known.digest and known.accepted_at >= (asked or known.accepted_at):
            return GrantDrift(), known
        return GrantDrift(), _accept(principal, live, digest, now)
    if digest == known.digest:
        return GrantDrift(), known
    atoms = [grants.Atom.from_json(atom) for atom in known.atoms]
    additions = grants.compare(atoms, live)
    kept = grants.shrink(atoms, live)
    kept_digest = grants.accepted_digest(kept)
    entry = known if kept_digest == known.digest else _accepted(principal, kept, kept_digest, known.accepted_at)
    if not additions:
        return GrantDrift(), entry
    from plumbline.iam.catalogue import catalogue

    bits, unknown = grants.drift_bits(additions, catalogue())
    drift = GrantDrift(
        additions=tuple(str(addition) for addition in additions),
        bits=bits,
        unknown=unknown,
        policies=grants.policies_of(principal, additions),
    )
    return drift, entry


def _accept(principal: Principal, atoms: Sequence[grants.Atom], digest: str, now: datetime) -> Accepted:
    return _accepted(principal, atoms, digest, now)


def _accepted(principal: Principal, atoms: Sequence[grants.Atom], digest: str, at: datetime) -> Accepted:
    return Accepted(principal.arn, principal.unique_id, at, digest, [atom.to_json() for atom in atoms])


def status_of(
    result: BaselineResult, proposals: Mapping[str, str], open_proposals: int, now: datetime, as_of: date
) -> BaselineStatus:
    """The status of a baseline. `proposals`: role ARN -> name of its proposal."""
    baseline = result.baseline
    sums = RoleCounts(
        used=sum(a.counts.used for a in result.assessments),
        unused=sum(a.counts.unused for a in result.assessments),
        undetermined=sum(a.counts.undetermined for a in result.assessments),
        masked=sum(a.counts.masked for a in result.assessments),
        exempted=sum(a.exempted for a in result.assessments),
        grant_drift=sum(len(a.drift.additions) for a in result.assessments),
    )
    out = result.out_of_line
    reported = [*out, *(a for a in result.incomplete if not a.out_of_line)]
    listed = reported[: baseline.spec.limits.reports]
    unassessed = result.selection.unassessed
    granted_total = sums.used + sums.unused + sums.undetermined
    return BaselineStatus(
        observed_generation=baseline.metadata.generation,
        conditions=conditions(
            baseline.status.conditions if baseline.status else [],
            _facts(result, baseline.spec, as_of),
            baseline.metadata.generation,
            now,
        ),
        assessed_at=now.replace(microsecond=0),
        as_of=as_of,
        lookback=f"{baseline.spec.lookback_days}d",
        roles=len(result.assessments),
        roles_out_of_line=len(out),
        roles_undetermined=len(result.incomplete) + sum(u.target.startswith("arn:") for u in unassessed),
        governed_elsewhere=result.governed_elsewhere,
        open_proposals=open_proposals,
        counts=sums,
        reduction_percentage=round(100 * sums.unused / max(granted_total, 1), 1),
        accepted_roles=len(result.accepted_digests),
        roles_reported=[_role_status(a, result, proposals) for a in listed],
        roles_truncated=len(reported) - len(listed),
        unassessed=list(unassessed[:_STATUS_LISTED]),
        unassessed_truncated=max(0, len(unassessed) - _STATUS_LISTED),
        last_handled_reconcile_at=baseline.metadata.annotations.get("plumbline.dev/requestedAt", ""),
    )


def _facts(result: BaselineResult, spec: BaselineSpec, as_of: date) -> list[Fact]:
    roles = len(result.assessments)
    facts = [Fact("Ready", "True", "Assessed", f"{roles} roles assessed for {as_of:%Y-%m-%d}"), _evidence(result)]
    out = len(result.out_of_line)
    incomplete = facts[-1].status != "True"
    if out:
        facts.append(Fact("Compliant", "False", "RolesOutOfLine", f"{out} of {roles} roles exceed a threshold"))
    elif incomplete or not roles:
        why = facts[-1].message if incomplete else "no role is assessed"
        facts.append(Fact("Compliant", "Unknown", "EvidenceIncomplete" if incomplete else "NoRoles", why))
    else:
        undetermined = sum(a.counts.undetermined for a in result.assessments)
        message = f"all {roles} roles are within the thresholds; {undetermined} actions are undetermined"
        facts.append(Fact("Compliant", "True", "WithinThresholds", message))
    if result.accepted_lost:
        message = (
            "the store that held the accepted access is lost, so grant drift before today cannot be seen; "
            "set spec.grantDrift.acceptedAt to accept what is live"
        )
        facts.append(Fact("AcceptedAccessUnknown", "True", "StoreLost", message))
    expired = [e for e in spec.exemptions if e.expires < as_of]
    if expired:
        message = "; ".join(f"{', '.join(e.actions)} of {e.owner} expired on {e.expires}" for e in expired)
        facts.append(Fact("ExemptionsExpired", "True", "Expired", message))
    return facts


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
    figure = ""
    if a.generated_difference is not None:
        current, named, unused, share = a.generated_difference
        figure = f"current {current}, generated {named}, current minus generated {unused} ({share} %)"
    return RoleStatus(
        role_arn=a.principal.arn,
        used=a.counts.used,
        unused=a.counts.unused,
        undetermined=a.counts.undetermined,
        masked=a.counts.masked,
        exempted=a.exempted,
        reduction_percentage=a.counts.reduction_percentage,
        unused_privileged=a.unused_privileged,
        grant_drift=[addition[:300] for addition in a.drift.additions[:5]],
        grant_drift_count=len(a.drift.additions),
        over=list(a.out_of_line),
        distance=distances(a, spec.thresholds),
        not_editable=a.not_editable or "",
        why_undetermined=undetermined_by_reason(a),
        proposal=proposals.get(a.principal.arn, ""),
        owner=owner_of(a.principal, spec),
        accepted_digest=result.accepted_digests.get(a.principal.arn, ""),
        policy_generation=figure,
    )


def owner_of(principal: Principal, spec: BaselineSpec) -> str:
    for tag in spec.routing.owner_tags:
        if principal.tags.get(tag):
            return principal.tags[tag]
    return spec.routing.default_owner


def same_but_time(one: BaselineStatus | None, other: BaselineStatus) -> bool:
    """Whether two statuses say the same, the times of the pass aside."""
    if one is None:
        return False
    cleared = {"assessed_at": None, "as_of": None}
    return one.model_copy(update=cleared).model_dump(mode="json") == other.model_copy(update=cleared).model_dump(
        mode="json"
    )
