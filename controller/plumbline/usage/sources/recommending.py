"""What AWS recommends about all principals: Security Hub is asked for what Access Analyzer did not recommend, and what is
missing is told by account.

Access Analyzer itself was asked with the details of its findings. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import RECOMMENDED
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import UnusedAccess
from plumbline.model.snapshot import Principal
from plumbline.usage.sources import recommended_policies, recommended_states
from plumbline.usage.sources.finding_details import ANALYZER, HUB, Details
from plumbline.usage.sources.looking import Looking
from plumbline.usage.sources.recommendations import Recommendations

States = Mapping[str, SourceState]
_Account = Callable[[Principal], str]


def ask_hub(
    sessions: AwsSessions,
    hub: recommended_policies.Hub,
    principals: Sequence[Principal],
    answers: dict[str, UnusedAccess],
    details: Details,
    now: datetime,
    progress: Callable[[str], None],
) -> States:
    """Completes `answers` of principals with a finding of unused permissions, for which nothing is recommended yet. One for
    which it could recommend nothing is not asked about again before it may be otherwise."""
    lacking = [p for p in principals if p.arn in details.without and p.arn in answers]
    lacking = [p for p in lacking if not details.failed(details.without[p.arn], p, HUB)]
    asked = frozenset(p.arn for p in lacking if details.asked(details.without[p.arn], p, HUB))
    said = recommended_policies.collect(sessions, hub, lacking, asked=asked, now=now, progress=progress)
    for principal in lacking:
        finding, arn = details.without[principal.arn], principal.arn
        if arn in said.made:
            details.made(finding, principal, HUB)
        if arn in said.failed:
            details.fails(finding, principal, HUB, said.failed[arn])
        if arn in said.steps:
            details.keep(finding, principal, said.steps[arn])
            answers[arn] = replace(answers[arn], recommended=said.steps[arn], recommended_outdated=False)
        elif arn in said.outdated:
            answers[arn] = replace(answers[arn], recommended_outdated=True)
    return said.states


def states_of_hub(
    said: States,
    hub: recommended_policies.Hub,
    principals: Sequence[Principal],
    answers: Mapping[str, UnusedAccess],
    states: States,
    details: Details,
) -> dict[str, SourceState]:
    lacking = _lacking(principals, answers, details)
    return recommended_states.by_account(
        _unread(principals, states, hub.asked_about), said, _failed(lacking, details, HUB, hub.asked_about)
    )


def states_of_analyzers(
    asked: Recommendations,
    looking: Mapping[str, Looking],
    principals: Sequence[Principal],
    answers: Mapping[str, UnusedAccess],
    states: States,
    details: Details,
) -> dict[str, SourceState]:
    """What Access Analyzer itself did not recommend, by the account of its analyzer."""

    def account(principal: Principal) -> str:
        one = looking.get(principal.account)
        return one.analyzer.account if one is not None else principal.account

    stopped = {
        analyzer.account: recommended_states.of_error(State.UNAVAILABLE, error)
        for analyzer, error in asked.stopped.items()
    }
    lacking = _lacking(principals, answers, details)
    return recommended_states.by_account(
        _unread(principals, states, account), stopped, asked.lacking(), _failed(lacking, details, ANALYZER, account)
    )


def _lacking(principals: Iterable[Principal], answers: Mapping[str, UnusedAccess], details: Details) -> list[Principal]:
    """Those for which nobody recommended anything, though they have a finding of unused permissions."""
    return [
        p for p in principals if p.arn in details.without and p.arn in answers and answers[p.arn].recommended is None
    ]


def _failed(lacking: Iterable[Principal], details: Details, by: str, account: _Account) -> dict[str, SourceState]:
    """By account: the first principal for which AWS could recommend nothing, in this pass or shortly before."""
    found: dict[str, list[tuple[str, str]]] = {}
    for principal in lacking:
        said = details.failed(details.without[principal.arn], principal, by)
        if said:
            found.setdefault(account(principal), []).append((principal.arn, said))
    return {of: _first_failed(sorted(every)) for of, every in found.items()}


def _first_failed(every: Sequence[tuple[str, str]]) -> SourceState:
    arn, said = every[0]
    return recommended_states.failed(arn if len(every) == 1 else f"{arn} and {len(every) - 1} more", said)


def _unread(principals: Iterable[Principal], states: States, account: _Account) -> dict[str, SourceState]:
    """By account: why nobody was asked about principals of it, the first of them."""
    found: dict[str, SourceState] = {account(p): recommended_states.COMPLETE for p in principals}
    read = {account(p) for p in principals if states[p.arn].state is State.COMPLETE}
    for principal in sorted(principals, key=lambda one: one.arn):
        of, why = account(principal), states[principal.arn]
        if why.state is not State.COMPLETE and found[of].state is State.COMPLETE:
            message = f"nothing was asked about principals of which findings are not known: {why.message}"
            state = State.PARTIAL if of in read else State.UNAVAILABLE
            found[of] = SourceState(RECOMMENDED, state, why.reason, message, why.remedy)
    return found
