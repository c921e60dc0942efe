"""`plumbline run` as a user meets it: what is wrong is named, with the remedy, and never looks like success."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox import organization as org
from sandbox.demo import DRIFTING, SAMPLES, drift
from tests.schemas import schema


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    return folder


@pytest.fixture
def samples(inputs):
    for path in SAMPLES.glob("*.yaml"):
        (inputs / path.name).write_text(path.read_text())
    return inputs


@pytest.fixture
def run(plumbline, inputs, tmp_path, no_aws):
    """`plumbline run` on the inputs, as JSON."""

    def call(*arguments):
        return plumbline("run", "--baselines", inputs, "--state", tmp_path / "state", *arguments)

    return call


def report(ended):
    found = json.loads(ended.out)
    schema("run").validate(found)
    return found


# The arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--baselines'"),
        (("--baselines", "missing"), "there is no folder 'missing'"),
        (("--baselines", ".", "--format", "xml"), "'xml' is not one of 'json', 'table'"),
        (("--baselines", ".", "--everything"), "No such option"),
    ],
)
def test_wrong_usage_is_64_and_says_what(plumbline, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    ended = plumbline("run", *arguments)
    assert (ended.status, ended.out) == (64, "")
    assert message in ended.err
    assert list(tmp_path.iterdir()) == []


def test_wrong_log_level(plumbline):
    ended = plumbline("--log-level", "loud", "run", "--baselines", ".")
    assert ended.status == 64
    assert "use debug, info, warning or error" in ended.err


# What is not there


def test_an_empty_folder_is_no_success(run, inputs):
    ended = run()
    assert ended.status == 2
    assert f"{inputs}: there is no LeastPrivilegeBaseline" in ended.err
    assert "correct --baselines" in ended.err
    assert report(ended)["problems"] == [line for line in ended.err.splitlines() if line]


def test_an_empty_folder_gives_no_empty_table(run):
    ended = run("--format", "table")
    assert "Baseline" not in ended.out
    assert "0 resources written" in ended.out


def test_a_folder_of_other_things_is_no_success(run, inputs):
    (inputs / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")
    (inputs / "baseline.json").write_text("{}")
    ended = run()
    assert ended.status == 2
    assert ".yaml and .yml" in ended.err


def test_without_credentials_it_names_the_remedy_once(run, samples):
    ended = run()
    assert ended.status == 2
    assert "Traceback" not in ended.err
    (line,) = ended.err.splitlines()
    assert "baselines orders/orders, platform/development, platform/legacy, platform/production: " in line
    assert "Give AWS credentials by environment, profile or service account" in line
    found = report(ended)
    assert not any(one["assessed"] for one in found["baselines"].values())


def test_without_credentials_for_a_list_of_accounts(run, samples):
    landscape = yaml.safe_load((samples / "landscape.yaml").read_text())
    landscape["spec"]["accounts"] = {"ids": [org.PRODUCTION]}
    (samples / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    ended = run()
    assert ended.status == 2
    assert f"landscape default: account {org.PRODUCTION}: " in ended.err
    assert "Give AWS credentials" in ended.err
    assert "source organization-trail" not in ended.err  # no account was left to ask it for
    assert report(ended)["baselines"]["platform/production"]["unassessed"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_person_at_a_terminal_sees_how_far_it_is(run, samples, monkeypatch, terminal):
    landscape = yaml.safe_load((samples / "landscape.yaml").read_text())
    landscape["spec"]["accounts"] = {"ids": [org.PRODUCTION, org.DEVELOPMENT]}
    (samples / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    ended = run("--format", "json")
    told = [line.rpartition(" (")[2] for line in ended.err.splitlines() if line.startswith("inventory: account ")]
    assert told == (["1 of 2, 1 failed)", "2 of 2, 2 failed)"] if terminal else [])
    report(ended)  # stdout is for the output alone


def test_a_way_that_is_not_looked_for_is_a_problem(run, samples):
    landscape = yaml.safe_load((samples / "landscape.yaml").read_text())
    way = {"id": "sts-assume-role", "kind": "principal-access", "summary": "s", "needs": {"sqs:SendMessage": "any"}}
    landscape["spec"] |= {
        "accounts": {"ids": [org.PRODUCTION]},
        "escalationWays": [way | {"target": "role", "gains": "target"}],
    }
    (samples / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    ended = run()
    assert ended.status == 2
    message = "spec.escalationWays[0].id: 'sts-assume-role' is taken; write an id that no other way has"
    assert f"landscape default: {message}" in ended.err
    assert any(message in problem for problem in report(ended)["problems"])


def test_a_report_of_what_could_not_be_collected_is_not_clean(run, samples, tmp_path):
    landscape = samples / "landscape.yaml"
    document = yaml.safe_load(landscape.read_text())
    document["spec"]["accounts"] = {"ids": ["100000000001"]}
    landscape.write_text(yaml.safe_dump(document))
    assert run("--report").status == 2
    text = next(tmp_path.rglob("report/default.html")).read_text()
    assert "not collected" in text
    assert "complete in 0 of 1 accounts; 1 not collected" in text


def test_a_missing_landscape(run, samples):
    (samples / "landscape.yaml").unlink()
    ended = run()
    assert ended.status == 2
    assert "the landscape default does not exist; create it, or correct spec.landscapeRef.name" in ended.err


def test_a_suspended_baseline_is_no_problem(run, samples):
    baseline = next(yaml.safe_load_all((samples / "orders.yaml").read_text()))
    baseline["spec"]["suspend"] = True
    for path in samples.iterdir():
        path.unlink()
    (samples / "one.yaml").write_text(yaml.safe_dump(baseline))
    (samples / "landscape.yaml").write_text((SAMPLES / "landscape.yaml").read_text())
    ended = run()
    assert report(ended)["baselines"]["orders/orders"]["assessed"] is False
    assert "baseline orders/orders" not in ended.err


# What cannot be read


def test_a_wrong_field_names_file_field_and_remedy(run, samples):
    path = samples / "baselines.yaml"
    path.write_text(path.read_text().replace("unusedActions: 3", "unusedAction: 3"))
    ended = run()
    assert ended.status == 2
    assert (
        "baselines.yaml#1: spec.thresholds.unusedAction is not a known field; did you mean unusedActions?" in ended.err
    )


def test_a_file_that_is_no_yaml(run, inputs):
    (inputs / "broken.yaml").write_text("{{ nothing")
    ended = run()
    assert ended.status == 2
    assert "broken.yaml: cannot be read as YAML" in ended.err


# State folder and database


def test_a_state_folder_that_is_a_file(plumbline, inputs, tmp_path):
    (tmp_path / "state").write_text("")
    ended = plumbline("run", "--baselines", inputs, "--state", tmp_path / "state")
    assert (ended.status, ended.out) == (2, "")
    assert "the state folder cannot be used" in ended.err
    assert "check --state" in ended.err
    assert "Traceback" not in ended.err


def test_a_state_folder_that_cannot_be_written(plumbline, inputs):
    ended = plumbline("run", "--baselines", inputs, "--state", "/proc/plumbline")
    assert ended.status == 2
    assert "the state folder cannot be used" in ended.err


def test_a_database_that_cannot_be_opened(run, tmp_path):
    (tmp_path / "state" / "plumbline.db").mkdir(parents=True)
    ended = run()
    assert ended.status == 2
    assert f"the database {tmp_path / 'state' / 'plumbline.db'} cannot be used" in ended.err
    assert "--state can be written" in ended.err


def test_a_database_that_is_none(run, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "plumbline.db").write_text("not a database, and longer than the head of one " * 20)
    ended = run()
    assert ended.status == 2
    assert "cannot be used" in ended.err


def test_a_database_of_a_later_version(run, tmp_path):
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "plumbline.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('9000')"
    )
    connection.close()
    ended = run()
    assert ended.status == 2
    assert (
        f"the database {path} cannot be used: a later version of Plumbline has brought its schema to 9000" in ended.err
    )
    assert "start that version again, or restore" in ended.err


@pytest.mark.parametrize("url", ["", "nonsense", "oracle9://host/name"])
def test_a_wrong_url_is_wrong_usage(run, url):
    ended = run("--store", url)
    assert ended.status == 64
    assert "sqlite:////folder/plumbline.db" in ended.err


def test_a_url_whose_folder_is_missing(run):
    ended = run("--store", "sqlite:////nonexistent/plumbline.db")
    assert ended.status == 2
    assert "the database of --store cannot be used" in ended.err


def test_a_url_without_its_driver(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ended = run("--store", "postgresql+psycopg://somebody:secret@localhost/plumbline")
    assert ended.status == 2
    assert "needs the Python package psycopg" in ended.err
    assert "secret" not in ended.err


# Mistakes of ours


def test_a_mistake_of_ours_is_not_taken_for_drift(run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("plumbline.reconcile.run.reconcile_all", fail)
    ended = run("--fail-on-drift")
    assert (ended.status, ended.out) == (70, "")
    assert "unforeseen" in ended.err
    assert "please report it" in ended.err


@pytest.mark.slow
def test_a_reader_that_is_gone(inputs, tmp_path):
    command = [Path(sys.executable).with_name("plumbline"), "run", "--baselines", inputs, "--state", tmp_path / "state"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait() == 141
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    process.stderr.close()


# The sandbox: one role, so that a pass takes seconds


@pytest.fixture
def one_role(inputs):
    landscape = yaml.safe_load((SAMPLES / "landscape.yaml").read_text())
    landscape["spec"]["accounts"] = {"ids": [org.PRODUCTION]}
    landscape["spec"]["evidence"] = {"lastAccessed": {}}
    baseline = {
        "apiVersion": "plumbline.dev/v1alpha1",
        "kind": "LeastPrivilegeBaseline",
        "metadata": {"name": "mail", "namespace": "platform"},
        "spec": {"targets": {"accounts": [org.PRODUCTION], "names": [DRIFTING]}},
    }
    (inputs / "all.yaml").write_text(yaml.safe_dump_all([landscape, baseline]))
    return inputs


@pytest.fixture
def drifted(sandbox):
    made = []

    def call():
        drift(sandbox)
        made.append(True)

    yield call
    if made:
        drift(sandbox, take_back=True)


@pytest.mark.slow
def test_drift_is_1_where_it_is_asked_for(plumbline, sandbox, one_role, drifted, tmp_path):
    arguments = ("run", "--baselines", one_role, "--state", tmp_path / "state")
    first = plumbline(*arguments, "--fail-on-drift")
    assert first.status == 0, first.err
    assert report(first)["baselines"]["platform/mail"]["outOfLine"] == []
    assert plumbline(*arguments).out.count('"written": 0') == 1
    drifted()
    assert plumbline(*arguments).status == 0
    found = plumbline(*arguments, "--fail-on-drift")
    assert found.status == 1
    (role,) = report(found)["baselines"]["platform/mail"]["outOfLine"]
    assert role["over"] == ["grantDrift"]
    shown = plumbline(*arguments, "--format", "table")
    assert "platform/mail" in shown.out
    assert f"{org.PRODUCTION} {DRIFTING}" in shown.out
    assert "grantDrift" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


@pytest.mark.slow
def test_a_target_that_is_not_there_is_named(plumbline, sandbox, one_role, tmp_path):
    path = one_role / "all.yaml"
    landscape, baseline = yaml.safe_load_all(path.read_text())
    baseline["spec"]["targets"] = {"arns": [f"arn:aws:iam::{org.PRODUCTION}:role/nobody"]}
    path.write_text(yaml.safe_dump_all([landscape, baseline]))
    ended = plumbline("run", "--baselines", one_role, "--state", tmp_path / "state")
    assert ended.status == 2
    assert "baseline platform/mail: arn:aws:iam::" in ended.err
    assert "was not found, or allowedTargets" in ended.err
    report(ended)


@pytest.mark.slow
def test_a_required_source_that_delivers_nothing_is_2(plumbline, sandbox, one_role, tmp_path):
    path = one_role / "all.yaml"
    landscape, baseline = yaml.safe_load_all(path.read_text())
    landscape["spec"]["evidence"]["cloudTrailLogs"] = [{"folder": str(tmp_path)}]
    path.write_text(yaml.safe_dump_all([landscape, baseline]))
    ended = plumbline("run", "--baselines", one_role, "--state", tmp_path / "state")
    assert ended.status == 2
    assert "source cloudtrail-logs is unavailable (0 of 1 accounts complete)" in ended.err
    assert "Set trailArn of the source" in ended.err
    report(ended)
