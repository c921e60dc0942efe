"""One pass of one baseline: from the landscape's view to assessed roles. Pure; calls neither AWS nor store.

What the status says of them, and what is proposed, is next door.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from plumbline.api.baseline import (
    BaselineSpec,
    LeastPrivilegeBaseline,
)
from plumbline.assess.ages import grant_ages
from plumbline.assess.assess import (
    Rules,
    assess_role,
    evidence_incomplete,
)
from plumbline.assess.drift_changes import changes_behind
from plumbline.assess.guardrails import granted_in
from plumbline.assess.owners import owner_of
from plumbline.assess.pools import Member, pooled
from plumbline.assess.targets import NOT_COLLECTED, ORGANIZATION_NOT_READ, Selection
from plumbline.assess.validity import changes_of_exemptions, changes_of_logs, changes_of_role, first_change
from plumbline.assess.verdicts import Context, verdicts
from plumbline.assess.window import Window
from plumbline.model.assessment import DriftChange, GrantDrift, RoleAssessment
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.snapshot import Principal
from plumbline.reconcile.accepted import grant_drift, lost_since
from plumbline.reconcile.view import LandscapeView
from plumbline.store.memory import Accepted


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """What one pass found. `accepted`: what the store must remember of accepted access. `accepted_lost`: the store had
    remembered more, and nobody has accepted anew what is live. `valid_until`: the first day on which the same facts may
    say something else; None where time alone changes nothing."""

    baseline: LeastPrivilegeBaseline
    assessments: tuple[RoleAssessment, ...]
    selection: Selection
    governed_elsewhere: int
    accepted: tuple[Accepted, ...]
    accepted_digests: Mapping[str, str]
    accepted_lost: bool
    valid_until: date | None = None

    @property
    def out_of_line(self) -> tuple[RoleAssessment, ...]:
        """Roles beyond a threshold, worst first."""
        return tuple(sorted((a for a in self.assessments if a.out_of_line), key=severity))

    @property
    def incomplete(self) -> tuple[RoleAssessment, ...]:
        """Roles of which a required source did not deliver."""
        return tuple(a for a in self.assessments if evidence_incomplete(a))


Severity = tuple[int, int, int, str]


def severity(assessment: RoleAssessment) -> Severity:
    """What puts the worst first when sorted."""
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
    lost = lost_since(baseline, accepted, now)
    rules = Rules(baseline.spec.thresholds, baseline.spec.exemptions, view.escalating)
    contexts: dict[str, Context] = {}
    drifts, members, remembered, digests = dict[str, GrantDrift](), list[Member](), list[Accepted](), dict[str, str]()
    for arn in own:
        principal = view.snapshot.principals[arn]
        if principal.account not in contexts:
            contexts[principal.account] = view.context(principal.account, window, baseline.spec.rare_use == "remove")
        observed = view.snapshot.accounts[principal.account].collected_at or now
        drift, entry = grant_drift(principal, baseline.spec, accepted.get(arn), observed, lost)
        if entry is not None:
            digests[arn] = entry.digest
            if entry is not accepted.get(arn):
                remembered.append(entry)
        drifts[arn] = replace(drift, changes=_changes(view, principal, drift, entry))
        members.append(_judged(view, principal, contexts[principal.account]))
    pool = baseline.spec.pool
    findings = pooled(members, pool) if pool is not None else {m.principal.arn: m.findings for m in members}
    assessments = []
    for arn, member in zip(own, members, strict=True):
        principal, account = member.principal, member.principal.account
        usage = view.usage.get(arn, PrincipalUsage())
        assessed = assess_role(principal, member.granted, usage, findings[arn], drifts[arn], rules, contexts[account])
        owner = owner_of(principal, view.snapshot.accounts[account], baseline.spec.routing, view.routing)
        assessments.append(replace(assessed, owner=owner))
    days = _days_of_change(view, own, baseline.spec, contexts)
    return BaselineResult(
        baseline=baseline,
        assessments=tuple(assessments),
        selection=selection,
        governed_elsewhere=len(selection.selected) - len(own),
        accepted=tuple(remembered),
        accepted_digests=digests,
        accepted_lost=lost is not None
        and not (len(digests) == len(own) and _all_accepted(baseline.spec, own, selection, lost)),
        valid_until=first_change(days, as_of),
    )


def _changes(
    view: LandscapeView, principal: Principal, drift: GrantDrift, accepted: Accepted | None
) -> tuple[DriftChange, ...]:
    account = principal.account
    since = accepted.accepted_at if accepted is not None else None
    return changes_behind(drift, principal, view.changes.get(account, ()), view.announced.get(account, ()), since)


def _days_of_change(
    view: LandscapeView, own: Iterable[str], spec: BaselineSpec, contexts: Mapping[str, Context]
) -> Iterator[date]:
    yield from changes_of_exemptions(spec.exemptions)
    for account, context in contexts.items():
        yield from changes_of_logs(view.coverage.logs.get(account, ()), context.reach, context.window)
    for arn in own:
        principal = view.snapshot.principals[arn]
        yield from changes_of_role(
            principal,
            view.usage.get(arn, PrincipalUsage()),
            view.first_seen.get(arn, {}),
            view.changes.get(principal.account, ()),
            contexts[principal.account].window,
        )


def _all_accepted(spec: BaselineSpec, own: Sequence[str], selection: Selection, lost: datetime) -> bool:
    """Whether no role is left whose lost accepted access may come up later: one that was not assessed may have drifted,
    unless all that is live was accepted since."""
    at = spec.grant_drift.accepted_at
    hidden = any(u.reason in (NOT_COLLECTED, ORGANIZATION_NOT_READ) for u in selection.unassessed)
    return (at is not None and at >= lost) or bool(own and not hidden)


def _judged(view: LandscapeView, principal: Principal, context: Context) -> Member:
    """The role by itself."""
    access = granted_in(principal, view.snapshot.accounts[principal.account])
    usage = view.usage.get(principal.arn, PrincipalUsage())
    ages = grant_ages(
        principal,
        view.first_seen.get(principal.arn, {}),
        view.changes.get(principal.account, ()),
        context.window,
        iam_logs_complete=context.iam_logs_complete,
        watched_since=view.watched_since.get(principal.account),
    )
    return Member(
        principal, access, verdicts(principal, access, usage, ages, view.coverage.about(principal.arn), context)
    )
