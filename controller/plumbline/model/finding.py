"""Findings: of one role in one baseline, as other systems take them, and those of a landscape that belong to no baseline.

Frozen data, no wire form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar, get_args

from plumbline.api.review import BaselineKind, LandscapeKind

LANDSCAPE_KINDS: Final[tuple[LandscapeKind, ...]] = get_args(LandscapeKind)
Severity = Literal["LOW", "MEDIUM", "HIGH"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` is the same for as long as the finding is about the same: kind, role and its unique id, and landscape."""

    key: str
    kind: BaselineKind
    baseline: str
    account: str
    role_arn: str
    severity: Severity
    title: str
    description: str
    remedy: str
    owner: str


@dataclass(frozen=True, slots=True)
class Related:
    """A finding of IAM Access Analyzer about the same role. `product` and `link`: ARN of its product and id, as which
    Security Hub has it; empty where that is not known."""

    id: str
    product: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class RelatedFindings:
    """By role ARN, in order. `complete`: whether all are known; else there may be others, and none has ended."""

    of: Mapping[str, tuple[Related, ...]] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class LandscapeFinding:
    """What no baseline is about. `detail` and `region` tell findings about one resource apart; `region` is empty for what
    is everywhere."""

    key: str
    kind: LandscapeKind
    account: str
    resource: str
    region: str = ""
    detail: str = ""


_Kind = TypeVar("_Kind", Finding, LandscapeFinding)


@dataclass(frozen=True, slots=True)
class Standing(Generic[_Kind]):
    """What is said at one time. `open`: by key. `unknown`: keys of which it cannot be said whether they still hold: they are
    neither opened nor resolved. `seen`: accounts of which all is known that findings are about; a finding that is neither
    open nor unknown is resolved only there, and in accounts that are none of `accounts` any more; None when these could not
    be listed."""

    open: dict[str, _Kind]
    unknown: frozenset[str]
    seen: frozenset[str]
    accounts: frozenset[str] | None = None

    def resolves(self, key: str, account: str) -> bool:
        gone = self.accounts is not None and account not in self.accounts
        return key not in self.open and key not in self.unknown and (gone or account in self.seen)


class Findings(Standing[Finding]):
    """What one baseline says of its roles."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LandscapeFindings(Standing[LandscapeFinding]):
    """What a landscape says of one kind. `unasked`: keys of which nobody asks any more, so that they leave the review.
    `complete`: all is known that could show such a finding."""

    unasked: frozenset[str] = frozenset()
    complete: bool = False


def finding_key(landscape: str, kind: BaselineKind, role_arn: str, unique_id: str) -> str:
    return f"plumbline/{landscape}/{kind}/{role_arn}/{unique_id}"
