"""`plumbline usage`: its JSON, its schema, its exit status."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from plumbline.cli import usage
from plumbline.usage.summary import as_json, read_paths
from tests.schemas import schema
from tests.usage.records_for_tests import ACCOUNT, ROLE, ROLE_ID, envelope, identity, record

GET = {"bucketName": "b", "key": "k"}


def command(*arguments):
    app = typer.Typer()
    usage.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["usage", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json").write_bytes(
        envelope(
            record("s3:GetObject", requestParameters=GET),
            record(
                "s3:GetObject",
                requestParameters=GET,
                eventTime="2026-01-12T00:00:00Z",
                userIdentity=identity(unique_id="AROAOLD"),
            ),
            record("autoscaling:PutScalingPolicy"),
            record(errorCode="ThrottlingException"),
            record("kms:Decrypt", userIdentity=identity(invokedBy="s3.amazonaws.com")),
        )
    )
    (tmp_path / "b.jsonl").write_text(
        "\n".join(
            json.dumps(r)
            for r in (
                record("iam:CreateUser", errorCode="AccessDenied", errorMessage="no"),
                record("glue:NoSuchOperation"),
                record("sts:GetCallerIdentity"),
                record(userIdentity={"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/x/y"}),
            )
        )
    )
    return tmp_path


def test_json(folder):
    result = command(folder, "--format", "json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    schema("usage").validate(data)
    assert (data["events"], sum(data["bins"].values())) == (9, 9)
    role = data["principals"][ROLE]
    assert role["uniqueIds"] == sorted([ROLE_ID, "AROAOLD"])
    assert role["actions"]["s3:GetObject"] == {
        "count": 2,
        "firstUsed": "2026-01-10T12:00:00Z",
        "lastUsed": "2026-01-12T00:00:00Z",
        "resources": ["arn:aws:s3:::b/k"],
        "viaServices": [],
    }
    assert role["actions"]["autoscaling:PutScalingPolicy"]["ambiguous"]
    assert role["actions"]["kms:Decrypt"]["viaServices"] == ["s3.amazonaws.com"]
    assert set(role["attempted"]) == {"ec2:DescribeInstances"}
    assert data["principals"][f"arn:aws:iam::{ACCOUNT}:role/x"]["pathKnown"] is False
    assert data["denied"][ROLE]["iam:CreateUser"] == {
        "count": 1,
        "firstSeen": "2026-01-10T12:00:00Z",
        "lastSeen": "2026-01-10T12:00:00Z",
        "codes": ["AccessDenied"],
    }
    assert data["unmapped"] == [
        {"principal": ROLE, "eventSource": "glue.amazonaws.com", "eventName": "NoSuchOperation", "count": 1}
    ]
    assert data["errors"] == []


def test_the_same_input_gives_the_same_bytes(folder):
    first = command(folder, "--format", "json").stdout
    assert command(folder / "b.jsonl", folder / "a.json", "--format", "json").stdout == first
    assert command(folder, folder, folder / "a.json", "--format", "json").stdout == first, "each file is read once"


def test_what_cannot_be_read_ends_with_2_and_the_rest_is_printed(folder):
    (folder / "c.json.gz").write_bytes(b"\x1f\x8b broken")
    result = command(folder, "--format", "json")
    assert result.exit_code == 2
    data = json.loads(result.stdout)
    schema("usage").validate(data)
    assert data["events"] == 9
    assert [Path(e["path"]).name for e in data["errors"]] == ["c.json.gz"]


def test_wrong_usage(tmp_path):
    result = command(tmp_path / "none")
    assert result.exit_code == 2, "click's own; the program's entry point makes it 64"
    assert "no file or folder" in result.output
    assert command().exit_code == 2


def test_a_folder_without_logs_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    result = command(tmp_path, "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["reason"]) == (2, "NoFiles")


def test_digest_files_are_no_logs(folder):
    digests = folder / "CloudTrail-Digest"
    digests.mkdir()
    (digests / "x.json").write_text("{}")
    assert as_json(read_paths([folder]))["errors"] == []


def test_table_for_people(folder):
    result = command(folder, "--format", "table")
    assert result.exit_code == 0
    assert "9 events in 2 files" in result.stdout
    assert "NoSuchOperation" in result.stdout


def test_times_are_told_in_utc(tmp_path):
    (tmp_path / "a.json").write_bytes(envelope(record(eventTime="2026-01-10T01:00:00+02:00")))
    (entry,) = as_json(read_paths([tmp_path]))["principals"][ROLE]["actions"].values()
    assert entry["lastUsed"] == "2026-01-09T23:00:00Z"
