"""`plumbline granted`: access of a role or user from a file, what limits it, and what is unknown."""

import json

import pytest

from tests.cli.accounts import (
    ACCOUNT,
    allow,
    arn,
    attached,
    bounded_by,
    deny,
    details,
    document,
    encoded,
    group,
    inline,
    managed,
    role,
    saved,
    user,
)
from tests.schemas import schema

APP, ALICE = arn("role", "app"), arn("user", "alice")
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
SECURE = {"Bool": {"aws:SecureTransport": "true"}}
BUCKET = "arn:aws:s3:::b/*"


@pytest.fixture
def granted(plumbline, tmp_path):
    """What a principal of this account data is granted."""

    def call(data, who=APP, *arguments):
        file = saved(tmp_path / "details.json", data)
        return plumbline("granted", who, "--account-details", file, *arguments)

    return call


def result(ended):
    found = json.loads(ended.out)
    schema("granted").validate(found)
    assert ended.status == (0 if found["known"] else 2)
    actions = [action for group in found["access"] for action in group["actions"]]
    assert len(actions) == len(set(actions)) == found["granted"]
    assert not set(actions) & set(found["masked"])
    return found


def access(found):
    """kind and policies of each group by its actions."""
    return {
        tuple(g["actions"]): (g["kind"], [s["policy"] for s in g["grants"]], [s["policy"] for s in g["limits"]])
        for g in found["access"]
    }


def test_a_role_with_inline_and_managed_policies(granted):
    data = details(
        [role("app", inline("one", allow("sqs:SendMessage", Sid="Send")), AttachedManagedPolicies=attached("two"))],
        policies=[managed("two", allow("sqs:SendMessage", "s3:GetObject", resource=BUCKET))],
    )
    ended = granted(data)
    found = result(ended)
    assert (found["principal"], found["type"], found["masked"]) == (APP, "role", [])
    assert (found["known"], found["unknownBecause"]) == (True, None)
    assert found["assumes"] == ["no SCPs are known, so this is an upper bound"]
    two = arn("policy", "two")
    assert access(found) == {
        ("s3:GetObject",): ("unconditional", [two], []),
        ("sqs:SendMessage",): ("unconditional", [two, "inline/one"], []),
    }
    assert found["access"][0]["grants"] == [
        {
            "layer": "identity",
            "level": None,
            "policy": two,
            "statement": 0,
            "sid": None,
            "effect": "Allow",
            "resource": BUCKET,
        }
    ]
    assert ended.err == ""
    assert granted(encoded(data)).out == ended.out


def test_a_user_has_the_policies_of_its_groups(granted):
    data = details(
        users=[user("alice", inline("own", allow("sqs:SendMessage")), GroupList=["team"])],
        groups=[group("team", inline("theirs", allow("s3:GetObject")), AttachedManagedPolicies=attached("shared"))],
        policies=[managed("shared", allow("dynamodb:GetItem"))],
    )
    found = result(granted(data, ALICE))
    assert found["type"] == "user"
    assert access(found) == {
        ("dynamodb:GetItem",): ("unconditional", [arn("policy", "shared")], []),
        ("s3:GetObject",): ("unconditional", ["inline/team/theirs"], []),
        ("sqs:SendMessage",): ("unconditional", ["inline/own"], []),
    }


def test_a_boundary_masks_what_it_does_not_allow_and_limits_what_it_allows_in_part(granted):
    boundary = managed("limit", allow("sqs:*"), allow("s3:Get*", resource=BUCKET))
    data = details(
        [
            role(
                "app",
                inline("p", allow("sqs:SendMessage", "s3:GetObject", "iam:PassRole")),
                PermissionsBoundary=bounded_by("limit"),
            )
        ],
        policies=[boundary],
    )
    found = result(granted(data))
    assert found["masked"] == ["iam:PassRole"]
    assert access(found) == {
        ("s3:GetObject",): ("conditional", ["inline/p"], [arn("policy", "limit")]),
        ("sqs:SendMessage",): ("unconditional", ["inline/p"], []),
    }
    (limit,) = found["access"][0]["limits"]
    assert (limit["layer"], limit["statement"], limit["effect"], limit["resource"]) == (
        "boundary",
        1,
        "Allow",
        BUCKET,
    )


