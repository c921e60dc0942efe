"""The weekly review of a baseline: which findings are new, overdue, decided and resolved, and who has to act. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from plumbline.api.baseline import Review, ReviewedFinding, ReviewStatus
from plumbline.api.common import parse_duration
from plumbline.api.proposal import RemediationProposal
from plumbline.store.register import Registered

_LISTED = 20
_DAY = timedelta(days=1)
_ORDER = {"overdue": 0, "new": 1, "open": 2, "decided": 3, "resolved": 4}
Said = Literal["", "Approved", "Rejected"]


@dataclass(frozen=True, slots=True)
class Role:
    """What is known of a role besides its findings."""

    owner: str = ""
    proposal: str = ""
    decision: Said = ""
    by: str = ""


def review_of(registered: Iterable[Registered], roles: Mapping[str, Role], review: Review, as_of: date) -> ReviewStatus:
    """`roles`: by ARN, those of the baseline; others are counted and not named. Findings that ended before this week are no
    part of it."""
    week = _monday(as_of)
    found = [_reviewed(one, roles.get(one.role_arn, Role()), review, week, as_of) for one in registered]
    now = [one for one in found if one.resolved is None or one.resolved >= week]
    now.sort(key=lambda one: (_ORDER[one.state], one.first_seen, one.role_arn, one.kind))
    open_ = [one for one in now if one.resolved is None]
    listed = [one for one in now if one.role_arn in roles][:_LISTED]
    return ReviewStatus(
        week=week,
        open=len(open_),
        new=sum(one.first_seen >= week for one in open_),
        overdue=sum(one.state == "overdue" for one in open_),
        decided=sum(one.state == "decided" for one in open_),
        resolved=len(now) - len(open_),
        findings=listed,
        findings_truncated=len(now) - len(listed),
    )


def changes_of_review(registered: Iterable[Registered], review: Review, as_of: date) -> Iterator[date]:
    """The days on which time alone changes the review: the next week, and the day after each due date."""
    registered = list(registered)
    if registered:
        yield _monday(as_of) + 7 * _DAY
    for one in registered:
        if one.resolved_at is None:
            yield _due(one, review) + _DAY


def role_of(proposal: RemediationProposal, owner: str) -> Role:
    """The decision is that on the plan which the proposal shows."""
    conditions = proposal.status.conditions if proposal.status else []
    approved = next((c.status for c in conditions if c.type == "Approved"), "Unknown")
    said: dict[str, Said] = {"True": "Approved", "False": "Rejected"}
    decision = said.get(approved, "")
    by = proposal.spec.decision.by if decision and proposal.spec.decision else ""
    return Role(owner, proposal.metadata.name, decision, by)


def _reviewed(one: Registered, role: Role, review: Review, week: date, as_of: date) -> ReviewedFinding:
    first, due = _day(one.first_seen), _due(one, review)
    # A proposal is about unused access; nobody decides on drift by it.
    decision = role.decision if one.kind == "UnusedAccess" else ""
    state: Literal["new", "open", "overdue", "decided", "resolved"] = "new" if first >= week else "open"
    if one.resolved_at is not None:
        state = "resolved"
    elif decision:
        state = "decided"
    elif due < as_of:
        state = "overdue"
    return ReviewedFinding(
        kind=one.kind,
        role_arn=one.role_arn,
        state=state,
        first_seen=first,
        due=due,
        resolved=_day(one.resolved_at) if one.resolved_at is not None else None,
        owner=role.owner,
        decision=decision,
        by=role.by if decision else "",
        proposal=role.proposal if one.kind == "UnusedAccess" else "",
    )


def _due(one: Registered, review: Review) -> date:
    return _day(one.first_seen) + max(parse_duration(review.due_within), _DAY)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
