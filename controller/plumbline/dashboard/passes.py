"""Pictures of what a pass has found: the live landscape, its baselines and their proposals.

Knows passes; calls neither AWS nor the API server nor the store.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.analysis import Memory, analyse
from plumbline.dashboard.picture import Picture
from plumbline.export.analysis import Report
from plumbline.reconcile.landscape import LandscapePass
from plumbline.reconcile.risks import facts_of


def report_of(done: LandscapePass, baselines: Iterable[LeastPrivilegeBaseline], memory: Memory | None = None) -> Report:
    """The analysis of the landscape. Roles that a baseline governs are judged by its lookback, all others by the default
    one. `memory`: of earlier analyses for the same landscape."""
    facts = facts_of(done, baselines)
    collected = done.status.collected_at
    as_of = f"{collected:%Y-%m-%dT%H:%M:%SZ}" if collected else facts.window.as_of.isoformat()
    risk = done.landscape.spec.risk
    found = analyse(facts, risk.weights if risk is not None else None, memory=memory)
    return Report(found, facts, as_of, tuple(_warnings(done)))


def picture_of(
    done: LandscapePass,
    report: Report,
    baselines: Iterable[LeastPrivilegeBaseline],
    proposals: Iterable[RemediationProposal],
) -> Picture:
    """`report`: that of the pass and these baselines. `baselines`: with their status; `proposals`: all that there are."""
    known = {baseline.metadata.key: baseline for baseline in baselines}
    governed = {arn: key for arn, key in done.governed.items() if key in known}
    of: dict[str, list[RemediationProposal]] = {}
    for proposal in proposals:
        arn = proposal.spec.role_arn
        if governed.get(arn) == f"{proposal.metadata.namespace}/{proposal.spec.baseline_ref.name}":
            of.setdefault(arn, []).append(proposal)
    return Picture(
        name=done.landscape.metadata.name,
        report=report,
        baselines=known,
        governed=governed,
        proposals={arn: tuple(sorted(found, key=lambda one: one.metadata.key)) for arn, found in of.items()},
        live=True,
        validations=done.evidence.validations,
        last_validated=done.evidence.last_validated,
        review=done.status.review,
    )


def _warnings(done: LandscapePass) -> Iterable[str]:
    snapshot = done.view.snapshot
    if snapshot.organization_error:
        yield f"organization: {snapshot.organization_error}"
    for account in snapshot.accounts.values():
        if account.error:
            yield f"account {account.id} could not be collected, so nothing is known of it: {account.error}"
    for source in done.status.sources:
        if source.state != "complete" and source.accounts:
            remedy = f"; {source.remedy}" if source.remedy else ""
            yield f"source {source.name} is {source.state}: {source.message or source.reason}{remedy}"
