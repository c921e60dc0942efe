"""`plumbline who-can`: who can, who may under conditions, and of whom it is not known."""

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
    inline,
    managed,
    role,
    saved,
    trust,
    user,
)
from tests.schemas import schema

OBJECT = "arn:aws:s3:::b/k"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
TARGET = arn("role", "target")
SECURE = {"Bool": {"aws:SecureTransport": "true"}}
FOREIGN = "222222222222"
NO_ORGANIZATION = "no SCPs and RCPs are known, so this is an upper bound"
NO_RESOURCE_POLICY = "resource-based policies are not in the data; one could allow more, or deny"
NO_ACCOUNT = "the resource is in the account of each principal"


@pytest.fixture
def who_can(plumbline, tmp_path):
    """Who of this account data can do the action on the resource."""

    def call(action, resource, data, *arguments):
        file = saved(tmp_path / "details.json", data)
        return plumbline("who-can", action, resource, "--account-details", file, *arguments)

    return call


def result(ended):
    found = json.loads(ended.out)
    schema("who-can").validate(found)
    assert ended.status == (2 if found["unknown"] else 0)
    assert bool(ended.err) == bool(found["unknown"])
    return found


def names(found):
    return {kind: [a["principal"] for a in found[kind]] for kind in ("allowed", "conditional", "unknown")}


MIXED = details(
    [
        role("can", inline("p", allow("s3:GetObject", "sqs:*", Sid="Can"))),
        role("cannot", inline("p", allow("s3:GetObject"), deny("*"))),
        role("elsewhere", inline("p", allow("s3:GetObject", resource="arn:aws:s3:::other/*"))),
        role("secure", inline("p", allow("s3:Get*", Condition=SECURE))),
        role("guarded", inline("p", allow("*"), deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}}))),
        role("bounded", inline("p", allow("*")), PermissionsBoundary=bounded_by("limit")),
        role("broken", inline("p", allow("*")), AttachedManagedPolicies=attached("arn:aws:iam::aws:policy/Gone")),
        role("lost", inline("p", allow("*")), PermissionsBoundary=bounded_by("gone")),
        role("nothing"),
    ],
    [user("alice", inline("p", allow("s3:GetObject", resource="arn:aws:s3:::b/${aws:username}")))],
    policies=[managed("limit", allow("sqs:*"))],
)


def test_allowed_conditional_and_unknown_apart(who_can):
    ended = who_can("s3:GetObject", OBJECT, MIXED)
    found = result(ended)
    assert names(found) == {
        "allowed": [arn("role", "can")],
        "conditional": [arn("role", "guarded"), arn("role", "secure")],
        "unknown": [arn("role", "broken"), arn("role", "lost")],
    }
    assert found["allowed"][0]["by"] == [{"layer": "identity", "policy": "inline/p", "statement": 0, "sid": "Can"}]
    assert [c["dependsOn"] for c in found["conditional"]] == [["aws:SecureTransport"]] * 2
    assert [u["because"] for u in found["unknown"]] == [
        ["the document of arn:aws:iam::aws:policy/Gone could not be read"],
        [f"the document of {arn('policy', 'gone')} could not be read"],
    ]
    assert ended.err.startswith("unknown of 2: the document of arn:aws:iam::")
    assert found["assumes"] == sorted([NO_ORGANIZATION, NO_RESOURCE_POLICY, NO_ACCOUNT])
    assert who_can("s3:GetObject", OBJECT, encoded(MIXED)).out == ended.out


def test_variables_are_those_of_the_principal(who_can):
    found = result(who_can("S3:getobject", "arn:aws:s3:::b/alice", MIXED))
    assert arn("user", "alice") in names(found)["allowed"]


