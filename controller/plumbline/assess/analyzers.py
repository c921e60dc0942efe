"""Whether the analyzers that a landscape asks for are there. Pure.

The rule is that of evidence: what could not be listed is `unknown`, and never `missing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plumbline.assess import analyzer_commands as commands
from plumbline.assess.required_analyzers import (
    MAX_EXCLUDED,
    ORGANIZATION_NOT_READ,
    REGIONS_UNKNOWN,
    TOO_MANY_EXCLUSIONS,
    Required,
)
from plumbline.model.analyzers import Analyzer, Inspected, Listing, State

_UNCLEAR = {
    REGIONS_UNKNOWN: "the enabled Regions of account {account} are unknown; name them under externalAccess.regions, or "
    "allow the member role account:ListRegions",
    ORGANIZATION_NOT_READ: "which accounts are to be excluded is unknown, because the organization was not read; set "
    "accounts.organization, and look at the condition AccountsReachable",
    TOO_MANY_EXCLUSIONS: f"an analyzer can exclude at most {MAX_EXCLUDED} accounts; use scope account",
}
_STATES: dict[str, State] = {"CREATING": "creating", "DISABLED": "disabled", "FAILED": "failed"}
# https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_StatusReason.html
_STATUS_REASONS = {
    "AWS_SERVICE_ACCESS_DISABLED": "run in the management account: aws organizations enable-aws-service-access "
    "--service-principal access-analyzer.amazonaws.com",
    "DELEGATED_ADMINISTRATOR_DEREGISTERED": "run in the management account: aws organizations "
    "register-delegated-administrator --service-principal access-analyzer.amazonaws.com --account-id {account}",
    "ORGANIZATION_DELETED": "the organization is gone; use scope account",
    "SERVICE_LINKED_ROLE_CREATION_FAILED": "let Access Analyzer create its service-linked role in the member accounts",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One analyzer that has to exist, and what is there. `reason` is CamelCase; `command` is for people."""

    required: Required
    state: State
    reason: str = ""
    message: str = ""
    analyzer: Analyzer | None = None
    command: str = ""


def judge_analyzers(required: Sequence[Required], seen: Inspected) -> tuple[Judged, ...]:
    """In the order of `required`. An analyzer counts for one of them."""
    claimed: dict[int, Analyzer] = {}
    for exactly in (True, False):
        for number, one in enumerate(required):
            if number in claimed or one.unclear:
                continue
            taken = {analyzer.arn for analyzer in claimed.values()}
            fitting = [a for a in _candidates(one, seen) if a.arn not in taken and _fits(a, one, exactly=exactly)]
            if fitting:
                claimed[number] = min(fitting, key=lambda a, one=one: _rank(a, one))  # type: ignore[misc]
    return tuple(_judged(one, claimed.get(number), seen) for number, one in enumerate(required))


def unasked(judged: Iterable[Judged], seen: Inspected) -> tuple[Analyzer, ...]:
    """Analyzers of unused access that nothing asks for and that somebody pays; none where that is not known."""
    known = [one for one in judged if one.required.kind == "unusedAccess"]
    if not known:
        return ()
    wanted = {one.analyzer.arn for one in known if one.analyzer is not None}
    unclear = {one.required.account for one in known if one.required.unclear}
    return tuple(
        analyzer
        for _, listing in sorted(seen.listings.items())
        for analyzer in listing.analyzers
        if analyzer.type.endswith("UNUSED_ACCESS") and not analyzer.managed_by
        if analyzer.arn not in wanted and analyzer.account not in unclear and analyzer.unread is None
    )


def _candidates(one: Required, seen: Inspected) -> Iterable[Analyzer]:
    for listing in _places(one, seen):
        yield from (analyzer for analyzer in listing.analyzers if analyzer.type == one.type)


def _places(one: Required, seen: Inspected) -> list[Listing]:
    """Where it may be: external access is regional, unused access is not."""
    return [
        listing
        for (account, region), listing in sorted(seen.listings.items())
        if account == one.account and (one.kind == "unusedAccess" or region == one.region)
    ]


