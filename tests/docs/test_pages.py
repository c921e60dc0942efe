"""What the pages show is right: resources are valid, commands exist, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml

from plumbline.api.report import RoleAccessReport
from plumbline.cli.main import app
from plumbline.reconcile.resources import MODELS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")], key=lambda path: path.as_posix()
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _blocks(language):
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text()))
        if kind == language
    ]


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_every_resource_that_is_shown_is_valid(text):
    models = MODELS | {"RoleAccessReport": RoleAccessReport}
    shown = [d for d in yaml.safe_load_all(text) if isinstance(d, dict) and d.get("kind") in models]
    for document in shown:
        assert models[document["kind"]].model_validate(document)
    assert shown or "kind:" not in text or "ServiceAccount" in text or "apiVersion: v1" in text


def _commands():
    return [
        pytest.param(line.removeprefix("$ ").strip(), id=line[2:60])
        for param in _blocks("console")
        for line in param.values[0].splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.parametrize("command", _commands())
def test_every_command_that_is_shown_exists(command):
    words = shlex.split(command)
    words = [word for word in words if "=" not in word or word.startswith("-")]
    if words[0] == "make":
        assert set(words[1:]) <= TARGETS
    elif words[0].endswith("plumbline"):
        group = typer.main.get_command(app)
        name = next(word for word in words[1:] if not word.startswith("-"))
        found = group.commands[name]
        options = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        shared = {option for parameter in group.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options | shared
    elif words[0] == "kubectl":
        files = [words[i + 1] for i, word in enumerate(words) if word in ("-f", "-k")]
        assert all((ROOT / file).exists() for file in files)
    else:
        assert words[0] in {"docker", "aws", "cp", "crontab", "export", "cat", "cd", "git", "curl"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_targets_are_those_that_the_pages_list():
    listed = set(re.findall(r"^\| `make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    documented = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert listed == documented
