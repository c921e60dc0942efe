"""The log files, CloudTrail Lake and Athena on the sandbox organization: the same question, the same answer, and what
differs is what one of them could not see. And what happens when a query goes wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.sources import Athena, CloudTrailLake
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import State
from plumbline.reconcile.event_queries import athena_logs, lake_logs
from plumbline.store.ledger import bins, partitions
from plumbline.usage.sources.athena import AthenaLogs
from sandbox import organization as org
from sandbox.trail import GAP
from tests.sources.organization_logs import (
    ACCOUNTS,
    AFTER,
    BEFORE,
    BUCKET,
    LATER,
    LOST,
    NOW,
    collecting,
    logs,
    seen,
    silent,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LAKE = {"eventDataStore": org.EVENT_DATA_STORE}
ATHENA = {
    "createTable": "events",
    "s3": BUCKET,
    "account": org.SECURITY,
    "trailArn": org.TRAIL_ARN,
    "outputLocation": f"s3://{org.RESULTS_BUCKET}/plumbline/",
}
WHO = ("logs", "athena", "cloudtrail-lake")


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr("plumbline.usage.sources.cloudtrail_lake._PATIENCE", 1.0)
    sandbox.settings(queryPolls=0)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000, sleep=lambda _: None)


def lake(sessions, engine, window=(BEFORE, AFTER), now=LATER, **more):
    config = CloudTrailLake.model_validate(LAKE | more)
    found = lake_logs(collecting(sessions, engine, window, now), config)
    return {coverage.account: coverage for coverage in found}


def athena(sessions, engine, window=(BEFORE, AFTER), now=LATER, **more):
    config = Athena.model_validate(ATHENA | more)
    found = athena_logs(collecting(sessions, engine, window, now), config)
    return {coverage.account: coverage for coverage in found}


def test_three_sources_give_one_answer_and_differ_by_what_they_cover(sessions, engine):
    covered = {
        # Log files are read up to the present, the others are asked for days that are over.
        "logs": logs(sessions, engine, now=LATER - timedelta(days=1)),
        "athena": athena(sessions, engine),
        "cloudtrail-lake": lake(sessions, engine),
    }
    found = seen(engine)
    assert len(found["logs"]) > 150
    assert found["athena"] == found["logs"]
    # Lake knows the hours whose log files were lost; the two others say themselves that they do not.
    more = {key for key in found["cloudtrail-lake"] if found["cloudtrail-lake"][key] != found["logs"].get(key)}
    assert more
    assert {key[0].split(":")[4] for key in more} == {GAP[0]}
    lost = (LOST + timedelta(hours=GAP[3]), LOST + timedelta(hours=GAP[3] + GAP[4]))
    for name in ("logs", "athena"):
        assert covered[name][GAP[0]].first_gap(GAP[1], BEFORE, AFTER) == lost
        assert covered[name][GAP[0]].state.reason == "LogGap"
    assert {c.state.state for c in covered["cloudtrail-lake"].values()} == {State.COMPLETE}
    for account in ACCOUNTS:
        proven = {name: silent(covered[name])[account] for name in WHO}
        whole = proven["cloudtrail-lake"]
        assert whole > 5_000
        assert proven == dict.fromkeys(WHO, whole) | (dict.fromkeys(WHO[:2], 0) if account == GAP[0] else {})
    counted = bins(engine, "all")
    assert counted.pop("records") == sum(counted.values())


def test_a_second_pass_asks_nothing_and_counts_nothing_twice(sessions, engine, sandbox):
    lake(sessions, engine)
    athena(sessions, engine)
    before = seen(engine)
    sandbox.control("DELETE", "calls")
    lake(sessions, engine)
    athena(sessions, engine)
    calls = sandbox.calls()
    assert "StartQuery" not in calls[org.MANAGEMENT]["cloudtrail"]
    assert "StartQueryExecution" not in calls.get(org.SECURITY, {}).get("athena", {})
    assert seen(engine) == before


LAKE_FAULTS = {
    "denied": ({"kind": "deny", "operation": "StartQuery"}, {}, "AccessDenied"),
    "throttled": ({"kind": "throttle", "operation": "DescribeQuery"}, {}, "Throttled"),
    "results throttled": ({"kind": "throttle", "operation": "GetQueryResults"}, {}, "Throttled"),
    "store denied": ({"kind": "deny", "operation": "GetEventDataStore"}, {}, "AccessDenied"),
    "failed": (None, {"queryEnds": "FAILED"}, "QueryFailed"),
    "cancelled": (None, {"queryEnds": "CANCELLED"}, "QueryCancelled"),
    "timed out": (None, {"queryEnds": "TIMED_OUT"}, "QueryTimedOut"),
    "pages lost": (None, {"queryPageSize": 10, "queryLosesPages": True}, "ResultsIncomplete"),
    "answer cut": ({"kind": "truncate", "operation": "GetQueryResults"}, {}, "MalformedAnswer"),
    "busy": (None, {"lakeRefusals": 1_000}, "QuotaExceeded"),
    "no customer": (None, {"lakeCustomer": False}, "NotALakeCustomer"),
    "missing": (None, {"lakeMissing": True}, "EventDataStoreNotFound"),
    "stopped": (None, {"lakeStatus": "STOPPED_INGESTION"}, "EventDataStoreInactive"),
    "to be deleted": (None, {"lakeStatus": "PENDING_DELETION"}, "EventDataStoreInactive"),
}


@pytest.mark.parametrize("drill", LAKE_FAULTS)
def test_lake_that_fails_proves_nothing_silent(sessions, engine, sandbox, drill):
    fault, settings, reason = LAKE_FAULTS[drill]
    if fault is not None:
        sandbox.control("POST", "faults", [{"service": "cloudtrail", **fault}])
    sandbox.settings(**settings)
    covered = lake(sessions, engine)
    assert set(silent(covered).values()) == {0}
    for coverage in covered.values():
        assert (coverage.state.state, coverage.state.reason) == (State.UNAVAILABLE, reason)
        assert coverage.state.message
        assert coverage.state.remedy


def test_lake_that_was_busy_is_waited_for(sessions, engine, sandbox):
    sandbox.settings(lakeRefusals=3)
    assert all(coverage.state.state is State.COMPLETE for coverage in lake(sessions, engine).values())


@pytest.mark.parametrize("operation", ["DescribeQuery", "GetQueryResults"])
def test_a_query_that_was_started_is_not_paid_twice(sessions, new_store, sandbox, operation):
    """The pass is cut off while the query runs, or while its rows are fetched; the next one goes on with it."""
    lake(sessions, new_store())
    whole = sandbox.calls()[org.MANAGEMENT]["cloudtrail"]["StartQuery"]
    engine = new_store()
    sandbox.control("DELETE", "calls")
    sandbox.fault("throttle", service="cloudtrail", operation=operation)
    assert {coverage.state.reason for coverage in lake(sessions, engine).values()} == {"Throttled"}
    sandbox.heal()
    covered = lake(sessions, engine)
    # A start whose answer is late on a busy machine is repeated by the client, in the undisturbed run too.
    assert sandbox.calls()[org.MANAGEMENT]["cloudtrail"]["StartQuery"] <= whole
    assert min(silent(covered).values()) > 5_000


def test_lake_throttled_midway_keeps_what_it_has_and_proves_no_more(sessions, engine, sandbox):
    newest = AFTER - timedelta(days=1)
    lake(sessions, engine, window=(newest, AFTER))
    had = seen(engine)["cloudtrail-lake"]
    sandbox.fault("throttle", service="cloudtrail", operation="GetQueryResults")
    covered = lake(sessions, engine)
    assert seen(engine)["cloudtrail-lake"] == had
    assert set(silent(covered).values()) == {0}
    production = covered[org.PRODUCTION]
    assert (production.state.state, production.state.reason) == (State.PARTIAL, "Throttled")
    assert production.first_gap(org.HOME_REGION, BEFORE, AFTER) == (BEFORE, newest)
    sandbox.heal()
    assert min(silent(lake(sessions, engine)).values()) > 5_000


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"lakeChangedDaysAgo": 1}, "TrailTooYoung"),
        ({"lakeRetentionDays": 7}, "LogGap"),
        (
            {"lakeSelectors": [{"Name": "x", "FieldSelectors": [{"Field": "userIdentity.arn", "Equals": ["a"]}]}]},
            "SelectorsNotUnderstood",
        ),
    ],
)
def test_lake_covers_only_what_the_store_recorded_and_keeps(sessions, engine, sandbox, settings, reason):
    sandbox.settings(**settings)
    covered = lake(sessions, engine, window=(BEFORE, datetime(2026, 6, 29, tzinfo=UTC)), now=NOW)
    assert {coverage.state.reason for coverage in covered.values()} == {reason}
    assert set(silent(covered).values()) == {0}


def test_lake_over_its_limit_is_cancelled_and_not_tried_again(sessions, engine, sandbox):
    sandbox.settings(queryPolls=4)
    covered = lake(sessions, engine, maxGigabytesPerQuery=0.000_001)
    assert {coverage.state.reason for coverage in covered.values()} == {"CostLimit"}
    assert set(silent(covered).values()) == {0}
    calls = sandbox.calls()[org.MANAGEMENT]["cloudtrail"]
    assert (calls["StartQuery"], calls["CancelQuery"]) == (1, 1)
    lake(sessions, engine, maxGigabytesPerQuery=0.000_001)
    assert sandbox.calls()[org.MANAGEMENT]["cloudtrail"]["StartQuery"] == 1


ATHENA_FAULTS = {
    "denied": ({"kind": "deny", "service": "athena", "operation": "StartQueryExecution"}, {}, {}, "AccessDenied"),
    "throttled": ({"kind": "throttle", "service": "athena", "operation": "GetQueryExecution"}, {}, {}, "Throttled"),
    "results throttled": (
        {"kind": "throttle", "service": "athena", "operation": "GetQueryResults"},
        {},
        {},
        "Throttled",
    ),
    "digests denied": ({"kind": "deny", "service": "s3", "operation": "GetObject"}, {}, {}, "AccessDenied"),
    "failed": (None, {"queryEnds": "FAILED"}, {}, "QueryFailed"),
    "cancelled": (None, {"queryEnds": "CANCELLED"}, {}, "QueryCancelled"),
    "timed out": (None, {"queryEnds": "TIMED_OUT"}, {}, "QueryFailed"),
    "pages lost": (None, {"queryPageSize": 10, "queryLosesPages": True}, {}, "ResultsIncomplete"),
    "answer cut": (
        {"kind": "truncate", "service": "athena", "operation": "GetQueryResults"},
        {},
        {},
        "MalformedAnswer",
    ),
    "cutoff of the workgroup": (None, {"athenaCutoffBytes": 1_500}, {}, "CostLimit"),
    "no workgroup": (None, {}, {"workgroup": "nobody"}, "InvalidRequest"),
    "no table": (None, {}, {"table": "nothing", "createTable": None}, "TableUnfit"),
}


@pytest.mark.parametrize("drill", ATHENA_FAULTS)
def test_athena_that_fails_proves_nothing_silent(sessions, engine, sandbox, drill):
    fault, settings, config, reason = ATHENA_FAULTS[drill]
    if fault is not None:
        sandbox.control("POST", "faults", [fault])
    sandbox.settings(**settings)
    short = (AFTER - timedelta(days=1), AFTER)
    covered = athena(sessions, engine, window=short, **config)
    assert set(silent(covered, 1).values()) == {0}
    for coverage in covered.values():
        assert (coverage.state.state, coverage.state.reason) == (State.UNAVAILABLE, reason)
        assert coverage.state.message
        assert coverage.state.remedy


def test_athena_over_its_limit_is_cancelled_and_not_tried_again(sessions, engine, sandbox):
    short = (AFTER - timedelta(days=1), AFTER)
    sandbox.settings(queryPolls=4)
    covered = athena(sessions, engine, window=short, maxGigabytesPerQuery=0.000_001)
    assert {coverage.state.reason for coverage in covered.values()} == {"CostLimit"}
    assert sandbox.calls()[org.SECURITY]["athena"]["StopQueryExecution"] == 1


def test_a_table_that_points_elsewhere_sees_nothing_and_proves_nothing(sessions, engine):
    # The bucket is right and the organization's folder is not: no digest is there either.
    short = (AFTER - timedelta(days=1), AFTER)
    wrong = athena(sessions, engine, window=short, s3=BUCKET | {"organizationId": "o-other00001"})
    assert seen(engine) == {}
    assert set(silent(wrong, 1).values()) == {0}


def test_a_table_that_is_not_over_the_bucket_with_the_digests_proves_nothing(sessions, engine):
    """It is over another folder; the bucket that the landscape names has log files of each day."""
    short, elsewhere = (AFTER - timedelta(days=1), AFTER), {"s3": BUCKET | {"organizationId": "o-other00001"}}
    athena(sessions, engine, window=short, **elsewhere)
    name = AthenaLogs(sessions, Athena.model_validate(ATHENA | elsewhere), {}).table.partition(".")[2]
    wrong = athena(sessions, engine, window=short, name="mine", table=name, createTable=None)
    assert seen(engine) == {}
    # Where an account has no log file at all, the digests prove the silence.
    right = athena(sessions, engine, window=short, name="right")
    active = {key.account for key, part in partitions(engine, "all", "right").items() if part.records}
    assert len(active) > 3
    assert silent(wrong, 1) == silent(right, 1) | dict.fromkeys(active, 0)
    assert {wrong[account].state.reason for account in active} == {"TableShowsNothing"}
    assert all("LOCATION" in wrong[account].state.remedy for account in active)


def test_a_table_without_a_trail_proves_nothing(sessions, engine):
    short = (AFTER - timedelta(days=1), AFTER)
    covered = athena(sessions, engine, window=short, trailArn=None)
    assert len(seen(engine)["athena"]) > 50
    assert {coverage.state.reason for coverage in covered.values()} == {"TrailUnknown"}
    assert set(silent(covered, 1).values()) == {0}
