"""Organizations, account management and the trail as their callers meet them."""

import json

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow


def every(client, name, key, **parameters):
    return [entry for page in client.get_paginator(name).paginate(**parameters) for entry in page[key]]


def test_accounts_with_their_paths_in_pages(aws):
    client = aws.client("organizations")
    small = {"PaginationConfig": {"PageSize": 2}}
    accounts = every(client, "list_accounts", "Accounts", **small)
    assert [a["Id"] for a in accounts] == list(org.ACCOUNTS)
    production = next(a for a in accounts if a["Id"] == org.PRODUCTION)
    assert production["Paths"] == [
        f"{org.ORGANIZATION_ID}/{org.ROOT_ID}/ou-plm1-workload/ou-plm1-producti/{org.PRODUCTION}/"
    ]
    assert (production["State"], production["Name"]) == ("ACTIVE", "production")
    assert len(client.list_accounts(MaxResults=2)["Accounts"]) == 2


def test_a_page_may_be_empty_and_still_have_a_token(aws, sandbox):
    sandbox.settings(organizationsEmptyPage=True)
    client = aws.client("organizations")
    first = client.list_accounts()
    assert (first["Accounts"], bool(first["NextToken"])) == ([], True)
    assert len(every(client, "list_accounts", "Accounts")) == len(org.ACCOUNTS)


def test_pages_hold_at_most_twenty(aws, refused):
    with refused("InvalidInputException", 400):
        aws.client("organizations").list_policies(Filter="SERVICE_CONTROL_POLICY", MaxResults=21)


def test_only_the_management_account_and_delegates_may_look(aws, refused):
    with refused("AccessDeniedException", 400):
        aws.client("organizations", org.PRODUCTION).list_accounts()
    described = aws.client("organizations", org.PRODUCTION).describe_organization()["Organization"]
    assert (described["Id"], described["MasterAccountId"]) == (org.ORGANIZATION_ID, org.MANAGEMENT)
    outsider = aws.client("organizations", keys=(org.OUTSIDER_ACCESS_KEY, org.OUTSIDER_SECRET_KEY))
    with refused("AWSOrganizationsNotInUseException", 400):
        outsider.list_accounts()
    admins = every(aws.client("organizations"), "list_delegated_administrators", "DelegatedAdministrators")
    assert [a["Id"] for a in admins] == [org.SECURITY]


def test_guardrails_hang_where_they_were_hung(aws):
    client = aws.client("organizations")
    for kind, full in (
        ("SERVICE_CONTROL_POLICY", "p-FullAWSAccess"),
        ("RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess"),
    ):
        for target in (org.ROOT_ID, *(unit.id for unit in org.UNITS), *org.ACCOUNTS):
            attached = every(client, "list_policies_for_target", "Policies", TargetId=target, Filter=kind)
            own = {g.id for g in org.GUARDRAILS if target in g.targets and g.type == kind}
            assert {p["Id"] for p in attached} == own | {full}, target
    policy = client.describe_policy(PolicyId="p-nolights")["Policy"]
    assert json.loads(policy["Content"])["Statement"][0]["Action"] == ["lightsail:*", "workmail:*"]
    root = client.list_roots()["Roots"][0]
    assert {t["Type"] for t in root["PolicyTypes"] if t["Status"] == "ENABLED"} == {
        "SERVICE_CONTROL_POLICY",
        "RESOURCE_CONTROL_POLICY",
    }


def test_parents_can_be_walked_from_each_account_to_the_root(aws):
    client = aws.client("organizations")
    for account in org.ACCOUNTS:
        at, walked = account, []
        while not at.startswith("r-"):
            (parent,) = client.list_parents(ChildId=at)["Parents"]
            at = parent["Id"]
            walked.append(at)
        assert [*reversed(walked), account] == org.units_above(account)


@pytest.mark.parametrize(
    ("call", "parameters", "code"),
    [
        ("list_parents", {"ChildId": "100000000099"}, "ChildNotFoundException"),
        ("describe_policy", {"PolicyId": "p-nothing0"}, "PolicyNotFoundException"),
        ("describe_account", {"AccountId": "100000000099"}, "AccountNotFoundException"),
        (
            "list_policies_for_target",
            {"TargetId": "100000000099", "Filter": "SERVICE_CONTROL_POLICY"},
            "AccountNotFoundException",
        ),
        ("list_accounts", {"NextToken": "made-up"}, "InvalidInputException"),
    ],
)
def test_what_does_not_exist(aws, refused, call, parameters, code):
    with refused(code, 400):
        getattr(aws.client("organizations"), call)(**parameters)


def test_enabled_regions(aws, refused):
    def enabled(client, **parameters):
        wanted = ["ENABLED", "ENABLED_BY_DEFAULT"]
        return [r["RegionName"] for r in client.list_regions(RegionOptStatusContains=wanted, **parameters)["Regions"]]

    for account in (org.PRODUCTION, org.DEVELOPMENT):
        assert enabled(aws.client("account", account)) == list(org.ACCOUNTS[account].regions)
    assert enabled(aws.client("account"), AccountId=org.PRODUCTION) == list(org.ACCOUNTS[org.PRODUCTION].regions)
    with refused("AccessDeniedException", 403):
        aws.client("account", org.DEVELOPMENT).list_regions(AccountId=org.PRODUCTION)
    assert aws.client("account").get_region_opt_status(RegionName="ap-south-1")["RegionOptStatus"] == "DISABLED"


@pytest.mark.parametrize("account", [org.MANAGEMENT, org.SECURITY, org.PRODUCTION])
def test_the_trail_as_its_organization_sees_it(aws, account):
    client = aws.client("cloudtrail", account)
    trail = client.get_trail(Name=org.TRAIL_ARN)["Trail"]
    assert (trail["TrailARN"], trail["S3BucketName"]) == (org.TRAIL_ARN, org.TRAIL_BUCKET)
    flags = ("IsMultiRegionTrail", "IsOrganizationTrail", "LogFileValidationEnabled", "IncludeGlobalServiceEvents")
    assert all(trail[name] for name in flags)
    status = client.get_trail_status(Name=org.TRAIL_ARN)
    assert status["IsLogging"]
    assert status["StartLoggingTime"].isoformat().startswith("2024-04-2")
    selectors = client.get_event_selectors(TrailName=org.TRAIL_ARN)
    assert selectors["AdvancedEventSelectors"] == org.TRAIL_SELECTORS
    assert [t["TrailARN"] for t in client.describe_trails()["trailList"]] == [org.TRAIL_ARN]


def test_a_member_does_not_know_the_trail_by_its_name(aws, refused):
    with refused("TrailNotFoundException", 400):
        aws.client("cloudtrail", org.PRODUCTION).get_trail(Name=org.TRAIL_NAME)
    elsewhere = aws.client("cloudtrail", org.PRODUCTION, region=org.SECOND_REGION)
    assert elsewhere.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert elsewhere.describe_trails()["trailList"]
