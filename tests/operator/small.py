"""The least landscape with which everything happens: two roles out of line, three days of logs, one generated policy."""

import json
from contextlib import contextmanager

import boto3

from sandbox import organization as org
from tests.line.inputs import development_baseline, landscape_of

ROLES = [f"arn:aws:iam::{org.DEVELOPMENT}:role/{name}" for name in ("deploy-dev", "orders-worker-dev")]


def landscape(logs, *namespaces):
    document = landscape_of(logs, {})
    document["spec"]["allowedTargets"] = [{"namespaces": list(namespaces), "accounts": ["*"]}]
    document["spec"]["memory"] = "3d"
    return document


def baseline(namespace, name="small", **spec):
    document = development_baseline()
    document["metadata"] = {"name": name, "namespace": namespace}
    document["spec"] |= {"targets": {"arns": ROLES}, "lookback": "3d", "policyGeneration": ROLES[:1]} | spec
    return document


@contextmanager
def access_role(sandbox):
    """While the block runs, the account has the role with which Access Analyzer reads the trail. Yields a client of Access
    Analyzer in the account."""
    whose = {"endpoint_url": sandbox.url, "region_name": org.HOME_REGION}
    operator = boto3.client(
        "sts", aws_access_key_id=org.OPERATOR_ACCESS_KEY, aws_secret_access_key=org.OPERATOR_SECRET_KEY, **whose
    )
    member = operator.assume_role(
        RoleArn=f"arn:aws:iam::{org.DEVELOPMENT}:role{org.MEMBER_ROLE_PATH}{org.MEMBER_ROLE_NAME}",
        RoleSessionName="test",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    keys = {
        "aws_access_key_id": member["AccessKeyId"],
        "aws_secret_access_key": member["SecretAccessKey"],
        "aws_session_token": member["SessionToken"],
    }
    iam, analyzer = (boto3.client(service, **whose, **keys) for service in ("iam", "accessanalyzer"))
    name = "AccessAnalyzerCloudTrailRole"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "access-analyzer.amazonaws.com"}}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    try:
        yield analyzer
    finally:
        iam.delete_role(RoleName=name)
