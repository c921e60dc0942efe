"""Why it is not known what AWS recommends: the states of that source by account, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from plumbline.aws.errors import AwsError, Denied, NotFound
from plumbline.model.analyzers import RECOMMENDED
from plumbline.model.coverage import SourceState, State

_FAILED: Final = "RecommendationFailed"
COMPLETE: Final = SourceState(RECOMMENDED, State.COMPLETE)

SET_ASIDE: Final = SourceState(
    RECOMMENDED,
    State.PARTIAL,
    "FindingsSetAside",
    "all that Security Hub has found is suppressed, resolved or archived there, or is about former roles of the same name",
    "nothing: a finding that is opened again is asked about again",
)

# Each role that it is asked about has a finding of unused permissions.
SILENT: Final = SourceState(
    RECOMMENDED,
    State.PARTIAL,
    "NothingRecommended",
    "Security Hub has recommended nothing about any role for which an analyzer has a finding",
    "check that its region is where Security Hub gets the findings of Access Analyzer",
)


def together(states: Iterable[SourceState]) -> SourceState:
    """All that is missing in one account, what is unavailable first, and last what AWS could not do; complete where nothing
    is missing."""
    missing = dict.fromkeys(one for one in states if one.state is not State.COMPLETE)
    if not missing:
        return COMPLETE
    first, *others = sorted(missing, key=lambda one: (one.state is not State.UNAVAILABLE, one.reason == _FAILED))
    return replace(
        first,
        message="; ".join([first.message, *(f"{one.reason}: {one.message}" for one in others)]),
        remedy="; ".join(dict.fromkeys(one.remedy for one in (first, *others) if one.remedy)),
    )


def by_account(*parts: Mapping[str, SourceState]) -> dict[str, SourceState]:
    accounts = dict.fromkeys(account for part in parts for account in part)
    return {account: together(part[account] for part in parts if account in part) for account in accounts}


def unfinished(message: str) -> SourceState:
    remedy = "nothing at first: the next passes ask about others"
    return SourceState(RECOMMENDED, State.PARTIAL, "Unfinished", message, remedy)


def outdated(arn: str) -> SourceState:
    message = f"what is recommended about {arn} is about a former text of one of its policies"
    remedy = "nothing at first: the next passes ask anew"
    return SourceState(RECOMMENDED, State.PARTIAL, "RecommendationOutdated", message, remedy)


def failed(whose: str, said: str) -> SourceState:
    """`said`: AWS's code and message."""
    remedy = (
        "nothing at first: it is asked anew after a day, or when a policy of the role has changed; if it goes on, ask for a"
        " recommendation in the console of Access Analyzer or Security Hub, or AWS Support about the code"
    )
    message = f"AWS could not recommend a policy for {whose}: {said}"
    return SourceState(RECOMMENDED, State.PARTIAL, _FAILED, message, remedy)


def of_error(state: State, error: AwsError) -> SourceState:
    return SourceState(RECOMMENDED, state, error.reason, error.summary, error.remedy)


def hub_refused(error: AwsError, account: str, region: str) -> SourceState:
    """AWS does not say how it refuses where Security Hub is not enabled."""
    enable = (
        f"Enable Security Hub in {region} of account {account}, or set region of"
        " analyzers.unusedAccess.securityHubRecommendations to where it is enabled"
    )
    if isinstance(error, NotFound) or error.code == "InvalidAccessException":
        return SourceState(RECOMMENDED, State.UNAVAILABLE, "HubNotEnabled", error.summary, enable)
    if error.reason == Denied.default_reason:
        remedy = f"{error.remedy}. {enable}" if error.remedy else enable
        return SourceState(RECOMMENDED, State.UNAVAILABLE, error.reason, error.summary, remedy)
    return of_error(State.UNAVAILABLE, error)
