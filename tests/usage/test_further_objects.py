"""A day folder that was read and has got further objects: only these are read, and the rows are those of one reading."""

import gzip
import io
from copy import copy
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.overlay import overlay
from plumbline.store import ledger
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Bucket, Folder
from plumbline.usage.trail_logs import sync
from tests.stores import new_store
from tests.usage.objects_for_tests import REGION, Memory
from tests.usage.records_for_tests import ACCOUNT, envelope, identity, record

DAY = date(2026, 1, 10)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
TRAIL = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = new_store(tmp_path_factory.mktemp("further") / "s.db")
    yield engine
    engine.dispose()


@pytest.fixture
def landscape(request):
    """The tests share a store; each has a landscape of its own."""
    return request.node.name


@pytest.fixture
def memory():
    return Memory()


def run(engine, landscape, store, known=None, now=NOW):
    source = LogSource("logs", store, ("AWSLogs/",), TRAIL)
    return sync(engine, landscape, source, {ACCOUNT: [REGION]}, start=now, now=now, overlay=known or overlay())


def rows(engine, landscape):
    """All that the ledger has of the one partition, but for the order of its rows."""
    (key, partition) = next(iter(ledger.partitions(engine, landscape).items()))
    found = ledger.rows_of(engine, landscape, key)
    parts = (found.evidence, found.unmapped, found.grant_changes, found.trail_changes)
    return partition, ledger.revision(engine, landscape), *(sorted(map(repr, part)) for part in parts)


def at_once(engine, landscape, objects):
    store = Memory()
    store.objects = dict(objects)
    run(engine, f"{landscape} at once", store)
    return rows(engine, f"{landscape} at once")


class Opens(Folder):
    """A folder that notes which files are opened."""

    def __init__(self, root):
        super().__init__(root)
        self.read = []

    def open(self, key):
        self.read.append(key)
        return super().open(key)


class Client:
    """A client of S3 over objects in memory that notes which are fetched."""

    def __init__(self, memory):
        self._memory, self.read = memory, []

    def get_paginator(self, _):
        return self

    def paginate(self, Bucket, Prefix):  # noqa: N803 - botocore's names
        found = [{"Key": key, "ETag": tag} for key, tag in self._memory.listing(Prefix)]
        return [{"Contents": found, "KeyCount": len(found), "IsTruncated": False}]

    def get_object(self, Bucket, Key):  # noqa: N803
        self.read.append(Key)
        return {"Body": io.BytesIO(self._memory.objects[Key])}


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_only_new_objects_are_opened(engine, landscape, memory, tmp_path, kind):
    client = Client(memory)
    store, opens = (Opens(tmp_path),) * 2 if kind == "folder" else (Bucket(client, "b"), client)
    known = set()
    for names in (("a", "b"), (), ("c",), ("d", "e")):
        new = {memory.log(DAY, name, record("s3:GetObject"), record()) for name in names}
        for key in new if kind == "folder" else ():
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(memory.objects[key])
        report = run(engine, landscape, store)
        assert sorted(opens.read) == sorted(new)
        assert (report.read, report.objects, report.records) == (bool(new), len(new), 2 * len(new))
        opens.read.clear()
        known |= new
    assert rows(engine, landscape)[2:] == at_once(engine, landscape, memory.objects)[2:]
    assert rows(engine, landscape)[0].objects == len(known)


def changed(memory, engine, landscape):
    memory.log(DAY, "a", record("iam:GetRole"))
    return overlay()


def late(memory, engine, landscape):
    memory.log(DAY, "aa", record("iam:GetRole"))
    return overlay()


def vanished(memory, engine, landscape):
    del memory.objects[memory.log(DAY, "a")]
    memory.log(DAY, "d", record("iam:GetRole"))
    return overlay()


def unreadable(memory, engine, landscape):
    memory.broken = {memory.log(DAY, "d", record("iam:GetRole"))}
    run(engine, landscape, memory)
    memory.broken, memory.read = set(), []
    return overlay()