def _fits(analyzer: Analyzer, one: Required, *, exactly: bool) -> bool:
    """Exactly: of the same age. Otherwise one that somebody may have meant for it; not one that belongs to a service,
    because nobody can change it."""
    if exactly:
        return analyzer.age == one.age and analyzer.unread is None
    return not analyzer.managed_by


def _rank(analyzer: Analyzer, one: Required) -> tuple[bool, bool, bool, bool, str]:
    unfit = analyzer.status != "ACTIVE", bool(_difference(analyzer, one))
    return *unfit, bool(analyzer.managed_by), analyzer.region != one.region, analyzer.arn


def _judged(one: Required, there: Analyzer | None, seen: Inspected) -> Judged:
    if one.unclear:
        return Judged(one, "unknown", one.unclear, _UNCLEAR[one.unclear].format(account=one.account))
    if there is None:
        return _absent(one, seen)
    if there.unread is not None:
        return Judged(one, "unknown", there.unread.reason, _said(there.unread.message, there.unread.remedy), there)
    if there.status != "ACTIVE":
        return _inactive(one, there, seen)
    if there.age != one.age:
        what = (
            f"its unused access age is {there.age} days, not {one.age}, and cannot be changed; its findings and archive"
        )
        command = commands.replace(one, there, _names(one, seen))
        return Judged(one, "differs", "UnusedAccessAge", f"{what} rules go with it", there, command)
    difference = _difference(there, one)
    if difference:
        return Judged(one, "differs", "Exclusions", difference, there, commands.exclude(one, there))
    return Judged(one, "present", "Present", "", there)


def _absent(one: Required, seen: Inspected) -> Judged:
    """Missing only where it would have been seen."""
    places = _places(one, seen)
    failed = [listing.failed for listing in places if listing.failed is not None]
    if failed:
        return Judged(one, "unknown", failed[0].reason, _said(failed[0].message, failed[0].remedy))
    if not places or (one.kind == "unusedAccess" and seen.regions.get(one.account) is None):
        return Judged(one, "unknown", REGIONS_UNKNOWN, _UNCLEAR[REGIONS_UNKNOWN].format(account=one.account))
    return Judged(one, "missing", "Missing", "", command=commands.create(one, _names(one, seen)))


def _inactive(one: Required, there: Analyzer, seen: Inspected) -> Judged:
    remedy = _STATUS_REASONS.get(there.status_reason, "").format(account=one.account)
    state = _STATES.get(there.status, "unknown")
    reason = {"creating": "Creating", "disabled": "Disabled", "failed": "Failed"}.get(state, "UnknownStatus")
    message = _said(f"{there.status} {there.status_reason}".strip(), remedy)
    command = commands.replace(one, there, _names(one, seen)) if state == "failed" else ""
    return Judged(one, state, reason, message, there, command)


def _difference(there: Analyzer, one: Required) -> str:
    """What is wrong about whom it looks at; of one that belongs to a service and costs nothing, only what it leaves out."""
    lacking = sorted(there.excluded & one.covers)
    found = [f"it leaves out {_accounts(lacking)}"] if lacking else []
    if there.tags_excluded:
        found.append("it leaves out principals by their tags")
    more = sorted(one.excluded - there.excluded)
    if more and not there.managed_by:
        found.append(f"it also looks at {_accounts(more)}, which another threshold is for, and which is paid for")
    return "; ".join(found)


def _accounts(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"account {', '.join(ids[:3])}{rest}"


def _names(one: Required, seen: Inspected) -> list[str]:
    """Names are taken by account and Region, whatever the kind."""
    listing = seen.listings.get((one.account, one.region))
    return [analyzer.name for analyzer in listing.analyzers] if listing is not None else []


def _said(message: str, remedy: str) -> str:
    return f"{message.rstrip('.')}. {remedy}" if remedy else message
