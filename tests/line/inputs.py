"""One account of the sandbox as input for the line: its logs in a folder, and a landscape that reads them."""

import json
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import boto3
import yaml

from sandbox import organization as org
from sandbox.demo import SAMPLES

LOGS = f"AWSLogs/{org.ORGANIZATION_ID}/{org.DEVELOPMENT}/"
_OWNERS = f"AWSLogs/{org.ORGANIZATION_ID}/{org.MANAGEMENT}/"  # of the account whose trail it is


def download(folder: Path, now: datetime) -> Path:
    """The logs of the last 33 days, as `aws s3 sync` would leave them. Credentials of the environment."""
    client = boto3.client("s3")
    for account, kind in product((LOGS, _OWNERS), ("CloudTrail", "CloudTrail-Digest")):
        for day in (now - timedelta(days=n) for n in range(34)):
            prefix = f"{account}{kind}/{org.HOME_REGION}/{day:%Y/%m/%d}/"
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=org.TRAIL_BUCKET, Prefix=prefix):
                for item in page.get("Contents", ()):
                    path = folder / item["Key"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    body = client.get_object(Bucket=org.TRAIL_BUCKET, Key=item["Key"])["Body"].read()
                    path.write_bytes(body)
    return folder


def landscape_of(logs: Path, source: dict) -> dict:
    """The sample landscape, cut to the folder, the development account, and the one whose trail it is: else nobody would
    have seen the trail change."""
    whole = yaml.safe_load((SAMPLES / "landscape.yaml").read_text())
    whole["spec"]["accounts"] = {"ids": [org.DEVELOPMENT, org.MANAGEMENT]}
    whole["spec"]["evidence"]["cloudTrailLogs"] = [
        {"name": "folder", "trailArn": org.TRAIL_ARN, "folder": str(logs)} | source
    ]
    return whole


def write_landscape(inputs: Path, logs: Path, source: dict) -> None:
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape_of(logs, source)))


def development_baseline() -> dict:
    """The sample baseline of the development account."""
    baselines = yaml.safe_load_all((SAMPLES / "baselines.yaml").read_text())
    return next(b for b in baselines if b["metadata"]["name"] == "development")


# Somebody of another account assumes a role that does nothing else.
ASSUMED = {
    "eventVersion": "1.11",
    "eventTime": "2026-06-20T10:00:00Z",
    "eventID": "1",
    "eventType": "AwsApiCall",
    "awsRegion": org.HOME_REGION,
    "userIdentity": {"type": "AWSAccount", "principalId": "AIDAFOREIGN", "accountId": org.OUTSIDER},
    "eventSource": "sts.amazonaws.com",
    "eventName": "AssumeRole",
    "requestParameters": {"roleArn": f"arn:aws:iam::{org.PRODUCTION}:role/legacy-batch", "roleSessionName": "x"},
    "resources": [{"type": "AWS::IAM::Role", "ARN": f"arn:aws:iam::{org.PRODUCTION}:role/legacy-batch"}],
    "recipientAccountId": org.PRODUCTION,
}


def with_one_record(folder: Path) -> tuple[Path, Path]:
    """A folder for inputs, and one of logs with one record in it."""
    inputs, logs = folder / "inputs", folder / "logs"
    inputs.mkdir(exist_ok=True)
    logs.mkdir(exist_ok=True)
    (logs / "one.json").write_text(json.dumps({"Records": [ASSUMED]}))
    return inputs, logs
