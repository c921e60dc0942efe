"""The trail as it is, through a client that is passed in."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from plumbline.aws.errors import AwsError
from plumbline.usage.trails import fetch_trail, remember_selection
from tests.stores import new_store

ARN = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org"
NOW = datetime(2026, 1, 10, tzinfo=UTC)


class Client:
    def __init__(self, **more):
        self.trail = {
            "Name": "org",
            "TrailARN": ARN,
            "HomeRegion": "us-east-1",
            "IsMultiRegionTrail": True,
            "IncludeGlobalServiceEvents": True,
            "LogFileValidationEnabled": True,
        } | more
        self.status = {"IsLogging": True, "StartLoggingTime": NOW}
        self.selectors = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}

    def get_trail(self, Name):  # noqa: N803
        if Name != ARN:
            raise ClientError({"Error": {"Code": "TrailNotFoundException", "Message": "gone"}}, "GetTrail")
        return {"Trail": self.trail}

    def get_trail_status(self, Name):  # noqa: N803
        return self.status

    def get_event_selectors(self, TrailName):  # noqa: N803
        return {"TrailARN": ARN, **self.selectors}


def test_trail():
    trail = fetch_trail(Client(), ARN)
    assert (trail.name, trail.logging, trail.started_at, trail.validation, trail.multi_region) == (
        "org",
        True,
        NOW,
        True,
        True,
    )
    assert trail.selection.management.read


def test_without_global_service_events_their_sources_are_not_recorded():
    """CloudTrail: Global service events."""
    excluded = fetch_trail(Client(IncludeGlobalServiceEvents=False), ARN).selection.management.excluded_sources
    assert {"iam.amazonaws.com", "sts.amazonaws.com"} <= excluded


def test_a_missing_trail_is_an_error_of_ours():
    with pytest.raises(AwsError):
        fetch_trail(Client(), ARN + "x")


def test_pictures_of_the_selectors(tmp_path):
    engine = new_store(tmp_path / "s.db")
    client, later = Client(), NOW + timedelta(hours=1)
    assert remember_selection(engine, "l", fetch_trail(client, ARN), NOW) == (NOW, False), (
        "the first picture proves no change"
    )
    assert remember_selection(engine, "l", fetch_trail(client, ARN), later) == (NOW, False)
    client.selectors = {"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}
    assert remember_selection(engine, "l", fetch_trail(client, ARN), later) == (later, True)
    assert remember_selection(engine, "l", fetch_trail(client, ARN), later + timedelta(days=1)) == (later, True)
    engine.dispose()
