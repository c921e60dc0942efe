"""Broken answers are errors of ours, in each protocol; whole ones and those without a body pass."""

import json
import traceback

import pytest
from botocore.awsrequest import AWSResponse

from plumbline.aws.errors import Transient
from plumbline.aws.session import AwsSessions

REGIONS = json.dumps({"Regions": [{"RegionName": "us-east-1", "RegionOptStatus": "ENABLED"}]}).encode()
ACCOUNTS = json.dumps({"Accounts": [{"Id": "100000000003", "Name": "production"}]}).encode()
IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::100000000002:user/o</Arn>"
    b"<Account>100000000002</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
LISTING = (
    b"<?xml version='1.0'?><ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)


class Answering:
    """Sessions to which AWS answers with `body` and `status`."""

    def __init__(self, service):
        self.sessions, self.body, self.status = AwsSessions(None), b"", 200
        self.sessions.client(service).meta.events.register("before-send.*.*", self._answer)

    def _answer(self, request, **_):
        raw = type("Raw", (), {"stream": lambda _, *a, **k: iter([self.body])})()
        return AWSResponse(request.url, self.status, {"content-type": "application/json"}, raw)

    def call(self, *arguments, body, **parameters):
        self.body = body
        return self.sessions.call(*arguments, **parameters)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


@pytest.mark.parametrize(
    ("service", "operation", "whole", "member"),
    [
        ("account", "ListRegions", REGIONS, "Regions"),
        ("organizations", "ListAccounts", ACCOUNTS, "Accounts"),
        ("sts", "GetCallerIdentity", IDENTITY, "Account"),
        ("s3", "ListObjectsV2", LISTING, "KeyCount"),
    ],
    ids=["rest-json", "json", "query", "rest-xml"],
)
def test_only_a_whole_answer_is_an_answer(service, operation, whole, member):
    parameters, aws = {"Bucket": "logs"} if service == "s3" else {}, Answering(service)
    assert member in aws.call(service, operation, body=whole, **parameters)
    for broken in (whole[: len(whole) // 2], whole[:-1], b"", b"[]", b"null", b"<html>proxy</html>"):
        with pytest.raises(Transient) as caught:
            aws.call(service, operation, body=broken, **parameters)
        # botocore itself makes a 500 of broken XML from S3, and tries again.
        assert caught.value.reason in {"MalformedAnswer", "ServiceError" if service == "s3" else ""}, broken
        assert (caught.value.operation, caught.value.account) == (operation, "own")


def test_pages_are_checked_too():
    aws = Answering("organizations")
    aws.body = ACCOUNTS[:-9]
    with pytest.raises(Transient) as caught:
        list(aws.sessions.pages("organizations", "ListAccounts"))
    assert caught.value.reason == "MalformedAnswer"


def test_a_broken_answer_does_not_leak_what_it_holds():
    text = b"<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>hush</SecretAccessKey>"
    with pytest.raises(Transient) as caught:
        Answering("sts").call("sts", "AssumeRole", body=text, RoleArn=f"{'r' * 20}", RoleSessionName="plumbline")
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert "AssumeRoleResult" not in str(caught.value)


def test_an_error_without_a_body_stays_the_error_that_it_is():
    aws = Answering("account")
    aws.status = 503
    with pytest.raises(Transient) as caught:
        aws.call("account", "ListRegions", body=b"")
    assert caught.value.code == "503"
