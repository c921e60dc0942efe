"""The server: who is who, faults in each protocol's words, counted calls, shapes that are checked."""

import json
import signal
import subprocess
import sys
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from sandbox import organization as org

pytestmark = pytest.mark.slow

PRODUCTION, DEVELOPMENT = org.PRODUCTION, org.DEVELOPMENT
# One operation of each protocol and of each way to be answered: by us, by moto, from the bucket.
CALLS = {
    "query, ours": (
        "iam",
        "get_account_authorization_details",
        {"MaxItems": 1},
        "iam",
        "GetAccountAuthorizationDetails",
    ),
    "query, moto's": ("iam", "list_policies", {"MaxItems": 1, "Scope": "Local"}, "iam", "ListPolicies"),
    "json": ("organizations", "list_accounts", {}, "organizations", "ListAccounts"),
    "rest-json": ("account", "list_regions", {}, "account", "ListRegions"),
    "rest-json, analyzer": ("accessanalyzer", "list_policy_generations", {}, "accessanalyzer", "ListPolicyGenerations"),
    "bucket": ("s3", "list_objects_v2", {"Bucket": org.TRAIL_BUCKET, "MaxKeys": 1}, "s3", "ListObjectsV2"),
}
THROTTLES = {
    "iam": ("Throttling", 400),
    "organizations": ("TooManyRequestsException", 429),
    "account": ("TooManyRequestsException", 429),
    "accessanalyzer": ("ThrottlingException", 429),
    "s3": ("SlowDown", 503),
}
SKEWS = {
    "iam": ("SignatureDoesNotMatch", 403),
    "organizations": ("InvalidSignatureException", 400),
    "account": ("InvalidSignatureException", 403),
    "accessanalyzer": ("InvalidSignatureException", 403),
    "s3": ("RequestTimeTooSkewed", 403),
}
EXPIRED = {
    "iam": ("ExpiredToken", 403),
    "organizations": ("ExpiredTokenException", 400),
    "account": ("ExpiredTokenException", 403),
    "accessanalyzer": ("ExpiredTokenException", 403),
    "s3": ("ExpiredToken", 400),
}
FAILURES = {
    "iam": "ServiceFailure",
    "organizations": "ServiceException",
    "account": "InternalServerException",
    "accessanalyzer": "InternalServerException",
    "s3": "InternalError",
}


def test_the_endpoint_is_ready_and_knows_its_day(sandbox):
    assert sandbox.control("GET", "ready") == {"ready": True, "asOf": "2026-06-30"}


