"""Servers that do not start say why, and none outlives the tests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.controlplane import build
from tests.servers.controlplane.processes import Group, StartError
from tests.servers.controlplane.server import running

REPOSITORY = Path(__file__).resolve().parents[2]


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_program_that_does_not_start_is_shown_with_the_end_of_its_log(tmp_path):
    for name in build.PROGRAMS:
        program(tmp_path / "bin" / name, "echo no such flag; exit 7")
    with (
        pytest.raises(StartError, match=r"etcd ended with code 7 while waiting for /health(?s:.*)no such flag"),
        running(tmp_path / "run", tmp_path / "bin"),
    ):
        pass


def test_a_program_that_does_not_become_ready_is_ended_after_its_time(tmp_path):
    group = Group()
    try:
        server = group.start("etcd", ["/bin/sleep", "1000"], tmp_path / "log", {})
        with pytest.raises(StartError, match=r"etcd runs, but /health took more than 0 s"):
            server.wait_until(lambda: False, "/health", 0.2)
    finally:
        group.close()
    assert not server.running()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_servers_end_when_the_tests_are_killed(tmp_path, number):
    code = (
        "import pathlib, sys, time; from tests.servers.controlplane.processes import Group\n"
        "server = Group().start('server', ['/bin/sleep', '1000'], pathlib.Path(sys.argv[1]), {})\n"
        "print(server.pid, flush=True); time.sleep(1000)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "log"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(number)
    deadline = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} outlives the tests"
        time.sleep(0.05)


def alive(pid):
    try:
        # A process that nobody has waited for is dead all the same.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
