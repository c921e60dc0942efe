"""The rules inside the sandbox that need no server: faults, shapes, trust."""

from datetime import UTC, date, datetime
from io import BytesIO

import pytest

from sandbox import organization as org
from sandbox.aws.last_accessed import last_attempts
from sandbox.aws.sts import trusts
from sandbox.behaviour import ROLES, behave
from sandbox.faults import BadRuleError, Faults, Rule
from sandbox.protocol import model
from sandbox.roles import by_account, by_operator, by_service
from sandbox.server import Application
from sandbox.shapes import violations
from sandbox.trail import Bucket
from sandbox.world import Principal, World

OPERATOR = Principal(org.SECURITY, f"arn:aws:iam::{org.SECURITY}:user/plumbline/{org.OPERATOR_USER}", "AKIA")
OUTSIDER = Principal(org.OUTSIDER, f"arn:aws:iam::{org.OUTSIDER}:user/outsider", "AKIA")


@pytest.mark.parametrize(
    ("rate", "calls", "struck"), [(1.0, 7, 7), (0.5, 10, 5), (0.3, 10, 3), (0.01, 99, 0), (0, 9, 0)]
)
def test_a_rate_is_exact_over_many_calls(rate, calls, struck):
    rule = Rule("throttle", rate=rate)
    assert sum(rule.strikes() for _ in range(calls)) == struck


def test_the_throttled_account_stays_so_after_healing():
    faults = Faults()
    faults.add([{"kind": "deny"}])
    faults.clear()
    operation = "GenerateServiceLastAccessedDetails"
    assert [r.kind for r in faults.strike("iam", operation, org.PAYMENTS)] == ["throttle"]
    assert faults.strike("iam", operation, org.PRODUCTION) == faults.strike("iam", "GetRole", org.PAYMENTS) == []
    with pytest.raises(BadRuleError, match="none of throttle"):
        faults.add([{"kind": "break"}])


JOB = {"jobId": "1", "status": "SUCCEEDED", "startedOn": datetime(2026, 1, 1, tzinfo=UTC)}
RESULT = {"properties": {"principalArn": "arn:aws:iam::100000000003:role/a"}, "generatedPolicies": [{"policy": "{}"}]}


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        ({"jobDetails": JOB, "generatedPolicyResult": RESULT}, []),
        ({"generatedPolicyResult": RESULT}, ["result.jobDetails: required"]),
        ({"jobDetails": JOB | {"status": "DONE"}, "generatedPolicyResult": RESULT}, ["'DONE' is none of"]),
        ({"jobDetails": JOB | {"startedOn": "now"}, "generatedPolicyResult": RESULT}, ["expected timestamp, not str"]),
        ({"jobDetails": JOB | {"more": 1}, "generatedPolicyResult": RESULT}, ["jobDetails.more: unknown member"]),
        ({"jobDetails": JOB, "generatedPolicyResult": RESULT | {"generatedPolicies": {}}}, ["expected a list"]),
        ({"jobDetails": [], "generatedPolicyResult": RESULT}, ["expected a structure, not list"]),
    ],
    ids=["fits", "missing", "enum", "type", "unknown", "list", "structure"],
)
def test_results_are_held_against_the_output_shape(result, wrong):
    shape = model("accessanalyzer").operation_model("GetGeneratedPolicy").output_shape
    found = list(violations(shape, result))
    assert len(found) == len(wrong)
    assert all(text in line for text, line in zip(wrong, found, strict=True))


def test_a_union_holds_one_member():
    shape = model("accessanalyzer").shape_for("PathElement")
    assert list(violations(shape, {"index": 1})) == []
    assert list(violations(shape, {"index": 1, "value": "a"})) == ["result: a union holds exactly one member"]


def _condition(operator, key, *values):
    return {operator: {key: list(values)}}


@pytest.mark.parametrize(
    ("document", "caller", "context", "how"),
    [
        (by_operator(), OPERATOR, {"sts:externalid": org.EXTERNAL_ID}, "itself"),
        (by_operator(), OPERATOR, {"sts:externalid": "wrong"}, ""),
        (by_operator(), OPERATOR, {}, ""),
        (by_operator(), OUTSIDER, {"sts:externalid": org.EXTERNAL_ID}, ""),
        (by_account(org.SECURITY), OPERATOR, {}, "account"),
        (by_account(org.PRODUCTION), OPERATOR, {}, ""),
        (by_account(OPERATOR.arn, org.SECURITY), OPERATOR, {}, "itself"),
        (by_service("ec2"), OPERATOR, {}, ""),
        (by_account("*", **_condition("StringNotEquals", "sts:ExternalId", "x")), OPERATOR, {}, ""),
        (by_account(org.SECURITY, **_condition("StringNotEquals", "sts:ExternalId", "x")), OPERATOR, {}, "account"),
        (by_account(org.SECURITY, **_condition("StringLike", "aws:PrincipalArn", "*:user/plumbline/*")), OPERATOR,
         {"aws:principalarn": OPERATOR.arn}, "account"),
        (by_account(org.SECURITY, **_condition("Bool", "aws:MultiFactorAuthPresent", "true")), OPERATOR, {}, ""),
    ],
)  # fmt: skip
def test_whom_a_trust_policy_lets_in(document, caller, context, how):
    assert trusts(document, caller, context) == how


def test_a_deny_in_a_trust_policy_wins():
    allow = by_account(OPERATOR.arn)["Statement"][0]
    assert trusts({"Statement": [allow]}, OPERATOR, {}) == "itself"
    assert trusts({"Statement": [allow, allow | {"Effect": "Deny"}]}, OPERATOR, {}) == ""


def test_last_use_belongs_to_a_unique_id():
    behaviour = behave(date(2026, 6, 30))
    role = next(r for r in ROLES if r.recreated)
    assert set(last_attempts(behaviour, role.arn, role.id)) == {"sqs"}
    assert last_attempts(behaviour, role.arn, role.former_id) == {}
    assert last_attempts(behaviour, role.arn, "AROAMADEAGAIN") == {}


def _answer(handler):
    """The status and body of a server of which GetPolicy is answered by this handler."""
    application = Application(World(behave(date(2026, 6, 30)), Bucket([])))
    application.keys["AKIA"] = OPERATOR
    application.handlers["iam", "GetPolicy"] = handler
    body = b"Action=GetPolicy&Version=2010-05-08&PolicyArn=arn"
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "iam.amazonaws.com",
        "SERVER_PORT": "443",
        "wsgi.url_scheme": "https",
        "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=AKIA/20260630/us-east-1/iam/aws4_request, Signature=0",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    head = []
    text = b"".join(application(environ, lambda status, _: head.append(status))).decode()
    return head[0], text


@pytest.mark.slow
def test_the_server_refuses_to_send_what_does_not_fit_or_broke():
    status, text = _answer(lambda _, call: {"Policy": {"Arn": call.params["PolicyArn"]}})
    assert (status, "<Arn>arn</Arn>" in text) == ("200 OK", True)
    status, text = _answer(lambda *_: {"Policy": {"Arn": 3}})
    assert status.startswith("500")
    assert "SandboxShapeViolation" in text
    assert "result.Policy.Arn: expected string, not int" in text
    status, text = _answer(lambda *_: {}["no"])
    assert status.startswith("500")
    assert "iam:GetPolicy failed in the sandbox: KeyError" in text
