"""What can go wrong with AWS, as a few errors of our own: the only exceptions that leave plumbline.aws.

Knows the error codes of AWS and what to do about them. Knows nothing of what the call was for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import structlog
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from plumbline.aws.operations import OPERATIONS

_log = structlog.get_logger()

# How messages name credentials that are not those of a member role.
OWN_ACCOUNT = "own"

MALFORMED: Final = "MalformedAnswer"
# What reading an answer of another form than the documented one may raise.
NOT_WHOLE: Final = (LookupError, TypeError, ValueError, AttributeError)


class AwsError(Exception):
    """A call that failed. `account` is an account id, or `own` for the account of the operator's own credentials.

    `reason` is CamelCase, for conditions; `code` is the code that AWS gave, or the name of the client's exception.
    """

    default_reason: ClassVar[str] = "ServiceError"

    def __init__(
        self,
        message: str,
        *,
        service: str = "",
        operation: str = "",
        account: str | None = None,
        code: str = "",
        remedy: str = "",
        reason: str = "",
    ) -> None:
        self.service = service
        self.operation = operation
        self.account = account or OWN_ACCOUNT
        self.code = code
        self.message = message
        self.remedy = remedy
        self.reason = reason or self.default_reason
        text = self.summary
        super().__init__(f"{text.rstrip('.')}. {remedy}." if remedy else text)

    @property
    def summary(self) -> str:
        """What failed, where and how, without the remedy."""
        where = "in the operator's own account" if self.account == OWN_ACCOUNT else f"in account {self.account}"
        what = f"{self.service}:{self.operation} {where} failed with {self.code}: " if self.operation else ""
        return f"{what}{self.message}".rstrip()


class Transient(AwsError):  # noqa: N818
    """AWS or the way to it is out of order; the same call may work later."""


class Malformed(Transient):
    """An answer that is not whole, or has another form than the documented one. It says nothing of what was asked."""

    default_reason = MALFORMED


class Throttled(AwsError):  # noqa: N818
    """AWS, or our own budget, refuses for the rate of calls."""

    default_reason = "Throttled"


class Denied(AwsError):  # noqa: N818
    """Permission or credentials are missing."""

    default_reason = "AccessDenied"


class NotFound(AwsError):  # noqa: N818
    """What was asked for does not exist (any more)."""

    default_reason = "NotFound"


class Invalid(AwsError):  # noqa: N818
    """AWS refuses the request as such; repeating it does not help."""

    default_reason = "InvalidRequest"


class QuotaExceeded(AwsError):  # noqa: N818
    """A quota other than the rate of calls is used up: concurrent jobs, jobs a day, sizes."""

    default_reason = "QuotaExceeded"


_THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "BandwidthLimitExceeded", "SlowDown", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "EC2ThrottledException", "LimitExceededException",
})  # fmt: skip
_DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorized", "403",
    "Forbidden", "AllAccessDisabled",
})  # fmt: skip
_CREDENTIALS = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
    "InvalidAccessKeyId", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidToken", "AuthFailure",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
# A request is refused that seems to be more than some minutes old, or of the future. Most services say so with a code that
# they have for wrong signatures too. botocore neither corrects its clock nor tries such a request again.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"})
_SKEWED_MESSAGES = ("Signature expired", "Signature not yet current")
_NOT_FOUND = frozenset({
    "NoSuchEntity", "NoSuchEntityException", "NoSuchKey", "NoSuchBucket", "404", "NotFound", "ResourceNotFoundException",
    "TrailNotFoundException", "PolicyNotFoundException", "TargetNotFoundException", "AccountNotFoundException",
    "ChildNotFoundException",
})  # fmt: skip
_QUOTA = frozenset({
    "LimitExceeded", "ServiceQuotaExceededException", "MaxConcurrentQueriesException", "ReportGenerationLimitExceeded",
    "PackedPolicyTooLarge",
})  # fmt: skip
_TRANSIENT = frozenset({
    "InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "ServiceFailure",
    "ServiceFailureException", "ServiceUnavailable", "ServiceException", "RequestTimeout", "RequestTimeoutException",
})  # fmt: skip

# Instead of botocore's own text, which holds the whole answer, credentials included.
_BROKEN = "the answer is no whole document of the service's protocol"
_MALFORMED_REMEDY = "It is tried again later; if this goes on, look at what lies on the way to AWS"
_NO_ORGANIZATION = "AWSOrganizationsNotInUseException"


def translate(error: Exception, *, service: str, operation: str, account: str | None = None) -> AwsError:
    """The error of ours that says what `error` of botocore says. Errors of ours come back unchanged."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, boto.ClientError):
        return _answered(error.response, service, operation, account)
    kind, reason, remedy = _unanswered(error)
    return kind(
        _BROKEN if isinstance(error, ResponseParserError) else str(error).strip() or "no further message",
        service=service,
        operation=operation,
        account=account,
        code=type(error).__name__,
        remedy=remedy,
        reason=reason,
    )


