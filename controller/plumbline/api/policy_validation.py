"""Policy validation of IAM Access Analyzer over the live policies of a landscape, and what is said of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plumbline.api.analyzers import Region
from plumbline.api.common import Model, StatusModel


class PolicyValidation(Model):
    """The live policies are checked with ValidatePolicy, which is free of charge. Each document is asked about once, and
    again after 30 days."""

    calls_per_pass: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Most calls in one pass, the most attached policies first. The others follow in the next passes.",
        ),
    ] = 1000
    region: Annotated[
        Region | None,
        Field(description="Where it is asked; the answer is the same everywhere. Default: the Region of the operator."),
    ] = None


class UncheckedPolicies(StatusModel):
    """Documents of which nobody knows whether they have findings. `message` is about the first of them."""

    reason: str
    documents: int
    message: str = ""
    remedy: str = ""


class PolicyWithFindings(StatusModel):
    """`policy`: the ARN of a managed policy, `ARN/inline/NAME` or `ARN/trust` of a principal's own,
    `ACCOUNT:group/NAME/inline/NAME` of a group's, `scp/...` or `rcp/...` of the organization's. `attached`: principals that have it, or accounts under it."""

    policy: str
    name: str = ""
    attached: int = 0
    owners: Annotated[
        list[str], Field(max_length=5, description="Of the principals that have it, who has most of them first.")
    ] = []
    codes: Annotated[list[str], Field(max_length=10, description="The gravest first.")] = []
    codes_truncated: int = 0


class PolicyValidationStatus(StatusModel):
    """A finding is a code in a policy, at however many places."""

    findings: Annotated[dict[str, int], Field(description="ERROR, SECURITY_WARNING, WARNING and SUGGESTION.")] = {}
    documents_checked: int = 0
    documents_unchecked: Annotated[
        int, Field(description="Never clean: whether they have findings is not known, or an old answer is used.")
    ] = 0
    accounts_uncollected: Annotated[
        int, Field(description="Whose policies are not known, so that there may be more than is counted.")
    ] = 0
    unchecked: Annotated[
        list[UncheckedPolicies], Field(max_length=10, description="By reason, the most documents first.")
    ] = []
    new: Annotated[int, Field(description="Findings that were first seen within the last seven days.")] = 0
    resolved: Annotated[int, Field(description="Findings that ended within the last seven days.")] = 0
    worst: Annotated[list[PolicyWithFindings], Field(max_length=20, description="The gravest findings first.")] = []
    worst_truncated: int = 0
