"""Accounts read from an aggregator of AWS Config: the same snapshot as read directly, and directly where Config is not
sure. Against the sandbox organization."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.landscape import IAMLandscape, LandscapeSpec
from plumbline.assess.targets import not_editable
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect, collect_again
from plumbline.inventory.recording import DELAY
from plumbline.inventory.templates import with_templates
from plumbline.model.snapshot import LAST_USED, ROLE_TEMPLATE
from plumbline.reconcile.landscape import reconcile_landscape
from sandbox import organization as org
from sandbox.aws.config import RECORDER, TYPES
from sandbox.behaviour import ROLES
from tests.stores import new_store

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
PRODUCTION, DEVELOPMENT = org.PRODUCTION, org.DEVELOPMENT
DIRECT = {"sts", "account"}
EVERYTHING = [{"namespaces": ["pay"], "accounts": ["*"]}]
ROLE = f"arn:aws:iam::{PRODUCTION}:role/orders-api"


def spec(aggregator=True, **more):
    body = {
        "accounts": {"organization": {}},
        "memberRole": {"name": "plumbline/plumbline-reader"},
    }
    if aggregator:
        body["configAggregator"] = {"name": org.AGGREGATOR, "account": org.SECURITY} | more
    return LandscapeSpec.model_validate(body)


def open_sessions():
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=1000)


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture
def direct(quickly, kept):
    """The landscape as it is read directly, collected once."""
    if not kept:
        kept["direct"] = collect(open_sessions(), spec(aggregator=False), "all", NOW)
    return kept["direct"]


def of_account(snapshot, account):
    return {arn: p for arn, p in snapshot.principals.items() if p.account == account}


def as_config_knows(principals):
    """What Config does not tell, taken out."""
    return {
        arn: replace(
            p,
            last_used_at=None,
            last_used_region=None,
            role_template=None,
            unknown=frozenset({LAST_USED, ROLE_TEMPLATE}) if p.kind == "role" else frozenset(),
        )
        for arn, p in principals.items()
    }


def collected(**more):
    return collect(open_sessions(), spec(**more), "all", NOW)


def test_both_ways_give_the_same_snapshot(direct, quickly):
    quickly.control("DELETE", "calls")
    found = collected()
    for identifier, account in found.accounts.items():
        assert (account.source, account.direct_reason, account.error) == ("config", "", None)
        assert NOW - timedelta(hours=8) < account.collected_at < NOW - DELAY
        if identifier != org.LEGACY:
            assert of_account(found, identifier) == as_config_knows(of_account(direct, identifier))
            assert account == replace(direct.accounts[identifier], collected_at=account.collected_at, source="config")
    # Nothing in the accounts but their Regions; the policies of AWS once, from where the aggregator is.
    calls = quickly.calls()
    for account in set(org.ACCOUNTS) - {org.SECURITY}:
        assert set(calls.get(account, {})) <= DIRECT
    assert "GetAccountAuthorizationDetails" not in calls[org.SECURITY]["iam"]
    of_aws = {policy.arn for p in found.principals.values() for policy in p.policies if policy.kind == "aws"}
    assert calls[org.SECURITY]["iam"]["GetPolicy"] == len(of_aws)


def test_groups_are_known_by_both_ways(quickly):
    """Also one in which nobody is."""
    policy, arn = "arn:aws:iam::aws:policy/ReadOnlyAccess", f"arn:aws:iam::{PRODUCTION}:group/team/readers"
    writer = open_sessions().client("iam", PRODUCTION)
    writer.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    writer.create_group(GroupName="readers", Path="/team/")
    writer.attach_group_policy(GroupName="readers", PolicyArn=policy)
    try:
        found, read = collected(), collected(aggregator=False)
    finally:
        writer.detach_group_policy(GroupName="readers", PolicyArn=policy)
        writer.delete_group(GroupName="readers")
    assert found.accounts[PRODUCTION].source == "config"
    assert found.groups == read.groups
    [group] = found.groups.values()
    assert (group.arn, [one.key for one in group.policies]) == (arn, [policy])
    assert group.policies[0].document


def test_an_account_without_the_member_role_is_there_all_the_same(direct, quickly):
    found = collected()
    legacy = of_account(found, org.LEGACY)
    assert set(legacy) == {role.arn for role in ROLES if role.account == org.LEGACY}
    assert all(p.policies_known for p in legacy.values())
    assert found.accounts[org.LEGACY].regions is None


def test_without_an_aggregator_nothing_asks_config(direct, quickly):
    quickly.control("DELETE", "calls")
    collect(open_sessions(), spec(aggregator=False), "all", NOW)
    assert all("config" not in services for services in quickly.calls().values())


def test_paging_changes_nothing(quickly, monkeypatch):
    whole = collected()
    monkeypatch.setattr("plumbline.inventory.aggregator._PAGE", {"PageSize": 7})
    monkeypatch.setattr("plumbline.inventory.aggregator._ACCOUNTS", 2)
    paged = collected()
    assert paged.principals == whole.principals
    assert {account.source for account in paged.accounts.values()} == {"config"}


ONE = {
    "outdated": ({"configStatus": {PRODUCTION: "OUTDATED"}}, "Outdated"),
    "failed": ({"configStatus": {PRODUCTION: "FAILED"}}, "AggregationFailed"),
    "not covered": ({"configStatus": {PRODUCTION: "absent"}}, "NotAggregated"),
    "no recorder": (
        {"configLeavesOut": [f"arn:aws:config:us-east-1:{PRODUCTION}:configuration-recorder/default"]},
        "RecorderUnknown",
    ),
    "recorder stopped": (
        {"configRecorder": {PRODUCTION: {"configuration": {"Recording": False, "RecordingGroup": {
            "AllSupported": True, "IncludeGlobalResourceTypes": True}}}}},
        "RecorderStopped",
    ),
    "no global types": (
        {"configRecorder": {PRODUCTION: {"configuration": {"Recording": True, "RecordingGroup": {
            "AllSupported": True, "IncludeGlobalResourceTypes": False}}}}},
        "TypesNotRecorded",
    ),
    "recorder new": (
        {"configRecorder": {PRODUCTION: {"configurationItemCaptureTime": "2026-06-29T23:50:00.000Z"}}},
        "RecorderChanged",
    ),
    "deleted": ({"configItems": {ROLE: {"configurationItemStatus": "ResourceDeleted"}}}, "ItemNotRecorded"),
    "not recorded": ({"configItems": {ROLE: {"configurationItemStatus": "ResourceNotRecorded"}}}, "ItemNotRecorded"),
    "malformed": ({"configItems": {ROLE: {"configuration": {"arn": ROLE}}}}, "ItemMalformed"),
    "no JSON": ({"configItems": {ROLE: {"configuration": "{"}}}, "ItemMalformed"),
    "too old to know": ({"configItems": {ROLE: {"version": "1.2", "configuration": {"arn": ROLE}}}}, "ItemMalformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_an_account_of_which_config_is_not_sure_is_read_directly(direct, quickly, name):
    settings, reason = ONE[name]
    quickly.settings(**settings)
    found = collected()
    account = found.accounts[PRODUCTION]
    assert (account.source, account.direct_reason, account.collected_at, account.error) == ("iam", reason, NOW, None)
    assert account.direct_message
    assert of_account(found, PRODUCTION) == of_account(direct, PRODUCTION)
    assert {a.source for a in found.accounts.values() if a.id != PRODUCTION} == {"config"}


@pytest.mark.parametrize("what", ["roles", "everything"])
def test_an_empty_answer_is_no_empty_account(direct, quickly, what):
    quickly.settings(configLeavesOut=list(TYPES.values()) if what == "everything" else ["AWS::IAM::Role"])
    found = collected()
    assert {a.direct_reason for a in found.accounts.values()} == {"NothingRecorded"}
    assert found.principals == direct.principals
    assert found.accounts[org.LEGACY].error_reason == "AccessDenied"


ALL = {
    "denied": ({"kind": "deny"}, {}, "AccessDenied"),
    "throttled": ({"kind": "throttle"}, {}, "Throttled"),
    "500": ({"kind": "error500"}, {}, "ServiceError"),
    "status denied": (
        {"kind": "deny", "operation": "DescribeConfigurationAggregatorSourcesStatus"},
        {},
        "AccessDenied",
    ),
    "truncated": ({"kind": "truncate", "operation": "SelectAggregateResourceConfig"}, {}, "MalformedAnswer"),
    "old": (None, {"configHoursOld": 20}, "TooOld"),
    "filtered": (None, {"configFilter": ["AWS::IAM::Role", RECORDER]}, "TypesNotAggregated"),
}


@pytest.mark.parametrize("name", ALL)
def test_where_config_does_not_answer_all_accounts_are_read_directly(direct, quickly, name):
    rule, settings, reason = ALL[name]
    quickly.settings(**settings)
    if rule is not None:
        quickly.fault(**{"service": "config"} | rule)
    found = collected()
    assert {a.direct_reason for a in found.accounts.values()} == {reason}
    assert found.principals == direct.principals
    assert {
        a: replace(one, direct_reason="", direct_message="") for a, one in found.accounts.items()
    } == direct.accounts


def test_an_aggregator_that_is_not_there_is_named(quickly):
    found = collected(name="other")
    ((reason, message),) = {(a.direct_reason, a.direct_message) for a in found.accounts.values()}
    assert reason == "AggregatorNotFound"
    assert f"no aggregator other in us-east-1 of account {org.SECURITY}" in message


def test_policies_of_aws_are_read_in_an_account_where_the_aggregators_may_not(direct, quickly):
    quickly.fault("deny", service="iam", operation="GetPolicy", account=org.SECURITY)
    found = collected()
    readable = {arn: p for arn, p in found.principals.items() if p.account in (PRODUCTION, DEVELOPMENT)}
    assert readable == as_config_knows({arn: direct.principals[arn] for arn in readable})


def test_the_operators_own_credentials_may_ask(direct, quickly):
    found = collected(account=None)
    assert of_account(found, PRODUCTION) == as_config_knows(of_account(direct, PRODUCTION))
    assert {a.source for a in found.accounts.values()} == {"config"}


def test_pages_that_get_lost_are_noticed(direct, quickly, monkeypatch):
    monkeypatch.setattr("plumbline.inventory.aggregator._PAGE", {"PageSize": 30})
    quickly.settings(configLosesPages=True)
    found = collected()
    assert found.principals.keys() >= direct.principals.keys()
    reasons = {a.id: a.direct_reason for a in found.accounts.values()}
    assert "ItemsMissing" in reasons.values()
    for account in org.ACCOUNTS:
        if reasons[account] and account != org.LEGACY:
            assert of_account(found, account) == of_account(direct, account)


def test_a_failure_later_leaves_what_was_answered(direct, quickly, monkeypatch):
    monkeypatch.setattr("plumbline.inventory.aggregator._ACCOUNTS", 1)
    # Recorders, counts, the first two accounts; then the third fails, in the retries too.
    monkeypatch.setattr("plumbline.inventory.aggregator._Reader.items", failing_at(3))
    found = collected()
    sources = [found.accounts[a].source for a in sorted(found.accounts)]
    assert sources == ["config"] * 2 + ["iam"] * 5
    assert found.principals.keys() >= direct.principals.keys()


def failing_at(nth):
    from plumbline.aws.errors import Throttled
    from plumbline.inventory.aggregator import _Reader

    calls, whole = [], _Reader.items

    def items(self, accounts):
        calls.append(accounts)
        if len(calls) == nth:
            raise Throttled("slow down")
        return whole(self, accounts)

    return items


def test_an_announced_change_is_not_overlooked(direct, quickly):
    at = NOW - timedelta(minutes=10)
    found = collect(open_sessions(), spec(), "all", NOW, changed={PRODUCTION: at, DEVELOPMENT: NOW - timedelta(days=2)})
    assert found.accounts[PRODUCTION].direct_reason == "ChangeAnnounced"
    assert found.accounts[DEVELOPMENT].source == "config"
    again = collect_again(open_sessions(), found, [DEVELOPMENT], NOW + timedelta(minutes=1))
    assert again.accounts[DEVELOPMENT].source == "iam"
    assert of_account(again, DEVELOPMENT) == of_account(direct, DEVELOPMENT)
    assert again.groups == direct.groups


# Templates


def test_templates_are_asked_for_where_a_role_is_governed(direct, quickly):
    found = collected()
    (templated,) = [arn for arn, p in direct.principals.items() if p.role_template]
    assert not_editable(found.principals[templated]).startswith("roleTemplateUnknown")
    quickly.control("DELETE", "calls")
    account = found.principals[templated].account
    other = next(arn for arn, p in found.principals.items() if p.account == account and arn != templated)
    told = with_templates(open_sessions(), found, [other], NOW, lambda _: None)
    assert not_editable(told.principals[templated]).startswith("roleTemplate:")
    assert told.principals[other].role_template is None
    assert {p.unknown for p in of_account(told, account).values() if p.kind == "role"} == {frozenset({LAST_USED})}
    assert {a: c for a, c in quickly.calls().items() if "iam" in c}.keys() == {account}
    assert told.principals.keys() == found.principals.keys()
    # Asked once: what is known is not asked again.
    quickly.control("DELETE", "calls")
    assert with_templates(open_sessions(), told, [other], NOW, lambda _: None) == told
    assert quickly.calls() == {}


def test_where_templates_cannot_be_listed_nothing_is_edited(quickly):
    found, lines = collected(), []
    quickly.fault("deny", service="iam", operation="ListRoles", account=PRODUCTION)
    told = with_templates(open_sessions(), found, [ROLE], NOW, lines.append)
    assert told == found
    assert not_editable(told.principals[ROLE]).startswith("roleTemplateUnknown")
    assert "iam:ListRoles" in lines[0]


def test_an_account_with_other_roles_than_config_shows_is_read_directly(direct, quickly):
    quickly.settings(configLeavesOut=[ROLE])
    found = collected()
    assert ROLE not in found.principals  # a role that was made a moment ago
    some = next(arn for arn in found.principals if f"{PRODUCTION}:role" in arn)
    told = with_templates(open_sessions(), found, [some], NOW, lambda _: None)
    assert (told.accounts[PRODUCTION].source, told.accounts[PRODUCTION].direct_reason) == ("iam", "RolesDiffer")
    assert of_account(told, PRODUCTION) == of_account(direct, PRODUCTION)


# A whole pass


def test_a_pass_says_by_which_way_it_read(quickly, tmp_path):
    quickly.settings(configStatus={DEVELOPMENT: "OUTDATED"})
    landscape = IAMLandscape.model_validate(
        {"metadata": {"name": "default"}, "spec": spec().wire() | {"allowedTargets": EVERYTHING}}
    )
    baseline = LeastPrivilegeBaseline.model_validate(
        {
            "metadata": {"name": "base", "namespace": "pay"},
            "spec": {"targets": {"names": ["*"], "accounts": [PRODUCTION]}, "lookback": "90d"},
        }
    )
    quickly.control("DELETE", "calls")
    done = reconcile_landscape(
        landscape,
        [baseline],
        {},
        new_store(tmp_path / "store.db"),
        open_sessions(),
        as_of=NOW.date(),
        now=NOW,
    )
    told = done.status.inventory
    assert (told.aggregated, told.direct) == (len(org.ACCOUNTS) - 1, 1)
    assert told.oldest < NOW - DELAY
    assert [(one.id, one.reason) for one in told.not_aggregated] == [(DEVELOPMENT, "Outdated")]
    (condition,) = [one for one in done.status.conditions if one.type == "InventoryAggregated"]
    assert (condition.status, condition.reason) == ("False", "AccountsReadDirectly")
    assert DEVELOPMENT in condition.message
    # The baseline's account was asked for templates, and no other.
    calls = quickly.calls()
    assert {account for account, services in calls.items() if "ListRoles" in services.get("iam", {})} == {
        PRODUCTION,
        DEVELOPMENT,
    }
    assert "GetAccountAuthorizationDetails" not in calls[PRODUCTION]["iam"]
    assert all(not p.unknown - {LAST_USED} for p in of_account(done.view.snapshot, PRODUCTION).values())
