"""Several accounts and Regions read at once, each with a process: the rows of one, and what dies is a problem of its day."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.iam.overlay import overlay
from plumbline.store import ledger
from plumbline.usage import child, log_reader
from plumbline.usage.child import Child
from plumbline.usage.day_worker import Object, Sum
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Folder
from plumbline.usage.trail_logs import sync
from plumbline.usage.worker import send
from tests.usage.objects_for_tests import REGION, Memory
from tests.usage.records_for_tests import envelope, identity, record

TODAY, NOW = date(2026, 1, 10), datetime(2026, 1, 10, 12, tzinfo=UTC)
ACCOUNTS = ("111122223333", "222233334444", "333344445555")
REGIONS = (REGION, "us-east-1")


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found, popen = [], subprocess.Popen

    def start(*arguments, **more):
        found.append(popen(*arguments, **more))
        return found[-1]

    monkeypatch.setattr(child.subprocess, "Popen", start)
    return found


@pytest.fixture
def at_once(monkeypatch):
    """Any amount is worth a process."""
    monkeypatch.setattr(log_reader, "WORTH", 0)


@pytest.fixture
def memory():
    """Days of some accounts and Regions, with damage, repetitions and an object that cannot be fetched."""
    memory = Memory()
    for number, account in enumerate(ACCOUNTS):
        for region in REGIONS:
            for ago in range(3):
                day = TODAY - timedelta(days=ago)
                where = {"account": account, "region": region}
                arn = f"arn:aws:iam::{account}:role/app-{ago}"
                call = record("s3:GetObject", requestParameters={"bucketName": "b", "key": str(ago)})
                other = record("glue:NoSuchOperation", userIdentity=identity(arn))
                memory.log(
                    day, "a", call, other, record("iam:PutRolePolicy", requestParameters={"roleName": "r"}), **where
                )
                memory.log(day, "b", call, *[record("sqs:CreateQueue", eventID=None)] * (number + ago), **where)
                memory.digests(day, missing=set(range(24)) - {ago}, **where)
    cut = memory.log(TODAY, "c", record(), account=ACCOUNTS[0])
    memory.objects[cut] = memory.objects[cut][:-9]
    memory.objects[memory.log(TODAY, "d", record(), account=ACCOUNTS[1])] = b"nothing"
    memory.broken = {memory.log(TODAY, "e", record(), account=ACCOUNTS[2])}
    return memory


def run(engine, store, processes, landscape="l", **more):
    source, accounts = LogSource("logs", store, ("AWSLogs/",), None), dict.fromkeys(ACCOUNTS, REGIONS)
    start = NOW - timedelta(days=3)
    return sync(
        engine, landscape, source, accounts, start=start, now=NOW, overlay=overlay(), processes=processes, **more
    )


def rows(engine, landscape):
    parts = ledger.partitions(engine, landscape)
    found = {key: ledger.rows_of(engine, landscape, key) for key in parts}
    return parts, ledger.revision(engine, landscape), found


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", ["folder", pytest.param("bucket", marks=pytest.mark.slow)])  # processes take seconds
def test_several_readers_give_the_rows_of_one(engine, memory, started, tmp_path, kind):
    store = memory
    if kind == "folder":
        memory.broken, store = set(), Folder(tmp_path)
        for key, data in memory.objects.items():
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(data)
    one = run(engine, store, 1, "one")
    assert started == []
    told = []
    several = run(engine, store, 3, "several", progress=lambda key, report: told.append(report.records))
    assert 2 <= len(started) <= 3
    assert all(process.returncode is not None for process in started)
    assert several == one
    assert one.problems
    assert rows(engine, "several") == rows(engine, "one")
    assert told == sorted(told)
    assert told[-1] == one.records > 60


def test_little_to_read_starts_no_process(engine, memory, started):
    assert run(engine, memory, 3).records > 60
    assert started == []


@pytest.mark.slow  # some six processes
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("when", [Object, Sum])
def test_a_reader_that_dies_is_a_problem_of_its_day(engine, monkeypatch, memory, started, when):
    """It takes what it had read of that day with it, and the days after it are left: their digests would prove hours of it.
    Other Regions and accounts go on, with another process."""
    run(engine, memory, 1, "one")
    deadly = f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/{REGION}/{TODAY - timedelta(days=1):%Y/%m/%d}/b.json.gz"
    doomed, give = [], Child.send

    def send_and_kill(self, order):
        if isinstance(order, Object) and order.name == deadly:
            doomed.append(self)
        if self in doomed and isinstance(order, when):
            self._process.kill()
            self._process.wait()
        return give(self, order)

    with monkeypatch.context() as patched:
        patched.setattr(Child, "send", send_and_kill)
        report = run(engine, memory, 2)
    (problem,) = (problem for problem in report.problems if problem.reason == "ReaderEnded")
    assert (problem.account, problem.region, problem.day) == (ACCOUNTS[0], REGION, "2026-01-09")
    assert "memory" in problem.message
    assert "memory" in problem.remedy
    parts, expected = ledger.partitions(engine, "l"), ledger.partitions(engine, "one")
    left = {("logs", ACCOUNTS[0], REGION, day) for day in ("2026-01-09", "2026-01-10")}
    assert {key for key in expected if key not in parts} == left
    assert all(process.returncode is not None for process in started)
    run(engine, memory, 2)
    assert rows(engine, "l") == rows(engine, "one")


@pytest.mark.slow  # some four processes
@pytest.mark.usefixtures("at_once")
def test_no_process_is_left_when_a_pass_is_killed(engine, memory, started):
    run(engine, memory, 1, "one")
    memory.killed = {key for key in memory.objects if "/b.json" in key and ACCOUNTS[1] in key}
    with pytest.raises(KeyboardInterrupt):
        run(engine, memory, 2)
    assert started
    assert all(process.returncode is not None for process in started)
    memory.killed = set()
    run(engine, memory, 2)
    assert rows(engine, "l") == rows(engine, "one")


@pytest.mark.usefixtures("at_once")
def test_an_account_that_fails_leaves_the_others_alone(engine, memory):
    memory.denied = (f"AWSLogs/{ACCOUNTS[1]}/",)
    report = run(engine, memory, 2)
    assert {(p.account, p.region) for p in report.problems if p.reason == "AccessDenied"} == {
        (ACCOUNTS[1], region) for region in REGIONS
    }
    assert {key.account for key in ledger.partitions(engine, "l")} == {ACCOUNTS[0], ACCOUNTS[2]}


def test_a_reader_that_ends_by_itself_says_how():
    child = Child("plumbline.nosuch")
    error = child.ended()
    assert "ended with status 1" in str(error)
    assert "log" in error.remedy
    child.end()


@pytest.mark.usefixtures("at_once")
def test_where_no_process_can_be_started_this_one_reads(engine, monkeypatch, memory, started):
    run(engine, memory, 1, "one")

    def no_room(*_):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(log_reader, "Child", no_room)
    report = run(engine, memory, 2)
    assert not [problem for problem in report.problems if "unavailable" in problem.message]
    assert rows(engine, "l") == rows(engine, "one")
    assert started == []


def test_a_reader_ends_with_its_orders():
    command = [sys.executable, "-P", "-m", "plumbline.usage.day_worker"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        send(process.stdin, Object("a", envelope(record())))
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stdout.read() == process.stderr.read() == b""