def test_who_calls(aws, refused):
    own = aws.client("sts").get_caller_identity()
    assert own["Arn"] == f"arn:aws:iam::{org.SECURITY}:user/plumbline/{org.OPERATOR_USER}"
    member = aws.client("sts", PRODUCTION).get_caller_identity()
    assert (member["Account"], "assumed-role/plumbline-reader/testing" in member["Arn"]) == (PRODUCTION, True)


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("organizations", "list_accounts", "UnrecognizedClientException"),
        ("account", "list_regions", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
def test_an_unknown_key_is_refused_in_the_words_of_the_service(aws, refused, service, call, code):
    with refused(code, 403):
        getattr(aws.client(service, keys=("AKIANOBODY0000000000", "secret")), call)()


@pytest.mark.parametrize("name", CALLS)
def test_faults_speak_the_words_of_the_service(aws, refused, sandbox, name):
    service, call, parameters, fault_service, operation = CALLS[name]
    client = aws.client(service)
    target = {"service": fault_service, "operation": operation, "account": org.SECURITY}

    sandbox.fault("throttle", **target)
    with refused(*THROTTLES[service]):
        getattr(client, call)(**parameters)
    sandbox.heal()

    sandbox.fault("deny", **target)
    with pytest.raises(ClientError, match="AccessDenied") as caught:
        getattr(client, call)(**parameters)
    if service != "s3":
        assert f"user/plumbline/{org.OPERATOR_USER} is not authorized to perform" in str(caught.value)
    sandbox.heal()

    sandbox.fault("error500", **target)
    with refused(FAILURES[service], 500):
        getattr(client, call)(**parameters)
    sandbox.heal()

    for kind, words in (("skew", SKEWS), ("expire", EXPIRED)):
        sandbox.fault(kind, **target)
        with refused(*words[service]):
            getattr(client, call)(**parameters)
        sandbox.heal()

    assert getattr(client, call)(**parameters)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("name", ["query, ours", "query, moto's"])
def test_a_truncated_document_is_cut_short_whoever_answers(aws, sandbox, name):
    service, call, parameters, fault_service, operation = CALLS[name]
    sandbox.fault("truncate", service=fault_service, operation=operation)
    with pytest.raises(ResponseParserError):
        getattr(aws.client(service), call)(**parameters)


def test_a_truncated_json_answer_looks_empty_to_botocore(aws, sandbox):
    sandbox.fault("truncate", service="organizations", operation="ListAccounts")
    assert "Accounts" not in aws.client("organizations").list_accounts()


@pytest.mark.parametrize("name", CALLS)
def test_an_empty_answer_has_no_member(aws, sandbox, name):
    service, call, parameters, fault_service, operation = CALLS[name]
    sandbox.fault("empty", service=fault_service, operation=operation)
    client = getattr(aws.client(service), call)
    try:
        assert client(**parameters).keys() <= {"ResponseMetadata"}
    except ResponseParserError:
        assert service == "s3"  # which is empty to the last byte


def test_a_truncated_object_is_a_damaged_file(aws, sandbox):
    s3 = aws.client("s3")
    key = s3.list_objects_v2(Bucket=org.TRAIL_BUCKET, MaxKeys=1)["Contents"][0]["Key"]
    whole = s3.get_object(Bucket=org.TRAIL_BUCKET, Key=key)["Body"].read()
    sandbox.fault("truncate", service="s3", operation="GetObject")
    assert s3.get_object(Bucket=org.TRAIL_BUCKET, Key=key)["Body"].read() == whole[: len(whole) // 2]


def test_a_fault_strikes_only_its_account_and_operation(aws, refused, sandbox):
    sandbox.fault("deny", service="iam", operation="ListRoles", account=PRODUCTION)
    with refused("AccessDenied", 403):
        aws.client("iam", PRODUCTION).list_roles()
    assert aws.client("iam", PRODUCTION).list_users()["Users"]
    assert aws.client("iam", DEVELOPMENT).list_roles()["Roles"]


def test_rates_are_exact_and_times_are_a_limit(aws, sandbox):
    def failures(n):
        client, failed = aws.client("iam"), 0
        for _ in range(n):
            try:
                client.list_account_aliases()
            except ClientError:
                failed += 1
        return failed

    sandbox.fault("throttle", service="iam", operation="ListAccountAliases", rate=0.3)
    assert failures(20) == 6
    sandbox.heal()
    sandbox.fault("error500", service="iam", operation="ListAccountAliases", times=2)
    assert failures(5) == 2
    sandbox.heal()
    sandbox.fault("expire", service="iam", operation="ListAccountAliases", after=3)
    assert failures(5) == 2
    sandbox.heal()
    assert failures(3) == 0


def test_a_rule_that_nobody_understands_is_refused(sandbox):
    for rule in ({"kind": "burn"}, {"kind": "deny", "colour": "red"}):
        with pytest.raises(HTTPError) as caught:
            sandbox.control("POST", "faults", [rule])
        with caught.value as answer:
            assert answer.code == 400
            assert "burn" in (text := json.load(answer)["error"]) or "colour" in text
    with pytest.raises(HTTPError) as caught:
        sandbox.settings(noSuchThing=1)
    caught.value.close()
    assert caught.value.code == 400


def test_calls_are_counted_by_account_and_operation_also_when_they_fail(aws, sandbox, refused):
    client = aws.client("iam", PRODUCTION)
    sandbox.control("DELETE", "calls")
    sandbox.fault("throttle", service="iam", operation="ListUsers", times=1)
    with refused("Throttling"):
        client.list_users()
    client.list_users()
    aws.client("s3").head_bucket(Bucket=org.TRAIL_BUCKET)
    assert sandbox.calls() == {PRODUCTION: {"iam": {"ListUsers": 2}}, org.SECURITY: {"s3": {"HeadBucket": 1}}}


def test_what_no_one_answers_is_an_error_and_the_server_goes_on(aws):
    # Known to botocore, with a route that the service has for other methods only.
    with pytest.raises(ClientError):
        aws.client("accessanalyzer").update_findings(
            analyzerArn="arn:aws:access-analyzer:us-east-1:100000000002:analyzer/none", status="ACTIVE"
        )
    assert aws.client("iam").list_roles()["Roles"]


def test_a_reset_forgets_all_but_iam(aws, sandbox):
    client = aws.client("cloudtrail", org.MANAGEMENT)
    before = {**client.get_trail_status(Name=org.TRAIL_ARN), "ResponseMetadata": None}
    client.stop_logging(Name=org.TRAIL_ARN)
    client.start_logging(Name=org.TRAIL_ARN)
    client.put_event_selectors(TrailName=org.TRAIL_ARN, AdvancedEventSelectors=org.TRAIL_SELECTORS[:1])
    aws.client("accessanalyzer").create_analyzer(analyzerName="one", type="ACCOUNT")
    sandbox.fault("deny", service="iam")
    sandbox.settings(daysPassed=3, policyGenerationPolls=9)
    sandbox.reset()
    assert sandbox.calls() == {}
    assert sandbox.control("GET", "settings")["daysPassed"] == 0
    assert aws.client("iam").list_users()["Users"]
    assert aws.client("accessanalyzer").list_analyzers()["analyzers"] == []
    assert {**client.get_trail_status(Name=org.TRAIL_ARN), "ResponseMetadata": None} == before
    selectors = client.get_event_selectors(TrailName=org.TRAIL_ARN)
    assert selectors["AdvancedEventSelectors"] == org.TRAIL_SELECTORS


def test_a_server_does_not_outlive_who_started_it():
    command = [sys.executable, "-m", "sandbox", "serve", "--as-of", "2026-06-30", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        server.stdin.close()
        assert server.wait(60) == -signal.SIGTERM
        assert server.stdout.read() == b""  # it never got ready
