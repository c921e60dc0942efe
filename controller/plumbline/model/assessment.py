"""The result of assessing roles: verdicts, counts, drift. Frozen data, no rules.

Action sets are Python integers, one bit for each action of the catalogue (iam.catalogue); names that the catalogue
does not know ride along as strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from plumbline.model.evidence import Evidence, GrantChange, RecommendedStep
    from plumbline.model.snapshot import Principal


class Verdict(StrEnum):
    USED = "used"
    UNUSED = "unused"
    UNDETERMINED = "undetermined"
    MASKED = "masked"


@dataclass(frozen=True, slots=True)
class Finding:
    """A set of actions that share verdict, reason and sources. `detail` says what the reason is about, such as a date
    or an event name; it is for people. `remedy`: what its source says would repair it, without account or principal."""

    verdict: Verdict
    reason: str
    bits: int
    unknown: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    used: int = 0
    unused: int = 0
    undetermined: int = 0
    masked: int = 0

    @property
    def granted(self) -> int:
        return self.used + self.unused + self.undetermined

    @property
    def reduction_percentage(self) -> float:
        return round(100 * self.unused / max(self.granted, 1), 1)


@dataclass(frozen=True, slots=True)
class Addition:
    """An action that a role asked for and is not granted there. `granted_elsewhere`: it is granted, but not so.
    `guarded`: why nobody should grant it at a glance; empty where nothing speaks against it."""

    action: str
    why: Literal["denied", "usedNotGranted"]
    count: int
    last: datetime
    resources: tuple[str, ...] = ()
    granted_elsewhere: bool = False
    guarded: str = ""


@dataclass(frozen=True, slots=True)
class DriftChange:
    """A change that may have brought drift in. `announced`: a queue said so, and no log has shown it yet."""

    change: GrantChange
    announced: bool = False


@dataclass(frozen=True, slots=True)
class GrantDrift:
    """Live access beyond the accepted. Each addition is one readable atom, e.g. `Allow s3:* on arn:... if {...}`.
    `live_digest` names the live access; empty where it is not wholly known."""

    additions: tuple[str, ...] = ()
    bits: int = 0
    unknown: frozenset[str] = frozenset()
    policies: tuple[str, ...] = ()
    accepted_known: bool = True
    live_digest: str = ""
    changes: tuple[DriftChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """Numbers of actions: what findings of unused access and verdicts say of them. `used` and `undetermined`: by the
    verdict, of those that findings call unused. `recommended`: what AWS would do about it; `outdated`: what it would do
    about former policies is all that is known."""

    agreed: int = 0
    only_plumbline: int = 0
    used: int = 0
    undetermined: int = 0
    not_compared: int = 0
    analyzer: str = ""
    findings: tuple[str, ...] = ()
    recommended: tuple[RecommendedStep, ...] | None = None
    outdated: bool = False

    @property
    def disagreements(self) -> int:
        return self.only_plumbline + self.used


@dataclass(frozen=True, slots=True)
class RoleAssessment:
    """Everything said about one role. `findings` are disjoint and together are all granted and masked actions. `uses`:
    the observations that a plan must leave possible."""

    principal: Principal
    findings: tuple[Finding, ...]
    counts: Counts
    unused_privileged: int
    exempted: int = 0
    exempted_bits: int = 0
    exempted_unknown: frozenset[str] = frozenset()
    uses: tuple[Evidence, ...] = ()
    used_not_granted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    additions: tuple[Addition, ...] = ()
    drift: GrantDrift = GrantDrift()
    out_of_line: tuple[str, ...] = ()
    not_editable: str | None = None
    owner: str = ""
    generated_difference: tuple[int, int, int, float] | None = None
    agreement: Agreement | None = None

    def bits(self, verdict: Verdict) -> int:
        result = 0
        for finding in self.findings:
            if finding.verdict is verdict:
                result |= finding.bits
        return result

    def unknown(self, verdict: Verdict) -> frozenset[str]:
        return frozenset().union(*(f.unknown for f in self.findings if f.verdict is verdict))
