"""IAM: account authorization details, quotas, what moto would let pass, and AssumeRole with real credentials."""

import json

import pytest

from sandbox import organization as org
from sandbox.roles import allow, policy
from sandbox.traps import TRAPS

pytestmark = pytest.mark.slow

PRODUCTION, DEVELOPMENT = org.PRODUCTION, org.DEVELOPMENT
LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def details(client, **parameters):
    """All pages, each list as one."""
    pages = list(client.get_paginator("get_account_authorization_details").paginate(**parameters))
    return len(pages), {name: [entry for one in pages for entry in one[name]] for name in LISTS}


def document(*actions, padding=0):
    return json.dumps(policy(allow(*actions, Sid="a" * padding) if padding else allow(*actions)))


def test_the_details_are_the_same_in_pages_of_any_size(aws):
    client = aws.client("iam", PRODUCTION)
    one, whole = details(client, PaginationConfig={"PageSize": 1000})
    many, paged = details(client, PaginationConfig={"PageSize": 7})
    entries = sum(len(whole[name]) for name in LISTS)
    assert (one, many) == (1, -(-entries // 7))
    assert paged == whole
    assert len(whole["RoleDetailList"]) >= 40


def test_a_page_that_nobody_gave_is_refused(aws, refused):
    with refused("ValidationError", 400):
        aws.client("iam", PRODUCTION).get_account_authorization_details(Marker="elsewhere")


def test_filters_select_kinds(aws):
    client = aws.client("iam", PRODUCTION)
    for kind, name in (("User", "UserDetailList"), ("Role", "RoleDetailList"), ("LocalManagedPolicy", "Policies")):
        _, found = details(client, Filter=[kind])
        assert [other for other in LISTS if found[other]] == [name]


def test_only_attached_aws_policies_are_told_and_no_policy_that_is_merely_a_boundary(aws):
    client = aws.client("iam", PRODUCTION)
    _, found = details(client)
    told = {p["Arn"]: p for p in found["Policies"]}
    used = {
        attached["PolicyArn"]
        for name in ("UserDetailList", "GroupDetailList", "RoleDetailList")
        for entity in found[name]
        for attached in entity["AttachedManagedPolicies"]
    }
    assert {arn for arn in told if ":aws:policy/" in arn} == {arn for arn in used if ":aws:policy/" in arn}
    assert used <= set(told)
    boundary = f"arn:aws:iam::{PRODUCTION}:policy/WorkloadBoundary"
    assert boundary not in told
    assert client.get_policy(PolicyArn=boundary)["Policy"]["PermissionsBoundaryUsageCount"] >= 3
    # A customer managed policy that nobody uses is told.
    _, development = details(aws.client("iam", DEVELOPMENT), Filter=["LocalManagedPolicy"])
    assert [p["AttachmentCount"] for p in development["Policies"] if p["PolicyName"] == "SharedRead"] == [0]


def test_a_role_is_told_with_all_that_decides_about_it(aws):
    _, found = details(aws.client("iam", PRODUCTION), Filter=["Role"])
    role = next(r for r in found["RoleDetailList"] if r["RoleName"] == "image-resizer")
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/WorkloadBoundary")
    assert role["RoleLastUsed"]["Region"] == "us-east-1"
    assert role["RoleLastUsed"]["LastUsedDate"].isoformat().startswith("2026-06-29")
    assert {"Key": "team", "Value": "media"} in role["Tags"]
    assert role["RolePolicyList"][0]["PolicyDocument"]["Statement"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["CreateDate"].isoformat().startswith("2024-11-0")
    idle = next(r for r in found["RoleDetailList"] if r["RoleName"] == "legacy-batch")
    assert idle["RoleLastUsed"] == {}


def test_the_version_of_a_changed_policy_is_young_and_the_default(aws):
    client = aws.client("iam", DEVELOPMENT)
    versions = client.list_policy_versions(PolicyArn=f"arn:aws:iam::{DEVELOPMENT}:policy/Deployments")["Versions"]
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in versions] == [("v1", False), ("v2", True)]
    assert versions[1]["CreateDate"].isoformat().startswith("2026-05-16")


def test_roles_are_listed_in_pages_with_the_template_that_owns_them(aws):
    client = aws.client("iam", PRODUCTION)
    pages = list(client.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 10}))
    roles = [role for one in pages for role in one["Roles"]]
    assert len(pages) == -(-len(roles) // 10) > 1
    assert {r["Arn"] for r in roles} == {r["Arn"] for r in details(client, Filter=["Role"])[1]["RoleDetailList"]}
    assert {r["RoleName"] for r in roles if r.get("SourceRoleTemplate")} == {"vault-backup"}
    assert not any({"Tags", "PermissionsBoundary", "RoleLastUsed"} & set(role) for role in roles)
    under = client.list_roles(PathPrefix="/teams/")["Roles"]
    assert [r["Arn"] for r in under] == [r.arn for r in TRAPS if r.path.startswith("/teams/")]


@pytest.fixture
def own(aws):
    """A role, a user and a group of the test's own in the development account."""
    client, trust = aws.client("iam", DEVELOPMENT), json.dumps({"Version": "2012-10-17", "Statement": []})
    client.create_role(RoleName="own", AssumeRolePolicyDocument=trust)
    client.create_user(UserName="own")
    client.create_group(GroupName="own")
    policies = []
    yield client, policies
    for kind in ("role", "user", "group"):
        name = {f"{kind.title()}Name": "own"}
        for one in getattr(client, f"list_{kind}_policies")(**name)["PolicyNames"]:
            getattr(client, f"delete_{kind}_policy")(**name, PolicyName=one)
        for one in getattr(client, f"list_attached_{kind}_policies")(**name)["AttachedPolicies"]:
            getattr(client, f"detach_{kind}_policy")(**name, PolicyArn=one["PolicyArn"])
        if kind == "role":
            client.delete_role_permissions_boundary(**name)
        getattr(client, f"delete_{kind}")(**name)
    for arn in policies:
        client.delete_policy(PolicyArn=arn)


@pytest.mark.parametrize(("kind", "quota"), [("role", 10_240), ("user", 2_048), ("group", 5_120)])
def test_inline_policies_together_have_a_quota_without_white_space(own, refused, kind, quota):
    client, _ = own
    put = getattr(client, f"put_{kind}_policy")
    name = {f"{kind.title()}Name": "own"}
    spaced = json.dumps(policy(allow("s3:GetObject")), indent=1_000)
    assert len(spaced) > quota
    put(**name, PolicyName="spaced", PolicyDocument=spaced)
    size = len("".join(spaced.split()))
    fits = quota - size - len("".join(document("s3:GetObject", padding=1).split())) + 1
    put(**name, PolicyName="rest", PolicyDocument=document("s3:GetObject", padding=fits))
    with refused("LimitExceeded", 409):
        put(**name, PolicyName="rest", PolicyDocument=document("s3:GetObject", padding=fits + 1))


def test_managed_and_trust_policies_have_quotas(own, refused):
    client, made = own
    with refused("LimitExceeded", 409):
        client.create_policy(PolicyName="big", PolicyDocument=document("s3:GetObject", padding=6_144))
    made.append(client.create_policy(PolicyName="small", PolicyDocument=document("s3:GetObject"))["Policy"]["Arn"])
    with refused("LimitExceeded", 409):
        client.create_policy_version(PolicyArn=made[0], PolicyDocument=document("s3:GetObject", padding=6_144))
    trust = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": "a" * 2_048})
    with refused("LimitExceeded", 409):
        client.update_assume_role_policy(RoleName="own", PolicyDocument=trust)
    with refused("LimitExceeded", 409):
        client.create_role(RoleName="own-too", AssumeRolePolicyDocument=trust)


def test_attachments_are_limited_counted_once_and_protect_the_policy(own, refused):
    client, made = own
    for n in range(11):
        made.append(client.create_policy(PolicyName=f"p{n}", PolicyDocument=document("s3:GetObject"))["Policy"]["Arn"])
    for arn in made[:10]:
        client.attach_role_policy(RoleName="own", PolicyArn=arn)
    client.attach_role_policy(RoleName="own", PolicyArn=made[0])
    assert client.get_policy(PolicyArn=made[0])["Policy"]["AttachmentCount"] == 1
    with refused("LimitExceeded", 409):
        client.attach_role_policy(RoleName="own", PolicyArn=made[10])
    with refused("DeleteConflict", 409):
        client.delete_policy(PolicyArn=made[0])
    client.put_role_permissions_boundary(RoleName="own", PermissionsBoundary=made[10])
    with refused("DeleteConflict", 409):
        client.delete_policy(PolicyArn=made[10])


def test_boundaries_must_exist(own, refused):
    client, _ = own
    with refused("NoSuchEntity", 404):
        client.put_role_permissions_boundary(
            RoleName="own", PermissionsBoundary=f"arn:aws:iam::{DEVELOPMENT}:policy/no"
        )


def test_service_linked_roles_belong_to_aws(aws, refused):
    client, name = aws.client("iam", PRODUCTION), {"RoleName": "AWSServiceRoleForAutoScaling"}
    for call, more in (
        ("put_role_policy", {"PolicyName": "p", "PolicyDocument": document("s3:GetObject")}),
        ("attach_role_policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("update_assume_role_policy", {"PolicyDocument": "{}"}),
        ("delete_role", {}),
    ):
        with refused("UnmodifiableEntity", 400):
            getattr(client, call)(**name, **more)


READER = f"arn:aws:iam::{PRODUCTION}:role/plumbline/{org.MEMBER_ROLE_NAME}"
PARTNER = f"arn:aws:iam::{PRODUCTION}:role/partner/partner-reports"
OUTSIDER = (org.OUTSIDER_ACCESS_KEY, org.OUTSIDER_SECRET_KEY)


@pytest.mark.parametrize(
    ("arn", "external_id", "keys", "allowed"),
    [
        (READER, org.EXTERNAL_ID, None, True),
        (READER, None, None, False),
        (READER, "another-id", None, False),
        (READER, org.EXTERNAL_ID, OUTSIDER, False),
        # It trusts the whole security account, but the operator's own policies do not reach there.
        (f"arn:aws:iam::{PRODUCTION}:role/on-call", None, None, False),
        (PARTNER, "reports-4711", OUTSIDER, True),
        (PARTNER, None, OUTSIDER, False),
        (READER.replace("reader", "nobody"), org.EXTERNAL_ID, None, False),
        # No member role in the legacy account.
        (READER.replace(PRODUCTION, org.LEGACY), org.EXTERNAL_ID, None, False),
    ],
    ids=["reader", "no id", "wrong id", "outsider", "delegated", "partner", "partner no id", "missing", "legacy"],
)
def test_who_may_assume_which_role(aws, refused, arn, external_id, keys, allowed):
    if allowed:
        assert aws.client("iam", keys=aws.assume(arn, external_id, keys)).list_roles()["Roles"]
        return
    with refused("AccessDenied", 403):
        aws.assume(arn, external_id, keys)
