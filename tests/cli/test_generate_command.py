"""`plumbline generate`: its JSON and schema, and what it says to wrong arguments and failures."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest

from plumbline.aws import generation
from plumbline.aws.generation import window
from sandbox import organization as org
from tests.schemas import schema
from tests.usage.records_for_tests import ROLE, envelope, identity, record

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/all"
ACCESS_ROLE = "arn:aws:iam::123456789012:role/access"
ANALYZER = ("--source", "access-analyzer")


def result(ended):
    found = json.loads(ended.out)
    schema("generate").validate(found)
    return found


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.json").write_bytes(
        envelope(
            record("s3:GetObject", requestParameters={"bucketName": "b", "key": "k"}),
            record("autoscaling:PutScalingPolicy"),
            record("iam:CreateUser", errorCode="AccessDenied", errorMessage="no"),
            record("glue:NoSuchOperation"),
            record("ec2:DescribeInstances", errorCode="ThrottlingException"),
            record("s3:PutObject", userIdentity=identity(arn="arn:aws:iam::123456789012:role/other")),
        )
    )
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'PRINCIPAL_ARN'"),
        (("app",), "'app' is no ARN of a role or user, such as arn:aws:iam::123456789012:role/app"),
        ((ROLE,), "give either --logs or --source"),
        ((ROLE, "--logs", "missing"), "there is no file or folder 'missing'"),
        ((ROLE, "--logs", ".", *ANALYZER), "give either --logs or --source"),
        ((ROLE, "--logs", ".", "--lookback", "90"), "'90' is not a duration"),
        ((ROLE, "--logs", ".", "--lookback", "0d"), "longer than zero"),
        ((ROLE, "--logs", ".", "--timeout", "5m"), "it goes with --source access-analyzer"),
        ((ROLE, "--logs", ".", "--trail-arn", TRAIL), "it goes with --source access-analyzer"),
        ((ROLE, "--source", "guesses"), "'guesses' is not one of 'access-analyzer'"),
        ((ROLE, *ANALYZER), "access-analyzer needs the ARN of a trail, such as arn:aws:cloudtrail:"),
        ((ROLE, *ANALYZER, "--trail-arn", "all"), "access-analyzer needs the ARN of a trail"),
        ((ROLE, *ANALYZER, "--trail-arn", TRAIL), "access-analyzer needs the ARN of the access role"),
        (
            (ROLE, *ANALYZER, "--trail-arn", TRAIL, "--access-role", ACCESS_ROLE, "--timeout", "5x"),
            "'5x' is not a duration",
        ),
    ],
)
def test_wrong_usage_is_64_and_says_what_is_right(plumbline, no_aws, arguments, message):
    ended = plumbline("generate", *arguments)
    assert (ended.status, ended.out) == (64, "")
    assert message in ended.err


def test_from_logs(plumbline, no_aws, logs):
    ended = plumbline("generate", ROLE, "--logs", logs)
    assert ended.status == 0
    found = result(ended)
    allowed = {action for statement in found["policy"]["Statement"] for action in statement["Action"]}
    assert "s3:GetObject" in allowed
    assert "s3:PutObject" not in allowed
    assert "iam:CreateUser" in found["denied"]
    assert [event["eventName"] for event in found["unmapped"]] == ["NoSuchOperation"]
    assert {kept["reason"] for kept in found["kept"]} == {"ambiguousEvent", "attempted"}


def test_from_logs_as_text(plumbline, logs):
    ended = plumbline("generate", ROLE, "--logs", logs, "--format", "table")
    assert json.loads(ended.out)["Statement"]
    assert "not covered, it was denied: iam:CreateUser" in ended.err
    assert "not covered, no known action: glue.amazonaws.com NoSuchOperation" in ended.err


def test_logs_without_the_principal_prove_nothing(plumbline, logs):
    ended = plumbline("generate", "arn:aws:iam::123456789012:role/stranger", "--logs", logs)
    assert ended.status == 2
    assert "the logs show nothing of arn:aws:iam::123456789012:role/stranger from 2025-10-12 to 2026-01-10" in ended.err
    assert result(ended)["policy"]["Statement"] == []


def test_an_empty_folder(plumbline, tmp_path):
    ended = plumbline("generate", ROLE, "--logs", tmp_path)
    assert ended.status == 2
    assert "the folder holds no .json" in ended.err
    assert result(ended)["window"] is None


def test_a_damaged_file_is_named(plumbline, logs):
    (logs / "b.json").write_text('{"Records": [')
    ended = plumbline("generate", ROLE, "--logs", logs)
    assert ended.status == 2
    assert "b.json: " in ended.err
    assert result(ended)["errors"]


def test_without_credentials_it_names_the_remedy(plumbline, no_aws):
    ended = plumbline("generate", ROLE, *ANALYZER, "--trail-arn", TRAIL, "--access-role", ACCESS_ROLE)
    assert (ended.status, ended.out) == (2, "")
    assert "Give AWS credentials by environment, profile or service account" in ended.err
    assert "Traceback" not in ended.err


ACCESS = f"arn:aws:iam::{org.PRODUCTION}:role/AccessAnalyzerCloudTrailRole"
SANDBOX = (*ANALYZER, "--trail-arn", org.TRAIL_ARN, "--access-role", ACCESS, "--lookback", "60d")


@pytest.fixture
def in_production(sandbox, monkeypatch):
    """The credentials of somebody in the production account."""
    session = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{org.PRODUCTION}:role{org.MEMBER_ROLE_PATH}{org.MEMBER_ROLE_NAME}",
        RoleSessionName="somebody",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])


@pytest.fixture
def on_the_day(monkeypatch):
    """The sandbox's events end on its own day."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(
        generation, "window", lambda _, lookback: window(datetime(2026, 6, 30, 6, tzinfo=UTC), lookback)
    )


