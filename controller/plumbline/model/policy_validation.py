"""Live policies as IAM Access Analyzer's policy validation sees them, and what it said of them. Frozen data, no rules.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-policy-validation.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from plumbline.model.coverage import SourceState, State
from plumbline.model.snapshot import digest_of

SOURCE: Final = "policy-validation"
TRUST_POLICY: Final = "AWS::IAM::AssumeRolePolicyDocument"

PolicyType = Literal["IDENTITY_POLICY", "RESOURCE_POLICY", "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
LivePolicyKind = Literal["customer", "inline", "trust", "scp", "rcp"]
FindingType = Literal["ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION"]

TYPES: Final[tuple[FindingType, ...]] = ("ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION")
POLICY_TYPES: Final[dict[LivePolicyKind, PolicyType]] = {
    "customer": "IDENTITY_POLICY",
    "inline": "IDENTITY_POLICY",
    "trust": "RESOURCE_POLICY",
    "scp": "SERVICE_CONTROL_POLICY",
    "rcp": "RESOURCE_CONTROL_POLICY",
}


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """A policy of the customer's own. `key` names it in a landscape: the ARN of a managed policy, `ARN/inline/NAME` or
    `ARN/trust` of a principal's own, `ACCOUNT:group/NAME/inline/NAME`, `scp/DIGEST` of one that the organization attaches. `document`: None where it could
    not be read. `accounts`: where it counts; `principals`: ARNs of those that have it, none for SCPs and RCPs."""

    key: str
    name: str
    kind: LivePolicyKind
    document: str | None
    accounts: tuple[str, ...]
    principals: tuple[str, ...] = ()

    @property
    def type(self) -> PolicyType:
        return POLICY_TYPES[self.kind]

    @property
    def digest(self) -> str:
        """Equal for equal questions. Of one that could not be read, its own."""
        if self.document is None:
            return digest_of(["unreadable", self.key])
        return digest_of([self.type, self.document])

    @property
    def attached(self) -> int:
        """How many have it: principals, or accounts under an SCP or RCP."""
        return len(self.accounts) if self.kind in ("scp", "rcp") else len(self.principals)


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """`places`: where in the document, such as `Statement[0].Action[2]`. `link`: AWS's explanation of the code."""

    type: FindingType
    code: str
    details: str
    link: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """All that AWS said of one document of one type."""

    checked_at: datetime
    findings: tuple[PolicyFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidatedPolicy:
    """`answer`: the last one about this very document, also when it is old; `state` is complete only where it is not. No
    answer is never an answer without findings."""

    policy: LivePolicy
    state: SourceState
    answer: PolicyAnswer | None = None

    @property
    def checked(self) -> bool:
        return self.state.state is State.COMPLETE

    @property
    def findings(self) -> tuple[PolicyFinding, ...]:
        return self.answer.findings if self.answer is not None else ()

    @property
    def codes(self) -> dict[str, FindingType]:
        """Code -> its type: what one code says of several places counts once."""
        return {finding.code: finding.type for finding in self.findings}


@dataclass(frozen=True, slots=True)
class RegisteredFinding:
    """Since when one code is found in one policy. `account`: of the policy; none of an SCP or RCP. `resolved_at` None: it
    is still there, or nothing says that it is not."""

    policy: str
    code: str
    type: FindingType
    account: str
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ValidationDay:
    """How many findings there were at the end of a UTC day by type, how many documents were checked and not, and how many
    accounts could not be collected, so that nobody knows what there is besides."""

    day: date
    findings: dict[FindingType, int]
    checked: int
    unchecked: int
    uncollected: int = 0


@dataclass(frozen=True, slots=True)
class PolicyValidations:
    """`policies`: all that are live, checked or not. `register`: findings, resolved ones too; `days`: the oldest first."""

    policies: tuple[ValidatedPolicy, ...] = ()
    register: tuple[RegisteredFinding, ...] = ()
    days: tuple[ValidationDay, ...] = ()
