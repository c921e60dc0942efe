"""The sandbox organization after one pass (`first`), and one account of it with its logs in a folder (`account`), which
is read in seconds and so can be damaged, killed and read anew."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from plumbline.inventory import credentials
from sandbox.demo import SAMPLES
from tests.line.inputs import development_baseline, download, write_landscape
from tests.line.passes import NOW, PassReport, run_pass


@pytest.fixture(scope="session")
def environment(sandbox_server):
    """The operator's environment, for fixtures that outlive a test."""
    before = dict(os.environ)
    os.environ.update(sandbox_server.env, AWS_EC2_METADATA_DISABLED="true")
    yield sandbox_server
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits for the sandbox as long as for AWS."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(credentials, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(credentials, "DEADLINE", 3.0)


@dataclass(frozen=True)
class First:
    state: Path
    report: PassReport
    calls: dict


@pytest.fixture(scope="session")
def first(environment, tmp_path_factory):
    """The state folder after the first pass over the whole organization, what it reported, and the calls it made."""
    state = tmp_path_factory.mktemp("first") / "state"
    environment.control("DELETE", "calls")
    report = run_pass(SAMPLES, state)
    return First(state, report, environment.calls())


@dataclass(frozen=True)
class Account:
    """`inputs`: landscape and baseline; `logs`: the folder with the account's log and digest files."""

    inputs: Path
    logs: Path

    def landscape(self, **source: object) -> None:
        """Writes the landscape with its source changed."""
        write_landscape(self.inputs, self.logs, source)


@pytest.fixture(scope="session")
def downloaded(environment, tmp_path_factory):
    return download(tmp_path_factory.mktemp("logs"), NOW)


@pytest.fixture
def account(downloaded, tmp_path):
    """A copy of the account's logs that the test may damage, with a landscape and a baseline."""
    logs, inputs = tmp_path / "logs", tmp_path / "inputs"
    inputs.mkdir()
    for path in downloaded.rglob("*"):
        if path.is_file():
            target = logs / path.relative_to(downloaded)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(path)
    write_landscape(inputs, logs, {})
    (inputs / "baseline.yaml").write_text(yaml.safe_dump(development_baseline()))
    return Account(inputs, logs)


@pytest.fixture(scope="session")
def by_files(environment, downloaded, tmp_path_factory):
    """The state folder after a pass over the account's undamaged log files, with which others are compared."""
    inputs, state = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("state")
    write_landscape(inputs, downloaded, {})
    (inputs / "baseline.yaml").write_text(yaml.safe_dump(development_baseline()))
    run_pass(inputs, state)
    return state
