"""The weekly review: which findings are new, overdue, decided and resolved, and who has to act. Pure.

What a review of a baseline and one of a landscape share, and that of a baseline; that of a landscape is next door.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, get_args

from plumbline.api.common import parse_duration
from plumbline.api.proposal import RemediationProposal
from plumbline.api.review import (
    MOST_IDLE,
    MOST_LISTED,
    PUBLIC,
    BaselineKind,
    Decision,
    IdleDecision,
    LandscapeDecision,
    LandscapeReview,
    Review,
    Reviewed,
    ReviewedFinding,
    ReviewStatus,
    State,
)
from plumbline.iam.patterns import matches
from plumbline.store.register import Registered

_DAY = timedelta(days=1)
_TEXT: Final = 300
_ORDER: Final[Mapping[State, int]] = {"overdue": 0, "new": 1, "open": 2, "decided": 3, "resolved": 4}
Said = Literal["", "Approved", "Rejected"]


@dataclass(frozen=True, slots=True)
class Terms:
    """By what findings are reviewed, and on which day."""

    review: Review | LandscapeReview
    as_of: date

    @property
    def week(self) -> date:
        return _monday(self.as_of)

    def of_this_week(self, registered: Iterable[Registered]) -> list[Registered]:
        """Findings that ended before this week are no part of its review."""
        return [one for one in registered if one.resolved_at is None or _day(one.resolved_at) >= self.week]

    def about(self, one: Registered) -> list[Decision]:
        """What people have decided about the finding, whether it holds or not."""
        return [
            decision
            for decision in self.review.decisions
            if decision.kind == one.kind
            and matches(decision.resource, one.resource, case_sensitive=True)
            and _covers(decision, one.detail)
        ]

    def said(self, about: Iterable[Decision]) -> dict[str, Any]:
        """The first of them that holds, as fields of the status."""
        holding = next((decision for decision in about if decision.until >= self.as_of), None)
        if holding is None:
            return {}
        return {
            "decision": holding.decision,
            "by": holding.by,
            "reason": holding.reason,
            "until": holding.until,
        }

    def standing(self, one: Registered, about: Iterable[Decision], *, decided: bool) -> dict[str, Any]:
        """State and days, as fields of the status. A decision puts the due day off, and never brings it forward."""
        first = _day(one.first_seen)
        due = max([first + _within(self.review), *(decision.until for decision in about)])
        state: State = "new" if first >= self.week else "open"
        if one.resolved_at is not None:
            state = "resolved"
        elif decided:
            state = "decided"
        elif due < self.as_of:
            state = "overdue"
        resolved = _day(one.resolved_at) if one.resolved_at is not None else None
        return {"state": state, "first_seen": first, "due": due, "resolved": resolved}

    def idle(self, matching: Iterable[Decision], kinds: Collection[str], sure: Collection[str]) -> dict[str, Any]:
        """The decisions that are about nothing, as fields of the status. `matching`: those about open findings; `kinds`: what
        is reviewed; `sure`: those of which all findings are known."""
        about = {id(decision) for decision in matching}
        found = []
        for one in self.review.decisions:
            why: Literal["Expired", "KindNotReviewed", "NoFinding"] | None = None
            if one.until < self.as_of:
                why = "Expired"
            elif one.kind not in kinds:
                why = "KindNotReviewed"
            elif id(one) not in about and one.kind in sure:
                why = "NoFinding"
            if why is not None:
                found.append(IdleDecision(kind=one.kind, resource=one.resource[:_TEXT], until=one.until, why=why))
        return {"idle_decisions": found[:MOST_IDLE], "idle_decisions_truncated": max(0, len(found) - MOST_IDLE)}


def counts(found: Sequence[Reviewed], week: date) -> dict[str, int]:
    """As fields of the status."""
    still = [one for one in found if one.resolved is None]
    return {
        "open": len(still),
        "new": sum(one.first_seen >= week for one in still),
        "overdue": sum(one.state == "overdue" for one in still),
        "decided": sum(one.state == "decided" for one in still),
        "resolved": len(found) - len(still),
    }


def urgency(one: Reviewed) -> tuple[int, date]:
    """What puts the most urgent first when sorted."""
    return _ORDER[one.state], one.first_seen


def changes_of_review(
    registered: Iterable[Registered], review: Review | LandscapeReview, as_of: date
) -> Iterator[date]:
    """The days on which time alone changes the review: the next week, and the day after each due date and each decision."""
    yield _monday(as_of) + 7 * _DAY
    for one in registered:
        if one.resolved_at is None:
            yield _day(one.first_seen) + _within(review) + _DAY
    yield from (decision.until + _DAY for decision in review.decisions if decision.until < date.max)


def _covers(decision: Decision, detail: str) -> bool:
    """Whether it is about a finding with this detail. That something is shared does not say that it may be public."""
    asked = decision.detail if isinstance(decision, LandscapeDecision) else ""
    return matches(asked, detail, case_sensitive=True) if asked else detail != PUBLIC


def _within(review: Review | LandscapeReview) -> timedelta:
    return max(parse_duration(review.due_within), _DAY)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


# Of a baseline


@dataclass(frozen=True, slots=True)
class Role:
    """What is known of a role besides its findings. `decision`: that on its proposal."""

    owner: str = ""
    proposal: str = ""
    decision: Said = ""
    by: str = ""


def review_of(
    registered: Iterable[Registered],
    roles: Mapping[str, Role],
    review: Review,
    as_of: date,
    *,
    complete: bool = True,
) -> ReviewStatus:
    """`roles`: by ARN, those of the baseline; others are counted and not named. `complete`: whether all is known that could
    show a finding."""
    terms = Terms(review, as_of)
    # What is decided is decided about roles of the baseline.
    now = [(one, terms.about(one) if one.resource in roles else []) for one in terms.of_this_week(registered)]
    found = [_reviewed(one, about, roles.get(one.resource, Role()), terms) for one, about in now]
    found.sort(key=lambda one: (*urgency(one), one.role_arn, one.kind))
    listed = [one for one in found if one.role_arn in roles][:MOST_LISTED]
    matching = (decision for one, about in now if one.resolved_at is None for decision in about)
    return ReviewStatus(
        week=terms.week,
        **counts(found, terms.week),
        findings=listed,
        findings_truncated=len(found) - len(listed),
        **terms.idle(matching, get_args(BaselineKind), get_args(BaselineKind) if complete else ()),
    )


def role_of(proposal: RemediationProposal, owner: str) -> Role:
    """The decision is that on the plan which the proposal shows."""
    conditions = proposal.status.conditions if proposal.status else []
    approved = next((c.status for c in conditions if c.type == "Approved"), "Unknown")
    said: dict[str, Said] = {"True": "Approved", "False": "Rejected"}
    decision = said.get(approved, "")
    by = proposal.spec.decision.by if decision and proposal.spec.decision else ""
    return Role(owner, proposal.metadata.name, decision, by)


def _reviewed(one: Registered, about: Sequence[Decision], role: Role, terms: Terms) -> ReviewedFinding:
    # A proposal is about unused access; nobody decides on drift by it.
    unused = one.kind == "UnusedAccess"
    said = {"decision": role.decision, "by": role.by} if unused and role.decision else terms.said(about)
    return ReviewedFinding.model_validate(
        {
            "kind": one.kind,
            "role_arn": one.resource,
            "owner": role.owner,
            "proposal": role.proposal if unused else "",
            **said,
            **terms.standing(one, about, decided=bool(said)),
        }
    )