def test_the_account_of_the_resource_counts(who_can):
    data = details([role("app", inline("p", allow("sqs:*")))])
    found = result(who_can("sqs:SendMessage", QUEUE, data))
    assert (names(found)["allowed"], found["assumes"]) == (
        [arn("role", "app")],
        sorted([NO_ORGANIZATION, NO_RESOURCE_POLICY]),
    )
    far = result(who_can("sqs:SendMessage", QUEUE.replace(ACCOUNT, FOREIGN), data))
    assert names(far)["unknown"] == [arn("role", "app")]
    assert far["unknown"][0]["because"] == ["the policy of the resource is not in the data"]


def test_a_kms_key_is_decided_by_its_policy_which_is_not_there(who_can):
    data = details([role("app", inline("p", allow("kms:*"))), role("other")])
    found = result(who_can("kms:Decrypt", KEY, data))
    assert names(found) == {"allowed": [], "conditional": [], "unknown": [arn("role", "app"), arn("role", "other")]}
    # Calls without a key need only the identity side.
    assert names(result(who_can("kms:ListKeys", "*", data)))["allowed"] == [arn("role", "app")]


def test_an_action_that_nobody_knows(who_can):
    data = details([role("app", inline("p", allow("s3:*")))])
    found = result(who_can("s3:NoSuchThing", OBJECT, data))
    assert names(found)["allowed"] == [arn("role", "app")]
    assert "the catalogue does not know s3:nosuchthing; patterns may match it" in found["assumes"]


# Trust policies


def trusting(*statements, others=()):
    return details([role("target", trusts=document(*statements)), *others])


def to(principal, action="sts:AssumeRole", **more):
    return trust(principal, action, **more)["Statement"][0]


CALLERS = (
    role("app", inline("p", allow("sts:AssumeRole"))),
    role("bare"),
)


def test_a_trust_policy_that_names_the_account_leaves_it_to_identity_policies(who_can):
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": ACCOUNT}), others=CALLERS)))
    assert names(found) == {"allowed": [arn("role", "app")], "conditional": [], "unknown": []}
    assert {(b["layer"], b["policy"]) for b in found["allowed"][0]["by"]} == {
        ("identity", "inline/p"),
        ("resource", None),
    }
    assert found["assumes"] == [NO_ORGANIZATION]


def test_a_trust_policy_that_names_a_role_or_one_of_its_sessions(who_can):
    bare, session = arn("role", "bare"), f"arn:aws:sts::{ACCOUNT}:assumed-role/bare/s"
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": bare}), others=CALLERS)))
    assert names(found)["allowed"] == [bare]
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": session}), others=CALLERS)))
    assert names(found)["allowed"] == [session]
    gone = f"arn:aws:sts::{ACCOUNT}:assumed-role/gone/s"
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": gone}), others=CALLERS)))
    assert names(found) == {"allowed": [], "conditional": [], "unknown": []}


def test_services_and_foreign_accounts(who_can):
    once = {"StringEquals": {"sts:ExternalId": "x"}}
    there = f"arn:aws:iam::{FOREIGN}:role/there"
    data = trusting(
        to({"Service": "ec2.amazonaws.com"}),
        to({"AWS": [FOREIGN, there]}, Condition=once),
        to({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/p"}, "sts:AssumeRoleWithSAML"),
    )
    found = result(who_can("sts:AssumeRole", TARGET, data))
    assert names(found) == {
        "allowed": ["ec2.amazonaws.com"],
        "conditional": [],
        "unknown": [there, f"arn:aws:iam::{FOREIGN}:root"],
    }
    assert found["unknown"][0]["because"] == ["the policies of its account are not in the data"]


def test_identity_providers(who_can):
    saml = f"arn:aws:iam::{FOREIGN}:saml-provider/p"
    audience = {"StringEquals": {"accounts.google.com:aud": "x"}}
    data = trusting(
        to({"Federated": saml}, "sts:AssumeRoleWithSAML"),
        to({"Federated": "accounts.google.com"}, "sts:AssumeRoleWithWebIdentity", Condition=audience),
    )
    assert names(result(who_can("sts:AssumeRoleWithSAML", TARGET, data))) == {
        "allowed": [saml],
        "conditional": [],
        "unknown": [],
    }
    found = result(who_can("sts:AssumeRoleWithWebIdentity", TARGET, data))
    assert names(found)["conditional"] == ["accounts.google.com"]
    assert found["conditional"][0]["dependsOn"] == ["accounts.google.com:aud"]


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{FOREIGN}:role/there"}},
        {"StringEquals": {"aws:PrincipalAccount": FOREIGN}},
        {"StringEquals": {"aws:PrincipalType": "AssumedRole"}},
    ],
)
def test_conditions_on_the_caller_do_not_hide_those_who_are_not_in_the_data(who_can, condition):
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to("*", Condition=condition))))
    assert names(found)["conditional"] == ["*"]
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": FOREIGN}, Condition=condition))))
    assert names(found)["unknown"] == [f"arn:aws:iam::{FOREIGN}:root"]


