"""A pass that is killed before or after any write, and run again, ends with the result of an undisturbed one."""

import os
import signal
import subprocess
import sys

import pytest

from tests.line.passes import texts, verdicts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

POINTS = 6  # spread over all writes of a pass, each before and after


def _pass(account, state, at=""):
    command = [sys.executable, "-m", "tests.line.passes", str(account.inputs), str(state), str(at)]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


def test_killed_anywhere_and_run_again_equals_the_undisturbed_run(account, sandbox, tmp_path):
    whole = tmp_path / "whole"
    undisturbed = _pass(account, whole)
    assert undisturbed.returncode == 0, undisturbed.stderr
    writes = int(undisturbed.stdout)
    assert writes > 20
    points = [1 + (writes - 1) * n // (POINTS - 1) for n in range(POINTS)]
    for number in points:
        for at in (number, -number):
            state = tmp_path / f"killed-{at}"
            killed = _pass(account, state, at)
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            again = _pass(account, state)
            assert again.returncode == 0, again.stderr
            left = {name: text for name, text in texts(state).items() if "/." not in f"/{name}"}
            assert left == texts(whole), f"killed at write {at} of {writes}"
            assert verdicts(state) == verdicts(whole)