def mapped_anew(memory, engine, landscape):
    known = copy(overlay())
    known.version = "another"
    return known


@pytest.mark.parametrize("what", [changed, late, vanished, unreadable, mapped_anew])
def test_where_anything_else_is_new_the_whole_day_is_read(engine, landscape, memory, what):
    for name in "abc":
        memory.log(DAY, name, record())
    run(engine, landscape, memory)
    memory.read.clear()
    known = what(memory, engine, landscape)
    run(engine, landscape, memory, known)
    assert sorted(memory.read) == sorted(memory.objects)
    partition, _, *found = rows(engine, landscape)
    expected = at_once(engine, landscape, memory.objects)
    assert found == list(expected[2:])
    assert (partition.records, partition.bins) == (expected[0].records, expected[0].bins)


@pytest.mark.parametrize("logs_gone", [False, True])
def test_digests_that_another_version_does_not_count_prove_nothing_more(engine, landscape, memory, logs_gone):
    log = memory.log(DAY, "a", record("sqs:CreateQueue"))
    memory.digests(DAY, missing=set(range(24)) - {3, 4})
    run(engine, landscape, memory)
    before, *_ = rows(engine, landscape)
    memory.objects = {key: data for key, data in memory.objects.items() if "T050000Z" not in key}
    assert run(engine, landscape, memory).read == 0, "deleted since"
    known = copy(overlay())
    known.version = "another"
    if logs_gone:
        del memory.objects[log]
    run(engine, landscape, memory, known)
    after, *_ = rows(engine, landscape)
    hour = datetime(2026, 1, 10, 3, tzinfo=UTC), datetime(2026, 1, 10, 4, tzinfo=UTC)
    # What the logs showed is told by nothing else than the rows, where they are gone.
    assert after.covered == (before.covered if logs_gone else (hour,))
    assert usage_of_action(engine, landscape) == ["sqs:CreateQueue"]


def usage_of_action(engine, landscape):
    (key,) = ledger.partitions(engine, landscape)
    return [e.action for e in ledger.rows_of(engine, landscape, key).evidence]


def test_only_a_new_digest_is_opened_and_no_log(engine, landscape, memory):
    log = memory.log(DAY, "a", record())
    memory.digests(DAY, missing=set(range(24)) - {3, 4}, keys=lambda hour: [log] if hour == 3 else [])
    run(engine, landscape, memory)
    before = set(memory.objects)
    memory.digests(DAY, missing=set(range(24)) - {5})
    memory.read.clear()
    report = run(engine, landscape, memory)
    assert set(memory.read) == set(memory.objects) - before
    assert (report.read, report.objects, report.records) == (1, 1, 0)
    start = datetime(2026, 1, 10, 3, tzinfo=UTC)
    assert rows(engine, landscape)[0].covered == ((start, start + timedelta(hours=3)),)
    assert rows(engine, landscape) == at_once(engine, landscape, memory.objects)


def test_a_digest_whose_log_was_not_there_is_read_again(engine, landscape, memory):
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/10"
    memory.digests(DAY, missing=set(range(24)) - {3, 4}, keys=lambda _: [f"{folder}/b.json.gz"])
    memory.log(DAY, "a", record())
    run(engine, landscape, memory)
    assert rows(engine, landscape)[0].covered == ()
    memory.read.clear()
    new = memory.log(DAY, "b", record())
    assert run(engine, landscape, memory).objects == len(memory.read) == 3
    assert [key for key in memory.read if "Digest" not in key] == [new]
    assert len(rows(engine, landscape)[0].covered) == 1
    assert rows(engine, landscape) == at_once(engine, landscape, memory.objects)