def test_everybody(who_can):
    assert "*" in names(result(who_can("sts:AssumeRole", TARGET, trusting(to("*")))))["allowed"]
    but = {"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    assert "*" in names(result(who_can("sts:AssumeRole", TARGET, trusting(but))))["allowed"]


@pytest.mark.parametrize("trusts", ["{", "{}", None])
def test_a_trust_policy_that_cannot_be_read(who_can, trusts):
    data = details([role("target") | {"AssumeRolePolicyDocument": trusts}, *CALLERS])
    found = result(who_can("sts:AssumeRole", TARGET, data))
    assert names(found)["unknown"] == [arn("role", "app"), arn("role", "bare"), TARGET]


def test_a_role_that_is_not_in_the_files(who_can):
    found = result(who_can("sts:AssumeRole", arn("role", "gone"), details(CALLERS)))
    assert names(found)["unknown"] == [arn("role", "app"), arn("role", "bare")]
    assert found["unknown"][0]["because"] == ["the policy of the resource is not in the data"]


def test_principals_of_several_accounts(plumbline, tmp_path):
    far = role("far", inline("p", allow("sts:AssumeRole")), account=FOREIGN)
    files = [
        saved(tmp_path / "here.json", trusting(to({"AWS": [ACCOUNT, FOREIGN]}), others=CALLERS)),
        saved(tmp_path / "far.json", details([far])),
    ]
    arguments = [word for file in files for word in ("--account-details", file)]
    found = result(plumbline("who-can", "sts:AssumeRole", TARGET, *arguments))
    assert names(found) == {"allowed": [arn("role", "app"), far["Arn"]], "conditional": [], "unknown": []}


# As text


def test_as_text(who_can):
    ended = who_can("s3:GetObject", OBJECT, MIXED, "--format", "table")
    assert ended.status == 2
    assert ended.out.splitlines() == [
        "can (1)",
        f"  {arn('role', 'can')}",
        "can, depending on (2)",
        f"  {arn('role', 'guarded')}: aws:SecureTransport",
        f"  {arn('role', 'secure')}: aws:SecureTransport",
        "unknown (2)",
        f"  {arn('role', 'broken')}: the document of arn:aws:iam::aws:policy/Gone could not be read",
        f"  {arn('role', 'lost')}: the document of {arn('policy', 'gone')} could not be read",
        *(f"assumed: {text}" for text in sorted([NO_ORGANIZATION, NO_RESOURCE_POLICY, NO_ACCOUNT])),
    ]
    ended = who_can("s3:GetObject", OBJECT, details([role("app")]), "--format", "table")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == f"nobody in the files can s3:GetObject on {OBJECT}"


def test_the_same_facts_give_the_same_bytes_in_any_order(who_can):
    turned = MIXED | {"RoleDetailList": MIXED["RoleDetailList"][::-1]}
    assert who_can("s3:GetObject", OBJECT, turned).out == who_can("s3:GetObject", OBJECT, MIXED).out


# Wrong usage


@pytest.mark.parametrize("action", ["s3:*", "s3:Get?bject", "GetObject", "s3:", ":GetObject", ""])
def test_an_action_that_is_none(who_can, action):
    ended = who_can(action, OBJECT, MIXED)
    assert (ended.status, ended.out) == (64, "")
    assert "must name one action, such as s3:GetObject" in ended.err


@pytest.mark.parametrize("data", [{}, [], document(allow("*")), {"Statement": []}])
def test_a_file_that_is_no_account_data(who_can, data):
    ended = who_can("s3:GetObject", OBJECT, data)
    assert (ended.status, ended.out) == (64, "")
    assert "aws iam get-account-authorization-details" in ended.err


def test_missing_arguments(plumbline, tmp_path):
    assert plumbline("who-can", "s3:GetObject").status == 64
    assert plumbline("who-can", "s3:GetObject", OBJECT).status == 64
    ended = plumbline("who-can", "s3:GetObject", OBJECT, "--account-details", tmp_path / "missing")
    assert (ended.status, ended.out) == (64, "")
    assert "missing: cannot be read" in ended.err


def test_scps_and_rcps_of_an_organization_decide_too(who_can, tmp_path):
    data = details(roles=[role("a", inline("p", allow("sqs:SendMessage")))])
    full, none = document(allow("*")), document(allow("s3:*"))
    guard = document(deny("sqs:*", Principal="*"))

    def organization(**levels):
        root = {**levels, "accounts": [{"id": ACCOUNT, **levels}]}
        return ("--organization", saved(tmp_path / "organization.json", {"root": root}))

    found = result(who_can("sqs:SendMessage", QUEUE, data, *organization(serviceControlPolicies=[full])))
    assert names(found)["allowed"] == [arn("role", "a")]
    assert NO_ORGANIZATION not in found["assumes"]
    for levels in ({"serviceControlPolicies": [none]}, {"resourceControlPolicies": [guard]}):
        found = result(who_can("sqs:SendMessage", QUEUE, data, *organization(**levels)))
        assert names(found) == {"allowed": [], "conditional": [], "unknown": []}
    unlisted = {"root": {"serviceControlPolicies": [full], "accounts": []}}
    path = saved(tmp_path / "organization.json", unlisted)
    found = result(who_can("sqs:SendMessage", QUEUE, data, "--organization", path))
    assert found["unknown"] == [
        {"principal": arn("role", "a"), "because": ["the SCPs or RCPs of an account are not in the data"]}
    ]


def test_an_identity_provider_of_the_account_itself_is_listed(who_can):
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    data = details([role("target", trusts=trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity"))])
    assert names(result(who_can("sts:AssumeRoleWithWebIdentity", TARGET, data)))["allowed"] == [provider]


# What is known of the condition keys of a request, as for `plumbline paths`

RED = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
ASSUMING = inline("p", allow("sts:AssumeRole"))


def tags(**of):
    return {"Tags": [{"Key": key, "Value": value} for key, value in of.items()]}


def test_tags_decide_who_assumes_a_role(who_can):
    own = to({"AWS": ACCOUNT}, **RED)
    loose = document(to({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"]))
    others = [
        role("red", ASSUMING, **tags(team="red")),
        role("blue", ASSUMING, **tags(team="blue")),
        role("plain", ASSUMING, **tags()),
        role("untold", ASSUMING),
        role("loose", ASSUMING, trusts=loose, **tags(team="blue")),
    ]
    found = result(who_can("sts:AssumeRole", TARGET, trusting(own, others=others)))
    assert names(found) == {
        "allowed": [arn("role", "red")],
        "conditional": [arn("role", "loose"), arn("role", "untold")],
        "unknown": [],
    }
    assert {tuple(c["dependsOn"]) for c in found["conditional"]} == {("aws:PrincipalTag/team",)}


def test_tags_of_the_role_decide_too(who_can):
    caller = role("caller", inline("p", allow("sts:AssumeRole", Condition={"StringEquals": {"aws:ResourceTag/team": "red"}})), **tags())  # fmt: skip
    expected = ((tags(team="red"), "allowed"), (tags(), None), ({}, "conditional"))
    for of, kind in expected:
        data = details([role("target", trusts=document(to({"AWS": ACCOUNT})), **of), caller])
        found = names(result(who_can("sts:AssumeRole", TARGET, data)))
        assert [name for name, who in found.items() if who] == ([kind] if kind else [])


def test_a_user_may_give_federated_sessions_other_tags(who_can):
    """So that tags decide only what such sessions cannot do."""
    alice = user("alice", inline("p", allow("s3:GetObject", "sts:AssumeRole", **RED)), **tags(team="blue"))
    data = details([role("target", trusts=document(to({"AWS": ACCOUNT})))], [alice])
    assert names(result(who_can("s3:GetObject", OBJECT, data)))["conditional"] == [arn("user", "alice")]
    assert names(result(who_can("sts:AssumeRole", TARGET, data)))["conditional"] == []


def test_a_token_has_no_claims_of_others_and_no_organization(who_can):
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com"
    for key, allowed in (
        ("accounts.google.com:sub", False),
        ("aws:PrincipalOrgID", False),
        ("aws:RequestTag/a.b:c", True),
    ):
        with_web = "sts:AssumeRoleWithWebIdentity"
        data = trusting(to({"Federated": provider}, with_web, Condition={"StringEquals": {key: "x"}}))
        assert bool(names(result(who_can(with_web, TARGET, data)))["conditional"]) == allowed


def test_the_organization_decides_who_assumes_a_role(who_can, tmp_path):
    for identifier, kind in (("o-ours", "allowed"), ("o-theirs", None)):
        data = trusting(
            to({"AWS": ACCOUNT}, Condition={"StringEquals": {"aws:PrincipalOrgID": identifier}}),
            others=[role("caller", ASSUMING)],
        )
        levels = {"serviceControlPolicies": [document(allow("*"))]}
        root = {"id": "r-1", "accounts": [{"id": ACCOUNT, **levels}], **levels}
        file = saved(tmp_path / "organization.json", {"id": "o-ours", "root": root})
        found = names(result(who_can("sts:AssumeRole", TARGET, data, "--organization", file)))
        assert [name for name, who in found.items() if who] == ([kind] if kind else [])


@pytest.mark.parametrize("named", [{"Principal": "*"}, {"NotPrincipal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"}}])
@pytest.mark.parametrize(("identifier", "found"), [("o-ours", True), ("o-theirs", False)])
def test_where_everybody_is_let_in_so_are_accounts_that_the_files_leave_out(
    who_can, tmp_path, named, identifier, found
):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **named}
    statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": identifier}}
    levels = {"serviceControlPolicies": [document(allow("*"))]}
    members = [{"id": account, **levels} for account in (ACCOUNT, "222222222222")]
    file = saved(tmp_path / "organization.json", {"id": "o-ours", "root": {"id": "r-1", "accounts": members, **levels}})
    answer = names(result(who_can("sts:AssumeRole", TARGET, trusting(statement), "--organization", file)))
    assert answer["unknown"] == (["arn:aws:iam::222222222222:root"] if found else [])


def test_the_path_of_a_role_is_that_of_its_sessions(who_can):
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/alice"
    app = role("app", ASSUMING) | {"Arn": arn("role", "team/app"), "Path": "/team/"}
    condition = {"ArnEquals": {"aws:PrincipalArn": arn("role", "team/app")}}
    found = result(who_can("sts:AssumeRole", TARGET, trusting(to({"AWS": session}, Condition=condition), others=[app])))
    assert names(found)["allowed"] == [session]
