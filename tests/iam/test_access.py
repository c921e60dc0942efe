"""Granted access in detail, held against the counts of `granted`, and against the authorizer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.access import access_of, names_of
from plumbline.iam.authorize import Layers, authorize
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Context
from plumbline.iam.granted import granted, grants
from plumbline.iam.principals import caller
from plumbline.iam.statements import Request, compiled
from plumbline.iam.strings import glob, matches
from tests.iam.policies import allow, deny, document_of, documents, inline, managed, principals, role, statements

KNOWN = catalogue()
SEND, GET, PUT, PASS = "sqs:SendMessage", "s3:GetObject", "s3:PutObject", "iam:PassRole"
BUCKET = "arn:aws:s3:::b/*"
SECURE = {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
FULL_ACCESS = document_of(allow("*"))

boundaries = st.one_of(st.none(), documents.map(lambda d: replace(managed("limit", allow("*")), document=d)))
readable = st.lists(documents, max_size=4).map(
    lambda ds: role(*(replace(inline(f"p{i}", allow("*")), document=d) for i, d in enumerate(ds)))
)
levels = st.one_of(st.just(()), st.lists(st.lists(documents, max_size=2).map(tuple), max_size=2).map(tuple))


def group_of(found, action):
    (only,) = [g for g in found.groups if action in names_of(g)]
    return only


# Examples


def test_groups_hold_what_the_same_statements_grant():
    app = role(
        inline("a", allow(SEND, GET), allow(PASS, **SECURE)),
        inline("b", allow(GET, resource=BUCKET), deny(SEND, resource="arn:aws:sqs:*:*:q"), deny(PUT)),
    )
    found = access_of(app, ())
    send, get, iam = (group_of(found, action) for action in (SEND, GET, PASS))
    assert (send.kind, [s.statement.effect for s in send.limits]) == ("conditional", ["Deny"])
    assert (get.kind, [s.policy for s in get.grants], get.limits) == ("unconditional", ["inline/a", "inline/b"], ())
    assert (iam.kind, iam.limits) == ("conditional", ())
    assert len(found.groups) == 3


def test_scps_limit_by_level():
    app = role(inline("a", allow(SEND, GET, PASS)))
    part = document_of(allow(SEND), allow(GET, resource=BUCKET))
    found = access_of(app, ((FULL_ACCESS,), (part,)))
    assert group_of(found, SEND).kind == "unconditional"
    (limit,) = group_of(found, GET).limits
    assert (limit.layer, limit.level, limit.policy, limit.statement.index) == ("scp", 1, "0", 1)
    assert access_of(app, ((FULL_ACCESS,), (part,)), scp_exempt=True).groups == access_of(app, ()).groups
    assert access_of(app, ((FULL_ACCESS,), ())).groups == ()


def test_nothing_granted_is_no_group():
    assert access_of(role(), ()).groups == ()
    assert access_of(role(inline("a", deny("*"))), ()).groups == ()


@pytest.mark.parametrize(
    ("app", "scps"),
    [
        (role(inline("a", allow(GET)), replace(inline("b", allow("*")), document=None)), ()),
        (role(inline("a", allow(GET)), replace(inline("b", allow("*")), document="{}")), ()),
        (role(inline("a", allow(GET)), boundary=replace(managed("b", allow("*")), document=None)), ()),
        (role(inline("a", allow(GET)), boundary=replace(managed("b", allow("*")), document="{}")), ()),
        (role(inline("a", allow(GET))), None),
        (role(inline("a", allow(GET))), ((document_of(allow(SEND)),), ("{}",))),
    ],
)
def test_what_could_not_be_read_makes_access_unknown_and_not_empty(app, scps):
    found = access_of(app, scps)
    assert not found.granted.known
    assert [(g.kind, names_of(g)) for g in found.groups] == [("unknown", (GET,))]


def test_names_that_the_catalogue_does_not_know_are_kept_and_never_unconditional():
    found = access_of(
        role(inline("a", allow("nosuch:Thing", "s3:NoSuchThing")), inline("b", allow("NOSUCH:thing"))), ()
    )
    assert [(g.kind, g.names, len(g.grants)) for g in found.groups] == [
        ("conditional", ("NOSUCH:thing",), 2),
        ("conditional", ("s3:NoSuchThing",), 1),
    ]


# Properties


@given(principals, boundaries, levels)
def test_groups_are_a_partition_of_what_is_granted(principal, boundary, scps):
    principal = replace(principal, boundary=boundary)
    found, total = access_of(principal, scps), granted(principal, scps)
    assert found.granted == total
    union, names = 0, []
    for group in found.groups:
        assert names_of(group)
        assert not union & group.actions
        union |= group.actions
        names += group.names
    assert union == total.granted
    assert sorted(names) == sorted(total.granted_unknown)
    assert ({g.kind for g in found.groups} <= {"unknown"}) or total.known


@given(principals, boundaries, levels, st.data())
def test_every_statement_of_a_group_speaks_about_each_action_of_it(principal, boundary, scps, data):
    found = access_of(replace(principal, boundary=boundary), scps)
    for group in found.groups:
        assert group.grants
        names = names_of(group)
        action = data.draw(st.sampled_from(names))
        for source in group.grants:
            assert (source.layer, source.statement.effect) == ("identity", "Allow")
        for source in (*group.grants, *group.limits):
            assert all(grants(source.statement, name) for name in (action, names[0], names[-1]))
        # And no other Allow statement of the policies that could be read does.
        listed = {(s.policy, s.statement.index) for s in group.grants}
        for policy in principal.policies:
            if policy.document is not None:
                for statement in compiled(policy.document).document.statements:
                    if statement.effect == "Allow":
                        assert grants(statement, action) == ((policy.key, statement.index) in listed)


def resource_of(statement):
    """A resource that the statement names whatever the context; None where variables decide."""
    if any("${" in text for text in statement.resources or statement.not_resources or ()):
        return None
    if statement.resources is not None:
        return statement.resources[0].replace("*", "x").replace("?", "x")
    others = ("arn:aws:x:::y", "arn:aws:s3:::b/other", "other")
    return next((o for o in others if not any(matches(glob(n), o) for n in statement.not_resources)), None)


@given(readable, boundaries, levels, st.data())
def test_unconditional_access_is_allowed_in_an_empty_context(principal, boundary, scps, data):
    principal = replace(principal, boundary=boundary)
    layers = Layers(
        identity=tuple(compiled(p.document) for p in principal.policies),
        boundary=() if boundary is None else (compiled(boundary.document),),
        scps=tuple(tuple(compiled(d) for d in level) for level in scps),
    )
    who = caller(principal.arn)
    for group in access_of(principal, scps).groups:
        # Roles and KMS keys have policies of their own that must allow too.
        actions = [a for a in names_of(group) if a.split(":")[0] not in ("sts", "kms")]
        if group.kind != "unconditional" or not actions:
            continue
        action = data.draw(st.sampled_from(actions)).lower()
        for source in group.grants:
            resource = None if source.statement.conditions else resource_of(source.statement)
            if resource is None:
                continue
            outcome = authorize(Request(who, action, resource, who.account, Context(who.keys())), layers)
            assert outcome.decision == "allowed"


def as_set(found):
    return {(g.kind, g.actions, g.names, frozenset(g.grants), frozenset(g.limits)) for g in found.groups}


@given(principals, boundaries, st.randoms(use_true_random=False))
def test_the_order_of_policies_changes_nothing(principal, boundary, random):
    policies = list(principal.policies)
    random.shuffle(policies)
    principal = replace(principal, boundary=boundary)
    turned = replace(principal, policies=tuple(policies))
    assert as_set(access_of(turned, ())) == as_set(access_of(principal, ()))


def all_of(found):
    return {name for g in found.groups for name in names_of(g)}


def free(found):
    return {name for g in found.groups if g.kind == "unconditional" for name in names_of(g)}


@given(readable, boundaries, statements().filter(lambda s: s["Effect"] == "Deny"))
def test_a_deny_never_adds_anything(principal, boundary, statement):
    before = replace(principal, boundary=boundary)
    after = replace(before, policies=(*before.policies, inline("deny", statement)))
    assert all_of(access_of(after, ())) <= all_of(access_of(before, ()))
    assert free(access_of(after, ())) <= free(access_of(before, ()))


@given(readable, documents)
def test_a_boundary_never_widens(principal, boundary):
    bounded = replace(principal, boundary=replace(managed("limit", allow("*")), document=boundary))
    assert all_of(access_of(bounded, ())) <= all_of(access_of(principal, ()))
    assert free(access_of(bounded, ())) <= free(access_of(principal, ()))
