"""Which operations of AWS may be called at all: reading, and starting the few jobs that only compute an answer.

Enforced inside botocore before a request is built, for every client, whoever made the call. What is not listed is
refused, so a new operation fails closed until someone adds it to operations.py and to deploy/aws/, which a test keeps
equal.
"""

from __future__ import annotations

from typing import Any, Final

from plumbline.aws.errors import AwsError
from plumbline.aws.operations import OPERATIONS

# What botocore itself calls to get the operator's own credentials (service account, single sign-on, login).
CREDENTIAL_OPERATIONS: Final = frozenset(
    {
        "signin:CreateOAuth2Token",
        "awsssoportal:GetRoleCredentials",
        "sso-oauth:CreateToken",
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
    }
)


class NotAllowed(AwsError):  # noqa: N818
    """An operation outside the allow-list was about to be called; no request was made."""

    default_reason = "OperationNotAllowed"


def install(events: Any) -> None:
    """Guards every client that is made from these events (of a botocore session or client)."""
    # First: no other handler can answer in its place, and none sees the call when it is refused.
    events.register_first("before-call.*.*", refuse_unlisted, unique_id="plumbline-guard")


def refuse_unlisted(model: Any, **_: Any) -> None:
    """Handler of `before-call`: raises NotAllowed unless the operation is listed. Anything unclear raises too."""
    service = model.service_model.signing_name
    name = f"{service}:{model.name}"
    if name not in OPERATIONS and name not in CREDENTIAL_OPERATIONS:
        raise NotAllowed(
            "the operation is not on the list of those that Plumbline may call",
            service=service,
            operation=model.name,
            code="OperationNotAllowed",
        )
