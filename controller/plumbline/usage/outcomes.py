"""What an error code says about authorization: denied, used, or attempted.

A table as data, with the AWS page behind each part. Knows codes and messages only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

from plumbline.model.evidence import Outcome

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
# (errorCode) and the "Common errors" page of each service's API reference.
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "Forbidden",
        "NotAuthorized",
        "NotAuthorizedException",
        "UnauthorizedException",
        "UnauthorizedOperation",
        "VpceAccessDenied",
    }
)
_DENIED_ENDINGS = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
# Also used in SQL, with the engine's own regular expressions: plain constructs only.
DENIED_MESSAGE = (
    r"\b(is|are|was|were) not authorized to (perform|invoke|call|access|make)\b|\bnot authorized to perform\b"
)
_DENIED_MESSAGE = re.compile(DENIED_MESSAGE, re.IGNORECASE)
# "User: arn:... is not authorized to perform: iam:PassRole on resource: ...": the action that was really refused, which
# need not be the one of the event. https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
DENIED_ACTION = r"not authorized to perform:? \[?['`]?\"?([a-z0-9-]+:[A-Za-z0-9]+)"
_DENIED_ACTION = re.compile(DENIED_ACTION)

# "Request would have succeeded, but DryRun flag is set." The caller has the permission.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_AUTHORIZED = frozenset({"DryRunOperation"})

# Errors that are raised before or independently of authorization: throttling, signature, token, availability. They say
# nothing about a grant. Validation errors are among them: services differ in whether they validate first.
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
_UNDECIDED = re.compile(
    r"throttl|SlowDown|RequestLimitExceeded|TooManyRequests|RateExceeded|BandwidthLimit|signature|token|"
    r"ClientTokenId|AccessKeyId|AuthFailure|Credential|IncompleteRequest|RequestExpired|RequestTimeTooSkewed|"
    r"ProvisionedThroughput|Unavailable|InternalError|InternalFailure|InternalServer|ServiceException|ServiceFailure|"
    r"Timeout|TimedOut|OptInRequired|"
    r"Validation|MalformedQueryString|MissingParameter|MissingAction|InvalidAction|InvalidParameter|InvalidQuery|"
    r"InvalidRequest|InvalidInput|UnknownOperation|UnsupportedOperation|Serialization",
    re.IGNORECASE,
)

# Errors about the thing itself, which a service meets only after it has authorized the call: it does not exist, exists
# already, is in use, in another state, over its quota, or a condition on it failed. Each service's "Errors" sections.
_AFTER_AUTHORIZATION = re.compile(
    r"NotFound|^NoSuch|NotExist|DoesNotExist|^404$|^Nonexistent|NonExistent|UnknownResource|"
    r"AlreadyExist|Exists(Exception|Fault)?$|AlreadyOwned|AlreadyIn|Already[A-Z]|Duplicate|"
    r"InUse|Conflict|Dependency|HasDependent|Temporarily|Unmodifiable|InvalidState|IncorrectState|Incorrect\w+State|"
    r"Invalid\w*State|InvalidStatus|NotReady|NotAvailable$|"
    r"LimitExceeded|QuotaExceeded|Quota\w*Fault|Insufficient\w*Capacity|InsufficientInstanceCapacity|LimitExceededException|"
    r"PreconditionFailed|ConditionalCheckFailed|TransactionCanceled|NotModified|BucketNotEmpty|NotEmpty|"
    r"MalformedPolicy|PackedPolicyTooLarge|KMSInvalidState|DisabledException|NotEnabled|NotSupported|"
    r"ServerSideEncryptionConfigurationNotFound|NoSuchKey|NoSuchEntity|InvalidObjectState|RepositoryNotEmpty|"
    r"VersionConflict|ConcurrentModification|ResourceNotFound|Expired(Iterator)|ReceiptHandleIsInvalid|"
    r"IncorrectTrail|InvalidSnapshot|Invalid\w+ID",
)


def bare(code: str) -> str:
    """The code without the prefix of Amazon EC2: `Client.` or `Server.`, and without a namespace or URL fragment."""
    return code.rpartition("#")[2].removeprefix("Client.").removeprefix("Server.")


@lru_cache(4096)
def outcome_of(code: str | None, message: str | None = None) -> Outcome:
    """What the call was, by its error: `used` without one and for errors after authorization, `denied` for want of
    permission, `attempted` where the code does not tell."""
    if not code:
        if not message:
            return "used"
        return "denied" if _DENIED_MESSAGE.search(message) else "attempted"
    code = bare(code)
    if code in _AUTHORIZED:
        return "used"
    if code in _DENIED or code.endswith(_DENIED_ENDINGS) or (message and _DENIED_MESSAGE.search(message)):
        return "denied"
    if _UNDECIDED.search(code) and not code.endswith("NotFound"):
        return "attempted"
    return "used" if _AFTER_AUTHORIZATION.search(code) else "attempted"


def denied_action(message: str | None) -> str | None:
    """The action that the message says was refused, as it spells it."""
    found = _DENIED_ACTION.search(message) if message else None
    return intern(found.group(1)) if found else None


def not_found(code: str | None) -> bool:
    """Whether an Amazon S3 read ended in not found, which S3 says only to callers that may list the bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Permissions)
    """
    return code is not None and bare(code) in ("NoSuchKey", "NoSuchVersion", "NotFound", "404")
