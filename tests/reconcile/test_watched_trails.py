"""Since when a trail is known to record as it does: whether anything that is read would have shown a change of it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from plumbline.api.sources import CloudTrailLogs
from plumbline.reconcile.event_queries import trail_facts
from plumbline.usage.log_coverage import complete_since
from tests.stores import new_store

OWNER, MEMBER = "111122223333", "444455556666"
NOW = datetime(2026, 6, 30, tzinfo=UTC)
STARTED = NOW - timedelta(days=300)
MANAGEMENT = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
READS = {"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}
DATA = {
    "AdvancedEventSelectors": [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
            ]
        }
    ]
}


@pytest.fixture
def engine(tmp_path):
    engine = new_store(tmp_path / "s.db")
    yield engine
    engine.dispose()


def arn(name, account=OWNER):
    return f"arn:aws:cloudtrail:us-east-1:{account}:trail/{name}"


class Client:
    """CloudTrail with the trails `selectors` names."""

    def __init__(self, selectors, **more):
        self.selectors, self.more = selectors, more

    def get_trail(self, Name):  # noqa: N803
        if Name not in self.selectors:
            raise ClientError({"Error": {"Code": "TrailNotFoundException", "Message": "gone"}}, "GetTrail")
        told = {
            "TrailARN": Name,
            "HomeRegion": "us-east-1",
            "IsMultiRegionTrail": True,
            "IncludeGlobalServiceEvents": True,
        }
        return {"Trail": told | self.more}

    def get_trail_status(self, Name):  # noqa: N803
        return {"IsLogging": True, "StartLoggingTime": STARTED}

    def get_event_selectors(self, TrailName):  # noqa: N803
        return self.selectors[TrailName]


def known_since(engine, selectors, *others, accounts=(OWNER, MEMBER), **more):
    """Of the trail `all`, on the first look at it. `others`: trails of other sources."""
    named = [arn("all"), *others]
    logs = [
        CloudTrailLogs.model_validate({"name": f"s{n}", "folder": "/x", "trailArn": one}) for n, one in enumerate(named)
    ]
    given = SimpleNamespace(
        engine=engine,
        landscape="l",
        now=NOW,
        sessions=SimpleNamespace(client=lambda *_: Client(selectors, **more)),
        accounts=dict.fromkeys(accounts),
        spec=SimpleNamespace(evidence=SimpleNamespace(event_logs=logs)),
    )
    return complete_since(trail_facts(given, arn("all")))


@pytest.mark.parametrize(
    ("rule", "selectors", "others", "accounts", "watched"),
    [
        ("its own logs show it", {arn("all"): MANAGEMENT}, (), (OWNER,), True),
        ("nobody reads its account", {arn("all"): MANAGEMENT}, (), (MEMBER,), False),
        ("it records no writes", {arn("all"): READS}, (), (OWNER,), False),
        ("it records no management events", {arn("all"): DATA}, (), (OWNER,), False),
        ("another trail of the account", {arn("all"): DATA, arn("b"): MANAGEMENT}, (arn("b"),), (OWNER,), True),
        ("another that shows none either", {arn("all"): DATA, arn("b"): DATA}, (arn("b"),), (OWNER,), False),
        ("another that is gone", {arn("all"): DATA}, (arn("b"),), (OWNER,), False),
        (
            "a trail of another account",
            {arn("all"): DATA, arn("b", MEMBER): MANAGEMENT},
            (arn("b", MEMBER),),
            (OWNER, MEMBER),
            False,
        ),
    ],
)
def test_who_would_have_seen_a_change(engine, rule, selectors, others, accounts, watched):
    assert known_since(engine, selectors, *others, accounts=accounts) == (STARTED if watched else NOW), rule


def test_an_organization_trail_shows_changes_in_all_its_accounts(engine):
    selectors = {arn("all"): DATA, arn("b", MEMBER): MANAGEMENT}
    assert known_since(engine, selectors, arn("b", MEMBER), IsOrganizationTrail=True) == STARTED
