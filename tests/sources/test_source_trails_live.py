"""The trail of the sandbox: as each of its accounts sees it, and with injected faults."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.aws.errors import Denied, NotFound, Throttled, Transient
from plumbline.aws.session import AwsSessions
from plumbline.usage.trails import fetch_trail, remember_selection
from sandbox import organization as org

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)


def trail(sessions, account=None):
    return fetch_trail(sessions.client("cloudtrail", account, org.HOME_REGION), org.TRAIL_ARN, account)


def test_the_trail_as_every_account_sees_it(sessions):
    found = trail(sessions)
    assert (found.arn, found.name, found.home_region) == (org.TRAIL_ARN, org.TRAIL_NAME, org.HOME_REGION)
    assert found.multi_region
    assert found.organization
    assert found.validation
    assert found.logging
    assert found.started_at == datetime(2024, 4, 21, tzinfo=UTC)
    selection = found.selection
    assert (selection.management.read, selection.management.write) == (True, True)
    assert selection.management.excluded_sources == frozenset()
    assert (selection.data_types, selection.partial) == (frozenset({"AWS::Lambda::Function"}), ())
    assert all(trail(sessions, account) == found for account in (org.MANAGEMENT, org.PRODUCTION))


@pytest.mark.parametrize("operation", ["GetTrail", "GetTrailStatus", "GetEventSelectors"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [("throttle", Throttled), ("deny", Denied), ("error500", Transient), ("truncate", Transient)],
)
def test_a_trail_that_cannot_be_read_whole_is_an_error(sandbox, sessions, operation, kind, error):
    sandbox.fault(kind, service="cloudtrail", operation=operation, account=org.PRODUCTION)
    with pytest.raises(error) as caught:
        trail(sessions, org.PRODUCTION)
    assert (caught.value.operation, caught.value.account) == (operation, org.PRODUCTION)
    assert caught.value.remedy
    assert trail(sessions).logging


def test_a_trail_that_is_not_there(sessions):
    client = sessions.client("cloudtrail", None, org.HOME_REGION)
    with pytest.raises(NotFound):
        fetch_trail(client, org.TRAIL_ARN.replace("org-trail", "other"))


@pytest.fixture
def writer(sessions):
    """The trail's owner, past the guard of the operator."""
    client = sessions.client("cloudtrail", org.MANAGEMENT, org.HOME_REGION)
    client.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    return client


def test_changed_selectors_are_another_picture_since_they_were_seen(sessions, engine, writer):
    assert remember_selection(engine, "all", trail(sessions), NOW) == (NOW, False)
    assert remember_selection(engine, "all", trail(sessions), NOW + timedelta(days=1)) == (NOW, False)
    writes = {"Field": "readOnly", "Equals": ["false"]}
    selectors = [{"Name": "w", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, writes]}]
    writer.put_event_selectors(TrailName=org.TRAIL_ARN, AdvancedEventSelectors=selectors)
    changed = trail(sessions)
    assert (changed.selection.management.read, changed.selection.management.write) == (False, True)
    assert changed.selection.data_types == frozenset()
    seen = NOW + timedelta(days=2)
    assert remember_selection(engine, "all", changed, seen) == (seen, True)
    assert remember_selection(engine, "all", trail(sessions), seen + timedelta(days=5)) == (seen, True)


def test_a_stopped_trail_records_nothing(sessions, writer):
    before = trail(sessions)
    writer.stop_logging(Name=org.TRAIL_ARN)
    assert not trail(sessions).logging
    writer.start_logging(Name=org.TRAIL_ARN)
    # Started anew: the time before is not proven any more, though nothing else differs.
    again = trail(sessions)
    assert again.logging
    assert again.started_at > before.started_at
    assert again.digest == before.digest
