"""The command line as a user calls it, without AWS credentials unless a test asks for the sandbox."""

import os
from dataclasses import dataclass
from functools import cache

import pytest
import structlog
from typer.main import get_command

from plumbline.cli.main import main


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture
def no_aws(monkeypatch, tmp_path):
    """A machine that has no AWS credentials, wherever a client may look for them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


# Typer would put the commands together anew for each call, which takes longer than most of them.
put_together = cache(get_command)


@pytest.fixture
def plumbline(monkeypatch, capsys):
    """Calls the command with arguments; its exit status and what it wrote."""
    monkeypatch.setattr("typer.main.get_command", put_together)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["plumbline", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(ended.value.code, out, err)

    yield call
    structlog.reset_defaults()
