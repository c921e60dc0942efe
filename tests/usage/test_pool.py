"""Several reading processes: the answer of one, whatever the files hold; and no process is left behind."""

import gzip
import io
import json
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plumbline.usage import child, pool
from plumbline.usage.child import ReaderEndedError
from plumbline.usage.pool import portions, read_files
from plumbline.usage.records import Problem
from plumbline.usage.summary import as_json, read_paths
from plumbline.usage.worker import Give, Read, receive_answer, send
from tests.usage.records_for_tests import ACCOUNT, ROLE_ID, envelope, identity, record


@pytest.fixture
def small_portions(monkeypatch):
    monkeypatch.setattr(pool, "_FILES", 2)


@pytest.fixture
def folder(tmp_path):
    """Repetitions within and between files, copies of calls across accounts, extra actions, damage, and all bins."""
    again = [
        record("s3:PutObject", requestParameters={"bucketName": "b", "key": str(n), "x-amz-acl": "private"})
        for n in range(9)
    ]
    copy = {"type": "AWSAccount", "accountId": ACCOUNT, "principalId": f"{ROLE_ID}:session"}
    files = [
        [*again[:5], again[0], record("kms:Decrypt", sharedEventID="s1")],
        [record("kms:Decrypt", sharedEventID="s1", recipientAccountId="999999999999", userIdentity=copy)],
        [*again[3:], record("sts:GetCallerIdentity"), record("glue:NoSuchOperation"), record(eventID=None)],
        [record(errorCode="AccessDenied", errorMessage="no", userIdentity=identity(unique_id="AROAOLD")), 7, again[8]],
        [record("iam:PutRolePolicy", requestParameters={"roleName": "r", "policyName": "p"}), record(eventID=None)],
        [record("s3:GetObject", requestParameters={"bucketName": "b", "key": f"{n:03}"}) for n in range(150)],
        [record("s3:GetObject", requestParameters={"bucketName": "b", "key": f"{n:03}"}) for n in range(90, 240)],
    ]
    for number, records in enumerate(files):
        (tmp_path / f"{number}.json.gz").write_bytes(gzip.compress(envelope(*records)))
    (tmp_path / "8.json.gz").write_bytes(gzip.compress(envelope(*again))[:-20])
    (tmp_path / "9.jsonl").write_text("\n".join(map(json.dumps, again)))
    (tmp_path / "91.json").write_text("nothing")
    return tmp_path


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])  # each process takes a second
@pytest.mark.usefixtures("small_portions")
def test_several_processes_give_the_answer_of_one(folder, processes):
    one, several = (read_paths([folder], processes=number) for number in (1, processes))
    assert several == one
    assert as_json(several) == as_json(one)
    assert 331 <= one.usage.records <= 340
    assert {e.action: e.count for e in one.usage.evidence}["s3:PutObjectAcl"] == 9
    assert one.problems


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.usefixtures("small_portions")
def test_what_is_later_is_left_out(tmp_path, processes):
    for number, day in enumerate(("2026-05-30", "2026-06-01", "2026-06-02")):
        data = envelope(record("sqs:CreateQueue", eventTime=f"{day}T00:00:00Z", eventID=day))
        (tmp_path / f"{number}.json").write_bytes(data)
    usage = read_paths([tmp_path], processes=processes, until=datetime(2026, 6, 1, tzinfo=UTC)).usage
    assert (usage.records, usage.last) == (2, datetime(2026, 6, 1, tzinfo=UTC))
    assert [(one.action, one.count) for one in usage.evidence] == [("sqs:CreateQueue", 2)]


def test_files_are_divided_by_number_and_size(monkeypatch):
    monkeypatch.setattr(pool, "_FILES", 2)
    monkeypatch.setattr(pool, "_BYTES", 10)
    assert list(portions([("a", 1), ("b", 1), ("c", 20), ("d", 1)])) == [("a", "b"), ("c",), ("d",)]
    assert list(portions([])) == []


@pytest.mark.usefixtures("small_portions")
def test_a_file_that_is_gone_is_a_problem(folder):
    tally = read_files([(str(folder / "0.json.gz"), 1), (str(folder / "none.json"), 1)], 2, None)
    assert tally.problems == [Problem(str(folder / "none.json"), "Unreadable", "No such file or directory")]


@pytest.mark.usefixtures("small_portions")
def test_a_process_that_was_killed_is_an_error_and_the_others_end(folder, monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments, **more):
        started.append(popen(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(child.subprocess, "Popen", start)
    monkeypatch.setattr(pool, "receive_answer", lambda stream: (started[0].kill(), receive_answer(stream))[1])
    with pytest.raises(ReaderEndedError, match="killed, perhaps for want of memory; read with one process"):
        read_paths([folder], processes=2)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
    assert threading.active_count() < 10


def test_a_slow_process_holds_the_others_up_but_is_never_held_up_by_them(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_FILES", 1)
    for number in range(60):
        (tmp_path / f"{number:02}.json").write_bytes(envelope(record(eventID=str(number % 50))))
    may_wait = pool._RUN + pool._AHEAD  # beside the run of the slow one
    ahead, enough, read = [], threading.Event(), pool._Worker.read

    def slowly(worker, order):
        if order.paths[0].endswith("00.json"):
            assert enough.wait(60)
            assert len(ahead) == may_wait
        elif not enough.is_set():
            ahead.append(order)
            if len(ahead) == may_wait:
                enough.set()
        return read(worker, order)

    monkeypatch.setattr(pool._Worker, "read", slowly)
    usage = read_paths([tmp_path], processes=2).usage
    assert (usage.records, usage.evidence[0].count) == (60, 50)


def worker(**more):
    command = [sys.executable, "-P", "-m", "plumbline.usage.worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def test_a_worker_ends_with_its_orders(folder):
    with worker() as process:
        send(process.stdin, Read((str(folder / "0.json.gz"),)))
        assert len(receive_answer(process.stdout).batches) == 1
        send(process.stdin, Give({}))
        assert receive_answer(process.stdout).groups
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_a_worker_ends_when_nobody_reads_its_answers(folder):
    with worker() as process:
        process.stdout.close()
        send(process.stdin, Read((str(folder / "0.json.gz"),)))
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_half_an_answer_is_none():
    assert receive_answer(io.BytesIO(b"\0\0\0\0\0\0\0\x09abc")) is None


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def exists(pid):
    return Path(f"/proc/{pid}").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_who_started_it(tmp_path, number):
    (tmp_path / "a.jsonl").write_bytes((json.dumps(record(eventID=None)).encode() + b"\n") * 100_000)
    (tmp_path / "b.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes())
    code = "import sys; from plumbline.cli.main import main; sys.exit(main())"
    # Who is started in the background ignores SIGINT, and so would this process.
    reset = ["env", "--default-signal=INT"]
    command = [*reset, sys.executable, "-c", code, "usage", str(tmp_path), "--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while len(workers := children(process.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(20) == (130 if number == signal.SIGINT else -number)
        assert process.stdout.read() == b""
        while any(map(exists, workers)):
            assert time.monotonic() < deadline, "a process is left"
            time.sleep(0.05)
