"""Errors of botocore become ours, with account, operation and remedy."""

import pytest
from botocore import exceptions as boto

from plumbline.aws.errors import (
    AwsError,
    Denied,
    Invalid,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
    translate,
    translated,
)


def client_error(code, status=400, message="why", operation="GetRole"):
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason"),
    [
        ("Throttling", 400, Throttled, "Throttled"),
        ("TooManyRequestsException", 429, Throttled, "Throttled"),
        ("SomethingNew", 429, Throttled, "Throttled"),
        ("AccessDenied", 403, Denied, "AccessDenied"),
        ("AccessDeniedException", 400, Denied, "AccessDenied"),
        ("ExpiredToken", 403, Denied, "SessionExpired"),
        ("ExpiredTokenException", 400, Denied, "SessionExpired"),
        ("SignatureDoesNotMatch", 403, Denied, "InvalidCredentials"),
        ("InvalidSignatureException", 400, Denied, "InvalidCredentials"),
        ("AuthFailure", 401, Denied, "InvalidCredentials"),
        ("RequestTimeTooSkewed", 403, Denied, "ClockSkew"),
        ("RequestInTheFuture", 400, Denied, "ClockSkew"),
        ("RequestExpired", 400, Denied, "ClockSkew"),
        ("InvalidClientTokenId", 403, Denied, "InvalidCredentials"),
        ("NoSuchEntity", 404, NotFound, "NotFound"),
        ("LimitExceeded", 409, QuotaExceeded, "QuotaExceeded"),
        ("ServiceQuotaExceededException", 402, QuotaExceeded, "QuotaExceeded"),
        ("AWSOrganizationsNotInUseException", 400, Invalid, "OrganizationsNotInUse"),
        ("ServiceFailure", 500, Transient, "ServiceError"),
        ("Strange", 503, Transient, "ServiceError"),
        ("ValidationException", 400, Invalid, "InvalidRequest"),
    ],
)
def test_answers_of_aws(code, status, kind, reason):
    error = translate(client_error(code, status), service="iam", operation="GetRole", account="100000000003")
    assert type(error) is kind
    assert (error.reason, error.code) == (reason, code)
    assert "100000000003" in str(error)
    assert "iam:GetRole" in str(error)


BEHIND = "Signature expired: 20260630T054500Z is now earlier than 20260630T055500Z (20260630T060000Z - 5 min.)"
AHEAD = "Signature not yet current: 20260630T061500Z is still later than 20260630T060500Z (20260630T060000Z + 5 min.)"
WRONG = "The request signature we calculated does not match the signature you provided."


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
@pytest.mark.parametrize(
    ("message", "reason"), [(BEHIND, "ClockSkew"), (AHEAD, "ClockSkew"), (WRONG, "InvalidCredentials")]
)
def test_a_wrong_clock_is_told_from_a_wrong_key(code, message, reason):
    error = translate(client_error(code, 403, message), service="iam", operation="GetRole")
    assert (type(error), error.reason) == (Denied, reason)
    assert "clock of this machine" in error.remedy
    assert ("chrony" in error.remedy) == (reason == "ClockSkew")
    assert "Allow" not in error.remedy


def test_words_of_a_clock_in_another_error_are_only_words():
    error = translate(client_error("AccessDenied", 403, BEHIND), service="iam", operation="GetRole")
    assert error.reason == "AccessDenied"


@pytest.mark.parametrize(
    ("raised", "kind", "reason"),
    [
        (boto.NoCredentialsError(), Denied, "NoCredentials"),
        (boto.ProfileNotFound(profile="x"), Denied, "NoCredentials"),
        (boto.EndpointConnectionError(endpoint_url="http://localhost:1"), Transient, "Unreachable"),
        (boto.ReadTimeoutError(endpoint_url="http://localhost:1"), Transient, "Unreachable"),
        (boto.ParamValidationError(report="bad"), Invalid, "InvalidRequest"),
        (boto.NoRegionError(), Invalid, "InvalidRegion"),
        (ConnectionResetError("reset"), Transient, "Unreachable"),
    ],
)
def test_failures_without_an_answer(raised, kind, reason):
    error = translate(raised, service="sts", operation="GetCallerIdentity")
    assert type(error) is kind
    assert error.reason == reason
    assert "operator's own account" in str(error)


def test_denied_member_role_says_what_to_do():
    error = translate(client_error("AccessDenied", 403), service="sts", operation="AssumeRole", account="100000000007")
    assert "external ID" in error.remedy
    assert error.remedy in str(error)
    assert error.remedy not in error.summary


def test_our_errors_pass_unchanged():
    mine = Throttled("x")
    assert translate(mine, service="iam", operation="GetRole") is mine
    with pytest.raises(AwsError) as caught, translated("iam", "GetRole"):
        raise mine
    assert caught.value is mine


def test_nothing_of_botocore_leaves_the_block():
    with pytest.raises(NotFound) as caught, translated("iam", "GetPolicy", "100000000003"):
        raise client_error("NoSuchEntity", 404)
    assert isinstance(caught.value.__cause__, boto.ClientError)
    assert caught.value.account == "100000000003"
