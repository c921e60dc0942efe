"""Principals out of the answers of IAM: what is missing stays unknown, and never becomes nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from plumbline.aws.errors import Denied, Throttled
from plumbline.inventory.documents import canonical
from plumbline.inventory.files import read_account_details
from plumbline.inventory.iam import read_identities
from plumbline.model.snapshot import TAGS, principal_facts

ACCOUNT = "100000000003"
CREATED = datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
WRITE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
TRUST = {"Version": "2012-10-17", "Statement": []}


def arn(kind, name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:{kind}/{name}"


def role(name="app", path="/", **more):
    return {
        "RoleName": name,
        "RoleId": f"AROA{name.upper()}",
        "Path": path,
        "Arn": arn("role", f"{path[1:]}{name}"),
        "CreateDate": CREATED,
        "AssumeRolePolicyDocument": TRUST,
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
    } | more


def user(name="alice", **more):
    return {
        "UserName": name,
        "UserId": f"AIDA{name.upper()}",
        "Path": "/",
        "Arn": arn("user", name),
        "CreateDate": CREATED,
        "GroupList": [],
        "AttachedManagedPolicies": [],
    } | more


def group(name, **more):
    known = {"GroupName": name, "GroupId": "AGPA", "Arn": arn("group", name), "CreateDate": CREATED}
    return known | {"GroupPolicyList": [], "AttachedManagedPolicies": []} | more


def inline(name, document=READ):
    return {"PolicyName": name, "PolicyDocument": document}


def attached(*arns):
    return [{"PolicyName": one.rpartition("/")[2], "PolicyArn": one} for one in arns]


def managed(one, document=READ, versions=None, **more):
    version = {"VersionId": "v2", "IsDefaultVersion": True, "CreateDate": CREATED, "Document": document}
    return {
        "PolicyName": one.rpartition("/")[2],
        "PolicyId": "ANPA",
        "Arn": one,
        "DefaultVersionId": "v2",
        "AttachmentCount": 3,
        "PermissionsBoundaryUsageCount": 1,
        "PolicyVersionList": [version] if versions is None else versions,
    } | more


# What every page of AWS has.
EMPTY = {"RoleDetailList": [], "UserDetailList": [], "GroupDetailList": [], "Policies": [], "IsTruncated": False}


class Sessions:
    """Answers of IAM for one account; an exception in place of an answer is raised."""

    def __init__(self, *pages, roles=(), policies=(), versions=None):
        whole = [page if isinstance(page, Exception) else EMPTY | page for page in pages]
        self.pages_of = {"GetAccountAuthorizationDetails": whole, "ListRoles": [{"Roles": list(roles)}]}
        self.policies = {raw["Arn"]: raw for raw in policies}
        self.version = versions
        self.asked = []

    def pages(self, service, operation, **_):
        assert service == "iam"
        for page in self.pages_of[operation]:
            if isinstance(page, Exception):
                raise page
            yield page

    def call(self, service, operation, *, account, PolicyArn, **_):  # noqa: N803 - as botocore names it
        assert (service, account) == ("iam", ACCOUNT)
        self.asked.append((operation, PolicyArn.rpartition("/")[2]))
        raw = self.policies.get(PolicyArn)
        if raw is None:
            raise Denied("no", service=service, operation=operation, account=account)
        if operation == "GetPolicy":
            return {"Policy": {key: value for key, value in raw.items() if key != "PolicyVersionList"}}
        if self.version is not None:
            raise self.version
        return {"PolicyVersion": raw["PolicyVersionList"][0]}


def read(*pages, **more):
    sessions = Sessions(*pages, **more)
    return read_identities(sessions, ACCOUNT).principals, sessions


CUSTOMER, AWS = arn("policy", "Customer"), "arn:aws:iam::aws:policy/ReadOnlyAccess"


def test_a_role_with_everything():
    raw = role(
        "app",
        "/teams/orders/",
        RolePolicyList=[inline("z"), inline("a", WRITE)],
        AttachedManagedPolicies=attached(CUSTOMER, AWS),
        PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": CUSTOMER},
        Tags=[{"Key": "team", "Value": "orders"}, {"Key": "env", "Value": ""}],
        RoleLastUsed={"LastUsedDate": CREATED, "Region": "eu-west-1"},
    )
    template = role("app", "/teams/orders/", SourceRoleTemplate={"TemplateArn": "arn:aws:iam::1:role-template/t"})
    found, sessions = read(
        {"RoleDetailList": [raw], "Policies": [managed(CUSTOMER, WRITE), managed(AWS)]}, roles=[template]
    )
    (principal,) = found.values()
    assert principal.arn == arn("role", "teams/orders/app")
    assert (principal.kind, principal.name, principal.path) == ("role", "app", "/teams/orders/")
    assert (principal.unique_id, principal.account) == ("AROAAPP", ACCOUNT)
    assert principal.created_at == CREATED
    assert principal.created_at.tzinfo == principal.last_used_at.tzinfo == UTC
    assert [policy.key for policy in principal.policies] == [CUSTOMER, AWS, "inline/a", "inline/z"]
    assert [policy.kind for policy in principal.policies] == ["customer", "aws", "inline", "inline"]
    assert [json.loads(policy.document) for policy in principal.policies] == [WRITE, READ, WRITE, READ]
    assert principal.boundary == principal.policies[0]
    assert (principal.boundary.attachment_count, principal.boundary.boundary_usage_count) == (3, 1)
    assert (principal.boundary.version_id, principal.boundary.version_created_at) == ("v2", CREATED)
    assert json.loads(principal.trust) == TRUST
    assert dict(principal.tags) == {"env": "", "team": "orders"}
    assert principal.last_used_region == "eu-west-1"
    assert principal.role_template == "arn:aws:iam::1:role-template/t"
    assert principal.policies_known
    assert sessions.asked == []


def test_tags_that_a_file_does_not_name_are_unknown(tmp_path):
    """What AWS itself leaves out is empty."""
    told, untold = role("told", Tags=[]), {k: v for k, v in role("untold").items() if k != "Tags"}
    nobody = {k: v for k, v in user("nobody").items() if k != "Tags"}
    page = {"RoleDetailList": [told, untold], "UserDetailList": [nobody]}
    file = tmp_path / "details.json"
    file.write_text(json.dumps(page, default=str))
    principals = read_account_details([file]).principals
    unknown = {p.name: p.unknown for p in principals.values()}
    assert unknown == {"told": frozenset(), "untold": frozenset({TAGS}), "nobody": frozenset({TAGS})}
    one = principals[arn("role", "untold")]
    assert list(principal_facts(one)) != list(principal_facts(replace(one, unknown=frozenset())))
    assert {p.unknown for p in read(page, roles=[told, untold])[0].values()} == {frozenset()}


def test_a_user_with_what_its_groups_give():
    raw = user(
        UserPolicyList=[inline("own")],
        AttachedManagedPolicies=attached(AWS),
        GroupList=["devs", "ops"],
        PermissionsBoundary={"PermissionsBoundaryArn": CUSTOMER},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    groups = [
        group("devs", GroupPolicyList=[inline("own", WRITE)], AttachedManagedPolicies=attached(AWS, CUSTOMER)),
        group("ops", GroupPolicyList=[inline("own", WRITE)]),
        group("others", GroupPolicyList=[inline("no")]),
    ]
    # The groups and the user may lie on different pages, in any order.
    found, _ = read(
        {"UserDetailList": [raw]}, {"GroupDetailList": groups, "Policies": [managed(AWS), managed(CUSTOMER)]}
    )
    (principal,) = found.values()
    assert (principal.kind, principal.trust, principal.last_used_at) == ("user", None, None)
    assert [policy.key for policy in principal.policies] == [
        CUSTOMER, AWS, "inline/devs/own", "inline/ops/own", "inline/own",
    ]  # fmt: skip
    assert principal.boundary.arn == CUSTOMER
    assert principal.groups == ("devs", "ops")
    assert list(principal_facts(principal)) != list(principal_facts(replace(principal, groups=("devs",))))


@pytest.mark.parametrize("source", ["iam", "file"])
def test_groups_whether_anybody_is_in_them_or_not(tmp_path, source):
    admins = group("admins", Arn=arn("group", "team/admins"), AttachedManagedPolicies=attached(AWS))
    devs = group("devs", GroupPolicyList=[inline("z", WRITE), inline("a")], AttachedManagedPolicies=attached(CUSTOMER))
    pages = [
        {"UserDetailList": [user(GroupList=["devs"])], "GroupDetailList": [devs]},
        {"GroupDetailList": [group("empty"), admins], "Policies": [managed(AWS), managed(CUSTOMER, versions=[])]},
    ]
    if source == "iam":
        found = read_identities(Sessions(*pages), ACCOUNT).groups
    else:
        file = tmp_path / "details.json"
        file.write_text(json.dumps(pages, default=str))
        found = read_account_details([file]).groups
    assert {key: (one.arn, one.account, one.name) for key, one in found.items()} == {
        arn("group", path): (arn("group", path), ACCOUNT, path.rpartition("/")[2])
        for path in ("devs", "empty", "team/admins")
    }
    assert list(found) == sorted(found)
    documents = {one.name: {policy.key: policy.document for policy in one.policies} for one in found.values()}
    assert documents == {
        "admins": {AWS: canonical(READ)},
        "devs": {CUSTOMER: None, "inline/a": canonical(READ), "inline/z": canonical(WRITE)},
        "empty": {},
    }


def test_a_group_that_is_not_told_is_unknown_access():
    found, _ = read({"UserDetailList": [user(GroupList=["new"])]})
    (principal,) = found.values()
    assert [(policy.name, policy.document) for policy in principal.policies] == [("new/unknown", None)]
    assert principal.groups == ("new",)
    assert not principal.policies_known


@pytest.mark.parametrize(
    "document",
    [
        None,
        "",
        "{",
        "[]",
        "3",
        5,
        "%7B%22Version%22",
    ],
)
def test_a_document_that_is_no_object_is_unknown(document):
    found, _ = read({"RoleDetailList": [role(RolePolicyList=[inline("p", document)])]})
    (principal,) = found.values()
    assert principal.policies[0].document is None
    assert not principal.policies_known


def test_documents_have_one_form_however_they_come():
    spaced, encoded = json.dumps(READ, indent=3), quote(json.dumps(READ), safe="")
    forms = {canonical(form) for form in (READ, spaced, encoded, dict(reversed(READ.items())))}
    assert len(forms) == 1
    assert canonical(READ) is canonical(spaced)


@pytest.mark.parametrize(
    ("told", "fetchable", "version_fails", "document", "asked"),
    [
        # Not attached to anybody, so not told: fetched.
        ([], True, None, READ, ["GetPolicy", "GetPolicyVersion"]),
        # Told without its default version.
        ([managed(CUSTOMER, versions=[])], True, None, READ, ["GetPolicy", "GetPolicyVersion"]),
        # Told, but it cannot be fetched: the access is unknown.
        ([managed(CUSTOMER, versions=[])], False, None, None, ["GetPolicy"]),
        ([], False, None, None, ["GetPolicy"]),
        ([], True, Throttled("slow"), None, ["GetPolicy", "GetPolicyVersion"]),
    ],
    ids=["fetched", "no version", "denied, told", "denied", "version throttled"],
)
def test_a_boundary_that_is_not_told_is_fetched_once(told, fetchable, version_fails, document, asked):
    boundary = {"PermissionsBoundary": {"PermissionsBoundaryArn": CUSTOMER}}
    raws = [role("one", **boundary), role("two", AttachedManagedPolicies=attached(CUSTOMER), **boundary)]
    found, sessions = read(
        {"RoleDetailList": raws, "Policies": told},
        policies=[managed(CUSTOMER)] if fetchable else [],
        versions=version_fails,
    )
    for principal in found.values():
        assert principal.boundary.arn == CUSTOMER
        assert (None if principal.boundary.document is None else json.loads(principal.boundary.document)) == document
        assert principal.policies_known == (document is not None)
    assert sessions.asked == [(operation, "Customer") for operation in asked]


def test_no_boundary_is_none_and_an_unknown_one_is_not():
    boundary = {"PermissionsBoundary": {"PermissionsBoundaryArn": CUSTOMER}}
    found, _ = read({"RoleDetailList": [role("one"), role("two", **boundary)]})
    one, two = found[arn("role", "one")], found[arn("role", "two")]
    assert (one.boundary, one.policies_known) == (None, True)
    assert (two.boundary.document, two.policies_known) == (None, False)


@pytest.mark.parametrize("operation", ["GetAccountAuthorizationDetails", "ListRoles"])
def test_half_an_inventory_is_none(operation):
    sessions = Sessions({"RoleDetailList": [role()]}, roles=[role()])
    sessions.pages_of[operation].append(Throttled("later", operation=operation))
    with pytest.raises(Throttled):
        read_identities(sessions, ACCOUNT)


def test_the_order_of_the_answers_does_not_matter():
    roles = [role(name, AttachedManagedPolicies=attached(AWS, CUSTOMER)) for name in "abc"]
    policies = [managed(AWS), managed(CUSTOMER)]
    forward, _ = read({"RoleDetailList": roles, "Policies": policies})
    backward, _ = read(
        {"Policies": policies[::-1]},
        {},
        *({"RoleDetailList": [raw | {"AttachedManagedPolicies": attached(CUSTOMER, AWS)}]} for raw in roles[::-1]),
    )
    assert list(forward.items()) == list(backward.items())
