"""Bringing the ledger up to date: what is listed, read and replaced; failures; being killed."""

import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.api.sources import CloudTrailLogs
from plumbline.iam.overlay import overlay
from plumbline.store import ledger
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.objects import Bucket, Listed
from plumbline.usage.trail_logs import sync
from tests.stores import new_store
from tests.usage.objects_for_tests import REGION, Memory
from tests.usage.records_for_tests import ACCOUNT, ROLE, envelope, record

TRAIL = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org"
TODAY = date(2026, 1, 10)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def memory():
    return Memory()


def run(engine, memory, accounts=None, *, days=9, now=NOW, trail=TRAIL):
    source = LogSource("logs", memory, ("AWSLogs/",), trail)
    accounts = {ACCOUNT: [REGION]} if accounts is None else accounts
    return sync(engine, "l", source, accounts, start=now - timedelta(days=days), now=now, overlay=overlay())


def rows(engine):
    return (
        ledger.usage_of(engine, "l", NOW - timedelta(days=400)),
        ledger.revision(engine, "l"),
        ledger.bins(engine, "l"),
    )


def test_reads_once_and_again_only_what_changed(engine, memory):
    memory.log(TODAY, "a", record(), record("s3:GetObject"))
    memory.log(TODAY - timedelta(days=1), "b", record())
    first = run(engine, memory)
    assert (first.read, first.records, first.problems) == (2, 3, [])
    before = rows(engine)
    memory.read.clear()
    again = run(engine, memory)
    assert (again.read, again.unchanged, memory.read) == (0, 2, [])
    assert rows(engine) == before
    memory.log(TODAY, "c", record())
    memory.read.clear()
    third = run(engine, memory)
    assert (third.read, third.objects, third.records, len(memory.read)) == (1, 1, 1, 1)
    usage, revision, bins = rows(engine)
    assert revision != before[1]
    assert {e.action: e.count for e in usage[ROLE].evidence} == {"ec2:DescribeInstances": 3, "s3:GetObject": 1}
    assert bins == {"action": 4, "denied": 0, "permissionless": 0, "records": 4, "serviceEvent": 0, "unmapped": 0}


def test_only_the_needed_day_folders_are_listed(engine, memory):
    memory.log(TODAY, "a", record())
    run(engine, memory, days=1)
    assert sorted(memory.listed) == [
        f"AWSLogs/{ACCOUNT}/{kind}/{REGION}/2026/01/{day:02d}/"
        for kind in ("CloudTrail-Digest", "CloudTrail")
        for day in (9, 10)
    ]


def test_old_and_complete_days_are_not_even_listed_again(engine, memory):
    old = TODAY - timedelta(days=6)
    for day in (old - timedelta(days=1), old, old + timedelta(days=1)):
        memory.digests(day)
    memory.log(old, "a", record())
    run(engine, memory)
    memory.listed.clear()
    report = run(engine, memory)
    assert report.sealed >= 1
    assert not [p for p in memory.listed if f"{old:%Y/%m/%d}" in p]


def test_a_day_with_a_gap_is_listed_again(engine, memory):
    old = TODAY - timedelta(days=6)
    memory.digests(old, missing={5})
    memory.digests(old - timedelta(days=1))
    run(engine, memory)
    memory.listed.clear()
    run(engine, memory)
    assert [p for p in memory.listed if f"{old:%Y/%m/%d}" in p]


def test_digests_prove_hours_with_objects_of_the_former_day_too(engine, memory):
    day = TODAY - timedelta(days=2)
    key = memory.log(day, "late", record())
    memory.digests(day, keys=lambda hour: [key] if hour == 23 else (["gone"] if hour == 4 else []))
    run(engine, memory)
    spans = sorted(s for p in ledger.partitions(engine, "l").values() for s in p.covered)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert spans == [
        (start, start + timedelta(hours=4)),
        (start + timedelta(hours=5), start + timedelta(hours=23)),
        (start + timedelta(hours=23), start + timedelta(hours=24)),
    ]


def test_one_failing_account_region_or_object_never_stops_the_others(engine, memory):
    good, bad = "999999999999", "888888888888"
    memory.log(TODAY, "a", record(), account=good)
    memory.log(TODAY, "a", record(), account=good, region="us-east-1")
    broken = memory.log(TODAY, "b", record("iam:ListRoles"))
    memory.log(TODAY, "c", record("iam:GetRole"))
    memory.broken.add(broken)
    memory.denied = (f"AWSLogs/{bad}/", f"AWSLogs/{good}/CloudTrail/us-east-1")
    report = run(engine, memory, {bad: [REGION], good: [REGION, "us-east-1"], ACCOUNT: [REGION]})
    assert sorted((p.account, p.region, p.reason) for p in report.problems) == [
        (ACCOUNT, REGION, "Unreadable"),
        (bad, REGION, "AccessDenied"),
        (good, "us-east-1", "AccessDenied"),
    ]
    assert {e.action for e in rows(engine)[0][ROLE].evidence} == {"iam:GetRole", "ec2:DescribeInstances"}
    memory.broken.clear()
    run(engine, memory, {ACCOUNT: [REGION]})
    assert "iam:ListRoles" in {e.action for e in rows(engine)[0][ROLE].evidence}, "tried again once it can be read"