def test_a_damaged_digest_that_is_read_again_is_told_once(engine, landscape, memory):
    memory.digests(DAY, missing=set(range(24)) - {3, 4, 5}, keys=lambda hour: ["gone"] if hour == 4 else [])
    damaged = min(key for key in memory.objects if "Digest" in key)
    memory.objects[damaged] = gzip.compress(b"{}")
    for name in "ab":
        memory.log(DAY, name, record())
        run(engine, landscape, memory)
    assert [problem["object"] for problem in rows(engine, landscape)[0].problems] == [damaged]


# What a file may hold: calls that name a resource or none, of several principals and outcomes, changes, and damage.
OTHER = identity(arn=f"arn:aws:iam::{ACCOUNT}:user/ann", unique_id="AIDA1")
ROLES = f"arn:aws:iam::{ACCOUNT}:role/"
NAMES = st.integers(0, 160).map(lambda n: f"{n:03}")
CALLS = st.one_of(
    st.builds(lambda key: ("s3:GetObject", {"requestParameters": {"bucketName": "b", "key": key}}), NAMES),
    st.builds(
        lambda key: ("s3:GetObject", {"requestParameters": {"bucketName": "b", "key": key, "versionId": "1"}}), NAMES
    ),
    st.builds(lambda name: ("lambda:Invoke", {"requestParameters": {"functionName": name}}), NAMES),
    st.just(("lambda:Invoke", {})),
    st.just(("lambda:Invoke", {"userIdentity": identity(invokedBy="events.amazonaws.com")})),
    st.just(("s3:GetObject", {"errorCode": "NoSuchKey", "requestParameters": {"bucketName": "b", "key": "none"}})),
    st.just(("sqs:CreateQueue", {"errorCode": "AccessDenied", "errorMessage": "not authorized"})),
    st.just(("sqs:CreateQueue", {"userIdentity": OTHER})),
    st.just(("glue:NoSuchOperation", {"userIdentity": OTHER})),
    st.just(("sts:GetCallerIdentity", {})),
    st.builds(lambda name: ("iam:PutRolePolicy", {"requestParameters": {"roleName": name, "policyName": "p"}}), NAMES),
    st.just(("cloudtrail:StopLogging", {"requestParameters": {"name": TRAIL}})),
    st.builds(lambda name: ("lambda:CreateFunction20150331", {"requestParameters": {"role": ROLES + name}}), NAMES),
    st.just(("glue:CreateJob", {"requestParameters": {"role": f"{ROLES}app"}})),
    st.just(("lambda:CreateFunction20150331", {"requestParameters": {"role": f"{ROLES}app"}})),
    st.builds(lambda name: ("ecs:RunTask", {"requestParameters": {"tags": [{"key": name}]}}), NAMES),
)
MINUTES = st.integers(0, 59).map(lambda minute: f"2026-01-10T11:{minute:02}:00Z")
FILES = st.lists(st.lists(st.tuples(CALLS, MINUTES), max_size=12), min_size=1, max_size=5)
# Many resources in each file, so that their number reaches the limit before, at, or only behind a reading's end.
RANGES = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 120)), min_size=1, max_size=5)


def contents(files, ranges, damaged):
    result = []
    for number, calls in enumerate(files):
        records = [record(event, **more, eventTime=at) for (event, more), at in calls]
        low, size = ranges[number % len(ranges)]
        keys = [{"bucketName": "b", "key": f"{key:03}"} for key in range(low, low + size)]
        records += [record("s3:PutObject", requestParameters=key) for key in keys]
        data = gzip.compress(envelope(*records), mtime=0)
        result.append(data[:-9] if number in damaged else data)
    return result


