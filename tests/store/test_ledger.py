"""The ledger: partitions replaced as a whole, evidence merged over them, a revision that tells change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.model.evidence import Evidence, GrantChange, TrailChange, UnmappedUse
from plumbline.store import ledger
from plumbline.store.ledger import Partition, PartitionKey, Rows

T = datetime(2026, 1, 10, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/team/app"


def key(day="2026-01-10", region="eu-west-1", source="logs"):
    return PartitionKey(source, "111122223333", region, day)


def use(at=T, action="s3:GetObject", **more):
    values = {"unique_id": "AROA1", "outcome": "used", "source": "logs", "first": at, "last": at, "count": 2} | more
    return Evidence(ROLE, action=action, **values)


def put(engine, where=None, fingerprint="f", **rows):
    where = where or key()
    new = Partition(
        where, fingerprint, objects=1, records=2, bins={"action": 2}, covered=((T, T + timedelta(hours=1)),)
    )
    ledger.replace_partition(engine, "l", new, Rows(**rows))


def test_a_partition_is_replaced_as_a_whole(engine):
    put(
        engine,
        evidence=(use(), use(action="s3:PutObject")),
        unmapped=(UnmappedUse(ROLE, None, "s", "n", ("x",), T, 3),),
    )
    put(engine, fingerprint="g", evidence=(use(),))
    found = ledger.usage_of(engine, "l", T - timedelta(days=1))
    assert found[ROLE].evidence == (use(),)
    assert found[ROLE].unmapped == ()
    assert ledger.partitions(engine, "l")[key()].fingerprint == "g"
    assert ledger.partitions(engine, "l")[key()].covered == ((T, T + timedelta(hours=1)),)


def test_evidence_of_partitions_is_merged(engine):
    later = T + timedelta(days=1)
    put(engine, evidence=(use(resources=("arn:b",), via_services=("x",), codes=("A",)), use(unique_id="AROA0")))
    put(
        engine,
        key("2026-01-11"),
        evidence=(use(later, resources=("arn:a", "arn:b"), via_services=("y",), codes=("B",)),),
    )
    put(engine, key(source="other"), evidence=(use(source="other"), use(outcome="denied", source="other")))
    found = ledger.usage_of(engine, "l", T)[ROLE].evidence
    merged = use(T, last=later, count=4, resources=("arn:a", "arn:b"), via_services=("x", "y"), codes=("A", "B"))
    assert set(found) == {merged, use(unique_id="AROA0"), use(source="other"), use(outcome="denied", source="other")}
    assert found == ledger.usage_of(engine, "l", T)[ROLE].evidence


def test_merged_resources_are_cut_and_open_lists_stay_open(engine):
    put(engine, evidence=(use(resources=tuple(f"arn:{n:03d}" for n in range(80))), use(action="kms:Decrypt")))
    put(
        engine,
        key("2026-01-11"),
        evidence=(
            use(resources=tuple(f"arn:{n:03d}" for n in range(60, 140))),
            use(action="kms:Decrypt", resources=("arn:k",)),
        ),
    )
    decrypt, get = ledger.usage_of(engine, "l", T)[ROLE].evidence
    assert (len(get.resources), get.resources[-1], get.resources_truncated) == (100, "arn:099", True)
    assert (decrypt.resources, decrypt.resources_truncated) == (("arn:k",), True), "some days named no resource"


def test_unmapped_uses_are_merged(engine):
    for day in ("2026-01-10", "2026-01-11"):
        put(engine, key(day), unmapped=(UnmappedUse(ROLE, "AROA1", "glue", "New", ("glue",), T, 3),))
    assert ledger.usage_of(engine, "l", T)[ROLE].unmapped == (
        UnmappedUse(ROLE, "AROA1", "glue", "New", ("glue",), T, 6),
    )


def test_older_evidence_is_left_out(engine):
    put(engine, evidence=(use(),))
    assert ledger.usage_of(engine, "l", T + timedelta(seconds=1)) == {}
    assert ledger.usage_of(engine, "other", T) == {}


def test_revision_changes_exactly_with_the_content(engine):
    empty = ledger.revision(engine, "l")
    put(engine, evidence=(use(),))
    one = ledger.revision(engine, "l")
    put(engine, fingerprint="another listing", evidence=(use(),))
    assert ledger.revision(engine, "l") == one != empty
    put(engine, evidence=(use(count=3),))
    assert ledger.revision(engine, "l") != one
    put(engine, evidence=(use(),))
    assert ledger.revision(engine, "l") == one


def test_grant_changes_get_the_path_that_events_leave_out(engine):
    change = GrantChange("111122223333", "AttachRolePolicy", "arn:aws:iam::111122223333:role/app", "arn:p", T, "eve")
    put(engine, grant_changes=(change,))
    put(engine, key(source="other"), grant_changes=(change,))
    assert ledger.grant_changes(engine, "l", T) == {"111122223333": (change,)}
    (found,) = ledger.grant_changes(engine, "l", T, [ROLE])["111122223333"]
    assert found.target == ROLE
    assert ledger.grant_changes(engine, "l", T + timedelta(seconds=1)) == {}


def test_trail_changes_of_one_trail(engine):
    put(engine, trail_changes=(TrailChange("StopLogging", "arn:t", T), TrailChange("StopLogging", "arn:u", T)))
    assert ledger.trail_changes(engine, "l", "arn:t") == (TrailChange("StopLogging", "arn:t", T),)


def test_bins_add_up(engine):
    put(engine)
    put(engine, key("2026-01-11"))
    assert ledger.bins(engine, "l") == {"action": 4, "records": 4}


def test_forgetting(engine):
    put(engine, key("2025-01-01"), evidence=(use(),))
    put(engine, evidence=(use(),))
    put(engine, PartitionKey("logs", "", "", "."), evidence=(use(),))
    # What a source saw that is no longer configured was a use all the same.
    put(engine, key(source="gone"), evidence=(use(source="gone"),))
    put(engine, PartitionKey("gone", "", "", "."), evidence=(use(source="gone"),))
    assert ledger.forget_before(engine, "l", "2025-12-01") == 1
    assert ledger.forget_other_sources(engine, "l", ["logs"], T) == 0
    assert len(ledger.partitions(engine, "l")) == 4
    assert {e.source for e in ledger.usage_of(engine, "l", T)[ROLE].evidence} == {"logs", "gone"}
    assert ledger.forget_other_sources(engine, "l", ["logs"], T + timedelta(seconds=1)) == 1
    assert ledger.forget_before(engine, "l", "2026-12-01") == 2
    assert {key.source for key in ledger.partitions(engine, "l")} == {"logs"}


def test_changes_that_a_former_source_saw_are_kept_too(engine):
    change = GrantChange("111122223333", "AttachRolePolicy", ROLE, "arn:aws:iam::aws:policy/P", T)
    put(engine, PartitionKey("gone", "", "", "."), grant_changes=(change,))
    put(engine, PartitionKey("off", "", "", "."), trail_changes=(TrailChange("StopLogging", "arn:t", T),))
    assert ledger.forget_other_sources(engine, "l", ["logs"], T) == 0
    assert ledger.grant_changes(engine, "l", T) == {"111122223333": (change,)}
    assert ledger.forget_other_sources(engine, "l", ["logs"], T + timedelta(seconds=1)) == 2


def test_sealed_partitions(engine):
    put(engine)
    ledger.seal(engine, "l", key())
    assert ledger.partitions(engine, "l", "logs", "111122223333", "eu-west-1")[key()].sealed
    assert ledger.partitions(engine, "l", region="us-east-1") == {}


def test_a_record_with_a_nul_in_its_names_is_kept(engine):
    odd = "s3:Get\0Object"
    unmapped = UnmappedUse(ROLE, None, "s\0", "n\0", ("x\0",), T, 1)
    put(engine, evidence=(use(action=odd, resources=("arn:\0",)),), unmapped=(unmapped,))
    found = ledger.usage_of(engine, "l", T)[ROLE]
    assert [(e.action, e.resources) for e in found.evidence] == [("s3:Get\ufffdObject", ("arn:\0",))]
    assert [use.event_name for use in found.unmapped] == ["n\ufffd"]
    put(engine, PartitionKey("logs", "a\0", "r", "2026-01-10"))
    assert ledger.forget_before(engine, "l", "2027-01-01") == 2


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_utc_does_not_have_ends_no_pass(engine, text):
    at = datetime.fromisoformat(text)
    put(engine, evidence=(replace(use(), first=at, last=at),))
    (found,) = ledger.rows_of(engine, "l", key()).evidence
    assert found.last == at.replace(tzinfo=UTC)
