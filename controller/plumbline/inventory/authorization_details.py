"""The roles, users and groups of one account as GetAccountAuthorizationDetails shows them.

Knows the shape of that answer, from the API or from a file. Must not know how it was read.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import TAGS, Group, Identities, Policy, PolicyKind, Principal
from plumbline.model.times import utc

Json = Mapping[str, Any]
Fetch = Callable[[str], Policy | None]


@dataclass
class AuthorizationDetails:
    """All pages of one answer. `whole`: AWS itself gave it, so that a list of tags that is left out is empty; a file may have
    been written by something else, or without its tags, and then says nothing about them."""

    whole: bool = True
    roles: list[Json] = field(default_factory=list)
    users: list[Json] = field(default_factory=list)
    groups: dict[str, Json] = field(default_factory=dict)
    managed: dict[str, Policy] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)

    def add(self, page: Json) -> None:
        """Raises KeyError, TypeError or ValueError where the page has not the shape of the answer."""
        self.roles += page.get("RoleDetailList", ())
        self.users += page.get("UserDetailList", ())
        self.groups.update({group["GroupName"]: group for group in page.get("GroupDetailList", ())})
        self.managed.update({raw["Arn"]: managed_policy(raw) for raw in page.get("Policies", ())})

    def untold(self, raw: Json) -> frozenset[str]:
        return frozenset() if self.whole or raw.get("Tags") is not None else frozenset({TAGS})

    def identities(self, templates: Mapping[str, str], fetch: Fetch) -> Identities:
        """`templates`: role ARN -> role template that owns it. `fetch`: a managed policy that the answer lacks, or None;
        then its document is unknown."""
        groups = {name: _group(raw, self, fetch) for name, raw in self.groups.items()}
        found = [_role(raw, self, templates, fetch) for raw in self.roles]
        found += [_user(raw, groups, self, fetch) for raw in self.users]
        return Identities(
            {principal.arn: principal for principal in sorted(found, key=lambda principal: principal.arn)},
            {group.arn: group for group in sorted(groups.values(), key=lambda group: group.arn)},
        )


def _role(raw: Json, details: AuthorizationDetails, templates: Mapping[str, str], fetch: Fetch) -> Principal:
    last_used = raw.get("RoleLastUsed") or {}
    arn = raw["Arn"]
    return Principal(
        arn=arn,
        unique_id=raw["RoleId"],
        kind="role",
        account=_account_of(arn),
        name=raw["RoleName"],
        path=raw.get("Path", "/"),
        created_at=utc(raw["CreateDate"]),
        policies=_ordered(
            [
                *_inline(raw.get("RolePolicyList", ())),
                *_attached(raw.get("AttachedManagedPolicies", ()), details, fetch),
            ]
        ),
        boundary=_boundary(raw, details, fetch),
        trust=canonical(raw.get("AssumeRolePolicyDocument")),
        tags=_tags(raw),
        unknown=details.untold(raw),
        last_used_at=utc(last_used["LastUsedDate"]) if last_used.get("LastUsedDate") else None,
        last_used_region=last_used.get("Region"),
        role_template=templates.get(arn),
    )


def _group(raw: Json, details: AuthorizationDetails, fetch: Fetch) -> Group:
    arn = raw["Arn"]
    policies = [
        *_inline(raw.get("GroupPolicyList", ())),
        *_attached(raw.get("AttachedManagedPolicies", ()), details, fetch),
    ]
    return Group(arn=arn, account=_account_of(arn), name=raw["GroupName"], policies=_ordered(policies))


def _user(raw: Json, groups: Mapping[str, Group], details: AuthorizationDetails, fetch: Fetch) -> Principal:
    """A user with its own policies and those of its groups; a group's inline policy is named GROUP/POLICY."""
    arn = raw["Arn"]
    policies = [
        *_inline(raw.get("UserPolicyList", ())),
        *_attached(raw.get("AttachedManagedPolicies", ()), details, fetch),
    ]
    for name in raw.get("GroupList", ()):
        if name not in groups:  # it was created between two pages: what it grants is unknown, never nothing
            policies.append(Policy(name=f"{name}/unknown", kind="inline", document=None))
            continue
        policies += [
            replace(policy, name=f"{name}/{policy.name}") if policy.kind == "inline" else policy
            for policy in groups[name].policies
        ]
    return Principal(
        arn=arn,
        unique_id=raw["UserId"],
        kind="user",
        account=_account_of(arn),
        name=raw["UserName"],
        path=raw.get("Path", "/"),
        created_at=utc(raw["CreateDate"]),
        policies=_ordered(policies),
        groups=tuple(sorted(raw.get("GroupList", ()))),
        boundary=_boundary(raw, details, fetch),
        tags=_tags(raw),
        unknown=details.untold(raw),
    )


def _inline(raw: Iterable[Json]) -> list[Policy]:
    return [Policy(name=one["PolicyName"], kind="inline", document=canonical(one.get("PolicyDocument"))) for one in raw]


def _attached(raw: Iterable[Json], details: AuthorizationDetails, fetch: Fetch) -> list[Policy]:
    return [_known(one["PolicyArn"], details, fetch) for one in raw]


def _boundary(raw: Json, details: AuthorizationDetails, fetch: Fetch) -> Policy | None:
    boundary = raw.get("PermissionsBoundary")
    if boundary is None:
        return None
    if not boundary["PermissionsBoundaryArn"]:
        raise ValueError(f"the permissions boundary of {raw['Arn']} has no ARN")
    return _known(boundary["PermissionsBoundaryArn"], details, fetch)


def _known(arn: str, details: AuthorizationDetails, fetch: Fetch) -> Policy:
    """The managed policy, fetched by itself when the answer lacks it: of AWS managed policies it lists only attached
    ones, and one that is only a boundary is not attached."""
    known = details.managed.get(arn)
    if (known is None or known.document is None) and arn not in details.fetched:
        details.fetched.add(arn)  # once, also when it fails: thousands of roles may share it
        known = fetch(arn) or known or Policy(name=_name_of(arn), kind=_kind_of(arn), document=None, arn=arn)
        details.managed[arn] = known
    return details.managed[arn]


def managed_policy(raw: Json) -> Policy:
    """A managed policy with its default version, as GetPolicy and the authorization details give it."""
    default = raw.get("DefaultVersionId")
    version: Json = next((v for v in raw.get("PolicyVersionList", ()) if v.get("VersionId") == default), {})
    created = version.get("CreateDate")
    return Policy(
        name=raw.get("PolicyName") or _name_of(raw["Arn"]),
        kind=_kind_of(raw["Arn"]),
        document=canonical(version.get("Document")),
        arn=raw["Arn"],
        version_id=default,
        version_created_at=utc(created) if created else None,
        attachment_count=raw.get("AttachmentCount", 1),
        boundary_usage_count=raw.get("PermissionsBoundaryUsageCount", 0),
    )


def _ordered(policies: Iterable[Policy]) -> tuple[Policy, ...]:
    """Each policy once (a user may have one by itself and by a group), in an order that does not depend on AWS."""
    unique = {policy.key: policy for policy in policies}
    return tuple(unique[key] for key in sorted(unique))


def _tags(raw: Json) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in sorted(raw.get("Tags") or (), key=lambda tag: str(tag["Key"]))}


def _account_of(arn: str) -> str:
    return arn.split(":", 5)[4]


def _name_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def _kind_of(arn: str) -> PolicyKind:
    return "aws" if arn.split(":", 5)[4] == "aws" else "customer"
