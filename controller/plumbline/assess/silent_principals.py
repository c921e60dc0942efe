"""Whether a role or user did anything at all within the lookback: inventory minus activity, never events alone.

Knows the evidence about one principal and what its silence is worth. Must not know credentials. The rule behind every
line: no data never means unused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from plumbline.assess.assumptions import Assumptions
from plumbline.assess.log_reach import LogReach
from plumbline.assess.silence import (
    GENERATION,
    LAST_ACCESSED,
    TRACKING_PERIOD,
    UNUSED_ACCESS,
    collected,
    dated_services,
    reaches_back,
    too_early,
)
from plumbline.assess.targets import not_editable
from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.inactivity import Activity, Judgement
from plumbline.model.snapshot import LAST_USED, Principal

ROLE_LAST_USED = "RoleLastUsed"
# What a gap of any required log source may hide, whichever the action.
_GAPS = frozenset({"logGap", "logsUnavailable"})


@dataclass(frozen=True, slots=True)
class Seen:
    """All that may show activity of one principal. `access`: the state of its last-accessed data, None where nobody asked
    for it."""

    usage: PrincipalUsage
    access: SourceState | None
    reach: LogReach
    assumed: Assumptions
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Silence:
    """The answer for one principal, before it is known what else belongs to it."""

    activity: Activity
    reason: str
    detail: str = ""
    sources: tuple[str, ...] = ()


def judge_role(principal: Principal, seen: Seen, window: Window) -> Judgement:
    """The role, with `DeleteRole` where nothing used it and its owner may delete it."""
    said = silence(principal, seen, window)
    owned = not_editable(principal)
    inactive = said.activity is Activity.INACTIVE
    return Judgement(
        kind="role",
        principal=principal.arn,
        unique_id=principal.unique_id,
        activity=said.activity,
        reason=said.reason,
        since=last_sign(principal, seen).date(),
        action="DeleteRole" if inactive and owned is None else None,
        sources=said.sources,
        detail=owned if inactive and owned else said.detail,
    )


def silence(principal: Principal, seen: Seen, window: Window) -> Silence:
    """`active` by any sign within the lookback; `inactive` only where every source could have seen one and did not."""
    found = sorted({source for source, at in _signs(principal, seen) if at >= window.start})
    if found:
        return Silence(Activity.ACTIVE, "observed", sources=tuple(found))
    if principal.created_at > window.start:
        detail = (
            f"created on {principal.created_at:%Y-%m-%d}, known from "
            f"{window.decided_from(principal.created_at):%Y-%m-%d} on"
        )
        return _open("youngerThanLookback", detail)
    missing = _logs(seen) or _access(principal, seen, window) or _last_used(principal)
    if missing is not None:
        return missing
    unseen = seen.assumed.unseen(principal, window.start)
    if unseen:
        return _open("assumptionUnseen", unseen)
    proof = [LAST_ACCESSED, *(s for s, bits in seen.reach.complete.items() if bits & _assume(seen))]
    if principal.kind == "role":
        proof.append(ROLE_LAST_USED)
    return Silence(Activity.INACTIVE, "silent", sources=tuple(sorted(proof)))


def last_sign(principal: Principal, seen: Seen) -> datetime:
    """The latest sign of use that is known, however old, else the creation."""
    return max((at for _, at in _signs(principal, seen)), default=principal.created_at)


def _signs(principal: Principal, seen: Seen) -> Iterator[tuple[str, datetime]]:
    """Refused calls are signs too: somebody makes them."""
    for evidence in seen.usage.evidence:
        yield evidence.source, evidence.last
    for event in seen.usage.unmapped:
        yield "unmapped events", event.last
    if principal.last_used_at is not None:
        yield ROLE_LAST_USED, principal.last_used_at
    for source, service in dated_services(seen.usage):
        for at in (service.last, *(action.last for action in service.actions.values())):
            if at is not None:
                yield source, at
    if seen.usage.unused_access is not None and seen.usage.unused_access.role_last is not None:
        yield UNUSED_ACCESS, seen.usage.unused_access.role_last
    if seen.usage.generated is not None and seen.usage.generated.actions:
        yield GENERATION, seen.usage.generated.end  # some time until then
    if principal.arn in seen.assumed.certain:
        yield "AssumeRole", seen.assumed.certain[principal.arn]


def _assume(seen: Seen) -> int:
    return seen.catalogue.expand("sts:AssumeRole")


def _logs(seen: Seen) -> Silence | None:
    """What the logs cannot say. Data events and what no log shows are left to the other sources."""
    for one in seen.reach.incomplete:
        if one.reason in _GAPS or one.bits & _assume(seen):
            return _open(one.reason, one.detail, one.source)
    if not any(bits & _assume(seen) for bits in seen.reach.complete.values()):
        return _open("logsUnavailable", "no log source proves that nobody assumed or used it; configure one")
    return None


def _access(principal: Principal, seen: Seen, window: Window) -> Silence | None:
    answer, state = seen.usage.last_accessed, seen.access
    if state is None or answer is None or answer.unique_id != principal.unique_id:
        why = "never collected: lastAccessed is not set, or the role is not its owner's to delete"
        detail = f"{state.reason}: {state.message}" if state and state.reason else why
    elif state.state is not State.COMPLETE:
        detail = f"{state.reason}: {state.message}"
    elif principal.policies and not answer.services:
        detail = "it lists no service, although policies are attached"
    elif too_early(answer, window):
        detail = collected(answer)
    elif not reaches_back(answer, window):
        detail = f"IAM knows of the last {TRACKING_PERIOD.days} days, and the lookback is longer"
    else:
        return None
    return _open("lastAccessedUnavailable", detail, LAST_ACCESSED)


def _last_used(principal: Principal) -> Silence | None:
    if LAST_USED not in principal.unknown:
        return None
    return _open(
        "lastUsedUnknown", "its account was read from AWS Config, which does not know when a role was last used"
    )


def _open(reason: str, detail: str, source: str = "") -> Silence:
    return Silence(Activity.UNDETERMINED, reason, detail, (source,) if source else ())
