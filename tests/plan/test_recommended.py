"""A plan beside what AWS recommends: which leaves less, and when they are not to be compared."""

import json

import pytest

from plumbline.model.assessment import Agreement, Counts, RoleAssessment
from plumbline.model.evidence import RecommendedStep
from plumbline.model.plan import Change, Plan
from plumbline.model.snapshot import Policy
from plumbline.plan.recommended import compared_with_aws
from tests.iam.policies import allow, document_of, inline, managed, role

READ, WRITE, STOP = "ec2:DescribeInstances", "ec2:TerminateInstances", "ec2:StopInstances"
INLINE = inline("p", allow(READ, WRITE, STOP))
MANAGED = managed("m", allow(READ, WRITE, STOP))


def said(recommended, *policies):
    principal = role(*(policies or (INLINE,)))
    agreement = None if recommended == "none" else Agreement(recommended=recommended)
    return RoleAssessment(principal, (), Counts(), 0, agreement=agreement)


def plan(*changes):
    return Plan("arn", "id", changes, (), (), 0, 0)


def put(document, policy="inline/p", kind="PutRolePolicy"):
    return Change(kind, policy, "", document, "", 0)


def create(*actions, existing="p"):
    return RecommendedStep(existing, document_of(allow(*actions)))


OURS = plan(put(document_of(allow(READ))))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((create(READ),), "same"),
        ((create(READ, STOP),), "removesMore"),
        ((RecommendedStep("p"),), "removesLess"),
        ((create(STOP),), "differs"),
        ((create(READ, existing="inline/p"),), "same"),
        ((create(READ, existing=""), RecommendedStep("p")), "same"),
        ((), ""),
        ((create(READ, existing="another"),), "notCompared"),
        ((RecommendedStep("p", json.dumps({"Statement": "none"})),), "notCompared"),
        (None, ""),
        ("none", ""),
    ],
)
def test_which_leaves_less(steps, expected):
    assert compared_with_aws(said(steps), OURS) == expected


def test_what_is_about_former_policies_is_said_to_be():
    principal = role(INLINE)
    agreement = Agreement(outdated=True)
    assert compared_with_aws(RoleAssessment(principal, (), Counts(), 0, agreement=agreement), OURS) == "outdated"


def test_changes_of_every_kind_are_followed():
    both = (INLINE, MANAGED)
    steps = (create(READ), RecommendedStep(MANAGED.key))
    ours = plan(put(document_of(allow(READ))), put(None, MANAGED.key, "DetachPolicy"))
    assert compared_with_aws(said(steps, *both), ours) == "same"
    divided = plan(
        put(None, "inline/p", "DeleteRolePolicy"),
        put(document_of(allow(READ)), "x", "AttachPolicy"),
        put(document_of(allow(STOP)), MANAGED.key, "ReplaceAttachment"),
    )
    assert compared_with_aws(said(steps, *both), divided) == "removesLess"


def test_what_cannot_be_read_is_not_compared():
    unknown = Policy("u", "inline", None)
    assert compared_with_aws(said((create(READ),), INLINE, unknown), OURS) == "notCompared"


def test_a_name_that_two_policies_have_is_not_guessed():
    named = managed("p", allow(READ, WRITE, STOP))
    for policies in ((INLINE, named), (named, INLINE)):
        assert compared_with_aws(said((create(READ),), *policies), OURS) == "notCompared"
        assert compared_with_aws(said((create(READ, existing="inline/p"),), *policies), OURS) == "same"
