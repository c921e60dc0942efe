"""The proof for a role as a whole: whole policies compared, and recorded uses replayed with their resources."""

from dataclasses import replace

import pytest

from plumbline.iam.documents import canonical
from plumbline.plan.proof import ProofError
from plumbline.plan.replay import verify_role
from tests.assess.world import used
from tests.iam.policies import allow, deny, inline, role

WHO = role(inline("p", allow("s3:*")))
MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}


def document(*statements):
    return canonical({"Version": "2012-10-17", "Statement": list(statements)})


def seen(action, *resources):
    return replace(used(action), resources=resources)


def test_less_access_that_keeps_the_uses_is_proven():
    before = [document(allow("s3:*"), deny("s3:*", resource="arn:aws:s3:::secret/*"))]
    after = [document(allow("s3:GetObject"), deny("s3:*", resource="arn:aws:s3:::secret/*"))]
    verify_role(WHO, before, after, [seen("s3:GetObject", "arn:aws:s3:::b/k")])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (allow("s3:Get*"), allow("s3:GetObject", "sqs:SendMessage")),
        (allow("s3:GetObject", resource="arn:aws:s3:::b/*"), allow("s3:GetObject", resource="arn:aws:s3:::*")),
        (allow("s3:GetObject", **MFA), allow("s3:GetObject")),
    ],
)
def test_new_access_is_never_proven(before, after):
    with pytest.raises(ProofError, match="newly"):
        verify_role(WHO, [document(before)], [document(after)], [])


def test_a_use_that_the_old_policies_allowed_must_stay():
    before, after = [document(allow("s3:*"))], [document(allow("s3:*", resource="arn:aws:s3:::b/*"))]
    verify_role(WHO, before, after, [seen("s3:GetObject", "arn:aws:s3:::b/k")])
    with pytest.raises(ProofError, match=r"would deny s3:GetObject on arn:aws:s3:::c/k, of which a use is recorded"):
        verify_role(WHO, before, after, [seen("s3:GetObject", "arn:aws:s3:::c/k")])
    # What the old policies did not allow, another policy did: it never blocks.
    verify_role(WHO, before, after, [seen("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:q")])


def test_a_use_under_a_condition_must_stay_possible():
    before, narrowed = [document(allow("s3:*", **MFA))], [document(allow("s3:PutObject", **MFA))]
    verify_role(WHO, before, [document(allow("s3:GetObject", **MFA))], [seen("s3:GetObject", "arn:aws:s3:::b/k")])
    with pytest.raises(ProofError, match="would deny s3:GetObject"):
        verify_role(WHO, before, narrowed, [seen("s3:GetObject", "arn:aws:s3:::b/k")])


def test_roles_and_keys_are_replayed_by_the_identity_side():
    """Their own policies are held equal on both sides."""
    key = "arn:aws:kms:eu-west-1:111111111111:key/1"
    with pytest.raises(ProofError, match="would deny kms:Decrypt"):
        verify_role(WHO, [document(allow("kms:*"))], [document(allow("kms:Encrypt"))], [seen("kms:Decrypt", key)])
