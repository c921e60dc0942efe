"""A clock that is wrong, and a session that ends midway, in each source: named with the remedy, nothing proven by it, and
afterwards all is as if it had not been. AWS tells both in other words in each protocol."""

from datetime import timedelta

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.api.sources import Athena, CloudTrailLake, CloudTrailLogs
from plumbline.api.sources import LastAccessed as AccessSpec
from plumbline.aws.session import AwsSessions
from plumbline.inventory import credentials
from plumbline.inventory.collect import collect as collect_inventory
from plumbline.inventory.credentials import Need, read_credentials
from plumbline.model.analyzers import Analyzer
from plumbline.model.coverage import SourceState, State
from plumbline.reconcile.event_files import file_logs
from plumbline.reconcile.event_queries import athena_logs, lake_logs
from plumbline.usage.sources import last_accessed, recommendations, recommended_policies, unused_access
from plumbline.usage.sources.recommended_policies import Hub
from sandbox import organization as org
from tests.sources.organization_logs import AFTER, BUCKET, LATER, NOW, collecting, seen, silent
from tests.sources.test_source_policy_generation_live import step, wanted
from tests.sources.test_source_queries_live import ATHENA, LAKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WINDOW = (AFTER - timedelta(days=2), AFTER)
HERE = org.PRODUCTION
HELD = {
    "skew": ("ClockSkew", "let NTP or chrony synchronise"),
    "expire": ("SessionExpired", "Renew the operator's own AWS credentials"),
}
LANDSCAPE = {"accounts": {"organization": {}}, "memberRole": {"name": "plumbline/plumbline-reader"}}
NAMES = ("orders-api", "on-call", "developer", "power-user")


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr("plumbline.usage.sources.cloudtrail_lake._PATIENCE", 1.0)
    monkeypatch.setattr(credentials, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(recommended_policies, "WAITS", (0.0, 0.0, 0.0))
    sandbox.settings(queryPolls=0, queryPageSize=10)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000, sleep=lambda _: None)


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture
def snapshot(sessions, kept):
    if not kept:
        kept["snapshot"] = collect_inventory(sessions, LandscapeSpec.model_validate(LANDSCAPE), "all", NOW)
    return kept["snapshot"]


# What each source says: who -> its state, and who -> what it proves or tells of them.


def events(covered):
    by_account = {one.account: one for one in covered}
    return {a: one.state for a, one in by_account.items()}, silent(by_account, 2)


def log_files(sessions, engine, snapshot):
    config = CloudTrailLogs.model_validate({"name": "logs", "s3": BUCKET, "trailArn": org.TRAIL_ARN})
    return events(file_logs(collecting(sessions, engine, WINDOW, LATER), config))


def lake(sessions, engine, snapshot):
    return events(lake_logs(collecting(sessions, engine, WINDOW, LATER), CloudTrailLake.model_validate(LAKE)))


def athena(sessions, engine, snapshot):
    return events(athena_logs(collecting(sessions, engine, WINDOW, LATER), Athena.model_validate(ATHENA)))


def roles(snapshot):
    return [p for p in snapshot.principals.values() if p.account == HERE and p.kind == "role"]


def access(sessions, engine, snapshot):
    found = last_accessed.collect(
        sessions, engine, "all", AccessSpec(), roles(snapshot)[:8], now=NOW, sleep=lambda _: None
    )
    return found.states, {arn: one.services for arn, one in found.answers.items()}


def analyzers(sessions):
    client = sessions.client("access-analyzer", HERE, org.HOME_REGION)
    client.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    if not any(one["name"] == "unused" for one in client.list_analyzers()["analyzers"]):
        configuration = {"unusedAccess": {"unusedAccessAge": 90}}
        client.create_analyzer(analyzerName="unused", type="ACCOUNT_UNUSED_ACCESS", configuration=configuration)
    (made,) = (one for one in client.list_analyzers()["analyzers"] if one["name"] == "unused")
    return [
        Analyzer(
            made["arn"],
            "unused",
            made["type"],
            HERE,
            org.HOME_REGION,
            "ACTIVE",
            NOW - timedelta(days=30),
            age=90,
            last_resource_at=made["lastResourceAnalyzedAt"],
        )
    ]


def findings(sessions, engine, snapshot):
    found = unused_access.collect(sessions, engine, "all", analyzers(sessions), roles(snapshot), now=NOW)
    return found.states, found.answers


def recommended(sessions, engine, snapshot, **asking):
    found = unused_access.collect(sessions, engine, "all", analyzers(sessions), roles(snapshot), now=NOW, **asking)
    assert {state.state for state in found.states.values()} == {State.COMPLETE}
    # An account that is not complete may have recommended something about a role all the same.
    said = {arn: one.recommended for arn, one in found.answers.items() if one.recommended}
    return found.recommended, {arn: [(one.existing, one.policy) for one in steps] for arn, steps in said.items()}


def by_analyzer(sessions, engine, snapshot):
    return recommended(sessions, engine, snapshot, recommendations=True)


def by_hub(sessions, engine, snapshot):
    client = sessions.client("securityhub", HERE, org.HOME_REGION)
    client.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    client.enable_security_hub_v2()
    return recommended(sessions, engine, snapshot, hub=Hub(org.HOME_REGION))


