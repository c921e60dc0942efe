"""A plan beside what AWS recommends for the same role: which of them leaves less access. For people; nothing rests on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from plumbline.iam.compare import compare
from plumbline.iam.documents import PolicyError
from plumbline.model.assessment import RoleAssessment
from plumbline.model.evidence import RecommendedStep
from plumbline.model.plan import Plan
from plumbline.model.snapshot import Principal

Compared = Literal["", "same", "removesMore", "removesLess", "differs", "undecided", "notCompared", "outdated"]


def compared_with_aws(assessment: RoleAssessment, plan: Plan) -> Compared:
    """Empty where AWS recommends nothing that is known. `removesMore`: the plan leaves less than AWS would. `outdated`: AWS
    speaks of policies that have changed since."""
    said = assessment.agreement
    if said is None or not said.recommended:
        return "outdated" if said is not None and said.outdated else ""
    ours, theirs = _planned(assessment.principal, plan), _recommended(assessment.principal, said.recommended)
    if ours is None or theirs is None:
        return "notCompared"
    try:
        no_more, no_less = compare("identity", theirs, ours).result, compare("identity", ours, theirs).result
    except PolicyError:
        return "notCompared"
    if "undecided" in (no_more, no_less):
        return "undecided"
    if no_more == no_less:
        return "same" if no_more == "noNewAccess" else "differs"
    return "removesMore" if no_more == "noNewAccess" else "removesLess"


def _live(principal: Principal) -> dict[str, str] | None:
    """Policy.key -> document; None where one is not known."""
    if not principal.policies_known:
        return None
    return {policy.key: policy.document or "" for policy in principal.policies}


def _planned(principal: Principal, plan: Plan) -> list[str] | None:
    after = _live(principal)
    if after is None:
        return None
    added = []
    for change in plan.changes:
        if change.kind == "AttachPolicy":
            added.append(change.document or "")
        elif change.document is None:
            after.pop(change.policy, None)
        else:
            after[change.policy] = change.document
    return [*after.values(), *added]


def _recommended(principal: Principal, steps: Sequence[RecommendedStep]) -> list[str] | None:
    """None where a step names a policy that the role does not have, or two that it has: then it is not known to be about
    what is live."""
    after = _live(principal)
    if after is None:
        return None
    keys: dict[str, set[str]] = {}
    for policy in principal.policies:
        for name in (policy.name, policy.key):
            keys.setdefault(name, set()).add(policy.key)
    added = []
    for step in steps:
        if step.existing:
            meant = keys.get(step.existing, set())
            if len(meant) != 1:
                return None
            after.pop(next(iter(meant)), None)
        if step.policy is not None:
            added.append(step.policy)
    return [*after.values(), *added]
