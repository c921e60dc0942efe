"""What is not on the list never leaves the process, whoever calls it."""

import json
from pathlib import Path

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import UnknownServiceError
from botocore.stub import Stubber

from plumbline.aws import guard
from plumbline.aws.guard import NotAllowed
from plumbline.aws.session import AwsSessions
from plumbline.iam.documents import parse
from plumbline.usage.objects import Bucket

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "aws"
SERVICES = (
    "iam",
    "sts",
    "organizations",
    "accessanalyzer",
    "account",
    "cloudtrail",
    "s3",
    "eks",
    "securityhub",
    "athena",
    "sqs",
    "config",
)


@pytest.fixture(scope="module")
def session():
    session = botocore.session.Session()
    session.set_credentials("testing", "testing")
    guard.install(session.get_component("event_emitter"))
    return session


def calls(session, service):
    """(operation, function to call it with no parameters), every request being a failure of the test."""
    client = session.create_client(service, "us-east-1", config=Config(parameter_validation=False))

    def before_send(request, **_):
        raise AssertionError(f"a request left: {request.url}")

    client.meta.events.register("before-send.*.*", before_send)
    for operation in client.meta.service_model.operation_names:
        yield operation, lambda operation=operation: client._make_api_call(operation, {})


@pytest.mark.parametrize("service", ["iam", "organizations"])
def test_every_other_operation_is_refused_before_a_request(session, service):
    refused = 0
    for operation, call in calls(session, service):
        if f"{service}:{operation}" in guard.OPERATIONS:
            continue
        with pytest.raises(NotAllowed) as caught:
            call()
        assert caught.value.operation == operation
        refused += 1
    assert refused > 50


def test_listed_operations_go_through(session):
    client = session.create_client("iam", "us-east-1")
    with Stubber(client) as stub:
        stub.add_response("list_roles", {"Roles": []})
        assert client.list_roles()["Roles"] == []


def test_a_write_of_a_real_session_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    sessions = AwsSessions("reader")
    with pytest.raises(NotAllowed, match="iam:DeleteRole"):
        sessions.call("iam", "DeleteRole", RoleName="victim")
    assert sessions.calls.total() == 0


def test_botocore_may_ask_in_which_region_a_bucket_is(monkeypatch):
    """S3 redirects, and tells the Region of a bucket to a HEAD alone."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    asked = []

    def answer(request, **_):
        asked.append(request.method)
        status, headers, body = (
            200,
            {},
            b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>",
        )
        if request.method == "HEAD":
            status, headers, body = 403, {"x-amz-bucket-region": "eu-west-1"}, b""
        elif "eu-west-1" not in request.url:
            status, body = 301, b"<Error><Code>PermanentRedirect</Code></Error>"
        raw = type("Raw", (), {"stream": lambda *_, **__: iter([body])})()
        return AWSResponse(request.url, status, headers, raw)

    client = AwsSessions(None).client("s3", region="us-east-1")
    client.meta.events.register("before-send.*.*", answer)
    assert Bucket(client, "logs").listing("p/") == []
    assert asked == ["GET", "HEAD", "GET"]


def test_the_list_names_operations_that_exist(session):
    known = set()
    for service in (*SERVICES, "sso", "sso-oidc", "signin"):
        try:
            model = session.get_service_model(service)
        except UnknownServiceError:  # pragma: no cover
            continue
        known |= {f"{model.signing_name}:{operation}" for operation in model.operation_names}
    assert set(guard.OPERATIONS) <= known
    assert known >= guard.CREDENTIAL_OPERATIONS


def test_nothing_listed_writes():
    reading = ("Get", "List", "Describe", "Head")
    assert {name for name in guard.OPERATIONS if not name.partition(":")[2].startswith(reading)} == {
        "sts:AssumeRole",
        "iam:GenerateCredentialReport",
        "iam:GenerateServiceLastAccessedDetails",
        "access-analyzer:GenerateFindingRecommendation",
        "access-analyzer:StartPolicyGeneration",
        "access-analyzer:ValidatePolicy",
        # Queries, and the one statement that makes the table to query.
        "athena:StartQueryExecution",
        "athena:StopQueryExecution",
        "cloudtrail:StartQuery",
        "cloudtrail:CancelQuery",
        "config:SelectAggregateResourceConfig",
        # Computes a policy that nobody gets.
        "securityhub:GenerateRecommendedPolicyV2",
        # Findings, where a landscape asks for it.
        "securityhub:BatchImportFindings",
        # Messages are taken out of Plumbline's own queue.
        "sqs:ReceiveMessage",
        "sqs:DeleteMessageBatch",
    }


def actions_of(*files):
    found = set()
    for file in files:
        for statement in parse((DEPLOY / file).read_text()).statements:
            assert statement.effect == "Allow"
            found |= set(statement.actions or ())
    return found


def test_deployed_policies_allow_exactly_what_the_guard_lets_through():
    needed = {action for actions in guard.OPERATIONS.values() for action in actions}
    assert actions_of("member-role-policy.json", "operator-policy.json") == needed


def test_pass_role_is_bound_to_access_analyzer():
    policy = json.loads((DEPLOY / "member-role-policy.json").read_text())
    (statement,) = [s for s in policy["Statement"] if s["Action"] == "iam:PassRole"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "access-analyzer.amazonaws.com"}}
    assert statement["Resource"] != "*"


def test_findings_of_security_hub_are_read_and_only_a_policy_is_asked_for():
    policy = json.loads((DEPLOY / "member-role-policy.json").read_text())
    hub = {
        statement["Sid"]: statement for statement in policy["Statement"] if "securityhub:" in str(statement["Action"])
    }
    assert {sid: statement["Resource"] for sid, statement in hub.items()} == {
        "FindWhatSecurityHubRecommends": "*",
        "AskWhatSecurityHubRecommends": "arn:aws:securityhub:*:*:hubv2/*",
        "ImportFindings": "arn:aws:securityhub:*:*:product/*/default",
    }


def test_results_and_tables_are_the_only_things_that_may_be_written():
    policy = json.loads((DEPLOY / "member-role-policy.json").read_text())
    written = {
        action: statement["Resource"]
        for statement in policy["Statement"]
        for action in statement["Action"]
        if action in ("s3:PutObject", "glue:CreateTable")
    }
    assert written == {
        "s3:PutObject": ["arn:aws:s3:::RESULTS_BUCKET", "arn:aws:s3:::RESULTS_BUCKET/*"],
        "glue:CreateTable": [
            "arn:aws:glue:*:*:catalog",
            "arn:aws:glue:*:*:database/DATABASE",
            "arn:aws:glue:*:*:table/DATABASE/*",
        ],
    }


@pytest.mark.parametrize("file", sorted(path.name for path in DEPLOY.glob("*policy.json")))
def test_deployed_documents_are_policies_of_named_actions(file):
    document = parse((DEPLOY / file).read_text())
    assert not any("*" in action for s in document.statements for action in s.actions or ())


def test_the_member_role_trusts_only_with_external_id():
    (statement,) = json.loads((DEPLOY / "member-role-trust-policy.json").read_text())["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "EXTERNAL_ID"}}
    assert statement["Principal"] == {"AWS": "OPERATOR_ROLE_ARN"}
