"""`python -m benchmarks.download all RESULT FOLDER`: the trail bucket of the running sandbox as a folder, logs and digests."""

import sys
from pathlib import Path
from typing import Any

import boto3

from benchmarks.timer import Timer, run
from sandbox import organization as org


def download(folder: str) -> tuple[Timer, dict[str, int]]:
    timer, objects = Timer(), 0
    own: dict[str, Any] = {"region_name": org.HOME_REGION}
    # As the member role of the account that owns the bucket; the operator itself may not read it.
    session = boto3.client("sts", **own).assume_role(
        RoleArn=f"arn:aws:iam::{org.SECURITY}:role{org.MEMBER_ROLE_PATH}{org.MEMBER_ROLE_NAME}",
        RoleSessionName="benchmarks",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    client = boto3.client(
        "s3",
        **own,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=org.TRAIL_BUCKET):
        for item in page.get("Contents", ()):
            path = Path(folder) / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=org.TRAIL_BUCKET, Key=item["Key"])["Body"].read())
            objects += 1
    return timer, {"objects": objects}


if __name__ == "__main__":
    run({"all": download}, *sys.argv[1:])
