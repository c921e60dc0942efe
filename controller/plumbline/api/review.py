"""The weekly review: what people decide about findings in Git, and what a status says of the findings of a week."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from plumbline.api.common import Day, Duration, Form, Model, StatusModel

BaselineKind = Literal["UnusedAccess", "GrantDrift"]
LandscapeKind = Literal["ExternalAccess", "Inactive", "Escalation"]
State = Literal["new", "open", "overdue", "decided", "resolved"]
PUBLIC = "public"
MOST_LISTED = 20
MOST_IDLE = 20

ResourceGlob = Annotated[
    str,
    Field(
        max_length=2048,
        description="The ARN of what the findings are about, in which * and ? stand for any characters.",
    ),
    Form(r"^arn:[!-~]+$", "an ARN, in which * and ? stand for any characters, such as arn:aws:s3:::public-*"),
]


class Decision(Model):
    """What people have decided about findings of one kind. It is a record: it changes no verdict and no compliance."""

    kind: str
    resource: ResourceGlob
    decision: Annotated[
        Literal["Accepted", "Planned"], Field(description="Accepted: it stays as it is. Planned: it will be done.")
    ]
    by: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    until: Annotated[Day, Field(description="The last day on which it holds. No finding is due before that day.")]


class BaselineDecision(Decision):
    """What people have decided about findings of the baseline. What a proposal carries comes before it."""

    kind: BaselineKind


class LandscapeDecision(Decision):
    """What people have decided about findings that belong to no baseline."""

    kind: LandscapeKind
    detail: Annotated[
        str,
        Field(
            max_length=256,
            description="Only findings with this detail, in which * and ? stand for any characters, such as DeleteUser. Without it all, but for access of the public.",
        ),
    ] = ""


_DueWithin = Annotated[Duration, Field(description="From the first day on which it was seen.")]


class Review(Model):
    """When a finding that nobody has decided on is overdue, and what was decided. The first decision that holds counts."""

    due_within: _DueWithin = "30d"
    decisions: Annotated[list[BaselineDecision], Field(max_length=200)] = []


class LandscapeReview(Model):
    """When a finding that nobody has decided on is overdue, and what was decided. The first decision that holds counts."""

    due_within: _DueWithin = "30d"
    decisions: Annotated[list[LandscapeDecision], Field(max_length=500)] = []


class Reviewed(StatusModel):
    """A finding of the week. `decision`: what a person has said; empty while nobody has, or when it has expired."""

    state: State
    first_seen: date
    due: date
    resolved: date | None = None
    owner: str = ""
    by: str = ""
    reason: str = ""
    until: Annotated[date | None, Field(description="The last day on which a decision in Git holds.")] = None


class ReviewedFinding(Reviewed):
    kind: BaselineKind
    role_arn: str
    decision: Literal["", "Approved", "Rejected", "Accepted", "Planned"] = ""
    proposal: str = ""


class ReviewedLandscapeFinding(Reviewed):
    """`detail`: of external access `public` or `crossAccount`; of what is inactive the candidate action, with the access
    key. `region`: of external access to what is not everywhere."""

    kind: LandscapeKind
    resource: str
    account: str
    region: str = ""
    detail: str = ""
    decision: Literal["", "Accepted", "Planned"] = ""


class IdleDecision(StatusModel):
    """A decision without effect: it has expired, no open finding matches it, or nothing of its kind is reviewed."""

    kind: str
    resource: str
    until: date
    why: Literal["Expired", "NoFinding", "KindNotReviewed"]


class ReviewCounts(StatusModel):
    """`new`, `overdue` and `decided` are among `open`."""

    open: int = 0
    new: int = 0
    overdue: int = 0
    decided: int = 0
    resolved: int = 0


class KindReview(ReviewCounts):
    """`complete`: all is known that could show such a finding; else none may only mean no data."""

    complete: bool = False


class _ReviewStatus(ReviewCounts):
    week: date
    findings_truncated: int = 0
    idle_decisions: Annotated[
        list[IdleDecision], Field(max_length=MOST_IDLE, description="Decisions of the spec that have no effect.")
    ] = []
    idle_decisions_truncated: int = 0


class ReviewStatus(_ReviewStatus):
    """The findings of the week that begins on Monday `week`, in UTC. `new` and `overdue` are among `open`."""

    findings: Annotated[
        list[ReviewedFinding],
        Field(max_length=MOST_LISTED, description="Overdue ones first, then new ones, then the oldest."),
    ] = []


class LandscapeReviewStatus(_ReviewStatus):
    """The findings of the week that begins on Monday `week`, in UTC. `kinds`: those that are reviewed."""

    kinds: dict[str, KindReview] = {}
    findings: Annotated[
        list[ReviewedLandscapeFinding],
        Field(max_length=MOST_LISTED, description="Overdue ones first, then new ones, then the oldest."),
    ] = []
