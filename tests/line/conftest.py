"""The sandbox organization after one pass (`first`), and one account of it with its logs in a folder (`account`), which
is read in seconds and so can be damaged, killed and read anew."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
import yaml

from sandbox import organization as org
from sandbox.demo import SAMPLES
from tests.line.passes import NOW, PassReport, run_pass

LOGS = f"AWSLogs/{org.ORGANIZATION_ID}/{org.DEVELOPMENT}/"


@pytest.fixture(scope="session")
def environment(sandbox_server):
    """The operator's environment, for fixtures that outlive a test."""
    before = dict(os.environ)
    os.environ.update(sandbox_server.env, AWS_EC2_METADATA_DISABLED="true")
    yield sandbox_server
    os.environ.clear()
    os.environ.update(before)


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
    """The development account's logs of the last 33 days, as `aws s3 sync` would leave them."""
    folder = tmp_path_factory.mktemp("logs")
    client = boto3.client("s3")
    days = [NOW - timedelta(days=n) for n in range(34)]
    for kind in ("CloudTrail", "CloudTrail-Digest"):
        for day in days:
            prefix = f"{LOGS}{kind}/{org.HOME_REGION}/{day:%Y/%m/%d}/"
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=org.TRAIL_BUCKET, Prefix=prefix):
                for item in page.get("Contents", ()):
                    path = folder / item["Key"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    body = client.get_object(Bucket=org.TRAIL_BUCKET, Key=item["Key"])["Body"].read()
                    path.write_bytes(body)
    return folder


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
    baselines = yaml.safe_load_all((SAMPLES / "baselines.yaml").read_text())
    chosen = next(b for b in baselines if b["metadata"]["name"] == "development")
    (inputs / "baseline.yaml").write_text(yaml.safe_dump(chosen))
    return Account(inputs, logs)


def write_landscape(inputs: Path, logs: Path, source: dict) -> None:
    whole = yaml.safe_load((SAMPLES / "landscape.yaml").read_text())
    whole["spec"]["accounts"] = {"ids": [org.DEVELOPMENT]}
    whole["spec"]["evidence"]["cloudTrailLogs"] = [
        {"name": "folder", "trailArn": org.TRAIL_ARN, "folder": str(logs)} | source
    ]
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(whole))
