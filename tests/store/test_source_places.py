"""An event log that reads in another place than before under the same name."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.api.sources import Athena, CloudTrailLake, CloudTrailLogs, Trino
from plumbline.model.evidence import Evidence
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.collecting import Collecting, Wish
from plumbline.reconcile.evidence import collect_evidence
from plumbline.store.ledger import Partition, PartitionKey, Rows, partitions, replace_partition, usage_of
from plumbline.store.places import settle
from plumbline.store.queries import Queries
from tests.line.inputs import landscape_of
from tests.usage.records_for_tests import envelope, record

T = datetime(2026, 6, 1, 10, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/app"


def put(engine, action, day="2026-06-01"):
    part = Partition(PartitionKey("logs", "111122223333", "us-east-1", day), "f", sealed=True, covered=((T, T),))
    replace_partition(engine, "l", part, Rows((Evidence(ROLE, None, action, "used", "logs", T, T),)))


def actions(engine):
    return {(e.action, e.source.partition("@")[0]) for e in usage_of(engine, "l", T)[ROLE].evidence}


def test_what_was_seen_in_another_place_stays_a_use_and_proves_nothing(engine):
    assert not settle(engine, "l", "logs", "a" * 64)  # a store of before
    put(engine, "s3:GetObject")
    assert not settle(engine, "l", "logs", "a" * 64)
    assert settle(engine, "l", "logs", "b" * 64)
    assert partitions(engine, "l", "logs") == {}
    put(engine, "s3:PutObject")
    assert actions(engine) == {("s3:GetObject", "logs"), ("s3:PutObject", "logs")}
    # Back again: what was read there is known.
    assert settle(engine, "l", "logs", "a" * 64)
    assert [part.sealed for part in partitions(engine, "l", "logs").values()] == [True]
    assert actions(engine) == {("s3:GetObject", "logs"), ("s3:PutObject", "logs")}
    assert not settle(engine, "m", "logs", "b" * 64)


def test_a_pause_after_failures_was_that_of_the_former_place(engine):
    settle(engine, "l", "logs", "a" * 64)
    queries = Queries(engine, "l", "logs", T)
    for _ in range(2):
        queries.failed("TooDear", "it would scan too much", "narrow it")
    settle(engine, "l", "logs", "a" * 64)
    assert queries.pause() is not None
    settle(engine, "l", "logs", "b" * 64)
    assert queries.pause() is None


LOGS = {"s3": {"bucket": "one-bucket"}, "trailArn": "arn:aws:cloudtrail:us-east-1:111122223333:trail/all"}
STORE = "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/11111111-2222-3333-4444-55555555555"
ATHENA = LOGS | {"table": "events"}
TRINO = ATHENA | {"url": "http://trino", "catalog": "c", "schema": "s"}


@pytest.mark.parametrize(
    ("kind", "spec", "other"),
    [
        (CloudTrailLogs, LOGS, {"s3": {"bucket": "other-bucket"}}),
        (CloudTrailLogs, LOGS, {"s3": {"bucket": "one-bucket", "prefix": "p/"}}),
        (CloudTrailLogs, LOGS, {"s3": {"bucket": "one-bucket", "organizationId": "o-a1b2c3d4e5"}}),
        (CloudTrailLogs, LOGS, {"trailArn": LOGS["trailArn"] + "2"}),
        (CloudTrailLogs, {"folder": "/a"}, {"folder": "/b"}),
        (CloudTrailLake, {"eventDataStore": STORE + "5"}, {"eventDataStore": STORE + "6"}),
        (Athena, ATHENA, {"table": "others"}),
        (Athena, ATHENA, {"account": "111122223333"}),
        (Athena, ATHENA, {"region": "eu-west-1"}),
        (Athena, ATHENA, {"trailArn": LOGS["trailArn"] + "2"}),
        (Trino, TRINO, {"schema": "t"}),
        (Trino, TRINO, {"url": "http://other"}),
    ],
)
def test_another_bucket_trail_table_or_store_is_another_place(kind, spec, other):
    place = kind.model_validate(spec).place
    assert place != kind.model_validate(spec | other).place
    assert place == kind.model_validate(spec | {"name": "x", "required": False}).place


def test_days_that_are_known_of_one_folder_are_read_in_another(engine, tmp_path):
    def seen(folder, at=T + timedelta(days=9)):
        spec = landscape_of("l", {})["spec"] | {
            "evidence": {"cloudTrailLogs": [{"name": "logs", "folder": str(tmp_path / folder)}]}
        }
        accounts = {"111122223333": Account("111122223333", regions=("us-east-1",))}
        wish = Wish(T - timedelta(days=1), at, T - timedelta(days=300), frozenset())
        given = Collecting(
            None, engine, Snapshot("l", accounts, {}), LandscapeSpec.model_validate(spec), wish, at, lambda _: None
        )
        collect_evidence(given)
        return {e.action for use in usage_of(engine, "l", wish.memory).values() for e in use.evidence}

    for folder, name in (("a", "StopInstances"), ("b", "StartInstances")):
        day = tmp_path / folder / "AWSLogs/111122223333/CloudTrail/us-east-1/2026/06/01"
        day.mkdir(parents=True)
        (day / "x.json").write_bytes(envelope(record(f"ec2:{name}", eventTime="2026-06-01T10:00:00Z")))
    assert seen("a") == {"ec2:StopInstances"}
    for part in partitions(engine, "l", "logs").values():
        replace_partition(engine, "l", Partition(part.key, part.fingerprint, sealed=True), Rows())
    assert seen("b") == {"ec2:StartInstances"}
