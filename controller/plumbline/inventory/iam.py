"""The roles, users and groups of one account with their policies, read from AWS.

Knows IAM's operations. Must not know organizations, landscapes, or what the policies mean.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from plumbline.aws.errors import AwsError, whole
from plumbline.aws.session import AwsSessions
from plumbline.inventory.authorization_details import AuthorizationDetails, managed_policy
from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import Identities, Policy
from plumbline.model.times import utc

_PAGE = 1000
# What every page has, and each one in its lists, though it may be empty. Of a user without policies of its own AWS leaves
# out their list: https://docs.aws.amazon.com/cli/latest/reference/iam/get-account-authorization-details.html
_MEMBERS: Final = {
    "RoleDetailList": ("AssumeRolePolicyDocument", "RolePolicyList", "AttachedManagedPolicies"),
    "UserDetailList": ("GroupList", "AttachedManagedPolicies"),
    "GroupDetailList": ("GroupPolicyList", "AttachedManagedPolicies"),
    "Policies": ("DefaultVersionId",),
}


def read_identities(sessions: AwsSessions, account: str | None) -> Identities:
    """All roles, users and groups of an account; `account` None: that of the operator's own credentials.

    A policy whose document cannot be read stays, with document None. Raises AwsError when a page is missing: half an
    inventory is none.
    """
    details = AuthorizationDetails()
    pages = sessions.pages(
        "iam", "GetAccountAuthorizationDetails", account=account, PaginationConfig={"PageSize": _PAGE}
    )
    with whole("iam", "GetAccountAuthorizationDetails", account):
        for page in pages:
            details.add(_with_members(page))
    templates = {arn: one.template for arn, one in list_roles(sessions, account).items() if one.template}
    with whole("iam", "GetAccountAuthorizationDetails", account):
        return details.identities(templates, partial(fetch_policy, sessions, account))


def _with_members(page: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for a page that does not tell all: an account without roles, or a role without policies, would look
    like that."""
    lacking = [name for name in (*_MEMBERS, "IsTruncated") if name not in page]
    lacking += [
        f"{name} of {one.get('Arn')}"
        for members, names in _MEMBERS.items()
        for one in page.get(members, ())
        for name in names
        if name not in one
    ]
    if lacking:
        raise ValueError(f"it has no {', no '.join(lacking)}")
    return page


@dataclass(frozen=True, slots=True)
class ListedRole:
    """`template`: ARN of the role template that owns it. The authorization details do not show it, ListRoles does."""

    unique_id: str
    template: str | None


def list_roles(sessions: AwsSessions, account: str | None) -> dict[str, ListedRole]:
    """All roles of an account by ARN. Raises AwsError."""
    pages = sessions.pages("iam", "ListRoles", account=account, PaginationConfig={"PageSize": _PAGE})
    with whole("iam", "ListRoles", account):
        return {
            role["Arn"]: ListedRole(role["RoleId"], role.get("SourceRoleTemplate", {}).get("TemplateArn"))
            for page in pages
            for role in page["Roles"]
        }


def fetch_policy(sessions: AwsSessions, account: str | None, arn: str) -> Policy | None:
    """One managed policy with its default version. None, or without its document, when it cannot be read."""
    try:
        answer = sessions.call("iam", "GetPolicy", account=account, PolicyArn=arn)
        with whole("iam", "GetPolicy", account):
            policy, version_id = managed_policy(answer["Policy"]), answer["Policy"]["DefaultVersionId"]
    except AwsError:
        return None
    try:
        answer = sessions.call("iam", "GetPolicyVersion", account=account, PolicyArn=arn, VersionId=version_id)
        with whole("iam", "GetPolicyVersion", account):
            version = answer["PolicyVersion"]
            document, created = canonical(version.get("Document")), utc(version["CreateDate"])
    except AwsError:
        return policy
    return replace(policy, document=document, version_created_at=created)