def report(sessions, engine, snapshot):
    users = [p for p in snapshot.principals.values() if p.account == HERE and p.kind == "user"]
    need = Need(fresh=NOW - timedelta(days=1), idle=NOW - timedelta(days=181))
    found = read_credentials(sessions, HERE, users, need, NOW)
    asked = {arn: one.keys_state for arn, one in found.users.items() if one.keys_state is not None}
    states = {"report": found.source} | asked
    told = {arn for arn, one in found.users.items() if arn not in asked or asked[arn].state is State.COMPLETE}
    return states, {arn: len(one.keys) for arn, one in found.users.items() if arn in told and one.keys}


def inventory(sessions, engine, snapshot):
    found = collect_inventory(sessions, LandscapeSpec.model_validate(LANDSCAPE), "all", NOW)
    states = {
        account: SourceState("inventory", State.UNAVAILABLE, one.error_reason or "", one.error, one.error)
        if one.error
        else SourceState("inventory", State.COMPLETE)
        for account, one in found.accounts.items()
        if account != org.LEGACY
    }
    known = {account: [arn for arn, p in found.principals.items() if p.account == account] for account in states}
    return states, known


# source -> how it is read, and the calls of it that are hit: from which call on
DRILLS = {
    "log files, from the start": (log_files, "s3", "*", 0),
    "log files, a later list": (log_files, "s3", "ListObjectsV2", 9),
    "log files, a later file": (log_files, "s3", "GetObject", 60),
    "Lake, from the start": (lake, "cloudtrail", "*", 0),
    "Lake, a later day": (lake, "cloudtrail", "StartQuery", 1),
    "Lake, a later page": (lake, "cloudtrail", "GetQueryResults", 1),
    "Athena, from the start": (athena, "athena", "*", 0),
    "Athena, a later page": (athena, "athena", "GetQueryResults", 1),
    "Athena, a later digest": (athena, "s3", "GetObject", 20),
    "last-accessed, from the start": (access, "iam", "*", 0),
    "last-accessed, a later role": (access, "iam", "GetServiceLastAccessedDetails", 2),
    "findings, from the start": (findings, "accessanalyzer", "ListFindingsV2", 0),
    "findings, a later detail": (findings, "accessanalyzer", "GetFindingV2", 3),
    "recommendations, a later one": (by_analyzer, "accessanalyzer", "GenerateFindingRecommendation", 2),
    "Security Hub, from the start": (by_hub, "securityhub", "GetFindingsV2", 0),
    "Security Hub, a later policy": (by_hub, "securityhub", "GetRecommendedPolicyV2", 6),
    "credential report": (report, "iam", "GetCredentialReport", 0),
    "a later key": (report, "iam", "GetAccessKeyLastUsed", 1),
    "inventory, from the start": (inventory, "iam", "*", 0),
    "inventory, a later page": (inventory, "iam", "GetAccountAuthorizationDetails", 1),
}


@pytest.mark.parametrize("fault", HELD)
@pytest.mark.parametrize("drill", DRILLS)
def test_it_is_named_proves_nothing_and_is_made_up_for(sessions, snapshot, new_store, sandbox, kept, drill, fault):
    read, service, operation, after = DRILLS[drill]
    if read not in kept:
        kept[read] = read(sessions, new_store(), snapshot)
    undisturbed = kept[read]
    assert all(state.state is State.COMPLETE for state in undisturbed[0].values())
    assert all(undisturbed[1].values())
    reason, remedy = HELD[fault]
    engine = new_store()
    if read is by_hub or read is by_analyzer:
        sandbox.control("POST", "reset")
        sandbox.settings(queryPolls=0, queryPageSize=10)
        findings(sessions, engine, snapshot)
    sandbox.fault(fault, service=service, operation=operation, after=after)
    states, proven = read(sessions, engine, snapshot)
    held = {who for who, state in states.items() if state.state is not State.COMPLETE}
    assert held
    for state in (states[who] for who in held):
        assert state.reason == reason
        assert remedy in f"{state.remedy} {state.message}"
        assert "Allow " not in state.remedy
    assert not any(proven.get(who) for who in held)
    # What it tells of others is what it would have told.
    assert {who: told for who, told in proven.items() if told}.items() <= undisturbed[1].items()
    sandbox.heal()
    assert read(sessions, engine, snapshot) == undisturbed


@pytest.mark.parametrize("fault", HELD)
def test_no_job_of_policy_generation_is_lost_or_started_twice(sessions, engine, sandbox, fault):
    wishes = wanted("trap-pass-role", "trap-production-window")
    step(sessions, engine, wishes)
    sandbox.fault(fault, service="accessanalyzer")
    reason, remedy = HELD[fault]
    held = step(sessions, engine, wishes)
    assert held.policies == {}
    assert {state.reason for state in held.states.values()} & {reason}
    assert any(remedy in state.remedy for state in held.states.values())
    sandbox.heal()
    for _ in range(40):
        found = step(sessions, engine, wishes)
        if not found.open:
            break
    assert set(found.policies) == {one.principal.arn for one in wishes}
    assert sandbox.calls()[HERE]["accessanalyzer"]["StartPolicyGeneration"] == len(wishes)


def test_events_that_were_read_before_are_neither_lost_nor_counted_twice(sessions, new_store, sandbox, snapshot):
    whole, engine = new_store(), new_store()
    log_files(sessions, whole, snapshot)
    sandbox.fault("expire", service="s3", operation="GetObject", after=200)
    log_files(sessions, engine, snapshot)
    assert seen(engine) != seen(whole)
    sandbox.heal()
    log_files(sessions, engine, snapshot)
    assert seen(engine) == seen(whole)
