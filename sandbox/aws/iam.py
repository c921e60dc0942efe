"""IAM where moto is too friendly: quotas, attachments, service-linked roles, and account authorization details."""

import json
import re
from typing import Any
from urllib.parse import quote

from sandbox.aws.registry import MOTO, operation, page
from sandbox.behaviour import ROLES
from sandbox.protocol import AwsError, Call
from sandbox.world import World, identity_store

POLICY_SIZE, TRUST_SIZE, POLICIES_PER_ROLE = 6_144, 2_048, 10
TEMPLATES = {role.id: role.template for role in ROLES if role.template}
INLINE_SIZE = {"Role": 10_240, "Group": 5_120, "User": 2_048}


def _size(document: str) -> int:
    """White space does not count."""
    return len(re.sub(r"\s", "", document))


def _limit(message: str) -> AwsError:
    return AwsError("LimitExceeded", message, 409)


def _missing(what: str) -> AwsError:
    return AwsError("NoSuchEntity", f"{what} cannot be found.", 404)


def _role(call: Call) -> Any:
    name = call.params["RoleName"]
    for role in identity_store(call.account).roles.values():
        if role.name == name:
            return role
    raise _missing(f"The role with name {name}")


def _modifiable(call: Call) -> Any:
    role = _role(call)
    if role.path.startswith("/aws-service-role/"):
        message = (
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS"
        )
        raise AwsError("UnmodifiableEntity", message, 400)
    return role


@operation("iam", "CreatePolicy", "CreatePolicyVersion")
def sized_policy(world: World, call: Call) -> dict[str, Any]:
    if _size(call.params["PolicyDocument"]) > POLICY_SIZE:
        raise _limit(f"Cannot exceed quota for PolicySize: {POLICY_SIZE}")
    return MOTO


@operation("iam", "CreateRole", "UpdateAssumeRolePolicy")
def sized_trust(world: World, call: Call) -> dict[str, Any]:
    if call.operation == "UpdateAssumeRolePolicy":
        _modifiable(call)
    if _size(call.params.get("AssumeRolePolicyDocument") or call.params["PolicyDocument"]) > TRUST_SIZE:
        raise _limit(f"Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}")
    _boundary(call)
    return MOTO


@operation("iam", "PutRolePolicy", "PutGroupPolicy", "PutUserPolicy")
def sized_inline(world: World, call: Call) -> dict[str, Any]:
    kind = call.operation[3:-6]
    store, name = identity_store(call.account), call.params[f"{kind}Name"]
    if kind == "Role":
        _modifiable(call)
    owners: list[Any] = [*store.roles.values(), *store.groups.values(), *store.users.values()]
    held: dict[str, Any] = next((o.policies for o in owners if f":{kind.lower()}/" in o.arn and o.name == name), {})
    total = sum(_size(_text(d)) for n, d in held.items() if n != call.params["PolicyName"])
    if total + _size(call.params["PolicyDocument"]) > INLINE_SIZE[kind]:
        raise _limit(f"Maximum policy size of {INLINE_SIZE[kind]} bytes exceeded for {kind.lower()} {name}")
    return MOTO


@operation("iam", "AttachRolePolicy")
def attach_role_policy(world: World, call: Call) -> dict[str, Any]:
    role, arn = _modifiable(call), call.params["PolicyArn"]
    if arn in role.managed_policies:  # moto would count the attachment twice
        return {}
    if len(role.managed_policies) >= POLICIES_PER_ROLE:
        raise _limit(f"Cannot exceed quota for PoliciesPerRole: {POLICIES_PER_ROLE}")
    return MOTO


@operation("iam", "DetachRolePolicy", "DeleteRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "UpdateRole")
def protected(world: World, call: Call) -> dict[str, Any]:
    _modifiable(call)
    return MOTO


@operation("iam", "PutRolePermissionsBoundary")
def put_role_permissions_boundary(world: World, call: Call) -> dict[str, Any]:
    _modifiable(call)
    _boundary(call)
    return MOTO


@operation("iam", "DeletePolicy")
def delete_policy(world: World, call: Call) -> dict[str, Any]:
    store, arn = identity_store(call.account), call.params["PolicyArn"]
    policy = store.managed_policies.get(arn)
    if policy is not None and (policy.attachment_count or boundary_uses(call.account, arn)):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    return MOTO


def _boundary(call: Call) -> None:
    arn = call.params.get("PermissionsBoundary")
    if arn and arn not in identity_store(call.account).managed_policies:
        raise _missing(f"Scope ARN: {arn} does not exist or is not attachable. It")


def boundary_uses(account: str, arn: str) -> int:
    store = identity_store(account)
    bounded: list[Any] = [*store.roles.values(), *store.users.values()]
    return sum(getattr(one, "permissions_boundary_arn", None) == arn for one in bounded)


@operation("iam", "GetPolicy")
def get_policy(world: World, call: Call) -> dict[str, Any]:
    arn = call.params["PolicyArn"]
    policy = identity_store(call.account).managed_policies.get(arn)
    if policy is None:
        raise _missing(f"Policy {arn}")
    detail = _policy(policy, boundary_uses(call.account, arn))
    del detail["PolicyVersionList"]
    return {"Policy": detail}


@operation("iam", "ListRoles")
def list_roles(world: World, call: Call) -> dict[str, Any]:
    """Without tags, boundary and last use, but with the template that owns a role."""
    prefix = call.params.get("PathPrefix") or "/"
    roles = [r for r in identity_store(call.account).roles.values() if r.path.startswith(prefix)]
    marker = call.params.get("Marker")
    if marker and not marker.removeprefix("page-").isdigit():
        raise AwsError("ValidationError", "Invalid Marker.", 400)
    roles, following = page(roles, int(call.params.get("MaxItems") or 100), marker)
    answer = {"Roles": [_listed_role(r) for r in roles], "IsTruncated": bool(following)}
    return answer | ({"Marker": following} if following else {})


def _listed_role(role: Any) -> dict[str, Any]:
    listed = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.create_date,
        "AssumeRolePolicyDocument": quote(_text(role.assume_role_policy_document), safe=""),
        "MaxSessionDuration": int(role.max_session_duration),
    }
    template = {"TemplateArn": TEMPLATES[role.id], "TemplateMinorVersion": 1} if role.id in TEMPLATES else {}
    return listed | ({"SourceRoleTemplate": template} if template else {})


