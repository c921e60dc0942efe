"""Pictures of what a pass has found: the live landscape, its baselines and their proposals.

Knows passes; calls neither AWS nor the API server nor the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.analysis import Facts, Terms, analyse
from plumbline.assess.window import Window
from plumbline.dashboard.picture import Picture
from plumbline.export.analysis import Report
from plumbline.reconcile.landscape import LandscapePass, day_of

_DEFAULT_LOOKBACK = 90  # days, for what no baseline governs


def report_of(done: LandscapePass, baselines: Iterable[LeastPrivilegeBaseline]) -> Report:
    """The analysis of the landscape. Roles that a baseline governs are judged by its lookback, all others by the default
    one."""
    facts = _facts(done, {baseline.metadata.key: baseline for baseline in baselines})
    collected = done.status.collected_at
    as_of = f"{collected:%Y-%m-%dT%H:%M:%SZ}" if collected else facts.window.as_of.isoformat()
    return Report(analyse(facts), facts, as_of, tuple(_warnings(done)))


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
    )


def _facts(done: LandscapePass, baselines: Mapping[str, LeastPrivilegeBaseline]) -> Facts:
    view, collected = done.view, done.status.collected_at
    if collected is None:
        raise ValueError("a pass has a time of collection")
    day = day_of(collected)
    terms = {
        key: Terms(Window.of(day, baseline.spec.lookback_days, view.memory), baseline.spec.rare_use == "remove")
        for key, baseline in baselines.items()
    }
    return Facts(
        principals=view.snapshot.principals,
        accounts=view.snapshot.accounts,
        usage=view.usage,
        coverage=view.coverage,
        window=Window.of(day, _DEFAULT_LOOKBACK, view.memory),
        log_sources=dict.fromkeys(view.snapshot.accounts, view.log_sources),
        changes=view.changes,
        first_seen=view.first_seen,
        watched_since=view.watched_since,
        terms={arn: terms[key] for arn, key in done.governed.items() if key in terms},
        pools=[
            (baseline.spec.pool, sorted(arn for arn, governor in done.governed.items() if governor == key))
            for key, baseline in sorted(baselines.items())
            if baseline.spec.pool is not None
        ],
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
