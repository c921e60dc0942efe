"""Documents from grants: equal to them, whatever their order and spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import parse_identity
from plumbline.iam.fitting import MANAGED_LIMIT
from plumbline.iam.grants import Grant, TooLargeError, documents
from plumbline.iam.patterns import covers, matches
from tests.iam.policies import ACTIONS

KNOWN = catalogue()
RESOURCES = ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::b/?*", "arn:aws:s3:::b/*?", "arn:aws:sqs:::q"]
CONDITIONS = ["{}", '{"Bool": {"aws:SecureTransport": "true"}}', '{"StringLike": {"aws:PrincipalTag/t": ["a", "b"]}}']
ASKED_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "sqs:SendMessage", "nosuch:Thing", "x:Y", "iam:PassRole"]  # fmt: skip
ASKED_RESOURCES = ["arn:aws:s3:::b/k", "arn:aws:s3:::b/", "arn:aws:sqs:::q", "else"]
grants = st.builds(
    Grant,
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3).map(tuple),
    st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=3).map(tuple),
    st.sampled_from(CONDITIONS),
)


def said(found):
    """(effect, action, resource, condition) of everything asked that these say."""
    return {
        (effect, action, resource, condition)
        for effect, actions, resources, condition in found
        for action in ASKED_ACTIONS
        if any(matches(a, action) for a in actions)
        for resource in ASKED_RESOURCES
        if any(matches(r, resource, case_sensitive=True) for r in resources)
    }


def of_grants(given_grants):
    return [
        (g.effect, g.actions, g.resources, str(parse_identity(_one(g)).statements[0].conditions)) for g in given_grants
    ]


def of_documents(texts):
    statements = [s for text in texts for s in parse_identity(text).statements]
    return [(s.effect, s.actions, s.resources, str(s.conditions)) for s in statements]


def _one(grant):
    statement = {"Effect": grant.effect, "Action": "s3:*", "Resource": "*", "Condition": json.loads(grant.condition)}
    values = statement["Condition"].values()
    for keys in values:
        keys.update({k: sorted(v) if isinstance(v, list) else v for k, v in keys.items()})
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@given(st.lists(grants, max_size=5))
def test_equal_to_the_grants(given_grants):
    texts = documents(given_grants)
    assert said(of_documents(texts)) == said(of_grants(given_grants))
    assert len(texts) == bool(given_grants)
    # Over all strings: each pattern of a document was given, in some spelling.
    actions = {a.lower() for g in given_grants for a in g.actions}
    assert {a.lower() for _, found, *_ in of_documents(texts) for a in found} <= actions


@given(st.lists(grants, max_size=5), st.randoms())
def test_order_and_spelling_never_matter(given_grants, shuffle):
    moved = []
    for grant in given_grants:
        actions = [shuffle.choice([a.upper(), a.lower(), a]) for a in grant.actions * 2]
        resources = list(grant.resources)
        shuffle.shuffle(actions)
        shuffle.shuffle(resources)
        moved += [Grant(grant.effect, (action,), tuple(resources), grant.condition) for action in actions]
    shuffle.shuffle(moved)
    assert documents(moved) == documents(given_grants)


@given(st.lists(grants, min_size=1, max_size=5))
def test_no_two_statements_are_about_the_same_resources_and_condition(given_grants):
    (text,) = documents(given_grants)
    heads = [(s.effect, s.resources, s.conditions) for s in parse_identity(text).statements]
    assert len(heads) == len(set(heads))
    for statement in parse_identity(text).statements:
        assert list(statement.actions) == sorted(statement.actions, key=lambda a: (a.lower(), a))


def test_actions_with_the_same_resources_share_a_statement():
    given_grants = [
        Grant("Allow", ("s3:getobject",), ("b",)),
        Grant("Allow", ("s3:GetObject", "s3:PutObject"), ("a",)),
        Grant("Allow", ("s3:PutObject", "S3:GET*"), ("b",)),
        Grant("Allow", ("sqs:SendMessage",), ("q",), '{"Bool":{"aws:SecureTransport":true}}'),
        Grant("Allow", ("sqs:ReceiveMessage",), ("q",), '{"Bool":{"aws:SecureTransport":["true"]}}'),
    ]
    (text,) = documents(given_grants)
    found = [(s.actions, s.resources) for s in parse_identity(text).statements]
    assert found == [
        (("s3:GetObject", "s3:PutObject"), ("a", "b")),
        (("s3:Get*",), ("b",)),
        (("sqs:ReceiveMessage", "sqs:SendMessage"), ("q",)),
    ]


EC2 = KNOWN.names_of(KNOWN.service("ec2"))


def test_wildcards_only_for_size_and_only_where_an_old_grant_covers_them():
    few = Grant("Allow", EC2[:20], ("b",))
    assert documents([few], old=[Grant("Allow", ("*",), ("*",))]) == documents([few])
    many = Grant("Allow", EC2[:-1], ("b",))
    for old in ([], [Grant("Allow", ("ec2:*",), ("a",))], [Grant("Deny", ("ec2:*",), ("*",))], [Grant("Allow", ("ec2:*",), ("*",), CONDITIONS[1])]):  # fmt: skip
        with pytest.raises(TooLargeError, match="1 statements do not fit into 1 policies of 6144 characters"):
            documents([many], old=old)
    (text,) = documents([many], old=[Grant("Allow", ("ec2:*",), ("*",))])
    assert len(text) <= MANAGED_LIMIT
    found = parse_identity(text).statements[0].actions
    assert KNOWN.expand_all(found) == KNOWN.bits_of(EC2[:-1])
    assert all(covers("ec2:*", pattern) for pattern in found)
    several = documents([many], most=5)
    assert [a for t in several for a in parse_identity(t).statements[0].actions] == list(EC2[:-1])
