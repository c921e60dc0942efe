"""Whether what AWS recommends is about the policies that a principal has now, and not about former ones. Pure.

What AWS says of the text or its time decides; of an inline policy IAM tells no time of change.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_UnusedPermissionsRecommendedStep.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from plumbline.iam.compare import compare
from plumbline.iam.documents import PolicyError
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Policy, Principal


class About(Enum):
    PRESENT = "present"
    FORMER = "former"
    UNKNOWN = "unknown"


def about(steps: Sequence[RecommendedStep], principal: Principal) -> About:
    """FORMER if one step is about a former text, UNKNOWN if that cannot be told of one. A step whose policy the principal
    does not have says nothing here: it is compared with nothing."""
    said = {_one(step, policy, principal) for step in steps if (policy := named(step, principal)) is not None}
    for which in (About.FORMER, About.UNKNOWN):
        if which in said:
            return which
    return About.PRESENT


def digests(principal: Principal) -> dict[str, str]:
    """Policy.key -> digest of its text: what has to be equal for nothing to have changed."""
    return {policy.key: policy.digest for policy in principal.policies}


def unchanged(known: Mapping[str, str] | None, principal: Principal) -> bool:
    """Of a principal whose policies could not all be read, no change is known."""
    return known is not None and (not principal.policies_known or known == digests(principal))


def named(step: RecommendedStep, principal: Principal) -> Policy | None:
    """The policy that a step means: whether AWS gives its name or its ARN is not documented."""
    meant = {policy.key: policy for policy in principal.policies if step.existing in (policy.name, policy.key)}
    return next(iter(meant.values())) if len(meant) == 1 else None


def _one(step: RecommendedStep, policy: Policy, principal: Principal) -> About:
    if step.text is not None and policy.document is not None:
        return About.PRESENT if _equal(step.text, policy.document) else About.FORMER
    if step.updated_at is None:
        return About.UNKNOWN
    changed = policy.version_created_at or (principal.created_at if policy.kind == "inline" else None)
    if changed is not None and step.updated_at < changed:
        return About.FORMER
    return About.PRESENT if policy.version_created_at is not None else About.UNKNOWN


def _equal(one: str, other: str) -> bool:
    """AWS may write a text in another order."""
    if one == other:
        return True
    try:
        both = (compare("identity", [one], [other]).result, compare("identity", [other], [one]).result)
    except PolicyError:
        return False
    return both == ("noNewAccess", "noNewAccess")
