"""What a coverage file states of logs: by trail, account, Region and time."""

import json
from datetime import UTC, datetime

import pytest

from plumbline.json_files import JsonFileError
from plumbline.model.evidence import TrailChange
from plumbline.usage.coverage_file import ASSUMED, Statement, read_statement, stated_coverage

ONE, TWO = "111111111111", "222222222222"
ARN = f"arn:aws:cloudtrail:eu-west-1:{ONE}:trail/all"
START = "2026-01-01T00:00:00+00:00"
ALL = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
HOME = "us-east-1"


def at(day):
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def trail(**more):
    told = {"TrailARN": ARN, "Name": "all", "IncludeGlobalServiceEvents": True, "IsMultiRegionTrail": True}
    status = {"IsLogging": True, "StartLoggingTime": START}
    return {"trail": told | more, "status": status, "selectors": ALL}


@pytest.fixture
def statement(tmp_path):
    def read(data):
        path = tmp_path / "coverage.json"
        path.write_text(json.dumps(data))
        return read_statement(path)

    return read


def coverage(statement, account=ONE, changes=(), damaged=(), members=(TWO,)):
    return stated_coverage(statement, [account], HOME, changes, damaged, members)[account]


def gap(log, region, start="2026-02-01", end="2026-05-01"):
    return log.first_gap(region, at(start), at(end))


def test_a_trail_of_all_regions_covers_each_whichever_are_enabled(statement):
    (log,) = coverage(statement({"trails": [trail()]}))
    assert (log.source, log.regions, log.management.read, log.management.write) == ("all", (HOME,), True, True)
    assert gap(log, HOME) is None
    assert gap(log, HOME, start="2025-12-01") == (at("2025-12-01"), at("2026-01-01"))


def test_a_trail_of_one_region_needs_to_know_which_are_enabled(statement):
    single = trail(IsMultiRegionTrail=False, HomeRegion="eu-west-1")
    (log,) = coverage(statement({"trails": [single]}))
    assert log.regions is None
    (log,) = coverage(statement({"trails": [single], "regions": {ONE: ["eu-west-1", "us-east-1"]}}))
    assert log.regions == ("eu-west-1", "us-east-1")
    assert gap(log, "eu-west-1") is None
    assert gap(log, "us-east-1") is not None


def test_only_the_trail_of_an_organization_covers_other_accounts(statement):
    assert coverage(statement({"trails": [trail()]}), TWO) == ()
    organization = statement({"trails": [trail(IsOrganizationTrail=True)]})
    for account in (ONE, TWO):
        (log,) = coverage(organization, account)
        assert gap(log, HOME) is None
    assert coverage(organization, TWO, members=()) == ()


def test_today_does_not_describe_the_past(statement):
    stopped = trail()
    stopped["status"] = {"IsLogging": False, "StartLoggingTime": START, "StopLoggingTime": "2026-03-01T00:00:00Z"}
    (log,) = coverage(statement({"trails": [stopped]}))
    assert gap(log, HOME) == (at("2026-03-01"), at("2026-05-01"))
    (log,) = coverage(statement({"trails": [trail() | {"from": "2026-02-10", "until": "2026-04-01"}]}))
    assert gap(log, HOME) == (at("2026-02-01"), at("2026-02-10"))
    assert gap(log, HOME, start="2026-02-10") == (at("2026-04-01"), at("2026-05-01"))
    changes = [TrailChange("PutEventSelectors", ARN, at("2026-02-20")), TrailChange("X", "other", at("2026-04-20"))]
    (log,) = coverage(statement({"trails": [trail()]}), changes=changes)
    assert gap(log, HOME) == (at("2026-02-01"), at("2026-02-20"))


def test_without_global_service_events_iam_is_not_recorded(statement):
    (log,) = coverage(statement({"trails": [trail(IncludeGlobalServiceEvents=False)]}))
    assert "iam.amazonaws.com" in log.management.excluded_sources


def test_damage_makes_nothing_complete(statement):
    for stated in (statement({"trails": [trail()]}), Statement(assumed=("management",))):
        (log,) = coverage(stated, damaged=["a.json.gz", "b.json.gz"])
        assert gap(log, HOME) is not None
        assert log.state.message == "a.json.gz, and 1 more could not be read in full"


def test_assumed_classes():
    (log,) = coverage(Statement(assumed=("management", "data:AWS::S3::Object")))
    assert (log.source, log.data_types) == (ASSUMED, {"AWS::S3::Object"})
    assert gap(log, HOME, start="1980-01-01") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "$ is no JSON object"),
        ({"trails": []}, "$.trails is no list of trails"),
        ({"trails": [trail()], "region": {}}, "$.region is not known; there are regions, trails"),
        ({"trails": [trail()], "regions": []}, "$.regions is no object"),
        ({"trails": [trail(), trail()]}, "$.trails has a trail twice"),
        ({"trails": [{"trail": {}, "status": {}, "selectors": {}}]}, "$.trails[0].trail.TrailARN is missing"),
        ({"trails": [{"trail": {"TrailARN": ARN}}]}, "$.trails[0].status is missing"),
        ({"trails": [trail() | {"status": {}}]}, "$.trails[0].status.StartLoggingTime is missing"),
        ({"trails": [trail() | {"from": "soon"}]}, "$.trails[0].from is 'soon', and no time"),
    ],
)
def test_a_wrong_file_is_told_by_place(statement, data, message):
    with pytest.raises(JsonFileError) as raised:
        statement(data)
    assert "coverage.json: " in str(raised.value)
    assert message in str(raised.value)
