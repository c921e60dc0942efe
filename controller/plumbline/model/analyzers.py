"""Analyzers of IAM Access Analyzer and what they found, as AWS shows them. Frozen data, no rules.

https://docs.aws.amazon.com/IAM/latest/UserGuide/what-is-access-analyzer.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from plumbline.model.coverage import SourceState

SOURCE: Final = "unused-access"
RECOMMENDED: Final = "recommended-policies"

Kind = Literal["externalAccess", "unusedAccess"]
State = Literal["present", "missing", "differs", "creating", "disabled", "failed", "unknown"]

# By kind and scope. Internal access is none of ours.
TYPES: Final[Mapping[tuple[str, str], str]] = {
    ("externalAccess", "account"): "ACCOUNT",
    ("externalAccess", "organization"): "ORGANIZATION",
    ("unusedAccess", "account"): "ACCOUNT_UNUSED_ACCESS",
    ("unusedAccess", "organization"): "ORGANIZATION_UNUSED_ACCESS",
}


@dataclass(frozen=True, slots=True)
class Analyzer:
    """`age`: the unused access age in days; None for other kinds, and where the configuration could not be read, which
    `unread` says. `excluded`: accounts; `tags_excluded`: principals by tag."""

    arn: str
    name: str
    type: str
    account: str
    region: str
    status: str
    created_at: datetime
    status_reason: str = ""
    age: int | None = None
    excluded: frozenset[str] = frozenset()
    tags_excluded: bool = False
    last_resource: str = ""
    last_resource_at: datetime | None = None
    managed_by: str = ""
    unread: SourceState | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The analyzers of one account and Region; `failed` says why they are not known. Then there may be any."""

    account: str
    region: str
    analyzers: tuple[Analyzer, ...] = ()
    failed: SourceState | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """All listings by account and Region. `regions`: account -> its enabled Regions; None: unknown, so that an analyzer
    may be where nobody looked."""

    listings: Mapping[tuple[str, str], Listing] = field(default_factory=dict)
    regions: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as it is listed. `public` and `principals` are told of external access only. `error`: the resource
    could not be analyzed, so that it says nothing of it."""

    id: str
    analyzer: str
    type: str
    resource: str
    resource_type: str
    account: str
    analyzed_at: datetime
    updated_at: datetime
    public: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class FindingList:
    """All active findings of one analyzer, and of unused access those that were archived, by a rule or by hand; `failed`
    says why they are not known. Then there may be any."""

    analyzer: Analyzer
    findings: tuple[Finding, ...] = ()
    archived: tuple[Finding, ...] = ()
    failed: SourceState | None = None