@pytest.mark.slow
def test_more_logs_than_one_job_reads_are_read_in_halves(plumbline, in_production, on_the_day, sandbox):
    principal = f"arn:aws:iam::{org.PRODUCTION}:role/trap-production-window"
    sandbox.settings(policyGenerationLogFiles=16 * 48)
    ended = plumbline("generate", principal, *SANDBOX)
    assert ended.status == 0, ended.err
    found = result(ended)
    # The first was used fifty days ago.
    assert found["generatedActions"] == ["states:DescribeStateMachine", "states:ListStateMachines"]
    assert found["window"] == {"start": "2026-05-01T00:00:00Z", "end": "2026-06-30T00:00:00Z"}
    assert "2026-05-01 to 2026-06-30 has more logs than one job reads; it is read in halves" in ended.err
    again = plumbline("generate", principal, *SANDBOX)
    assert result(again) == found  # by the jobs that there are


@pytest.mark.slow
def test_a_day_with_more_logs_than_one_job_reads_is_said(plumbline, in_production, on_the_day, sandbox):
    sandbox.settings(policyGenerationLogFiles=1)
    principal = f"arn:aws:iam::{org.PRODUCTION}:role/orders-api"
    ended = plumbline("generate", principal, *SANDBOX, "--lookback", "2d")
    assert (ended.status, ended.out) == (2, "")
    assert "SERVICE_QUOTA_EXCEEDED_ERROR" in ended.err
    assert "a trail of management events only" in ended.err


MAIL_SENDER = f"arn:aws:iam::{org.PRODUCTION}:role/mail-sender"


def started(sandbox):
    return sandbox.calls()[org.PRODUCTION]["accessanalyzer"].get("StartPolicyGeneration", 0)


def trust(service):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def late(in_production):
    """An access role that does not trust Access Analyzer yet, and the call after which it does."""
    iam = boto3.Session().client("iam")  # the default one keeps the credentials that it was made with
    arn = iam.create_role(RoleName="late", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))["Role"]["Arn"]
    analyzer = trust("access-analyzer.amazonaws.com")
    yield arn, lambda: iam.update_assume_role_policy(RoleName="late", PolicyDocument=analyzer)
    iam.delete_role(RoleName="late")


@pytest.mark.slow
def test_a_job_that_failed_before_is_started_again_when_its_remedy_was_done(plumbline, late, on_the_day):
    access_role, repair = late
    for _ in range(2):  # each a job of its own
        ended = plumbline("generate", MAIL_SENDER, *SANDBOX, "--access-role", access_role)
        assert (ended.status, ended.out) == (2, "")
        assert "failed with AUTHORIZATION_ERROR" in ended.err
        assert "Let the access role trust access-analyzer.amazonaws.com" in ended.err
    repair()
    ended = plumbline("generate", MAIL_SENDER, *SANDBOX, "--access-role", access_role)
    assert ended.status == 0, ended.err
    assert result(plumbline("generate", MAIL_SENDER, *SANDBOX, "--access-role", access_role)) == result(ended)


@pytest.mark.slow
def test_another_access_role_is_another_job(plumbline, in_production, on_the_day):
    ended = plumbline("generate", MAIL_SENDER, *SANDBOX, "--access-role", ACCESS + "No")
    assert "failed with AUTHORIZATION_ERROR" in ended.err
    ended = plumbline("generate", MAIL_SENDER, *SANDBOX)
    assert ended.status == 0, ended.err
    assert result(plumbline("generate", MAIL_SENDER, *SANDBOX)) == result(ended)


@pytest.mark.slow
def test_when_the_time_is_used_up_no_other_half_is_started(plumbline, in_production, on_the_day, sandbox, monkeypatch):
    sandbox.settings(policyGenerationLogFiles=16 * 48)
    times = [0.0, 0.0, 0.0, 1801.0]  # the whole took half an hour
    with monkeypatch.context() as late:
        late.setattr("plumbline.cli.generate.time", SimpleNamespace(monotonic=lambda: times.pop(0)))
        ended = plumbline("generate", MAIL_SENDER, *SANDBOX)
    assert (ended.status, ended.out, started(sandbox)) == (2, "", 1)
    assert "the time is used up, and of 2026-05-01 to 2026-06-30 not all is read" in ended.err
    assert "Run the same command again today" in ended.err
    assert plumbline("generate", MAIL_SENDER, *SANDBOX).status == 0


@pytest.mark.slow
def test_from_access_analyzer(plumbline, in_production, on_the_day):
    principal = f"arn:aws:iam::{org.PRODUCTION}:role/mail-sender"
    ended = plumbline("generate", principal, *SANDBOX)
    assert ended.status == 0, ended.err
    found = result(ended)
    assert found["currentPermissionCount"] >= len(found["unusedPermissions"]) > 0
    assert found["usedPermissionCount"] == len(found["generatedActions"]) > 0
    shown = plumbline("generate", principal, *SANDBOX, "--format", "table")
    assert "Reduction" in shown.out
    assert "A figure, no verdict" in shown.err


@pytest.mark.slow
def test_a_principal_of_another_account_names_the_remedy(plumbline, sandbox):
    ended = plumbline("generate", f"arn:aws:iam::{org.PRODUCTION}:role/mail-sender", *SANDBOX)
    assert (ended.status, ended.out) == (2, "")
    assert f"Use credentials of account {org.PRODUCTION}" in ended.err


@pytest.mark.slow
def test_a_principal_that_does_not_exist(plumbline, sandbox):
    ended = plumbline("generate", f"arn:aws:iam::{org.SECURITY}:role/nobody", *SANDBOX)
    assert (ended.status, ended.out) == (2, "")
    assert "Check the ARN with its path" in ended.err
