"""`plumbline` itself and `plumbline usage`: exit statuses and messages that all commands share."""

import pytest

from plumbline import __version__
from plumbline.cli.main import app
from tests.usage.records_for_tests import ROLE, envelope, record

COMMANDS = sorted(info.name or info.callback.__name__ for info in app.registered_commands)


def test_version(plumbline):
    ended = plumbline("--version")
    assert (ended.status, ended.out) == (0, f"plumbline {__version__}\n")


def test_the_commands(plumbline):
    ended = plumbline("--help")
    assert ended.status == 0
    assert {"generate", "run", "usage"} <= set(COMMANDS)
    assert all(f" {name} " in ended.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(plumbline, command):
    ended = plumbline(command, "--help")
    assert ended.status == 0
    assert f"plumbline {command}" in ended.out


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["usage"], ["usage", "missing"]])
def test_wrong_usage_is_64(plumbline, arguments):
    ended = plumbline(*arguments)
    assert ended.status == 64
    assert ended.out == ""
    assert "Error: " in ended.err


def test_usage_of_an_empty_folder_is_no_success(plumbline, tmp_path):
    ended = plumbline("usage", tmp_path, "--format", "table")
    assert ended.status == 2
    assert ended.out == "0 events in 0 files: none\n"
    assert "the folder holds no .json" in ended.err


def test_usage_as_text_names_each_principal_once_and_whole(plumbline, tmp_path):
    records = [record("s3:GetObject", requestParameters={"bucketName": "b", "key": "k"}), record("iam:CreateUser")]
    (tmp_path / "a.json").write_bytes(envelope(*records))
    ended = plumbline("usage", tmp_path, "--format", "table")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "2 events in 1 files: action 2",
        "",
        ROLE,
        "  iam:CreateUser  used              1  2026-01-10",
        "  s3:GetObject    used              1  2026-01-10  1 resource",
    ]


def test_an_interrupt_is_130(plumbline, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("plumbline.usage.summary.read_paths", interrupt)
    ended = plumbline("usage", tmp_path)
    assert ended.status == 130
    assert "Traceback" not in ended.err
