"""What an event data store proves of an account that has not always been one of its organization."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.model.coverage import ManagementSelection, State
from plumbline.store.ledger import Partition, PartitionKey
from plumbline.usage.log_coverage import TrailFacts
from plumbline.usage.selectors import Selection
from plumbline.usage.sources.cloudtrail_lake import EventDataStore, lake_coverage
from plumbline.usage.sources.days import ALL
from plumbline.usage.trails import Trail

ARN = "arn:aws:cloudtrail:us-east-1:999999999999:eventdatastore/11111111-2222-3333-4444-555555555555"
LONG_AGO, START, END = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 4, 6))
DAY = timedelta(days=1)
TRAIL = Trail(ARN, "s", "us-east-1", True, True, True, True, LONG_AGO, Selection(ManagementSelection(True, True)), "d")
STORE = EventDataStore(TRAIL, "999999999999", "ENABLED", timedelta(days=400))
MEMBER, REGION = "111111111111", "us-east-1"


def part(account, region, day, records=0, fingerprint=""):
    return Partition(PartitionKey("lake", account, region, f"{day:%Y-%m-%d}"), fingerprint, records=records)


ASKED = [part(ALL, ALL, START + n * DAY, fingerprint="1/2\nfinal\n9") for n in range((END - START).days)]


def coverage(first_event, account=MEMBER, joined=None):
    parts = [*ASKED, part(account, REGION, first_event, records=3), part(account, REGION, END - DAY, records=3)]
    window = START, END
    return lake_coverage(
        "lake",
        account,
        [REGION],
        parts,
        store=STORE,
        facts=TrailFacts(TRAIL),
        problems=(),
        window=window,
        joined=joined,
    )


@pytest.mark.parametrize("came", [START + 10 * DAY, START + timedelta(days=10, hours=7)])
def test_a_store_knows_nothing_of_an_account_before_it_joined(came):
    # That it shows older events, of an earlier membership, tells nothing of the time between.
    found = coverage(START, joined=came)
    assert found.covered == {REGION: ((came, END),)}
    assert (found.state.state, found.state.reason) == (State.PARTIAL, "TrailTooYoung")


def test_members_of_old_and_the_owner_are_covered_from_the_first_day_asked_for():
    assert coverage(START + 10 * DAY, joined=LONG_AGO).first_gap(REGION, START, END) is None
    assert coverage(START + 10 * DAY, account=STORE.owner).first_gap(REGION, START, END) is None
