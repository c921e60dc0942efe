"""Error codes and what they say about authorization."""

import pytest

from plumbline.usage.outcomes import denied_action, not_found, outcome_of

# (AWS page, code, outcome)
CODES = [
    ("EC2: Error codes", "Client.UnauthorizedOperation", "denied"),
    ("EC2: Error codes", "Client.DryRunOperation", "used"),
    ("EC2: Error codes", "Client.RequestLimitExceeded", "attempted"),
    ("EC2: Error codes", "Client.InvalidInstanceID.NotFound", "used"),
    ("EC2: Error codes", "Client.AuthFailure", "attempted"),
    ("EC2: Error codes", "Client.InvalidGroup.Duplicate", "used"),
    ("EC2: Error codes", "Client.DependencyViolation", "used"),
    ("EC2: Error codes", "Server.InsufficientInstanceCapacity", "used"),
    ("S3: Error responses", "AccessDenied", "denied"),
    ("S3: Error responses", "NoSuchKey", "used"),
    ("S3: Error responses", "NoSuchBucket", "used"),
    ("S3: Error responses", "SlowDown", "attempted"),
    ("S3: Error responses", "SignatureDoesNotMatch", "attempted"),
    ("S3: Error responses", "BucketAlreadyOwnedByYou", "used"),
    ("S3: Error responses", "ExpiredToken", "attempted"),
    ("IAM: Common errors", "AccessDeniedException", "denied"),
    ("IAM: Common errors", "ThrottlingException", "attempted"),
    ("IAM: Common errors", "InvalidClientTokenId", "attempted"),
    ("IAM: Common errors", "ValidationError", "attempted"),
    ("IAM: Common errors", "ServiceUnavailable", "attempted"),
    ("IAM: CreateRole", "EntityAlreadyExistsException", "used"),
    ("IAM: GetRole", "NoSuchEntityException", "used"),
    ("IAM: DeleteLoginProfile", "EntityTemporarilyUnmodifiableException", "used"),
    ("IAM: CreateRole", "LimitExceededException", "used"),
    ("DynamoDB: Error handling", "ResourceNotFoundException", "used"),
    ("DynamoDB: Error handling", "ConditionalCheckFailedException", "used"),
    ("DynamoDB: Error handling", "ProvisionedThroughputExceededException", "attempted"),
    ("DynamoDB: Error handling", "ValidationException", "attempted"),
    ("CodeArtifact", "CodeArtifactAccessDeniedException", "denied"),
    ("CloudFormation", "NotAuthorizedException", "denied"),
    ("SNS", "AuthorizationError", "denied"),
    ("SNS", "AuthorizationErrorException", "denied"),
    ("API Gateway", "UnauthorizedException", "denied"),
    ("API Gateway", "Forbidden", "denied"),
    ("CloudTrail: Network activity events", "VpceAccessDenied", "denied"),
    ("none: unknown code", "SomethingNobodyKnows", "attempted"),
    ("none: no error", None, "used"),
    ("none: empty", "", "used"),
]


@pytest.mark.parametrize(("page", "code", "outcome"), CODES, ids=[str(case[1]) for case in CODES])
def test_outcome_of_a_code(page, code, outcome):
    assert outcome_of(code) == outcome, page


def test_any_code_is_denied_when_its_message_says_so():
    message = (
        "User: arn:aws:sts::111122223333:assumed-role/a/b is not authorized to perform: iam:PassRole on resource: x"
    )
    assert outcome_of("InvalidParameterException", message) == "denied"
    assert outcome_of(None, message) == "denied"
    assert denied_action(message) == "iam:PassRole"


def test_the_refused_action_in_other_quotes():
    message = "User `arn:aws:sts::111122223333:assumed-role/a/b' is not authorized to perform `ses:SendRawEmail' on x"
    assert denied_action(message) == "ses:SendRawEmail"


def test_a_message_without_a_code_is_not_a_proof_of_use():
    assert outcome_of(None, "Failed for some reason") == "attempted"


@pytest.mark.parametrize(
    ("code", "expected"), [("NoSuchKey", True), ("404", True), ("NoSuchBucket", False), (None, False)]
)
def test_not_found(code, expected):
    """S3: GetObject, HeadObject (Permissions)."""
    assert not_found(code) is expected