def test_deny_not_action_and_conditions(granted):
    policy = inline(
        "p",
        {"Effect": "Allow", "NotAction": ["iam:*"], "NotResource": BUCKET, "Sid": "Most"},
        allow("iam:PassRole", Condition=SECURE),
        deny("s3:DeleteObject"),
        deny("s3:PutObject", resource=BUCKET),
        deny("nosuch:Thing"),
        allow("NoSuch:thing", "gone:*"),
    )
    found = result(granted(details([role("app", policy)])))
    groups = {action: g for g in found["access"] for action in g["actions"]}
    assert {"s3:DeleteObject", "NoSuch:thing"} == set(found["masked"])
    assert groups["s3:GetObject"]["kind"] == "unconditional"
    assert groups["s3:GetObject"]["grants"][0]["notResource"] == BUCKET
    assert (groups["s3:PutObject"]["kind"], groups["s3:PutObject"]["limits"][0]["effect"]) == ("conditional", "Deny")
    assert (groups["iam:PassRole"]["kind"], groups["iam:PassRole"]["grants"][0]["condition"]) == ("conditional", SECURE)
    unknown = groups["gone:*"]
    assert (unknown["kind"], [g["statement"] for g in unknown["grants"]]) == ("conditional", [0, 5])
    assert "iam:CreateUser" not in groups


def test_a_role_without_policies(granted):
    found = result(granted(details([role("app")])))
    assert (found["granted"], found["access"], found["masked"]) == (0, [], [])


# Unknown


UNREADABLE = {"PolicyName": "broken", "PolicyDocument": "{"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"AttachedManagedPolicies": attached(READ_ONLY)}, f"the document of {READ_ONLY} could not be read"),
        (
            {"PermissionsBoundary": bounded_by("gone")},
            f"the document of the boundary {arn('policy', 'gone')} could not be read",
        ),
        (
            {"RolePolicyList": [inline("p", allow("s3:GetObject")), UNREADABLE]},
            "the document of inline/broken could not be read",
        ),
        (
            {
                "RolePolicyList": [
                    inline("p", allow("s3:GetObject")),
                    {"PolicyName": "twice", "PolicyDocument": '{"Statement": [], "Statement": []}'},
                ]
            },
            "the document of inline/twice could not be read",
        ),
    ],
)
def test_a_document_that_is_not_there_makes_all_unknown_and_nothing_empty(granted, more, reason):
    ended = granted(details([role("app", **{"RolePolicyList": [inline("p", allow("s3:GetObject"))]} | more)]))
    assert ended.status == 2
    assert ended.err == f"unknown: {reason}\n"
    found = result(ended)
    assert (found["known"], found["unknownBecause"]) == (False, reason)
    assert access(found) == {("s3:GetObject",): ("unknown", ["inline/p"], [])}


def test_a_group_that_is_not_in_the_file_is_unknown(granted):
    ended = granted(details(users=[user("alice", inline("p", allow("s3:GetObject")), GroupList=["gone"])]), ALICE)
    assert ended.err == "unknown: the document of inline/gone/unknown could not be read\n"
    assert [g["kind"] for g in result(ended)["access"]] == ["unknown"]


# As text


def test_as_text(granted):
    data = details(
        [
            role(
                "app",
                inline("p", allow("sqs:SendMessage", "iam:PassRole"), allow("s3:*", Sid="S3", Condition=SECURE)),
                inline("q", deny("sqs:SendMessage", resource="arn:aws:sqs:*:*:q")),
                PermissionsBoundary=bounded_by("limit"),
            )
        ],
        policies=[managed("limit", allow("sqs:*", "s3:*"))],
    )
    ended = granted(data, APP, "--format", "table")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"{APP}: ")
    assert lines[0].endswith(" actions granted")
    assert lines[1] == "1 more are masked by a Deny, the boundary or SCPs"
    assert "conditional: sqs:SendMessage" in lines
    assert "  by inline/p Statement[0] on *" in lines
    assert "  not identity inline/q Statement[0] on arn:aws:sqs:*:*:q" in lines
    assert "  by inline/p Statement[1] (S3) on * if Bool aws:SecureTransport true" in lines
    assert any(line.startswith("conditional: ") and " actions: s3 " in line for line in lines)
    assert lines[-1] == "assumed: no SCPs are known, so this is an upper bound"


