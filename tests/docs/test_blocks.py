"""Every block of README and docs is what it says: resources are valid, JSON fits its schema, commands are understood."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from plumbline.api.proposal import ProposalStatus
from plumbline.api.report import RoleAccessReport
from plumbline.cli.main import app
from plumbline.export import metrics
from plumbline.iam.documents import parse_identity
from plumbline.model.assessment import Verdict
from plumbline.operator import figures
from plumbline.reconcile import manifests
from plumbline.reconcile.resources import MODELS
from tests.docs.pages import ROOT, blocks, table
from tests.schemas import schema

SHOWN = MODELS | {"RoleAccessReport": RoleAccessReport}
FINDING = {"verdict", "reason", "detail", "sources", "actions"}
ROLE = {"uniqueId", "findings", "usedNotGranted", "denied", "possibleAdditions"}


def ids(found):
    return [pytest.param(block, id=str(block)) for block in found]


def test_every_block_has_a_language_that_is_checked():
    known = {"yaml", "json", "sh", "console", ""}
    assert [str(block) for block in blocks() if block.language not in known] == []
    # A block without a language shows a drawing or an output, and nothing to copy.
    assert [
        str(b) for b in blocks("") if re.search(r"^(plumbline|make|kubectl|docker|aws) ", b.text, re.MULTILINE)
    ] == []


# YAML


@pytest.mark.parametrize("block", ids(blocks("yaml")))
def test_yaml(block):
    documents = manifests.read_all(block.text)
    assert documents
    for document in documents:
        if block.kind == "prometheus":
            rules(document)
        elif block.kind == "status":
            assert document.keys() <= {field.alias for field in ProposalStatus.model_fields.values()}
            ProposalStatus.model_validate(document)
        else:
            manifest(document)


def manifest(document):
    assert manifests.wrong_type(document, MODELS) == ""
    kind = document["kind"]
    if kind in SHOWN:
        SHOWN[kind].model_validate(document)
    else:
        assert document["apiVersion"]
        assert kind == "Kustomization" or manifests.is_name(document["metadata"]["name"])


def rules(document):
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families()}
    names |= set(re.findall(r'"(plumbline_[a-z_]+)"', Path(figures.__file__).read_text()))
    for group in document["groups"]:
        for rule in group["rules"]:
            used = set(re.findall(r"plumbline_\w+", rule["expr"]))
            assert used
            assert used <= names
            assert rule["annotations"]["summary"]


def families():
    figures = metrics.Figures(roles=(metrics.RoleFigures("l", "r", 1, 1),))
    return list(metrics._Collector(figures).collect())


# JSON


@pytest.mark.parametrize("block", ids(blocks("json")))
def test_json(block):
    document = json.loads(block.text)
    if block.kind == "finding":
        finding(document)
    elif block.kind == "verdicts":
        for role in document.values():
            assert role.keys() == ROLE
            for item in role["findings"]:
                finding(item)
    elif block.kind in ("run", "usage", "generate"):
        schema(block.kind).validate(document)
    else:
        parse_identity(block.text)


def finding(document):
    assert document.keys() == FINDING
    known = {row[0].strip("`"): row[1] for row in table("docs/verdicts.md", "reason")}
    assert Verdict(document["verdict"]) in known[document["reason"]].split(", ")


# Commands

COMMANDS = typer.main.get_command(app)
# What is not ours: only that it names files that are here can be checked.
OTHERS = {"aws", "cat", "cd", "docker", "git", "kubectl", "mkdir", "pip", "python3", "kustomize", "export", "open"}


def lines(block):
    """The commands of a block, continued lines joined: in a console those behind a prompt, elsewhere all."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        return [line.removeprefix("$ ").strip() for line in text.splitlines() if line.startswith("$ ")]
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("block", ids(blocks("sh", "console")))
def test_commands(block):
    assert lines(block)
    for line in lines(block):
        for command in re.split(r" (?:&&|\|) ", line):
            words = shlex.split(command, comments=True)
            while "=" in words[0]:  # variables before the command
                words.pop(0)
            understood(words)


def understood(words):
    program = words[0].removeprefix(".venv/bin/")
    if program == "plumbline":
        parsed(words[1:])
    elif program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    elif program == "python":
        assert words[1] == "-m"
        assert (ROOT / words[2] / "__main__.py").exists()
    else:
        assert program in OTHERS, f"{program} is not checked; add how to check it"
        for word in words[1:]:
            if re.match(r"(file://)?(deploy|crds|docs|sandbox|tests)/", word):
                assert (ROOT / word.removeprefix("file://")).exists(), word


def parsed(arguments):
    """As the command line would read it, without doing it."""
    with COMMANDS.make_context("plumbline", list(arguments)) as context:
        left = [*context._protected_args, *context.args]
        if left:
            name, command, rest = COMMANDS.resolve_command(context, left)
            with command.make_context(name, rest, parent=context):
                pass


EXECUTED = [block for block in blocks("console") if block.kind == "run"]
ENDS = re.compile(r" +# ends with (\d+)$")


@pytest.mark.parametrize("block", ids(EXECUTED))
def test_examples_print_what_is_shown(block, plumbline, monkeypatch):
    """`console run`: each command is executed, and what follows it is all of stdout and stderr."""
    monkeypatch.chdir(ROOT)
    shown = [part for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE) if part]
    assert shown
    for part in shown:
        command, _, output = part.partition("\n")
        status = ENDS.search(command)
        words = shlex.split(command, comments=True)
        assert words[0] == "plumbline"
        ended = plumbline(*words[1:])
        assert ended.out + ended.err == output
        assert ended.status == (int(status[1]) if status else 0)


def test_every_offline_command_has_an_example_that_is_executed():
    found = {word for block in EXECUTED for word in re.findall(r"^\$ plumbline ([a-z-]+)", block.text, re.MULTILINE)}
    assert found == {"analyze", "report", "explain", "simulate", "compare", "granted", "who-can", "paths"}


def test_a_wrong_command_would_be_found():
    with pytest.raises(Exception, match="No such option"):
        parsed(["run", "--baselines", "x", "--nonsense"])
    with pytest.raises(Exception, match="No such command"):
        parsed(["nonsense"])


def test_a_wrong_resource_would_be_found():
    wrong = yaml.safe_load("{apiVersion: plumbline.dev/v1alpha1, kind: IAMLandscape, metadata: {name: x}, spec: {}}")
    with pytest.raises(ValueError, match="accounts"):
        manifest(wrong)
