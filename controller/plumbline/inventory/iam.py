"""The roles, users and groups of one account with their policies, read from AWS.

Knows IAM's operations. Must not know organizations, landscapes, or what the policies mean.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from plumbline.aws.errors import AwsError
from plumbline.aws.session import AwsSessions
from plumbline.inventory.authorization_details import AuthorizationDetails, managed_policy
from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import Identities, Policy
from plumbline.model.times import utc

_PAGE = 1000


def read_identities(sessions: AwsSessions, account: str | None) -> Identities:
    """All roles, users and groups of an account; `account` None: that of the operator's own credentials.

    A policy whose document cannot be read stays, with document None. Raises AwsError when a page is missing: half an
    inventory is none.
    """
    details = AuthorizationDetails()
    for page in sessions.pages(
        "iam", "GetAccountAuthorizationDetails", account=account, PaginationConfig={"PageSize": _PAGE}
    ):
        details.add(page)
    templates = {arn: one.template for arn, one in list_roles(sessions, account).items() if one.template}
    return details.identities(templates, partial(fetch_policy, sessions, account))


@dataclass(frozen=True, slots=True)
class ListedRole:
    """`template`: ARN of the role template that owns it. The authorization details do not show it, ListRoles does."""

    unique_id: str
    template: str | None


def list_roles(sessions: AwsSessions, account: str | None) -> dict[str, ListedRole]:
    """All roles of an account by ARN. Raises AwsError."""
    return {
        role["Arn"]: ListedRole(role["RoleId"], role.get("SourceRoleTemplate", {}).get("TemplateArn"))
        for page in sessions.pages("iam", "ListRoles", account=account, PaginationConfig={"PageSize": _PAGE})
        for role in page["Roles"]
    }


def fetch_policy(sessions: AwsSessions, account: str | None, arn: str) -> Policy | None:
    """One managed policy with its default version. None, or without its document, when it cannot be read."""
    try:
        raw = sessions.call("iam", "GetPolicy", account=account, PolicyArn=arn)["Policy"]
    except AwsError:
        return None
    policy = managed_policy(raw)
    try:
        version = sessions.call(
            "iam", "GetPolicyVersion", account=account, PolicyArn=arn, VersionId=raw["DefaultVersionId"]
        )["PolicyVersion"]
    except AwsError:
        return policy
    return replace(policy, document=canonical(version.get("Document")), version_created_at=utc(version["CreateDate"]))
