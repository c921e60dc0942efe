"""What a landscape's status says of the ways by which its accounts were read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from plumbline.api.landscape import InventoryStatus, LandscapeStatus
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.inventory import all_aggregated, inventory_status
from plumbline.reconcile.landscape import same_but_times

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
OLD = NOW - timedelta(hours=5)


def snapshot(*accounts):
    return Snapshot("default", {account.id: account for account in accounts}, {})


def aggregated(number):
    return Account(f"{number:012d}", collected_at=OLD, source="config")


def direct(number, reason="Outdated", message="old"):
    return Account(f"{number:012d}", collected_at=NOW, direct_reason=reason, direct_message=message)


def test_both_ways_are_counted_and_the_oldest_is_dated():
    failed = replace(direct(4), collected_at=None, error="no", error_reason="AccessDenied")
    found = inventory_status(snapshot(aggregated(1), aggregated(2), direct(3), failed))
    assert (found.aggregated, found.direct, found.oldest) == (2, 1, OLD)
    assert [(one.id, one.reason, one.message) for one in found.not_aggregated] == [
        ("000000000003", "Outdated", "old"),
        ("000000000004", "Outdated", "old"),
    ]


def test_the_list_is_bounded_and_the_rest_counted():
    found = inventory_status(snapshot(*(direct(n) for n in range(60))))
    assert (len(found.not_aggregated), found.not_aggregated_truncated) == (50, 10)
    assert inventory_status(snapshot()).oldest is None


def test_the_condition_names_each_cause_once():
    fact = all_aggregated(snapshot(aggregated(1), direct(2), direct(3, "TooOld", "as of then"), direct(4)))
    assert (fact.type, fact.status, fact.reason) == ("InventoryAggregated", "False", "AccountsReadDirectly")
    assert fact.message == "2 accounts: old; account 000000000003: as of then"
    assert all_aggregated(snapshot(aggregated(1))).status == "True"


def test_only_times_are_no_news():
    one = LandscapeStatus(collected_at=OLD, inventory=InventoryStatus(aggregated=1, oldest=OLD))
    later = InventoryStatus(aggregated=1, oldest=NOW)
    assert same_but_times(one, LandscapeStatus(collected_at=NOW, inventory=later))
    assert not same_but_times(one, LandscapeStatus(collected_at=NOW, inventory=InventoryStatus(direct=1, oldest=NOW)))
    assert not same_but_times(one, LandscapeStatus(collected_at=NOW))
    assert not same_but_times(None, one)