@given(FILES, RANGES, st.sets(st.integers(0, 4), max_size=1), st.data())
def test_any_order_of_arrival_gives_the_rows_of_one_reading(engine, files, ranges, damaged, data):
    memory, landscape = Memory(), str(data.draw(st.uuids()))
    objects = {memory.log(DAY, f"{number}"): one for number, one in enumerate(contents(files, ranges, damaged))}
    memory.objects = {}
    order = data.draw(st.one_of(st.just(sorted(objects)), st.permutations(sorted(objects))))
    hours = data.draw(st.lists(st.sampled_from(order), max_size=3))
    for number, key in enumerate(order):
        memory.objects[key] = objects[key]
        if number < len(hours):
            memory.digests(DAY, missing=set(range(24)) - {number}, keys=lambda _, n=number: [hours[n]])
        if data.draw(st.booleans()):
            run(engine, landscape, memory)
    run(engine, landscape, memory)
    expected = at_once(engine, landscape, memory.objects)
    found = rows(engine, landscape)
    assert found == expected
    assert ledger.usage_of(engine, landscape, NOW - timedelta(days=9)) == ledger.usage_of(
        engine, f"{landscape} at once", NOW - timedelta(days=9)
    )


def test_roles_passed_to_several_services_stay_apart(engine, landscape, memory):
    for name in "abc":
        calls = ("lambda:CreateFunction20150331", "glue:CreateJob")
        memory.log(DAY, name, *(record(call, requestParameters={"role": f"{ROLES}app"}) for call in calls))
        run(engine, landscape, memory)
    partition, *_ = rows(engine, landscape)
    passed = [e for e in ledger.rows_of(engine, landscape, partition.key).evidence if e.action == "iam:PassRole"]
    assert {e.passed_to: e.count for e in passed} == {"lambda.amazonaws.com": 3, "glue.amazonaws.com": 3}
    assert rows(engine, landscape) == at_once(engine, landscape, memory.objects)


def test_a_pass_that_is_killed_anywhere_ends_with_the_same_rows(engine, landscape, memory):
    """At each statement of the database in turn, from which on nothing works any more; and at each new object."""
    keys = [memory.log(DAY, name, record("s3:GetObject"), record("glue:NoSuchOperation")) for name in "abcd"]
    objects = dict(memory.objects)
    expected = at_once(engine, landscape, objects)
    left = [0]

    def die(*_):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    for statement in range(40):
        name = f"{landscape} {statement}"
        memory.objects = {key: objects[key] for key in keys[:2]}
        run(engine, name, memory)
        memory.objects = objects
        left[0] = statement
        sa.event.listen(engine, "before_cursor_execute", die)
        try:
            run(engine, name, memory)
        except KeyboardInterrupt:
            sa.event.remove(engine, "before_cursor_execute", die)
        else:
            sa.event.remove(engine, "before_cursor_execute", die)
            break
        run(engine, name, memory)
        assert rows(engine, name) == expected
    else:
        pytest.fail("it never ended by itself")
    assert statement > 10
    for key in keys[2:]:
        memory.objects = {other: objects[other] for other in keys[:2]}
        name = f"{landscape} {key}"
        run(engine, name, memory)
        memory.objects, memory.killed = objects, {key}
        with pytest.raises(KeyboardInterrupt):
            run(engine, name, memory)
        memory.killed = set()
        run(engine, name, memory)
        assert rows(engine, name) == expected


def test_what_somebody_else_has_replaced_is_read_again_whole(engine, landscape, memory, monkeypatch):
    """As another pass on the same store may, between two looks at it."""
    memory.log(DAY, "a", record("s3:GetObject"))
    run(engine, landscape, memory)
    memory.log(DAY, "b", record("sqs:CreateQueue"))
    look = ledger.rows_of

    def replaced_meanwhile(engine, landscape, key):
        monkeypatch.setattr(ledger, "rows_of", look)
        run(engine, landscape, memory)  # has read both
        return look(engine, landscape, key)

    monkeypatch.setattr(ledger, "rows_of", replaced_meanwhile)
    memory.log(DAY, "c", record("sqs:DeleteQueue"))
    run(engine, landscape, memory)
    assert rows(engine, landscape)[2:] == at_once(engine, landscape, memory.objects)[2:]
