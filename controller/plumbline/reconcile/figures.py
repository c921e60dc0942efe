"""Turns what a pass found into the figures that are exported. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from plumbline import __version__
from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.review import ReviewCounts
from plumbline.aws.calls import Call
from plumbline.export.metrics import AccountFigures, BaselineFigures, CallFigures, Figures, RoleFigures
from plumbline.iam.catalogue import catalogue
from plumbline.model.coverage import LogCoverage, State
from plumbline.model.credentials import SOURCE as CREDENTIAL_REPORT
from plumbline.model.inactivity import counts as activity_counts
from plumbline.model.pod_identity import SOURCE as POD_IDENTITY
from plumbline.reconcile.analyzers import external_counts, of_unused_access
from plumbline.reconcile.baseline_pass import BaselinePass
from plumbline.reconcile.landscape import LandscapePass
from plumbline.reconcile.run import PassReport
from plumbline.usage.access_answers import SOURCE as LAST_ACCESSED


def figures_of(report: PassReport) -> Figures:
    """Everything that one pass exports."""
    return Figures(
        baselines=tuple(
            baseline_figures(one.baseline, one.status) for one in report.baselines.values() if one.status is not None
        ),
        accounts=tuple(row for done in report.landscapes.values() for row in account_figures(done)),
        roles=tuple(row for row in _roles(report)),
        calls=tuple(_calls(report.calls)),
        scanned=tuple((*key, number) for key, number in sorted(report.scanned.items())),
        events=tuple(
            (name, bin_, number)
            for name, done in report.landscapes.items()
            for bin_, number in done.evidence.records.items()
            if bin_ != "records"
        ),
        activity=tuple(row for done in report.landscapes.values() for row in activity_figures(done)),
        findings=tuple(row for done in report.landscapes.values() for row in finding_figures(done)),
        reviewed=tuple(row for done in report.landscapes.values() for row in review_figures(done)),
        review_complete=tuple(row for done in report.landscapes.values() for row in review_complete(done)),
        risk=tuple(row for done in report.landscapes.values() for row in risk_figures(done)),
        analyzers=tuple(row for done in report.landscapes.values() for row in analyzer_figures(done)),
        unused_access=tuple(row for done in report.landscapes.values() for row in unused_access_figures(done)),
        external_access=tuple(row for done in report.landscapes.values() for row in external_access_figures(done)),
        policy_findings=tuple(row for done in report.landscapes.values() for row in policy_finding_figures(done)),
        policy_documents=tuple(row for done in report.landscapes.values() for row in policy_document_figures(done)),
        last_success=tuple((name, report.now) for name, done in report.landscapes.items() if all_collected(done)),
        invalid_resources=len(report.invalid),
        version=__version__,
        catalogue=catalogue().version,
    )


def all_collected(done: LandscapePass) -> bool:
    snapshot = done.view.snapshot
    failed = any(account.error for account in snapshot.accounts.values())
    return bool(snapshot.accounts) and not failed and not snapshot.organization_error


def baseline_figures(baseline: LeastPrivilegeBaseline, status: BaselineStatus) -> BaselineFigures:
    truth = {condition.type: condition.status for condition in status.conditions}
    return BaselineFigures(
        landscape=baseline.spec.landscape_ref.name,
        namespace=baseline.metadata.namespace or "",
        baseline=baseline.metadata.name,
        roles=status.roles,
        out_of_line=status.roles_out_of_line,
        undetermined_roles=status.roles_undetermined,
        used=status.counts.used,
        unused=status.counts.unused,
        undetermined=status.counts.undetermined,
        masked=status.counts.masked,
        grant_drift=status.counts.grant_drift,
        open_proposals=status.open_proposals,
        compliant={"True": True, "False": False}.get(truth.get("Compliant", "Unknown")),
        evidence_complete=truth.get("EvidenceComplete") == "True",
        accepted_unknown=truth.get("AcceptedAccessUnknown") == "True",
        waiting_proposals=status.waiting_proposals,
        findings=_findings(status.review),
        unused_access_disagreements=status.unused_access_disagreements,
    )


def _findings(review: ReviewCounts | None) -> Mapping[str, int]:
    if review is None:
        return {}
    states = ("open", "new", "overdue", "decided", "resolved")
    return {state: getattr(review, state) for state in states}


def review_figures(done: LandscapePass) -> Iterable[tuple[str, str, str, int]]:
    """Landscape, kind of finding, state and number; nothing where the landscape does not ask for it."""
    review, name = done.status.review, done.landscape.metadata.name
    for kind, told in review.kinds.items() if review is not None else ():
        yield from ((name, kind, state, number) for state, number in _findings(told).items())


def review_complete(done: LandscapePass) -> Iterable[tuple[str, str, bool]]:
    """Landscape, kind of finding, and whether all is known that could show one."""
    review, name = done.status.review, done.landscape.metadata.name
    return ((name, kind, told.complete) for kind, told in (review.kinds.items() if review is not None else ()))


def risk_figures(done: LandscapePass) -> Iterable[tuple[str, str, int]]:
    """Landscape, band of risk or `escalating`, and how many principals; nothing where the landscape does not ask for it."""
    found, name = done.status.risk, done.landscape.metadata.name
    if found is not None:
        yield from ((name, band, number) for band, number in found.bands.items())
        yield name, "escalating", found.escalating


def finding_figures(done: LandscapePass) -> Iterable[tuple[str, int, int, int]]:
    """Landscape, open, refused and failing accounts; nothing where the landscape does not ask for it."""
    found = done.status.findings
    if found is not None:
        failing = len(found.failing_accounts) + found.failing_accounts_truncated
        yield done.landscape.metadata.name, found.open, found.refused, failing


def activity_figures(done: LandscapePass) -> Iterable[tuple[str, str, str, int]]:
    """Landscape, kind, activity and number; nothing where the landscape does not ask for it."""
    for kind, numbers in activity_counts(done.judgements).items() if done.judgements is not None else ():
        for activity, number in numbers.items():
            yield done.landscape.metadata.name, kind, activity.value, number


def analyzer_figures(done: LandscapePass) -> Iterable[tuple[str, str, str, int]]:
    """Landscape, kind, state and number of the analyzers that have to exist."""
    found = done.evidence.analyzers
    for (kind, state), number in Counter((j.required.kind, j.state) for j in found.judged).items() if found else ():
        yield done.landscape.metadata.name, kind, state, number


def unused_access_figures(done: LandscapePass) -> Iterable[tuple[str, str, int]]:
    """Landscape, type of finding and number; nothing where they could not be read."""
    said = done.status.analyzers
    for type_, number in said.unused_access.items() if said is not None else ():
        yield done.landscape.metadata.name, type_, number


def external_access_figures(done: LandscapePass) -> Iterable[tuple[str, str, str, int]]:
    """Landscape, account, access and number."""
    found = done.evidence.analyzers
    lists = [one for one in found.lists if not of_unused_access(one)] if found is not None else []
    for account, counts in external_counts(lists).items():
        yield done.landscape.metadata.name, account, "public", counts.public
        yield done.landscape.metadata.name, account, "crossAccount", counts.cross_account


def policy_finding_figures(done: LandscapePass) -> Iterable[tuple[str, str, int]]:
    """Landscape, type and number of the open findings of policy validation."""
    said = done.status.policy_validation
    for type_, number in said.findings.items() if said is not None else ():
        yield done.landscape.metadata.name, type_, number


def policy_document_figures(done: LandscapePass) -> Iterable[tuple[str, str, int]]:
    """Landscape, state and number of the documents of live policies."""
    said = done.status.policy_validation
    if said is not None:
        yield done.landscape.metadata.name, "checked", said.documents_checked
        yield done.landscape.metadata.name, "unchecked", said.documents_unchecked


def account_figures(done: LandscapePass) -> Iterable[AccountFigures]:
    coverage, snapshot = done.view.coverage, done.view.snapshot
    # One that was deleted since the whole pass is asked about no more.
    live = [arn for arn in coverage.last_accessed if arn in snapshot.principals]
    for account in snapshot.accounts.values():
        evidence: dict[str, tuple[bool, datetime | None]] = {
            log.source: (log.state is None or log.state.state is State.COMPLETE, _until(log))
            for log in coverage.logs.get(account.id, ())
        }
        principals = [arn for arn in live if snapshot.principals[arn].account == account.id]
        if principals:
            answers = [done.view.usage[arn].last_accessed for arn in principals]
            complete = all(coverage.last_accessed[arn].state is State.COMPLETE for arn in principals)
            # The oldest answer is the age of the evidence.
            until = min((a.collected_at for a in answers if a is not None), default=None)
            evidence[LAST_ACCESSED] = (complete, until)
        credentials = done.evidence.credentials.get(account.id)
        if credentials is not None:
            evidence[CREDENTIAL_REPORT] = (credentials.source.state is State.COMPLETE, credentials.generated_at)
        associations = snapshot.pod_identity.get(account.id)
        if associations is not None:
            evidence[POD_IDENTITY] = (associations.complete, account.collected_at if associations.complete else None)
        yield AccountFigures(
            landscape=snapshot.landscape,
            account=account.id,
            reachable=account.collected_at is not None,
            collected_at=account.collected_at,
            evidence=evidence,
        )


def _until(log: LogCoverage) -> datetime | None:
    """Until when every enabled Region is proven complete; None when one of them never was."""
    ends = [spans[-1][1] if (spans := log.covered.get(region)) else None for region in log.regions or ()]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None


def _roles(report: PassReport) -> Iterable[RoleFigures]:
    for one in report.baselines.values():
        name = one.baseline.spec.landscape_ref.name
        done = report.landscapes.get(name)
        if done is None or not done.landscape.spec.role_metrics:
            continue
        yield from role_figures(name, one)


def role_figures(landscape: str, one: BaselinePass) -> Iterable[RoleFigures]:
    for assessment in one.result.assessments if one.result is not None else ():
        counts = assessment.counts
        yield RoleFigures(landscape, assessment.principal.arn, counts.unused, counts.undetermined)


def _calls(calls: Mapping[str, Mapping[Call, int]]) -> Iterable[CallFigures]:
    """Accounts are summed: account times operation would be too many series."""
    total: dict[tuple[str, str, str], int] = {}
    for counts in calls.values():
        for call, number in counts.items():
            key = (call.service, call.operation, call.code)
            total[key] = total.get(key, 0) + number
    return [CallFigures(*key, number) for key, number in sorted(total.items())]
