"""What a baseline allows and forbids, against what roles are granted."""

from dataclasses import replace

import pytest

from plumbline.api.baseline import AccessRule
from plumbline.assess.limits import beyond_limits
from plumbline.iam.documents import PolicyError
from tests.iam.policies import allow, deny, inline, managed, role

MFA = {"operator": "Bool", "key": "aws:MultiFactorAuthPresent", "values": ["true"]}


def rule(*actions, resources=("*",), conditions=(), reason=""):
    return AccessRule.model_validate(
        {"actions": list(actions), "resources": list(resources), "conditions": list(conditions), "reason": reason}
    )


@pytest.mark.parametrize(
    ("granted", "forbidden", "found"),
    [
        ([allow("s3:*")], rule("s3:Delete*"), True),
        ([allow("s3:Get*")], rule("s3:Delete*"), False),
        ([allow("s3:*"), deny("s3:Delete*")], rule("s3:Delete*"), False),
        ([allow("s3:*", resource="arn:aws:s3:::a/*")], rule("s3:Delete*", resources=["arn:aws:s3:::b/*"]), False),
        ([allow("s3:*", resource="arn:aws:s3:::*")], rule("s3:Delete*", resources=["arn:aws:s3:::b/*"]), True),
        ([allow("*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})], rule("*", conditions=[MFA]), False),
        ([allow("iam:*", Condition={"Bool": {"aws:x/y": "true"}})], rule("iam:*"), True),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], rule("iam:*", "organizations:*"), True),
    ],
)
def test_what_is_forbidden(granted, forbidden, found):
    assert bool(beyond_limits(role(inline("p", *granted)), [], [forbidden])) is found


@pytest.mark.parametrize(
    ("granted", "allowed", "found"),
    [
        ([allow("s3:Get*")], [rule("s3:*")], False),
        ([allow("s3:Get*", "sqs:*")], [rule("s3:*"), rule("sqs:*")], False),
        ([allow("s3:*")], [rule("s3:Get*")], True),
        ([allow("s3:Get*")], [rule("s3:Get*", resources=["arn:aws:s3:::b/*"])], True),
        ([allow("s3:Get*")], [rule("s3:Get*", conditions=[MFA])], True),
        ([allow("s3:Get*", Condition={"Bool": {"aws:multifactorauthpresent": "true"}})], [rule("s3:*", conditions=[MFA])], False),
    ],
)  # fmt: skip
def test_what_goes_beyond_the_allowed(granted, allowed, found):
    assert bool(beyond_limits(role(inline("p", *granted)), allowed, [])) is found


def test_says_which_statement_and_why():
    who = role(inline("own", allow("sqs:*"), {**allow("s3:*"), "Sid": "All"}), managed("m", allow("iam:*")))
    found = beyond_limits(who, [rule("sqs:*"), rule("iam:*")], [rule("iam:CreateUser", reason="ask the platform team")])
    example = "for example iam:CreateUser on arn:aws:iam:::x"
    assert found == (
        "not allowed: inline/own Statement[1] (All), for example s3:AbortMultipartUpload on arn:aws:s3:::x",
        f"forbidden (ask the platform team): {who.policies[1].key} Statement[0], {example}",
    )


def test_a_boundary_counts():
    who = role(inline("p", allow("*")), boundary=managed("b", allow("s3:*")))
    assert beyond_limits(who, [], [rule("iam:*")]) == ()
    assert beyond_limits(who, [rule("s3:*")], []) == ()
    assert beyond_limits(who, [], [rule("s3:Delete*")]) != ()


def test_without_rules_nothing_is_asked_and_unknown_documents_are_never_clean():
    unknown = role(replace(inline("p", allow("s3:*")), document=None))
    assert beyond_limits(unknown, [], []) == ()
    with pytest.raises(PolicyError):
        beyond_limits(unknown, [], [rule("iam:*")])
