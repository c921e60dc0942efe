"""The tables of the docs say what the code does: each reason, metric, option, target and field, and nothing else."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
import typer
import yaml

from plumbline import operator, reconcile
from plumbline.api.agreement import AgreementStatus
from plumbline.api.analyzers import AnalyzerStatus
from plumbline.api.baseline import BaselineSpec
from plumbline.api.common import Model
from plumbline.api.landscape import LandscapeSpec
from plumbline.api.proposal import ChangeStatus, ProposalSpec, ProposalStatus
from plumbline.assess import inactive, log_reach, pools, silence, silent_principals, targets, verdicts
from plumbline.cli.main import app
from plumbline.model.inactivity import Activity
from plumbline.model.policy_validation import TRUST_POLICY, PolicyType
from plumbline.operator import figures
from plumbline.plan import edit, role
from plumbline.reconcile.proposal_status import PROOF_FAILED
from plumbline.reconcile.resources import _model_in
from tests.docs.pages import ROOT, blocks, code, prose, section, table, tables
from tests.docs.test_blocks import families

CAMEL = re.compile(r"[a-z]+([A-Z][a-z]+)+")
PASCAL = re.compile(r"([A-Z][a-z]+){2,}|Assessed|Approved|Rejected|Collected|Expired|Proven")


def strings(module):
    """The texts of a module that are no docstrings."""
    tree = ast.parse(Path(module.__file__).read_text())
    plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in plain
    }


def arguments(module, function, index):
    """The texts that stand at a place among the arguments of a function's calls."""
    found = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Call) and len(node.args) > index:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            value = node.args[index]
            if name == function and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return found


# Verdicts


def reasons_in_code():
    """Reasons are in camel case; those of a single word stand where a finding is made."""
    found = {
        text for module in (verdicts, log_reach, silence, pools) for text in strings(module) if CAMEL.fullmatch(text)
    }
    return found | arguments(verdicts, "take", 1) | arguments(verdicts, "Finding", 1)


def test_the_table_of_reasons_is_that_of_the_code():
    documented = [row[0].strip("`") for row in table("docs/verdicts.md", "reason")]
    assert sorted(documented) == sorted(set(documented))
    assert set(documented) == reasons_in_code()
    assert {"observed", "silent", "masked", "logGap"} <= set(documented)


def test_reasons_of_incomplete_evidence_are_named():
    text = section("docs/verdicts.md", "Every reason")
    paragraph = next(p for p in text.split("\n\n") if "the evidence is incomplete" in p)
    assert set(code(paragraph)) - {"EvidenceComplete", "Compliant", "True"} == verdicts.INCOMPLETE_REASONS


def test_every_undetermined_reason_says_what_to_do():
    for row in table("docs/verdicts.md", "reason"):
        assert len(row) == 4
        assert all(row)


# Inactivity


def test_the_table_of_reasons_of_inactivity_is_that_of_the_code():
    documented = {row[0].strip("`"): row[1] for row in table("docs/inactivity.md", "inactivity reason")}
    found = set(inactive._REPORT_REASONS.values()) | silent_principals._GAPS
    for module in (inactive, silent_principals):
        found |= {text for text in strings(module) if CAMEL.fullmatch(text)} - {"accessKey"}
        found |= arguments(module, "Silence", 1) | arguments(module, "idle", 2)
    # A reason of two alternatives stands in a variable; that of the logs is handed on.
    assert set(documented) == found | {"unused", "managementEventsNotSelected"}
    assert set(documented.values()) == {activity.value for activity in Activity}


# Analyzers


def test_the_states_of_analyzers_are_those_of_the_code():
    documented = [row[0].strip("`") for row in table("docs/analyzers.md", "analyzer state")]
    assert documented == list(AnalyzerStatus.model_fields["state"].annotation.__args__)


def test_the_figures_of_agreement_are_those_of_the_status():
    documented = {row[0].strip("`") for row in table("docs/analyzers.md", "figure")}
    fields = AgreementStatus.model_fields
    assert documented == {field.alias for field in fields.values()} - {"analyzer", "findings"}


def test_what_a_recommendation_may_be():
    documented = [row[0].strip("`") for row in table("docs/analyzers.md", "recommendation")]
    given = ProposalStatus.model_fields["recommendation"].annotation.__args__
    assert ["", *documented] == list(given)


# Policy validation


def test_the_policies_that_are_validated_are_those_of_the_code():
    documented = {kind for row in table("docs/policy-validation.md", "policy") for kind in code(row[1])}
    assert documented == {*get_args(PolicyType), TRUST_POLICY}


# Resources


def test_reasons_why_a_plan_is_not_made():
    documented = {row[0].strip("`") for row in tables(section("docs/resources.md", "RemediationProposal"))[1][1:]}
    assert documented == set(role._MESSAGES) | {PROOF_FAILED}
    assert arguments(edit, "Leftover", 0) <= documented


