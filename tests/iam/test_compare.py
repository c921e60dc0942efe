"""Comparison: a table of pairs, and examples that the authorizer confirms."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.cases import answer
from plumbline.iam.compare import LINKED, compare, equal
from plumbline.iam.documents import PolicyError
from tests.iam.strategies import cases, policies

OLD, NEW = "2008-10-17", "2012-10-17"
ROLE = "arn:aws:iam::111111111111:role/app"


def document(*statements, version=NEW):
    return {"Version": version, "Statement": list(statements)}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def all_but(action, resource="*", **more):
    return {"Effect": "Allow", "NotAction": action, "Resource": resource, **more}


def when(operator, key, *values):
    return {"Condition": {operator: {key: list(values)}}}


def to(principal, action="s3:*", resource="*", **more):
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **more}


def trust(principal, **more):
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


ARN = when("StringEquals", "aws:PrincipalArn", ROLE)
NONE, MORE = "noNewAccess", "newAccess"

# (what it shows, type, existing, new, result, result the other way round)
TABLE = [
    ("fewer actions", "identity", [allow("s3:*")], [allow("s3:Get*")], NONE, MORE),
    ("the same in another case and order", "identity", [allow(["s3:GetObject", "s3:Put*"])],
     [allow(["S3:put*", "s3:getobject"])], NONE, NONE),
    ("a wildcard of all known names is more", "identity",
     [allow(["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoot"])],
     [allow("sts:AssumeRo*")], MORE, NONE),
    ("question mark within a star", "identity", [allow("s3:Get*")], [allow("s3:Get?bject")], NONE, MORE),
    ("covered by two together", "identity", [allow(["s3:a*", "s3:b*"])], [allow("s3:a*"), allow("s3:bc")], NONE, MORE),
    ("resources covered by two statements", "identity",
     [allow("s3:*", "arn:aws:s3:::a/*"), allow("s3:*", "arn:aws:s3:::b/*")],
     [allow("s3:*", ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"])], NONE, NONE),
    ("actions of one with resources of another", "identity",
     [allow("s3:Get*", "arn:aws:s3:::a"), allow("s3:Put*", "arn:aws:s3:::b")],
     [allow(["s3:Get*", "s3:Put*"], ["arn:aws:s3:::a", "arn:aws:s3:::b"])], MORE, NONE),
    ("letter case of resources counts", "identity", [allow("s3:*", "arn:aws:s3:::A")],
     [allow("s3:*", "arn:aws:s3:::a")], MORE, MORE),
    ("a Deny as NotAction", "identity", [allow("*"), deny("iam:*")], [all_but("iam:*")], NONE, NONE),
    ("a smaller Deny", "identity", [allow("*"), deny("iam:*")], [allow("*"), deny("iam:P*")], MORE, NONE),
    ("a Deny with a condition applies less", "identity", [allow("s3:*"), deny("s3:*", "arn:aws:s3:::a")],
     [allow("s3:*"), deny("s3:*", "arn:aws:s3:::a", **when("Bool", "aws:MultiFactorAuthPresent", "false"))], MORE, NONE),
    ("a Deny that never mattered", "identity", [allow("s3:*"), deny("ec2:*")], [allow("s3:*")], NONE, NONE),
    ("a lost Deny under a new Allow", "identity", [allow("s3:*"), deny("s3:Put*", "arn:aws:s3:::a")],
     [allow("s3:*")], MORE, NONE),
    ("NotResource is the exact complement", "identity", [allow("s3:*"), deny("s3:*", "arn:aws:s3:::a*")],
     [{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a*"}], NONE, NONE),
    ("NotAction of more excludes more", "identity", [all_but(["iam:*"])], [all_but(["iam:*", "s3:*"])], NONE, MORE),
    ("NotAction beyond the catalogue", "identity", [allow("s3:*")], [all_but("ec2:*")], MORE, NONE),
    ("a condition removed", "identity", [allow("s3:*", **when("Bool", "aws:SecureTransport", "true"))],
     [allow("s3:*")], MORE, NONE),
    ("a second key in a condition", "identity", [allow("s3:*", **when("StringEquals", "aws:a/b", "1"))],
     [allow("s3:*", Condition={"StringEquals": {"aws:a/b": "1", "aws:a/c": "2"}})], NONE, MORE),
    ("fewer values", "identity", [allow("s3:*", **when("StringEquals", "aws:a/b", "1", "2"))],
     [allow("s3:*", **when("StringEquals", "aws:a/b", "1"))], NONE, MORE),
    ("names of keys in any case", "identity", [allow("s3:*", **when("StringEquals", "aws:PrincipalOrgID", "o-1"))],
     [allow("s3:*", **when("StringEquals", "AWS:principalorgid", "o-1"))], NONE, NONE),
    ("equal and like", "identity", [allow("s3:*", **when("StringLike", "aws:a/b", "a*"))],
     [allow("s3:*", **when("StringEquals", "aws:a/b", "abc"))], NONE, MORE),
    ("equal takes a star literally", "identity", [allow("s3:*", **when("StringEquals", "aws:a/b", "a*"))],
     [allow("s3:*", **when("StringLike", "aws:a/b", "a*"))], MORE, NONE),
    ("a condition and its opposite are everything", "identity",
     [allow("s3:*", **when("StringLike", "aws:a/b", "a*")), allow("s3:*", **when("StringNotLike", "aws:a/b", "a*"))],
     [allow("s3:*")], NONE, NONE),
    ("an absent key fails a positive condition", "identity",
     [allow("s3:*", **when("Bool", "aws:x/y", "true")), allow("s3:*", **when("Bool", "aws:x/y", "false"))],
     [allow("s3:*", **when("Null", "aws:x/y", "true"))], MORE, MORE),
    ("IfExists lets an absent key through", "identity", [allow("s3:*", **when("StringEqualsIfExists", "aws:a/b", "1"))],
     [allow("s3:*", **when("StringEquals", "aws:a/b", "1"))], NONE, MORE),
    ("ForAllValues lets an absent key through", "identity",
     [allow("s3:*", **when("ForAllValues:StringEquals", "aws:TagKeys", "a"))],
     [allow("s3:*", **when("ForAnyValue:StringEquals", "aws:TagKeys", "a"))], MORE, MORE),
    ("ForAllValues of more values", "identity", [allow("s3:*", **when("ForAllValues:StringEquals", "aws:TagKeys", "a", "b"))],
     [allow("s3:*", **when("ForAllValues:StringEquals", "aws:TagKeys", "a"))], NONE, MORE),
    ("numbers", "identity", [allow("s3:*", **when("NumericLessThan", "s3:max-keys", "10"))],
     [allow("s3:*", **when("NumericLessThanEquals", "s3:max-keys", "9.5"))], NONE, MORE),
    ("dates", "identity", [allow("s3:*", **when("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"))],
     [allow("s3:*", **when("DateLessThan", "aws:CurrentTime", "2025-12-31T23:00:00-01:00"))], NONE, NONE),
    ("addresses", "identity", [allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))],
     [allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.1.0.0/16"))], NONE, MORE),
    ("half and half are the whole range", "identity",
     [allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/9", "10.128.0.0/9"))],
     [allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))], NONE, NONE),
    ("ARN components stay apart", "identity", [allow("s3:*", **when("ArnLike", "aws:SourceArn", "arn:aws:sns:*:1:t"))],
     [allow("s3:*", **when("StringLike", "aws:SourceArn", "arn:aws:sns:*:1:t"))], MORE, NONE),
    ("the same variable", "identity", [allow("s3:*", "arn:aws:s3:::b/${aws:username}*")],
     [allow("s3:*", "arn:aws:s3:::b/${aws:username}/x")], NONE, MORE),
    ("a variable instead of everything", "identity", [allow("s3:*", "arn:aws:s3:::b/*")],
     [allow("s3:*", "arn:aws:s3:::b/${aws:username}")], NONE, MORE),
    ("a variable that takes a denied value", "identity", [allow("s3:*", "arn:aws:s3:::b/*"), deny("s3:*", "arn:aws:s3:::b/x")],
     [allow("s3:*", "arn:aws:s3:::b/${aws:username}")], MORE, MORE),
    ("another variable", "identity", [allow("s3:*", "arn:aws:s3:::b/${aws:username}")],
     [allow("s3:*", "arn:aws:s3:::b/${aws:userid}")], MORE, MORE),
    ("variables in conditions", "identity", [allow("s3:*", **when("StringEquals", "aws:a/b", "${aws:PrincipalTag/t}"))],
     [allow("s3:*", **when("StringEquals", "aws:a/b", "${aws:PrincipalTag/u}"))], MORE, MORE),
    ("a boundary compares like an identity policy", "boundary", [allow("*")], [allow("s3:*")], NONE, MORE),
    ("an SCP too", "scp", [allow("*"), deny("organizations:*")], [allow("*")], MORE, NONE),
    ("RCPs only deny", "rcp",
     [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}],
     [{"Effect": "Deny", "Principal": "*", "Action": "s3:Get*", "Resource": "*"}], MORE, NONE),
    ("an account covers its principals", "resource", [to({"AWS": "111111111111"})], [to({"AWS": ROLE})], NONE, MORE),
    ("an account id is its root", "resource", [to({"AWS": "111111111111"})],
     [to({"AWS": "arn:aws:iam::111111111111:root"})], NONE, NONE),
    ("a role covers its sessions", "resource", [to({"AWS": ROLE})],
     [to({"AWS": "arn:aws:sts::111111111111:assumed-role/app/s"})], NONE, MORE),
    ("everybody covers services", "resource", [to("*")], [to({"Service": "sns.amazonaws.com"})], NONE, MORE),
    ("the ARN as principal or as condition", "resource", [to({"AWS": ROLE})], [to("*", **ARN)], NONE, NONE),
    ("an organization is not everybody", "resource", [to("*", **when("StringEquals", "aws:PrincipalOrgID", "o-1"))],
     [to("*")], MORE, NONE),
    ("NotPrincipal is the exact complement", "resource",
     [to("*"), {"Effect": "Deny", "Principal": {"AWS": ROLE}, "Action": "s3:*", "Resource": "*"}],
     [{"Effect": "Allow", "NotPrincipal": {"AWS": ROLE}, "Action": "s3:*", "Resource": "*"}], NONE, NONE),
    ("another external ID", "trust", [trust({"AWS": "222222222222"}, **when("StringEquals", "sts:ExternalId", "a"))],
     [trust({"AWS": "222222222222"})], MORE, NONE),
    ("one value for a set operator and another for a plain one", "identity",
     [allow("s3:*", Condition={"StringEquals": {"aws:TagKeys": "a"}})],
     [allow("s3:*", Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}, "ForAllValues:StringLike": {"aws:TagKeys": "?"},
                               "StringLike": {"aws:TagKeys": "c"}})], MORE, MORE),
    ("an empty value of a tag", "identity", [allow("s3:*", **when("StringLike", "aws:ResourceTag/a", "?*"))],
     [allow("s3:*", **when("StringEquals", "aws:ResourceTag/a", ""))], MORE, MORE),
    ("a number that is compared as a text too", "identity", [deny("s3:*")],
     [allow("s3:*", Condition={"NumericLessThan": {"s3:max-keys": "55"}, "StringNotEquals": {"s3:max-keys": ["54", "54.5"]}})],
     MORE, NONE),
    ("numbers of more digits than are usual", "identity", [allow("s3:*", **when("NumericLessThanEquals", "s3:max-keys", "9" * 30))],
     [allow("s3:*", **when("NumericLessThanEquals", "s3:max-keys", "9" * 30, "1e30"))], MORE, NONE),
    ("a variable that fits the middle of a value", "identity", [deny("s3:*")],
     [allow("s3:*", Condition={"StringEquals": {"aws:ResourceTag/a": "p-foo"},
                               "StringLike": {"aws:ResourceTag/a": "p-${aws:PrincipalTag/b}"}})], MORE, NONE),
    ("two variables in one value", "identity", [deny("s3:*")],
     [allow("s3:*", Condition={"StringLike": {"aws:ResourceTag/a": "${aws:PrincipalTag/a}-${aws:PrincipalTag/b}"},
                               "StringEquals": {"aws:PrincipalTag/a": "a", "aws:PrincipalTag/b": "b"}})], MORE, NONE),
    ("the same comparison with a variable under more conditions", "identity",
     [allow("s3:*", **when("StringEquals", "aws:ResourceTag/a", "${aws:PrincipalTag/a}"))],
     [allow("s3:*", Condition={"StringEquals": {"aws:ResourceTag/a": "${aws:PrincipalTag/a}", "aws:RequestTag/a": "${aws:PrincipalTag/a}"},
                               "StringLike": {"aws:PrincipalTag/a": "p-*"}})], NONE, MORE),
    ("roles among all principals of an account", "identity",
     [allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111111111111:role/a"))],
     [allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111111111111:*"))], MORE, NONE),
    ("names of users that patterns tell apart", "identity", [allow("s3:*", **when("StringLike", "aws:username", "a?"))],
     [allow("s3:*", **when("StringLike", "aws:username", "a*"))], MORE, NONE),
    ("federated users are principals too", "identity", [deny("s3:*")],
     [allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:sts::*:federated-user/b*"))], MORE, NONE),
    ("principals of other partitions are not these", "identity", [deny("s3:*")],
     [allow("s3:*", **when("StringNotLike", "aws:PrincipalArn", "arn:aws-cn:*"))], MORE, NONE),
    ("many accounts of nines", "resource", [to({"AWS": ["999999999999", "999999999998", "999999999997"]})],
     [to({"AWS": "999999999996"})], MORE, MORE),
    ("a canonical user id may be any account's", "resource",
     [to({"AWS": "111111111111"}), {"Effect": "Deny", "Principal": {"CanonicalUser": "a1"}, "Action": "*", "Resource": "*"}],
     [to({"AWS": "111111111111"})], MORE, NONE),
    ("no action is without a name", "identity", [allow("s3:?*")], [allow("s3:*")], NONE, NONE),
    ("another account in a trust policy", "trust", [trust({"AWS": "222222222222"})],
     [trust({"AWS": ["222222222222", "333333333333"]})], MORE, NONE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "existing", "new", "forth", "back"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_compares_over_all_strings(kind, existing, new, forth, back):
    old, fresh = json.dumps(document(*existing)), json.dumps(document(*new))
    assert compare(kind, [old], [fresh]).result == forth
    assert compare(kind, [fresh], [old]).result == back
    assert equal(kind, [old], [fresh]) == (forth == back == NONE)


@pytest.mark.parametrize(
    ("kind", "existing", "new", "forth", "back"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_authorizer_confirms_every_example(kind, existing, new, forth, back):
    for before, after in ((existing, new), (new, existing)):
        for reason in compare(kind, [json.dumps(document(*before))], [json.dumps(document(*after))]).reasons:
            assert decision(kind, document(*after), reason.example) == "allowed"
            assert decision(kind, document(*before), reason.example) != "allowed"


def decision(kind, policy, example):
    """What the authorizer says of the example, with the policy in its layer and nothing else in the way."""
    everything = document(allow("*"))
    account = example.principal.split(":")[4] if ":" in example.principal else "888888888888"
    case = {
        "principal": example.principal,
        "action": example.action,
        "resource": example.resource,
        "context": {key: list(values) for key, values in example.context.items()},
    }
    if kind == "identity":
        case |= {"identityPolicies": [policy]}
    elif kind == "boundary":
        case |= {"identityPolicies": [everything], "permissionsBoundaries": [policy]}
    elif kind == "scp":
        case |= {"identityPolicies": [everything], "serviceControlPolicies": [[policy]]}
    elif kind == "rcp":
        case |= {"identityPolicies": [everything], "resourceControlPolicies": [[policy]]}
    else:
        case |= {"resourceAccount": "888888888888", "identityPolicies": [everything], "resourcePolicy": policy}
    if kind in ("identity", "boundary", "scp"):  # roles and keys need a policy that delegates to the account
        case |= {"resourceAccount": account, "resourcePolicy": document(to({"AWS": account}, "*"))}
    found = answer(case, 0)
    assert found["error"] is None
    return found["decision"]


def test_a_canonical_user_id_is_a_principal_of_its_own():
    account, canonical = (json.dumps(document(to(p))) for p in ({"AWS": "111111111111"}, {"CanonicalUser": "a1"}))
    assert compare("resource", [account], [canonical]).reasons[0].example.principal == "a1"
    assert compare("resource", [canonical], [account]).result == MORE


def test_the_older_version_has_no_variables():
    literal = json.dumps(document(allow("s3:*", "arn:aws:s3:::b/${aws:username}"), version=OLD))
    variable = json.dumps(document(allow("s3:*", "arn:aws:s3:::b/${aws:username}")))
    assert compare("identity", [literal], [variable]).result == MORE
    assert compare("identity", [variable], [literal]).result == MORE


def test_documents_of_a_side_act_together():
    reads, writes = json.dumps(document(allow("s3:Get*"))), json.dumps(document(allow("s3:Put*")))
    assert compare("identity", [reads, writes], [writes, reads]).result == NONE
    found = compare("identity", [reads], [reads, writes])
    assert [(r.policy, r.statement) for r in found.reasons] == [(1, 0)]


def test_what_a_boundary_blocks_on_both_sides_is_no_new_access():
    def result(boundary):
        old, new = (json.dumps(document(allow(action))) for action in ("s3:Get*", "s3:*"))
        return compare("identity", [old], [new], [json.dumps(document(*boundary))])

    assert (
        result([allow("s3:Get*"), allow("s3:List*", "arn:aws:s3:::b")]).reasons[0].example.action.startswith("s3:List")
    )
    assert result([allow("s3:Get*")]).result == "noNewAccess"
    assert result([allow("*"), deny("s3:*")]).result == "noNewAccess"


def test_an_illegal_document_is_no_new_access_to_nobody():
    legal = json.dumps(document(allow("s3:*")))
    with pytest.raises(PolicyError, match=r"Statement\[0\]: needs Principal"):
        compare("resource", [legal], [legal])
    with pytest.raises(PolicyError, match="trust policy"):
        compare("trust", [json.dumps(document(to("*")))], [legal])


def test_what_is_too_complex_is_undecided():
    keys = [f"aws:RequestTag/{n}" for n in range(8)]
    linked = {"StringEquals": {one: "${" + other + "}" for one, other in pairwise(keys)}}
    many = [str(n) for n in range(20)]
    found = compare(
        "identity",
        [json.dumps(document(allow("s3:*", Condition={**linked, "StringLike": dict.fromkeys(keys, many)})))],
        [json.dumps(document(allow("s3:*", Condition=linked)))],
    )
    assert (found.result, found.reasons) == ("undecided", ())
    assert found.undecided_because == (LINKED,)


def test_everything_is_more_than_very_many_patterns():
    many = [allow([f"s{n}:*" for n in range(200)], f"arn:aws:s3:::b{m}/*") for m in range(5)]
    assert compare("identity", [json.dumps(document(*many))], [json.dumps(document(allow("*")))]).result == MORE


KINDS = {
    "identity": "identityPolicies",
    "resource": "resourcePolicy",
    "scp": "serviceControlPolicies",
    "boundary": "permissionsBoundaries",
}


def statements_of(policy):
    return policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]


@st.composite
def changed(draw, kind):
    """A policy, and one that comes from it: statements go, change their effect, or come from a third one."""
    old, other = draw(policies(kind)), draw(policies(kind))
    kept = [s for s in statements_of(old) if draw(st.booleans())]
    more = [
        {**s, "Effect": draw(st.sampled_from(["Allow", "Deny"]))}
        for s in statements_of(other)[: draw(st.integers(0, 1))]
    ]
    return old, {**old, "Statement": [*kept, *more] or statements_of(old)}


def sides_of_request(kind, case, old, new):
    """The same request with the old and with the new policy in its layer, and nothing else in the way."""
    request = {k: case[k] for k in ("principal", "action", "resource", "context") if k in case}
    request["identityPolicies"] = [document(allow("*"))]
    if kind == "resource":
        request["resourceAccount"] = "888888888888"
        return [{**request, "resourcePolicy": policy} for policy in (old, new)]
    wrapped = [[old]], [[new]]
    return [{**request, KINDS[kind]: levels if kind == "scp" else levels[0]} for levels in wrapped]


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_the_authorizer_never_contradicts(kind, data):
    old, new = data.draw(changed(kind))
    result = compare(kind, [json.dumps(old)], [json.dumps(new)])
    for reason in result.reasons:
        assert decision(kind, new, reason.example) == "allowed"
        assert decision(kind, old, reason.example) != "allowed"
    case = data.draw(cases())
    before, after = (answer(side, 0)["decision"] for side in sides_of_request(kind, case, old, new))
    if result.result == "noNewAccess":
        assert after != "allowed" or before == "allowed"


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_every_policy_equals_itself_in_any_order(kind, data):
    policy = data.draw(policies(kind))
    statements = statements_of(policy)
    turned = {**policy, "Statement": list(reversed(statements))}
    assert compare(kind, [json.dumps(policy)], [json.dumps(turned)]).result == "noNewAccess"
    fewer = {**policy, "Statement": [s for s in statements if s["Effect"] == "Deny"] or statements}
    assert compare(kind, [json.dumps(policy)], [json.dumps(fewer)]).result == "noNewAccess"