@operation("iam", "GetAccountAuthorizationDetails")
def get_account_authorization_details(world: World, call: Call) -> dict[str, Any]:
    size = int(call.params.get("MaxItems") or 100)
    marker = call.params.get("Marker") or "details-0"
    start = marker.removeprefix("details-")
    if not start.isdigit() or start == marker:
        raise AwsError("ValidationError", "Invalid Marker.", 400)
    wanted = set(call.params.get("Filter") or ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"))
    entries = details(call.account, wanted)
    end = int(start) + size
    answer: dict[str, Any] = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    for key, detail in entries[int(start) : end]:
        answer[key].append(detail)
    answer["IsTruncated"] = end < len(entries)
    return answer | ({"Marker": f"details-{end}"} if answer["IsTruncated"] else {})


def details(account: str, wanted: set[str], *, all_policies: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """List of the answer and entry. `all_policies`: also those that the answer leaves out."""
    store = identity_store(account)
    entries: list[tuple[str, dict[str, Any]]] = []
    if "User" in wanted:
        entries += [("UserDetailList", _user(u)) for u in store.users.values()]
    if "Group" in wanted:
        entries += [("GroupDetailList", _entity(g, "Group")) for g in store.groups.values()]
    if "Role" in wanted:
        entries += [("RoleDetailList", _role_detail(r)) for r in store.roles.values()]
    for policy in store.managed_policies.values():
        aws = policy.arn.startswith("arn:aws:iam::aws:")
        uses = boundary_uses(account, policy.arn)
        # Only attached AWS managed policies are told, and what is merely a boundary is left out.
        told = all_policies or policy.attachment_count or not (aws or uses)
        if told and ("AWSManagedPolicy" if aws else "LocalManagedPolicy") in wanted:
            entries.append(("Policies", _policy(policy, uses)))
    return entries


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _entity(entity: Any, kind: str) -> dict[str, Any]:
    detail = {
        "Path": entity.path,
        f"{kind}Name": entity.name,
        f"{kind}Id": entity.id,
        "Arn": entity.arn,
        "CreateDate": entity.create_date,
        "AttachedManagedPolicies": [
            {"PolicyName": p.name, "PolicyArn": p.arn} for p in entity.managed_policies.values()
        ],
    }
    inline = [{"PolicyName": n, "PolicyDocument": quote(_text(d), safe="")} for n, d in entity.policies.items()]
    return detail | {f"{kind}PolicyList": inline}


def _user(user: Any) -> dict[str, Any]:
    detail = _entity(user, "User") | {"GroupList": user.group_list, "Tags": user.tags or []}
    boundary = getattr(user, "permissions_boundary_arn", None)  # moto knows none of users
    told = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": boundary}
    return detail | ({"PermissionsBoundary": told} if boundary else {})


def _role_detail(role: Any) -> dict[str, Any]:
    used: dict[str, Any] = {"LastUsedDate": role.last_used} if role.last_used else {}
    if used and role.last_used_region:
        used["Region"] = role.last_used_region
    detail = _entity(role, "Role") | {
        "AssumeRolePolicyDocument": quote(_text(role.assume_role_policy_document), safe=""),
        "InstanceProfileList": [_instance_profile(p) for p in role.instance_profile_list],
        "Tags": role.tags,
        "RoleLastUsed": used,
    }
    boundary = role.permissions_boundary
    return detail | ({"PermissionsBoundary": boundary} if boundary else {})


def _instance_profile(profile: Any) -> dict[str, Any]:
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.create_date,
        "Roles": [
            {"Path": r.path, "RoleName": r.name, "RoleId": r.id, "Arn": r.arn, "CreateDate": r.create_date}
            for r in profile.roles
        ],
    }


def _policy(policy: Any, boundary_uses: int) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version_id,
        "AttachmentCount": policy.attachment_count,
        "PermissionsBoundaryUsageCount": boundary_uses,
        "IsAttachable": True,
        "CreateDate": policy.create_date,
        "UpdateDate": policy.update_date,
        "PolicyVersionList": [
            {
                "Document": quote(_text(v.document), safe=""),
                "VersionId": v.version_id,
                "IsDefaultVersion": v.is_default,
                "CreateDate": v.create_date,
            }
            for v in policy.versions
        ],
    }