def test_the_same_facts_give_the_same_bytes_in_any_order(granted):
    first, second = inline("a", allow("s3:*")), inline("b", deny("s3:Put*", resource=BUCKET))
    data = details([role("other"), role("app", first, second)])
    turned = details([role("app", second, first), role("other")])
    assert granted(data).out == granted(turned).out


# Files


def test_several_files_and_pages(plumbline, tmp_path):
    pages = [details([role("app", inline("p", allow("s3:GetObject")))], IsTruncated=True), details([role("other")])]
    first = saved(tmp_path / "first.json", pages)
    second = saved(tmp_path / "second.json", details([role("far", account="222222222222")]))
    for who in (APP, arn("role", "other"), arn("role", "far", "222222222222")):
        ended = plumbline("granted", who, "--account-details", first, "--account-details", second)
        assert result(ended)["principal"] == who


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "holds no RoleDetailList"),
        ([], "holds no RoleDetailList"),
        (document(allow("*")), "holds no RoleDetailList"),
        ([details(), 1], "holds no RoleDetailList"),
        ({"RoleDetailList": [{}]}, "'Arn' is missing"),
        ({"RoleDetailList": 1}, "has not the shape of the answer"),
        ({"Policies": [{}]}, "'Arn' is missing"),
        (details([role("app")], IsTruncated=True, Marker="m"), "ends before the last page"),
        (details([role("app")], NextToken="t"), "ends before the last page"),
    ],
)
def test_a_file_that_is_no_account_data(granted, data, message):
    ended = granted(data)
    assert (ended.status, ended.out) == (64, "")
    assert "details.json: " in ended.err
    assert message in ended.err


def test_wrong_usage_is_64(granted, plumbline, tmp_path):
    ended = granted(details([role("other")]))
    assert (ended.status, ended.out) == (64, "")
    assert f"{APP} is not in the files" in ended.err
    ended = plumbline("granted", APP, "--account-details", tmp_path / "missing")
    assert ended.status == 64
    assert "missing: cannot be read" in ended.err
    assert plumbline("granted", APP).status == 64
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    ended = plumbline("granted", APP, "--account-details", broken)
    assert (ended.status, ended.out) == (64, "")
    assert "broken.json: is not JSON" in ended.err


def test_with_an_organization_it_is_no_upper_bound(plumbline, tmp_path):
    only = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
    root = {"serviceControlPolicies": [only], "accounts": [{"id": ACCOUNT, "serviceControlPolicies": [only]}]}
    files = (
        "--account-details",
        saved(
            tmp_path / "details.json", details(roles=[role("app", inline("p", allow("s3:GetObject", "s3:PutObject")))])
        ),
        "--organization",
        saved(tmp_path / "organization.json", {"root": root}),
    )
    found = json.loads(plumbline("granted", arn("role", "app"), *files).out)
    schema("granted").validate(found)
    assert (found["granted"], found["masked"], found["assumes"]) == (1, ["s3:PutObject"], [])
    elsewhere = saved(tmp_path / "elsewhere.json", {"root": {"serviceControlPolicies": [only], "accounts": []}})
    ended = plumbline("granted", arn("role", "app"), *files[:2], "--organization", elsewhere)
    assert (ended.status, json.loads(ended.out)["known"]) == (2, False)
    (tmp_path / "elsewhere.json").write_text("[]")
    assert plumbline("granted", arn("role", "app"), *files[:2], "--organization", elsewhere).status == 64
