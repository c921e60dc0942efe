"""What a person at a terminal sees while a command works, and that nobody else does."""

import sys
from contextlib import nullcontext

import pytest

from tests.cli.accounts import details, role, saved, user
from tests.dashboard.worlds import written

GONE = "\r\x1b[K"
WORKING = [
    "analysing: paths between 3 roles and users",
    *(f"analysing: ways to gain privileges of {done} of 3 roles and users" for done in (1, 2, 3)),
    "analysing: exposure and blast radius of 3 roles and users",
    *(f"analysing: verdicts of {done} of 3 roles and users" for done in (1, 2, 3)),
]


@pytest.fixture
def given(tmp_path):
    """Options of a command: two files of accounts, and logs."""
    one = saved(tmp_path / "one.json", details([role("app")], [user("alice")]))
    other = saved(tmp_path / "other.json", details([role("far", account="222222222222")]))
    logs = saved(tmp_path / "logs.json", {"Records": []})
    return ["--account-details", one, "--account-details", other, "--logs", logs, "--as-of", "2026-06-30"]


@pytest.fixture
def at_terminal(monkeypatch):
    """stderr is one from now on; stdout is not."""
    return lambda: monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def told(err):
    """What was shown on the one line, and what stays on the screen."""
    parts = err.split(GONE)
    shown = [part for part in parts[:-1] if part and "\n" not in part]
    return shown, "".join(part for part in [*parts[:-1], parts[-1]] if "\n" in part)


@pytest.mark.parametrize(
    ("command", "more", "last"),
    [("analyze", ["--format", "json"], []), ("report", ["--output", "-"], ["making the page"])],
)
def test_says_what_is_read_and_how_far_the_analysis_is(plumbline, given, at_terminal, command, more, last):
    silent = plumbline(command, *given, *more)
    at_terminal()
    ended = plumbline(command, *given, *more)
    shown, stays = told(ended.err)
    assert shown == ["reading one.json", "reading other.json", "reading logs.json", *WORKING, *last]
    # Where nobody looks on there are the warnings alone; what the command puts out is the same.
    assert (ended.status, ended.out) == (silent.status, silent.out)
    assert stays == silent.err
    assert GONE not in silent.err + silent.out


def test_usage_and_explain_say_it_in_the_same_way(plumbline, given, at_terminal, tmp_path):
    at_terminal()
    assert told(plumbline("usage", tmp_path / "logs.json", "--format", "json").err) == (["reading logs.json"], "")
    explained = plumbline("explain", "arn:aws:iam::111111111111:role/app", *given, "--format", "json")
    assert told(explained.err)[0] == ["reading one.json", "reading other.json", "reading logs.json"]


def test_a_line_never_wraps_and_is_gone_when_something_fails(plumbline, at_terminal, tmp_path):
    at_terminal()
    file = saved(tmp_path / f"{'x' * 90}.json", details([role("app")]))
    ended = plumbline("analyze", "--account-details", file, "--logs", tmp_path / "none")
    assert ended.status == 64
    reading, _, rest = ended.err.removeprefix(GONE).partition(GONE)
    assert reading == f"reading {'x' * 70}"
    assert GONE not in rest
    assert "there is no file or folder" in rest


@pytest.fixture
def served(monkeypatch, capsys):
    """A server that ends at once; what was on stderr when it began to listen, and when it began to answer."""
    seen = []

    class Server(nullcontext):
        port = 4711

        def __init__(self, site, host, port):
            super().__init__(self)
            seen.append(capsys.readouterr().err)

        def run(self):
            seen.append(capsys.readouterr().err)
            raise KeyboardInterrupt

    monkeypatch.setattr("plumbline.dashboard.server.Server", Server)
    return seen


@pytest.mark.parametrize("terminal", [True, False])
def test_serve_says_what_it_does_and_its_address_when_pages_are_ready(
    plumbline, served, tmp_path, at_terminal, terminal
):
    if terminal:
        at_terminal()
    assert plumbline("serve", *written(tmp_path / "in")).status == 0
    before, after = served
    assert before == ""
    first = "reads the files and analyses them once; the address follows when the pages are ready\n"
    assert after.startswith(first)
    work, address, shown = after.removeprefix(first).partition("http")
    assert (f"{GONE}reading " in work, f"{GONE}analysing: " in work) == (terminal, terminal)
    assert address + shown == "http://127.0.0.1:4711/ shows the landscape until you press Ctrl-C\n"
    assert "analysing" not in work.rpartition(GONE)[2]