@contextmanager
def translated(service: str, operation: str, account: str | None = None) -> Iterator[None]:
    """Errors of botocore inside the block leave it as ours."""
    try:
        yield
    except ResponseParserError as error:
        # No cause: its text is the answer, which may hold credentials.
        raise translate(error, service=service, operation=operation, account=account) from None
    except (boto.BotoCoreError, boto.ClientError, OSError) as error:
        # OSError: a body that is being streamed fails below botocore.
        raise translate(error, service=service, operation=operation, account=account) from error


@contextmanager
def whole(service: str, operation: str, account: str | None = None) -> Iterator[None]:
    """An answer is read in the block; Malformed leaves it where the answer lacks something or has another form."""
    try:
        yield
    except NOT_WHOLE as error:
        # So that a mistake of ours can be told from one of AWS.
        _log.debug("the answer is not whole", service=service, operation=operation, account=account, exc_info=True)
        raise Malformed(
            f"the answer is not whole: {type(error).__name__}: {error}",
            service=service,
            operation=operation,
            account=account,
            code=MALFORMED,
            remedy=_MALFORMED_REMEDY,
        ) from error


def _answered(response: Mapping[str, Any], service: str, operation: str, account: str | None) -> AwsError:
    error = response.get("Error", {})
    code = str(error.get("Code") or "Unknown")
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = str(error.get("Message") or "no further message")
    kind, reason, remedy = _refused(code, message) or _by_code(code, status, service, operation, account)
    return kind(
        message,
        service=service,
        operation=operation,
        account=account,
        code=code,
        remedy=remedy,
        reason=reason,
    )


def _refused(code: str, message: str) -> tuple[type[AwsError], str, str] | None:
    """What is wrong with the signature of a request, before anything was asked about permissions; None: nothing."""
    if code in _SKEWED or (code in _CREDENTIALS and any(words in message for words in _SKEWED_MESSAGES)):
        remedy = "The clock of this machine is wrong: let NTP or chrony synchronise that of the node"
        if code == "RequestExpired":  # of EC2, a session that has ended too
            remedy += "; if it is right, renew the operator's own AWS credentials"
        return Denied, "ClockSkew", remedy
    if code in _EXPIRED:
        # Sessions as a member role are renewed before their end, by this machine's clock.
        return Denied, "SessionExpired", "Renew the operator's own AWS credentials, and check the clock of this machine"
    if code in _CREDENTIALS:
        return Denied, "InvalidCredentials", "Renew the AWS credentials, and check the clock of this machine"
    return None


def _by_code(
    code: str, status: int, service: str, operation: str, account: str | None
) -> tuple[type[AwsError], str, str]:
    if code == _NO_ORGANIZATION:
        return (
            Invalid,
            "OrganizationsNotInUse",
            "Name the accounts as accounts.ids, or use an account of an organization",
        )
    if code in _THROTTLED or status == 429:
        return Throttled, "", "It is tried again later; lower awsRequestsPerSecond if this goes on"
    if code in _DENIED or status in (401, 403):
        return Denied, "", _grant(service, operation, account)
    if code in _NOT_FOUND or status == 404:
        return NotFound, "", ""
    if code in _QUOTA or status == 402:
        return QuotaExceeded, "", "It is tried again when the quota is free"
    if code in _TRANSIENT or status >= 500:
        return Transient, "", "It is tried again later"
    return Invalid, "", ""


def _grant(service: str, operation: str, account: str | None) -> str:
    if (service, operation) == ("sts", "AssumeRole"):
        return (
            "Create the member role there, let its trust policy name the operator's role and the landscape's external"
            " ID, and allow the operator sts:AssumeRole on it"
        )
    who = "the operator's own role" if account in {None, OWN_ACCOUNT} else "the member role"
    # The action is not always named as the operation: ListObjectsV2 needs s3:ListBucket.
    actions = OPERATIONS.get(f"{service}:{operation}") or (f"{service}:{operation}",)
    return f"Allow {who} {' and '.join(actions)}, and look for an SCP that denies it"


def _unanswered(error: Exception) -> tuple[type[AwsError], str, str]:
    """Failures without an answer of AWS: no credentials, no way there, a request that cannot be built."""
    no_credentials = (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.ProfileNotFound,
        boto.SSOError,
    )
    if isinstance(error, no_credentials):
        return Denied, "NoCredentials", "Give AWS credentials by environment, profile or service account"
    if isinstance(error, ResponseParserError):
        return Malformed, "", _MALFORMED_REMEDY
    if isinstance(error, boto.ParamValidationError | boto.DataNotFoundError):
        return Invalid, "", ""
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError | boto.EndpointProviderError):
        return Invalid, "InvalidRegion", "Set AWS_REGION to a Region of your partition"
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | OSError):
        return Transient, "Unreachable", "Check the network, the proxy and AWS_ENDPOINT_URL"
    return Transient, "", "It is tried again later"
