"""The usage query as text: every value is checked, and rows mean what records mean."""

import json
from datetime import UTC, date, datetime

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from plumbline.iam.overlay import overlay
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.counted import CountedAggregator
from plumbline.usage.records import records_of
from plumbline.usage.sources.query import Row, Table, counted, usage_query
from plumbline.usage.sources.sql import _FORMS, NotALiteral, checked, literal

TABLE = Table("events", "eventTime >= '2026-06-01 00:00:00'", "request", "shape", "resources")
RIGHT = {
    "account": "123456789012",
    "region": "us-gov-west-1",
    "day": "2026/06/30",
    "time": "2026-06-30T00:00:00Z",
    "eventDataStore": "5f1c0a8e-7d42-4b7e-9a63-2c1d9e8f4b10",
    "name": "cloudtrail_logs",
    "location": "s3://example-trail-logs/AWSLogs/o-a1b2c3d4e5/",
}
WRONG = ["", "' OR 1=1 --", "x'; DROP TABLE y; --", "a\nb", "a\\", 'a"b', "a`b", "${account}", "٣" * 12, "a b"]


@pytest.mark.parametrize("kind", sorted(RIGHT))
def test_a_value_of_the_right_form_is_taken_as_it_is(kind):
    assert checked(kind, RIGHT[kind]) == RIGHT[kind]
    assert literal(kind, RIGHT[kind]) == f"'{RIGHT[kind]}'"
    assert set(RIGHT) == set(_FORMS)


@pytest.mark.parametrize("kind", sorted(RIGHT))
@pytest.mark.parametrize("wrong", WRONG)
def test_injected_text_never_becomes_sql(kind, wrong):
    for value in (wrong, RIGHT[kind] + wrong, wrong + RIGHT[kind]):
        if value != RIGHT[kind]:
            with pytest.raises(NotALiteral, match="correct it in the landscape"):
                literal(kind, value)


@given(st.sampled_from(sorted(RIGHT)), st.text())
def test_what_is_taken_is_one_literal_of_sql(kind, text):
    try:
        quoted = literal(kind, text)
    except NotALiteral:
        return
    (tree,) = sqlglot.parse(f"SELECT {quoted}", read="trino")
    assert [node.this for node in tree.find_all(exp.Literal)] == [text]


def test_the_query_is_one_select_that_lake_takes():
    query = usage_query(TABLE)
    (tree,) = sqlglot.parse(query, read="trino")
    assert isinstance(tree, exp.Select)
    assert [column.alias_or_name for column in tree.selects] == list(Row._fields)
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StartQuery.html
    assert len(query) < 8_000


def row(**more):
    values = dict.fromkeys(Row._fields, "") | {
        "event_day": "2026-06-10",
        "account": "123456789012",
        "region": "us-east-1",
        "event_source": "s3.amazonaws.com",
        "event_name": "PutObject",
        "event_type": "AwsApiCall",
        "identity_type": "AssumedRole",
        "owner": "123456789012",
        "issuer": "arn:aws:iam::123456789012:role/team/app",
        "issuer_id": "AROAAPP",
        "request": json.dumps({"bucketName": "b", "key": "k"}),
        "exact": "1",
        "records": "3",
        "calls": "2",
        "first_at": "2026-06-10 08:00:00.000",
        "last_at": "2026-06-10T09:00:00Z",
        "total": "1",
    }
    return Row(**values | more)


def used(*rows):
    aggregator = CountedAggregator(overlay(), "lake")
    for one in rows:
        aggregator.add(counted(one))
    return aggregator.result()


def test_a_row_means_what_its_records_mean():
    record = {
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": "us-east-1",
        "recipientAccountId": "123456789012",
        "userIdentity": {
            "type": "AssumedRole",
            "accountId": "123456789012",
            "sessionContext": {
                "sessionIssuer": {"arn": "arn:aws:iam::123456789012:role/team/app", "principalId": "AROAAPP"}
            },
        },
        "requestParameters": {"bucketName": "b", "key": "k"},
        "eventType": "AwsApiCall",
    }
    times = [("2026-06-10T08:00:00Z", "1"), ("2026-06-10T09:00:00Z", "2"), ("2026-06-10T09:00:00Z", "2")]
    reader = Aggregator(overlay(), "lake")
    for batch in records_of(json.dumps([{**record, "eventTime": at, "eventID": id_} for at, id_ in times]).encode()):
        reader.add(batch)
    expected, found = reader.result(), used(row())
    assert (found.evidence, found.bins, found.records) == (expected.evidence, expected.bins, 3)
    assert found.evidence[0].count == 2
    assert found.evidence[0].first == datetime(2026, 6, 10, 8, tzinfo=UTC)


def test_parameters_of_lake_that_are_no_text_are_read():
    nested = {"functionName": "f", "role": "arn:aws:iam::123456789012:role/job", "tags": json.dumps({"a": "b"})}
    found = used(
        row(event_source="lambda.amazonaws.com", event_name="CreateFunction20150331", request=json.dumps(nested))
    )
    assert {(e.action, e.ambiguous) for e in found.evidence} == {
        ("lambda:CreateFunction", False),
        ("iam:PassRole", False),
        ("lambda:TagResource", False),
    }


def test_requests_that_are_not_told_apart_count_for_all_that_they_may_have_needed():
    request = json.dumps({"functionName": "f"})
    found = used(
        row(event_source="lambda.amazonaws.com", event_name="CreateFunction20150331", request=request, exact="0")
    )
    by_action = {e.action: e for e in found.evidence}
    assert by_action["lambda:CreateFunction"].resources_truncated
    assert by_action["iam:PassRole"].ambiguous
    assert by_action["iam:PassRole"].count == 2
    assert by_action["iam:PassRole"].passed_to == "lambda.amazonaws.com"


def test_each_change_of_a_grant_keeps_its_last_time():
    request = json.dumps({"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"})
    found = used(row(event_source="iam.amazonaws.com", event_name="AttachRolePolicy", request=request))
    assert [change.at.hour for change in found.grant_changes] == [8, 9]


def test_a_row_without_a_name_is_counted_and_lowers_coverage():
    found = used(row(event_name=""))
    assert (found.bins["unmapped"], found.records, found.evidence) == (3, 3, ())
    assert [problem.reason for problem in found.problems] == ["MalformedRecord"]


def test_refusals_keep_the_action_that_they_name():
    found = used(row(error_code="AccessDenied", message="not authorized to perform: kms:GenerateDataKey"))
    outcomes = {(e.action, e.outcome) for e in found.evidence}
    assert outcomes == {("kms:GenerateDataKey", "denied"), ("s3:PutObject", "attempted")}


def test_days_are_written_as_their_folders():
    assert literal("day", f"{date(2026, 6, 1):%Y/%m/%d}") == "'2026/06/01'"