def test_killed_anywhere_and_run_again_gives_the_same_rows(engine, memory, tmp_path):
    keys = [memory.log(TODAY - timedelta(days=n), f"k{n}", record(), record("s3:GetObject")) for n in range(4)]
    run(engine, memory)
    for number, key in enumerate(keys):
        killed = new_store(tmp_path / f"{number}.db")
        memory.killed = {key}
        with pytest.raises(KeyboardInterrupt):
            run(killed, memory)
        memory.killed = set()
        run(killed, memory)
        assert rows(killed) == rows(engine)
        killed.dispose()


def test_objects_that_a_lifecycle_rule_deleted_keep_their_evidence(engine, memory):
    key = memory.log(TODAY, "a", record())
    run(engine, memory)
    before = rows(engine)
    del memory.objects[key]
    run(engine, memory)
    assert rows(engine) == before


def test_truncated_object_is_a_problem_of_its_day_and_not_read_again(engine, memory):
    key = memory.log(TODAY, "a", *[record(userAgent=str(n) * 40) for n in range(500)])
    memory.objects[key] = memory.objects[key][:-200]
    report = run(engine, memory)
    assert "Truncated" in {p.reason for p in report.problems}
    assert run(engine, memory).read == 0
    (part,) = ledger.partitions(engine, "l").values()
    assert part.problems[0]["object"] == key


def test_regions_are_found_when_unknown(engine, memory):
    memory.log(TODAY, "a", record(), region="us-east-1")
    assert run(engine, memory, {ACCOUNT: None}).records == 1


def test_progress_is_told(engine, memory):
    memory.log(TODAY, "a", record())
    seen = []
    source = LogSource("logs", memory, ("AWSLogs/",), TRAIL)
    sync(
        engine,
        "l",
        source,
        {ACCOUNT: [REGION]},
        start=NOW,
        now=NOW,
        overlay=overlay(),
        progress=lambda k, r: seen.append((k.day, r.records)),
    )
    assert seen == [("2026-01-10", 1)]


def test_folder_in_the_layout_of_cloudtrail(engine, tmp_path):
    memory = Memory()
    key = memory.log(TODAY, "a", record()).replace("AWSLogs/", "AWSLogs/o-abcdefghij/")
    file = tmp_path / "logs" / key
    file.parent.mkdir(parents=True)
    file.write_bytes(next(iter(memory.objects.values())))
    source = log_source(CloudTrailLogs(folder=str(tmp_path / "logs")))
    report = sync(engine, "l", source, {ACCOUNT: None}, start=NOW, now=NOW, overlay=overlay())
    assert (report.records, report.problems) == (1, [])


def test_folder_of_files_without_layout(engine, tmp_path):
    folder = tmp_path / "logs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.json").write_bytes(envelope(record()))
    (folder / "sub" / "b.jsonl").write_text(json.dumps(record("s3:GetObject")) + "\n")
    source = log_source(CloudTrailLogs(folder=str(folder)))
    for expected in (2, 0):
        assert sync(engine, "l", source, {ACCOUNT: None}, start=NOW, now=NOW, overlay=overlay()).read == expected
    assert len(rows(engine)[0][ROLE].evidence) == 2


def test_a_folder_that_is_not_there(engine, tmp_path):
    source = log_source(CloudTrailLogs(folder=str(tmp_path / "none")))
    report = sync(engine, "l", source, {ACCOUNT: None}, start=NOW, now=NOW, overlay=overlay())
    assert [p.reason for p in report.problems] == ["Unreadable"]


def test_an_empty_folder_is_named(engine, tmp_path):
    (tmp_path / "x").mkdir()
    source = log_source(CloudTrailLogs(folder=str(tmp_path / "x"), assume_complete=["management"]))
    report = sync(engine, "l", source, {ACCOUNT: None}, start=NOW, now=NOW, overlay=overlay())
    assert "holds no" in report.problems[0].message


def test_bucket_pages_and_reads():
    class Paginator:
        def paginate(self, **parameters):
            yield {"Contents": [{"Key": "p/b", "ETag": '"2"'}], "KeyCount": 1, "IsTruncated": True}
            found = {"Contents": [{"Key": "p/a", "ETag": '"1"'}], "CommonPrefixes": [{"Prefix": "p/x/"}]}
            yield found | {"KeyCount": 2, "IsTruncated": False}

    class Client:
        def get_paginator(self, name):
            assert name == "list_objects_v2"
            return Paginator()

        def get_object(self, Bucket, Key):  # noqa: N803 - botocore's names
            return {"Body": io.BytesIO(f"{Bucket}/{Key}".encode())}

    bucket = Bucket(Client(), "logs")
    assert bucket.listing("p/") == [Listed("p/a", '"1"'), Listed("p/b", '"2"')]
    assert bucket.folders("p/") == ["x"]
    assert bucket.open("p/a").read() == b"logs/p/a"


def test_keys_of_an_organization_trail():
    config = CloudTrailLogs.model_validate(
        {"s3": {"bucket": "logs", "prefix": "/cloud/", "organizationId": "o-abcdefghij"}}
    )
    assert log_source(config, object()).day_prefixes("CloudTrail", ACCOUNT, REGION, TODAY) == [
        f"cloud/AWSLogs/o-abcdefghij/{ACCOUNT}/CloudTrail/{REGION}/2026/01/10/"
    ]
