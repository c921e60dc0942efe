"""The risks of a landscape after its pass: what the status says of the riskiest roles and users, and what to do first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.risk import Deciding, RiskContribution, RiskStatus, RiskyPrincipal
from plumbline.assess.analysis import Analysis, Facts, Memory, PrincipalAnalysis, Terms, analyse
from plumbline.assess.remedies import ranked
from plumbline.assess.targets import accounts_seen
from plumbline.assess.window import Window
from plumbline.reconcile.landscape import Escalating, LandscapePass, day_of, own_routing

BANDS: Final = ((75, 100), (50, 74), (25, 49), (0, 24))  # the highest first
_UNKNOWN_PARTS: Final = frozenset({"undetermined", "accessUnknown", "exposureUnknown", "blastRadiusUnknown"})
_DEFAULT_LOOKBACK = 90  # days, for what no baseline governs
_DECIDING = 10
_REASON = 300


def with_risk(
    done: LandscapePass,
    baselines: Iterable[LeastPrivilegeBaseline],
    memory: Memory | None = None,
) -> LandscapePass:
    """The pass with the scores of everybody; unchanged where the landscape does not ask for them, or saw nobody."""
    risk = done.landscape.spec.risk
    if risk is None or done.status.collected_at is None:
        return done
    found = analyse(facts_of(done, baselines), risk.weights, memory=memory)
    status = risk_status(found, done.governed, risk.listed, _refreshed(done))
    return replace(done, status=done.status.model_copy(update={"risk": status}), escalating=escalating(found, done))


def escalating(analysis: Analysis, done: LandscapePass) -> Escalating:
    """No way that is certain means something only where all is known that could make one."""
    snapshot = done.view.snapshot
    unseen = {account.id for account in snapshot.accounts.values() if account.state == "ACTIVE"} - accounts_seen(
        snapshot
    )
    hidden = bool(unseen) or snapshot.organization_error is not None
    certain = [one for one in analysis.principals if any(_certain(one))]
    found = {one.principal.arn for one in certain}
    return Escalating(
        tuple(one.principal for one in certain),
        tuple(
            one.principal
            for one in analysis.principals
            if one.principal.arn not in found and _unclear(one, hidden=hidden)
        ),
    )


def _unclear(one: PrincipalAnalysis, *, hidden: bool) -> bool:
    """Whether something may be certain of which that is not known. `hidden`: there are accounts of which nothing is known; who
    has a way that lacks only somebody to take over may find one there. Of an administrator no such way is told: but that it
    may assume what is not seen leaves its blast radius open."""
    ways = (*one.escalations.escalations, *one.escalations.potential)
    if one.blast_radius is not None and not one.blast_radius.known:
        return True
    # What a policy says that could not be read is among what ways assume.
    return any(way.assumes for way in ways) or bool(one.escalations.more) or (hidden and bool(ways))


def _refreshed(done: LandscapePass) -> dict[str, datetime]:
    """Account -> when it was looked at again after the whole collection."""
    times = {
        a.id: a.collected_at.replace(microsecond=0) for a in done.view.snapshot.accounts.values() if a.collected_at
    }
    whole = done.status.collected_at
    return {account: at for account, at in times.items() if whole is not None and at > whole}


def risk_status(
    analysis: Analysis, governed: Mapping[str, str], listed: int, refreshed: Mapping[str, datetime]
) -> RiskStatus:
    """`governed`: role ARN -> key of its baseline. `refreshed`: accounts that were looked at since."""
    everybody = analysis.principals
    riskiest = sorted(everybody, key=lambda one: (-one.risk.score, one.principal.arn))[:listed]
    return RiskStatus(
        scored=len(everybody),
        at_least=sum(at_least(one) for one in everybody),
        bands={f"{low}-{high}": sum(low <= one.risk.score <= high for one in everybody) for low, high in BANDS},
        escalating=sum(any(_certain(one)) for one in everybody),
        cross_account=sum(one.blast_radius.confirmed.accounts for one in everybody if one.blast_radius is not None),
        riskiest=[
            _risky(one, governed.get(one.principal.arn, ""), refreshed.get(one.principal.account)) for one in riskiest
        ],
        would_decide=[
            Deciding(kind=one.remedy.kind, what=one.remedy.what, principals=one.principals, actions=one.actions)
            for one in ranked(one.findings for one in everybody)
            if one.remedy.kind in ("switchOn", "repair")
        ][:_DECIDING],
    )


def at_least(one: PrincipalAnalysis) -> bool:
    """Whether something about the principal is not known, so that its risk may be higher."""
    return any(part.name in _UNKNOWN_PARTS for part in one.risk.contributions)


def recommendation(one: PrincipalAnalysis, baseline: str) -> str:
    """What lowers the risk most: about the contribution with the most points."""
    parts = [part for part in one.risk.contributions if part.points]
    if not parts:
        return ""
    worst = max(parts, key=lambda part: part.points).name
    if worst == "escalations":
        return _close(one)
    if worst == "exposure":
        return f"narrow its trust policy: {_reason(one, 'exposure')}"
    if worst == "blastRadius":
        return f"narrow what it may do and assume: {_reason(one, 'blastRadius')}"
    what = f"remove its {one.counts.unused:,} unused actions"
    return f"{what}: see the proposal of baseline {baseline}" if baseline else f"{what}; no baseline governs it yet"


def facts_of(done: LandscapePass, baselines: Iterable[LeastPrivilegeBaseline]) -> Facts:
    """What the analysis rests on. Roles that a baseline governs are judged by its lookback, all others by the default one.
    Raises ValueError when nothing was collected."""
    view, collected = done.view, done.status.collected_at
    if collected is None:
        raise ValueError("a pass has a time of collection")
    day, known = day_of(collected), {baseline.metadata.key: baseline for baseline in baselines}
    terms = {
        key: Terms(Window.of(day, baseline.spec.lookback_days, view.memory), baseline.spec.rare_use == "remove")
        for key, baseline in known.items()
    }
    return Facts(
        principals=view.snapshot.principals,
        accounts=view.snapshot.accounts,
        usage=view.usage,
        coverage=view.coverage,
        window=Window.of(day, _DEFAULT_LOOKBACK, view.memory),
        log_sources=dict.fromkeys(view.snapshot.accounts, view.log_sources),
        changes=view.changes,
        pod_identity=view.snapshot.pod_identity,
        groups=view.snapshot.groups,
        ways=view.ways,
        first_seen=view.first_seen,
        watched_since=view.watched_since,
        terms={arn: terms[key] for arn, key in done.governed.items() if key in terms},
        routing=view.routing,
        own_routing=own_routing(known.values(), done.governed),
        pools=[
            (baseline.spec.pool, sorted(arn for arn, governor in done.governed.items() if governor == key))
            for key, baseline in sorted(known.items())
            if baseline.spec.pool is not None
        ],
    )


def _risky(one: PrincipalAnalysis, baseline: str, refreshed_at: datetime | None) -> RiskyPrincipal:
    return RiskyPrincipal(
        arn=one.principal.arn,
        score=one.risk.score,
        at_least=at_least(one),
        contributions=[
            RiskContribution(name=part.name, points=part.points, reason=part.reason[:_REASON])
            for part in one.risk.contributions
        ],
        recommendation=recommendation(one, baseline),
        baseline=baseline,
        owner=one.owner,
        refreshed_at=refreshed_at,
    )


def _certain(one: PrincipalAnalysis) -> Iterator[bool]:
    return (not (way.conditional or way.assumes) for way in one.escalations.escalations)


def _close(one: PrincipalAnalysis) -> str:
    """How the first way to gain privileges is closed."""
    ways = one.escalations.escalations or one.escalations.potential
    if not ways:
        return "take away a way to gain privileges"
    way = ways[0]
    granting = sorted({f"{via.action} of {via.policy}" for via in way.via})
    target = f" over {way.target}" if way.target and way.target != one.principal.arn else ""
    return f"take away {', '.join(granting) or ', '.join(way.actions)}: {way.id}{target}"[:_REASON]


def _reason(one: PrincipalAnalysis, name: str) -> str:
    return next(part.reason for part in one.risk.contributions if part.name == name)[:_REASON]
