"""A whole landscape against the sandbox: all of it, and what is left when one account or the organization fails."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.config import Config

from plumbline.api.landscape import LandscapeSpec
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect, collect_again
from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import accounts_digest
from sandbox import organization as org
from sandbox.behaviour import ROLES, policy_arn
from sandbox.estate import USERS
from sandbox.inventory import POLICIES

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
PRODUCTION = org.PRODUCTION
REACHABLE = {account for account in org.ACCOUNTS if account != org.LEGACY}


def spec(organization=True, ids=(), **more):
    accounts = {"ids": list(ids)} | ({"organization": more} if organization else {})
    return LandscapeSpec.model_validate({"accounts": accounts, "memberRole": {"name": "plumbline/plumbline-reader"}})


def open_sessions(external_id=org.EXTERNAL_ID):
    return AwsSessions("plumbline/plumbline-reader", external_id, requests_per_second=1000)


@pytest.fixture(scope="module")
def kept():
    return []


@pytest.fixture
def whole(quickly, kept):
    """The landscape without faults, collected once."""
    if not kept:
        kept.append(collect(open_sessions(), spec(), "all", NOW))
    return kept[0]


def of_account(snapshot, account):
    return {arn: p for arn, p in snapshot.principals.items() if p.account == account}


def test_the_accounts_and_what_binds_them(whole):
    assert whole.organization_error is None
    assert list(whole.accounts) == sorted(org.ACCOUNTS)
    for identifier, account in whole.accounts.items():
        known = org.ACCOUNTS[identifier]
        assert (account.name, account.state) == (known.name, "ACTIVE")
        assert account.ou_path == tuple(org.units_above(identifier)[:-1])
        assert account.management == (identifier == org.MANAGEMENT)
        if identifier in REACHABLE:
            assert (account.regions, account.collected_at, account.error) == (tuple(sorted(known.regions)), NOW, None)
        for kind, levels in (
            ("SERVICE_CONTROL_POLICY", account.scp_levels),
            ("RESOURCE_CONTROL_POLICY", account.rcp_levels),
        ):
            if account.management:
                assert levels == ()  # neither binds it
                continue
            above = org.units_above(identifier)
            assert len(levels) == len(above)
            for target, documents in zip(above, levels, strict=True):
                own = {canonical(g.document) for g in org.GUARDRAILS if target in g.targets and g.type == kind}
                assert own < set(documents), (identifier, target)  # and the full access that hangs everywhere
                assert len(documents) == len(own) + 1


def test_an_account_without_the_member_role_is_reported_with_its_remedy(whole):
    legacy = whole.accounts[org.LEGACY]
    assert legacy.error_reason == "AccessDenied"
    assert f"sts:AssumeRole in account {org.LEGACY}" in legacy.error
    assert "Create the member role there" in legacy.error
    assert (legacy.collected_at, legacy.regions, of_account(whole, org.LEGACY)) == (None, None, {})
    # What the organization says about it is known all the same.
    assert len(legacy.scp_levels) == 3


def test_each_role_and_user_is_what_the_estate_says(whole):
    roles = {role.arn: role for role in ROLES if role.account in REACHABLE}
    users = {user.arn: user for user in USERS if user.account in REACHABLE}
    assert set(whole.principals) == set(roles) | set(users)
    for arn, principal in whole.principals.items():
        made = roles.get(arn) or users[arn]
        assert (principal.unique_id, principal.account, principal.name, principal.path) == (
            made.id,
            made.account,
            made.name,
            made.path,
        )
        expected = {f"inline/{name}": canonical(document) for name, document in made.inline.items()}
        found = {policy.key: policy.document for policy in principal.policies}
        assert {key: text for key, text in found.items() if key.startswith("inline/")} == expected
        managed = {policy_arn(made.account, reference) for reference in made.managed}
        assert {key for key in found if key.startswith("arn:")} == managed
        assert principal.policies_known
        for reference in made.managed:
            if reference.startswith("customer:"):
                name = reference.removeprefix("customer:")
                assert found[policy_arn(made.account, reference)] == canonical(POLICIES[name])
    for arn, role in roles.items():
        principal = whole.principals[arn]
        assert (principal.kind, principal.trust) == ("role", canonical(role.trust))
        assert dict(principal.tags) == role.tags
        assert principal.role_template == (role.template or None)
        assert (principal.last_used_at is None) == (not any(h for h in role.does if not h.former))
        if role.boundary:
            name = role.boundary.removeprefix("customer:")
            assert principal.boundary.arn == policy_arn(role.account, role.boundary)
            assert principal.boundary.document == canonical(POLICIES[name])
            assert principal.boundary.boundary_usage_count > 0
        else:
            assert principal.boundary is None
    assert any(principal.boundary for principal in whole.principals.values())
    assert any(principal.role_template for principal in whole.principals.values())


def test_paging_and_empty_pages_change_nothing(whole, quickly, monkeypatch):
    monkeypatch.setattr("plumbline.inventory.iam._PAGE", 3)
    monkeypatch.setattr("plumbline.inventory.organization._PAGE", {"PageSize": 2})
    quickly.settings(organizationsEmptyPage=True)
    quickly.control("DELETE", "calls")
    paged = collect(open_sessions(), spec(), "all", NOW)
    assert paged == whole
    assert paged.digest == whole.digest
    calls = quickly.calls()
    assert calls[PRODUCTION]["iam"]["GetAccountAuthorizationDetails"] >= 20
    assert calls[org.SECURITY]["organizations"]["ListAccounts"] > 4


def test_a_pass_asks_for_each_thing_once(quickly):
    quickly.control("DELETE", "calls")
    sessions = open_sessions()
    collect(sessions, spec(), "all", NOW)
    calls = quickly.calls()
    own = calls[org.SECURITY]
    assert own["sts"]["AssumeRole"] == len(org.ACCOUNTS)
    assert own["organizations"]["DescribePolicy"] == len(org.GUARDRAILS) + 2
    # Root, units and the member accounts, for two kinds of policy.
    assert own["organizations"]["ListPoliciesForTarget"] == 2 * (1 + len(org.UNITS) + len(org.ACCOUNTS) - 1)
    boundaries = {role.boundary for role in ROLES if role.account == PRODUCTION and role.boundary}
    assert calls[PRODUCTION]["iam"]["GetPolicy"] == len(boundaries)
    attempts = Counter()
    for call, count in sessions.calls.counts().items():
        attempts[call.account if call.account != "own" else org.SECURITY] += count
    made = {account: sum(n for names in tree.values() for n in names.values()) for account, tree in calls.items()}
    assert sum(attempts.values()) == sum(made.values())
    assert attempts[PRODUCTION] == made[PRODUCTION]


FAULTS = {
    "denied": (
        {"kind": "deny", "operation": "GetAccountAuthorizationDetails"},
        "AccessDenied",
        "Allow the member role",
    ),
    "roles denied": ({"kind": "deny", "operation": "ListRoles"}, "AccessDenied", "iam:ListRoles"),
    "throttled": ({"kind": "throttle"}, "Throttled", "lower awsRequestsPerSecond"),
    "500": ({"kind": "error500"}, "ServiceError", "tried again later"),
    "truncated": (
        {"kind": "truncate", "operation": "GetAccountAuthorizationDetails"},
        "MalformedAnswer",
        "tried again later",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_account_is_reported_and_stops_no_other(whole, quickly, name):
    rule, reason, remedy = FAULTS[name]
    quickly.fault(**{"service": "iam", "account": PRODUCTION} | rule)
    lines = []
    found = collect(open_sessions(), spec(), "all", NOW, lines.append)
    failed = found.accounts[PRODUCTION]
    assert failed.error_reason == reason
    assert f"in account {PRODUCTION}" in failed.error
    assert remedy in failed.error
    assert of_account(found, PRODUCTION) == {}
    others = [account for account in org.ACCOUNTS if account != PRODUCTION]
    assert {a: found.accounts[a] for a in others} == {a: whole.accounts[a] for a in others}
    assert all(of_account(found, a) == of_account(whole, a) for a in others)
    assert found.digest != whole.digest
    assert any(PRODUCTION in line and reason in line for line in lines)
    quickly.heal()
    assert collect(open_sessions(), spec(), "all", NOW) == whole


def test_a_slow_account_is_given_up_and_stops_no_other(whole, quickly):
    quickly.fault("slow", service="iam", account=PRODUCTION, operation="ListRoles", seconds=1.5)
    sessions = open_sessions()
    # As in production, with less patience: cached_property keeps what is put there.
    sessions.__dict__["_config"] = Config(read_timeout=0.6, retries={"mode": "standard", "total_max_attempts": 2})
    found = collect(sessions, spec(), "all", NOW)
    assert found.accounts[PRODUCTION].error_reason == "Unreachable"
    assert "ReadTimeoutError" in found.accounts[PRODUCTION].error
    assert set(found.accounts) - {a.id for a in found.accounts.values() if a.error} == REACHABLE - {PRODUCTION}
    assert of_account(found, org.DEVELOPMENT) == of_account(whole, org.DEVELOPMENT)


def test_an_unreadable_boundary_is_unknown_and_the_account_is_there(whole, quickly):
    quickly.fault("truncate", service="iam", account=PRODUCTION, operation="GetPolicyVersion")
    found = collect(open_sessions(), spec(), "all", NOW)
    assert found.accounts[PRODUCTION].error is None
    bounded = [p for p in of_account(found, PRODUCTION).values() if p.boundary is not None]
    assert len(bounded) >= 3
    assert all((p.boundary.document, p.policies_known) == (None, False) for p in bounded)
    same = [p for p in of_account(found, PRODUCTION).values() if p.boundary is None]
    assert all(whole.principals[p.arn] == p for p in same)


def test_now_and_then_a_throttled_or_broken_call_costs_nothing(whole, quickly):
    # By account, where the calls follow each other: then no call meets three faults in a row.
    for account in org.ACCOUNTS:
        for service in ("iam", "organizations", "account"):
            quickly.fault("throttle", service=service, account=account, rate=0.25)
            quickly.fault("error500", service=service, account=account, rate=0.2)
    quickly.fault("throttle", service="sts", times=2)
    sessions = open_sessions()
    assert collect(sessions, spec(), "all", NOW) == whole
    codes = Counter(call.code for call in sessions.calls.counts())
    assert {"Throttling", "TooManyRequestsException", "ServiceFailure"} <= set(codes)


def test_a_wrong_external_id_opens_no_account(quickly):
    found = collect(open_sessions("wrong"), spec(), "all", NOW)
    assert {a.error_reason for a in found.accounts.values()} == {"AccessDenied"}
    assert all("external ID" in a.error for a in found.accounts.values())
    assert found.principals == {}
    assert found.organization_error is None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"kind": "deny", "operation": "ListAccounts"}, "Allow the operator's own role organizations:ListAccounts"),
        ({"kind": "throttle", "operation": "ListRoots"}, "TooManyRequestsException"),
        ({"kind": "error500", "operation": "DescribeOrganization"}, "ServiceException"),
        ({"kind": "truncate", "operation": "ListAccounts"}, "no whole document"),
    ],
    ids=["denied", "throttled", "500", "truncated"],
)
def test_without_the_organization_the_listed_accounts_go_on(whole, quickly, rule, reason):
    quickly.fault(service="organizations", **rule)
    found = collect(open_sessions(), spec(ids=[PRODUCTION]), "all", NOW)
    assert reason in found.organization_error
    assert list(found.accounts) == [PRODUCTION]
    # What binds it is unknown, not nothing.
    assert (found.accounts[PRODUCTION].scp_levels, found.accounts[PRODUCTION].rcp_levels) == (None, None)
    assert of_account(found, PRODUCTION) == of_account(whole, PRODUCTION)


@pytest.mark.parametrize("operation", ["ListPoliciesForTarget", "DescribePolicy"])
@pytest.mark.parametrize("kind", ["deny", "error500", "truncate"])
def test_guardrails_that_cannot_be_read_are_unknown(whole, quickly, operation, kind):
    quickly.fault(kind, service="organizations", operation=operation)
    found = collect(open_sessions(), spec(), "all", NOW)
    for identifier, account in found.accounts.items():
        unknown = () if identifier == org.MANAGEMENT else None
        assert (account.scp_levels, account.rcp_levels) == (unknown, unknown)
    assert f"organizations:{operation}" in found.organization_error
    assert found.principals == whole.principals


def test_one_policy_that_cannot_be_read_makes_only_the_accounts_below_it_unknown(whole, quickly):
    # The fifth that is described: the SCP of the production OU.
    quickly.fault("deny", service="organizations", operation="DescribePolicy", rate=0.2, times=1)
    found = collect(open_sessions(), spec(), "all", NOW)
    below = {a for a in org.ACCOUNTS if "ou-plm1-producti" in org.units_above(a)}
    assert {a for a, account in found.accounts.items() if account.scp_levels is None} == below
    assert all(found.accounts[a].rcp_levels == whole.accounts[a].rcp_levels for a in org.ACCOUNTS)
    assert all(found.accounts[a] == whole.accounts[a] for a in set(org.ACCOUNTS) - below)
    assert "SERVICE_CONTROL_POLICY of ou-plm1-producti" in found.organization_error


def test_regions_that_cannot_be_listed_are_unknown_and_said(whole, quickly):
    quickly.fault("deny", service="account", operation="ListRegions", account=PRODUCTION)
    lines = []
    found = collect(open_sessions(), spec(), "all", NOW, lines.append)
    assert (found.accounts[PRODUCTION].regions, found.accounts[PRODUCTION].error) == (None, None)
    assert found.accounts[org.DEVELOPMENT].regions == ("us-east-1",)
    assert found.principals == whole.principals
    (line,) = [line for line in lines if "Regions" in line]
    assert "Allow the member role account:ListRegions" in line


def test_accounts_may_be_listed_excluded_and_read_with_a_role(whole, quickly):
    found = collect(open_sessions(), spec(organization=False, ids=[PRODUCTION]), "one", NOW)
    assert list(found.accounts) == [PRODUCTION]
    # Nobody asked for an organization: its guardrails are not unknown but left out.
    assert (found.accounts[PRODUCTION].scp_levels, found.organization_error) == ((), None)

    role = f"arn:aws:iam::{org.MANAGEMENT}:role/plumbline/plumbline-reader"
    quickly.control("DELETE", "calls")
    found = collect(open_sessions(), spec(roleArn=role, excludeAccounts=[org.LEGACY]), "some", NOW)
    assert set(found.accounts) == REACHABLE
    # What is left out is part of the organization all the same: "who is in it" has no complete answer any more.
    partial = replace(whole.accounts[PRODUCTION].organization, complete=False)
    assert {a: found.accounts[a] for a in REACHABLE} == {
        a: replace(whole.accounts[a], organization=partial) for a in REACHABLE
    }
    assert "organizations" in quickly.calls()[org.MANAGEMENT]
    assert "organizations" not in quickly.calls()[org.SECURITY]


@pytest.fixture
def writer(quickly):
    """A client that may write in the analytics account, past the guard of the operator."""
    client = open_sessions().client("iam", org.ANALYTICS)
    client.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    return client


def test_a_live_change_is_seen_and_nothing_else(whole, writer):
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    writer.put_role_policy(RoleName="cruncher", PolicyName="more", PolicyDocument=document)
    try:
        changed = collect(open_sessions(), spec(), "all", NOW)
    finally:
        writer.delete_role_policy(RoleName="cruncher", PolicyName="more")
    arn = f"arn:aws:iam::{org.ANALYTICS}:role/cruncher"
    assert changed.digest != whole.digest
    assert {p for p in whole.principals if changed.principals[p] != whole.principals[p]} == {arn}
    added = set(changed.principals[arn].policies) - set(whole.principals[arn].policies)
    assert [(policy.key, policy.document) for policy in added] == [("inline/more", canonical(document))]
    assert collect(open_sessions(), spec(), "all", NOW).digest == whole.digest


def test_a_group_is_seen_with_its_policies_before_anybody_is_in_it(whole, writer):
    policy, arn = "arn:aws:iam::aws:policy/ReadOnlyAccess", f"arn:aws:iam::{org.ANALYTICS}:group/team/readers"
    found = []
    writer.create_group(GroupName="readers", Path="/team/")
    try:
        found.append(collect(open_sessions(), spec(), "all", NOW))
        writer.attach_group_policy(GroupName="readers", PolicyArn=policy)
        found.append(collect_again(open_sessions(), whole, [org.ANALYTICS], NOW))
        writer.detach_group_policy(GroupName="readers", PolicyArn=policy)
    finally:
        writer.delete_group(GroupName="readers")
    assert [[one.key for one in each.groups[arn].policies] for each in found] == [[], [policy]]
    assert all(each.groups.keys() - {arn} == whole.groups.keys() for each in found)
    assert len({each.digest for each in (whole, *found)}) == 3
    of_account = [accounts_digest(each, [org.ANALYTICS]) for each in (whole, *found)]
    assert len(set(of_account)) == 3
    assert len({accounts_digest(each, [org.PRODUCTION]) for each in (whole, *found)}) == 1
    again = collect_again(open_sessions(), found[1], [org.ANALYTICS], NOW)
    assert again.digest == whole.digest


def test_a_role_that_is_made_again_is_another(whole, writer):
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    digests, roles = [], []
    for _ in range(2):
        writer.create_role(RoleName="again", Path="/own/", AssumeRolePolicyDocument=trust)
        try:
            found = collect(open_sessions(), spec(), "all", NOW)
        finally:
            writer.delete_role(RoleName="again")
        digests.append(found.digest)
        roles.append(found.principals[f"arn:aws:iam::{org.ANALYTICS}:role/own/again"])
    assert roles[0].arn == roles[1].arn
    assert roles[0].unique_id != roles[1].unique_id
    assert len({whole.digest, *digests}) == 3
    assert collect(open_sessions(), spec(), "all", NOW).digest == whole.digest
