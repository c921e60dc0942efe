"""What was observed of a principal's use: the shape of evidence, pure data.

Knows nothing of how a source is read. Times are aware, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

# used: an authorized call. attempted: a call that may or may not have been authorized (throttled, bad token, unknown
# error, or a last-accessed date, which counts denied calls too). denied: AWS refused it for want of permission.
Outcome = Literal["used", "attempted", "denied"]

MAX_RESOURCES = 100


@dataclass(frozen=True, slots=True)
class Evidence:
    """One grouped observation: principal, action, outcome, with first and last time, count and the source. `passed_to`: the
    service that iam:PassRole was for; empty where it is not known, and of other actions."""

    principal: str
    unique_id: str | None
    action: str
    outcome: Outcome
    source: str
    first: datetime
    last: datetime
    count: int = 1
    resources: tuple[str, ...] = ()
    resources_truncated: bool = False
    via_services: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    # Several actions may lie behind the event (or the match is a guess): counts against removal, proves no addition.
    ambiguous: bool = False
    passed_to: str = ""


@dataclass(frozen=True, slots=True)
class UnmappedUse:
    """An event that the catalogue cannot name: all actions of `services` stay undetermined for this principal."""

    principal: str
    unique_id: str | None
    event_source: str
    event_name: str
    services: tuple[str, ...]
    last: datetime
    count: int = 1


# The policy of a change of whom a role trusts, which grants it nothing.
TRUST: Final = "trust"


@dataclass(frozen=True, slots=True)
class GrantChange:
    """A successful IAM write seen in the logs that touches what principals are granted, or whom a role trusts.

    `target` is a principal ARN, a managed policy ARN or a group ARN; `policy` the policy it is about, as Policy.key
    (None: the whole principal, for example a boundary change or CreateRole).
    """

    account: str
    event_name: str
    target: str
    policy: str | None
    at: datetime
    by: str = ""


@dataclass(frozen=True, slots=True)
class TrailChange:
    """A successful change of a trail seen in the logs: its selectors of today do not describe the time before. `trail`
    is its ARN."""

    event_name: str
    trail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TrackedAction:
    """Action-level last-accessed data. `last` None: tracked, never attempted in the tracking period."""

    action: str
    last: datetime | None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """Service-level last-accessed data of one namespace. `last` None: present in the answer, without any attempt."""

    namespace: str
    last: datetime | None
    actions: Mapping[str, TrackedAction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LastAccessed:
    """A whole answer of GetServiceLastAccessedDetails for one principal, all pages read."""

    principal: str
    unique_id: str | None
    collected_at: datetime
    services: Mapping[str, ServiceAccess]
    action_level: bool = True


@dataclass(frozen=True, slots=True)
class GeneratedPolicy:
    """What the finished policy generations of a principal name together: actions, and services that they know only as such.

    `start` and `end` are those of the first and the last window; `is_complete`: nothing between is missing, and AWS calls
    the answer about each window complete.
    """

    principal: str
    job_ids: tuple[str, ...]
    start: datetime
    end: datetime
    actions: tuple[str, ...]
    service_templates: tuple[str, ...] = ()
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class RecommendedStep:
    """What AWS recommends about one policy. `existing`: as AWS names it; `policy`: the document to be in its place; None:
    it is to be detached. `updated_at` and `text`: since when the existing policy was as it is, and its canonical document, as
    far as AWS says so."""

    existing: str
    policy: str | None = None
    updated_at: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class UnusedAccess:
    """What an analyzer of unused access says of one principal that it covers, all its findings read.

    `services`: what it calls unused. A service without actions is unused as a whole; of one with actions only these are,
    each with its last access. `role_unused`: the whole role. What is missing here is not known to be used. `age`: after how
    many days the analyzer calls something unused; `since`: when it was made. `recommended` None: not known;
    `recommended_outdated`: something is, about former policies. `archived` and `role_archived`: what archived findings named,
    which somebody decided not to see. Its dates count all the same, and `role_last` is of either kind.
    """

    principal: str
    analyzer: str
    age: int
    since: datetime
    findings: tuple[str, ...] = ()
    services: Mapping[str, ServiceAccess] = field(default_factory=dict)
    role_unused: bool = False
    role_last: datetime | None = None
    recommended: tuple[RecommendedStep, ...] | None = None
    recommended_outdated: bool = False
    archived: Mapping[str, ServiceAccess] = field(default_factory=dict)
    role_archived: bool = False


@dataclass(frozen=True, slots=True)
class PrincipalUsage:
    """All evidence about one principal that concerns its present unique id."""

    evidence: tuple[Evidence, ...] = ()
    unmapped: tuple[UnmappedUse, ...] = ()
    last_accessed: LastAccessed | None = None
    generated: GeneratedPolicy | None = None
    unused_access: UnusedAccess | None = None
