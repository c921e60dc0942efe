"""Granted and masked actions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from dataclasses import replace

import pytest
from hypothesis import given

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError
from plumbline.iam.granted import granted, policy_planes, statements_granting
from tests.iam.policies import allow, deny, document_of, inline, managed, principals, role

KNOWN = catalogue()
SEND, RECEIVE, GET, PASS = "sqs:SendMessage", "sqs:ReceiveMessage", "s3:GetObject", "iam:PassRole"
NARROW = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
FULL_ACCESS = document_of(allow("*"))
EVERYTHING = ((FULL_ACCESS,), (FULL_ACCESS,))


def names(bits):
    return set(KNOWN.names_of(bits))


def of(*policies, boundary=None, scp=(), exempt=False):
    return granted(role(*policies, boundary=boundary), scp, scp_exempt=exempt)


def test_planes_of_one_document():
    planes = policy_planes(
        document_of(
            allow(SEND, "nosuch:Thing", "nosuch:x*", "NOSUCH:thing"),
            allow(GET, resource="arn:aws:s3:::b/*"),
            allow(PASS, **NARROW),
            deny(RECEIVE, "gone:Thing"),
            deny("s3:PutObject", **NARROW),
            deny("s3:DeleteObject", resource="arn:aws:s3:::b/*"),
        )
    )
    assert names(planes.allow) == {SEND, GET, PASS}
    assert names(planes.allow_all) == {SEND}
    assert names(planes.deny_full) == {RECEIVE}
    assert names(planes.deny_partial) == {"s3:PutObject", "s3:DeleteObject"}
    assert planes.allow_unknown == {"NOSUCH:thing", "nosuch:x*"}
    assert planes.deny_unknown == {"gone:Thing"}
    with pytest.raises(PolicyError):
        policy_planes("{}")


def test_not_action_means_all_others():
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
    planes = policy_planes(document_of({"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}))
    assert planes.allow == KNOWN.all ^ KNOWN.service("iam") ^ KNOWN.service("sts")
    only = of(inline("p", allow(SEND, RECEIVE), {"Effect": "Deny", "NotAction": SEND, "Resource": "*"}))
    assert (names(only.granted), names(only.masked)) == ({SEND}, {RECEIVE})


@pytest.mark.parametrize(
    ("statement", "masks"),
    [
        (deny(SEND), True),
        (deny("sqs:*"), True),
        (deny(SEND, resource="arn:aws:sqs:*:*:q"), False),
        (deny(SEND, resource=["arn:aws:sqs:*:*:q", "*"]), True),
        (deny(SEND, **NARROW), False),
        (deny(SEND, Condition={}), True),
        ({"Effect": "Deny", "Action": SEND, "NotResource": "arn:aws:sqs:*:*:q"}, False),
        ({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}, True),
        ({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*", **NARROW}, False),
    ],
)
def test_only_a_full_deny_masks(statement, masks):
    for access in (
        of(inline("p", allow(SEND)), managed("q", statement)),
        of(inline("p", allow(SEND)), boundary=managed("b", allow("*"), statement)),
        of(inline("p", allow(SEND)), scp=((FULL_ACCESS, document_of(statement)),)),
    ):
        assert (access.masked == KNOWN.expand(SEND)) is masks
        assert access.granted | access.masked == KNOWN.expand(SEND)
        assert access.known


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
        ((), {SEND, GET}),
        (EVERYTHING, {SEND, GET}),
        ((*EVERYTHING, ()), set()),
        ((*EVERYTHING, (document_of(allow("sqs:*")),)), {SEND}),
        ((*EVERYTHING, (document_of(allow("sqs:*")), document_of(allow("s3:*")))), {SEND, GET}),
        (((document_of(allow("sqs:*")),), (document_of(allow("s3:*")),)), set()),
        (((FULL_ACCESS, document_of(deny("s3:*"))), (FULL_ACCESS,)), {SEND}),
        (((document_of(allow("s3:*", resource="arn:aws:s3:::b/*")),),), {GET}),
    ],
)
def test_every_scp_level_must_allow(levels, expected):
    access = of(inline("p", allow(SEND, GET)), scp=levels)
    assert names(access.granted) == expected
    assert names(access.masked) == {SEND, GET} - expected
    assert names(of(inline("p", allow(SEND, GET)), scp=levels, exempt=True).granted) == {SEND, GET}


def test_boundary_limits_and_grants_nothing():
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    access = of(inline("p", allow(SEND, GET)), boundary=managed("b", allow("sqs:*")))
    assert (names(access.granted), names(access.masked)) == ({SEND}, {GET})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"boundary": replace(managed("b", allow("*")), document=None)}, "boundary arn:aws:iam::111111111111:policy/b"),
        ({"boundary": replace(managed("b", allow("*")), document="{}")}, "boundary"),
        ({"scp": None}, "service control policies"),
        ({"scp": (("{",),)}, "service control policies"),
    ],
)
def test_an_unknown_limit_is_neither_unlimited_nor_empty(change, word):
    access = of(inline("p", allow(SEND)), **change)
    assert not access.known
    assert word in access.unknown_reason
    assert names(access.granted) == {SEND}


def test_an_unknown_policy_leaves_the_rest_and_says_so():
    access = of(inline("p", allow(SEND)), replace(inline("q", allow(GET)), document=None))
    assert (names(access.granted), access.known) == ({SEND}, False)
    assert "inline/q" in access.unknown_reason
    assert of(inline("p", allow(SEND)), scp=None, exempt=True).known


def test_unknown_names_are_kept_once_and_masked_only_for_sure():
    policies = [inline("p", allow("new:Thing", "new:T*")), inline("q", allow("NEW:Thing"))]
    assert of(*policies).granted_unknown == {"NEW:Thing", "new:T*"}
    masks = {
        "boundary without it": {"boundary": managed("b", allow("sqs:*"))},
        "denied": {"scp": ((FULL_ACCESS, document_of(deny("new:*"))),)},
        "all but": {"scp": ((document_of({"Effect": "Allow", "NotAction": "new:*", "Resource": "*"}),),)},
        "deny all but": {
            "scp": ((FULL_ACCESS, document_of({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"})),)
        },
    }
    for case, more in masks.items():
        assert of(*policies, **more).masked_unknown == {"NEW:Thing", "new:T*"}, case
    partly = of(*policies, boundary=managed("b", allow("new:Thing")))
    assert (partly.granted_unknown, partly.masked_unknown) == ({"NEW:Thing", "new:T*"}, frozenset())
    assert of(*policies, scp=((FULL_ACCESS, document_of(deny("new:Thing"))),)).masked_unknown == {"NEW:Thing"}


def test_by_policy_and_the_statements_behind_an_action():
    who = role(inline("p", allow(SEND), deny(GET)), managed("q", allow("sqs:*", Sid="All")), inline("r", allow(GET)))
    access = granted(who, ())
    assert names(access.by_policy["inline/p"]) == {SEND}
    assert access.by_policy["inline/r"] == access.masked == KNOWN.expand(GET)
    found = [(key, s.label) for key, s in statements_granting(who, "SQS:SendMessage")]
    assert found == [("inline/p", "Statement[0]"), ("arn:aws:iam::111111111111:policy/q", "Statement[0] (All)")]
    assert statements_granting(who, "sqs:BrandNew")[0][0].endswith("policy/q")


@given(principals)
def test_counts_are_disjoint_and_complete(principal):
    access = granted(principal, EVERYTHING)
    assert not access.granted & access.masked
    together = 0
    for bits in access.by_policy.values():
        together |= bits
    assert access.granted | access.masked == together
    assert not access.granted_unknown & access.masked_unknown
    assert access.known == all(p.document is not None for p in principal.policies)


@given(principals, principals)
def test_a_boundary_never_adds(principal, other):
    for boundary in other.policies:
        limited = granted(replace(principal, boundary=boundary), ())
        free = granted(principal, ())
        assert not limited.granted & ~free.granted
        assert limited.granted | limited.masked == free.granted | free.masked