def test_roles_that_are_never_edited():
    documented = {row[0].strip("`") for row in tables(section("docs/resources.md", "RemediationProposal"))[2][1:]}
    assert documented == {text.partition(":")[0] for text in strings(targets) if re.match(r"[a-z]+[A-Z]\w+: ", text)}


def test_reasons_of_unassessed_targets():
    documented = {row[0].strip("`") for row in table("docs/resources.md", "reason", "LeastPrivilegeBaseline")}
    assert documented == {
        targets.NOT_FOUND,
        targets.NOT_COLLECTED,
        targets.NO_ANNOTATION,
        targets.ORGANIZATION_NOT_READ,
    }


def test_kinds_of_change():
    (kinds,) = [rows for rows in tables(section("docs/resources.md", "RemediationProposal")) if "kind" in rows[0][0]]
    assert {row[0].strip("`") for row in kinds[1:]} == set(ChangeStatus.model_fields["kind"].annotation.__args__)


def sources():
    """The modules that make conditions."""
    return [path for package in (reconcile, operator) for path in Path(package.__file__).parent.glob("*.py")]


def test_conditions_and_their_reasons_are_in_the_code():
    modules = [ast.parse(path.read_text()) for path in sources()]
    texts = {n.value for tree in modules for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    for kind in ("IAMLandscape", "LeastPrivilegeBaseline", "RemediationProposal"):
        for condition, *reasons in table("docs/resources.md", "condition", kind):
            assert condition.strip("`") in texts
            named = {word for cell in reasons for word in code(cell) if PASCAL.fullmatch(word)}
            assert {word for word in named if word not in texts} <= {"Approved", "Rejected", "Unknown", "Stalled"}


def test_facts_of_the_code_are_in_the_docs():
    documented = set(code(prose(ROOT / "docs/resources.md")))
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fact":
                given = [a.value for a in node.args[:3] if isinstance(a, ast.Constant)]
                assert {word for word in given if PASCAL.fullmatch(word)} <= documented


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("IAMLandscape", LandscapeSpec),
        ("LeastPrivilegeBaseline", BaselineSpec),
        ("RemediationProposal", ProposalSpec),
    ],
)
def test_the_example_of_a_kind_is_complete(kind, model):
    documents = [
        document
        for block in blocks("yaml")
        if block.page == ROOT / "docs/resources.md" and not block.kind
        for document in yaml.safe_load_all(block.text)
    ]
    (example,) = [document for document in documents if document["kind"] == kind]
    assert missing(model, example["spec"], "spec") == []


def missing(model: type[Model], value, path):
    """The fields that an example leaves out."""
    values = value if isinstance(value, list) else [value]
    found = []
    for name, field in model.model_fields.items():
        alias = field.alias or name
        given = [item[alias] for item in values if alias in item]
        inner = _model_in(field.annotation)
        if not given:
            found.append(f"{path}.{alias}")
        elif inner is not None:
            flat = [one for item in given for one in (item if isinstance(item, list) else [item])]
            found += missing(inner, flat, f"{path}.{alias}")
    return found


# Metrics


def test_the_table_of_metrics_is_that_of_the_code():
    documented = {row[0].strip("`"): (row[1], tuple(code(row[2]))) for row in table("docs/metrics.md", "metric")}
    exported = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, tuple(family._labelnames))
        for family in families()
    }
    assert documented == exported


def test_the_table_of_the_operators_metrics_is_that_of_the_code():
    documented = {row[0].strip("`"): tuple(code(row[2])) for row in table("docs/metrics.md", "operator metric")}
    counters, gauges = arguments(figures, "CounterMetricFamily", 0), arguments(figures, "GaugeMetricFamily", 0)
    assert set(documented) == {f"{name}_total" for name in counters} | gauges
    assert {row[1] for row in table("docs/metrics.md", "operator metric") if "_total" in row[0]} == {"counter"}
    labels = {word for words in documented.values() for word in words}
    assert labels <= strings(figures)


# Commands


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))
def test_the_options_of_a_command(command):
    documented = {
        word.split()[0] for row in table("docs/commands.md", "option", f"plumbline {command}") for word in code(row[0])
    }
    known = typer.main.get_command(app).commands[command]
    options = {p.opts[0]: p for p in known.params if p.opts[0].startswith("--") and p.opts[0] != "--help"}
    assert documented == set(options)


def test_the_schema_of_each_command_is_named():
    text = (ROOT / "docs/commands.md").read_text()
    assert [path.name for path in (ROOT / "docs/schemas").iterdir() if path.name not in text] == []


# Makefile and CONTRIBUTING


def test_contributing_lists_the_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    helped = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    documented = [code(row[0])[0].removeprefix("make ") for row in table("CONTRIBUTING.md", "target")]
    assert sorted(documented) == sorted(helped)
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) == helped
