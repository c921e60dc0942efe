"""The generated organization as answers of GetAccountAuthorizationDetails, a file for each account, as the AWS command line
prints them. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from benchmarks.workload import PER_ACCOUNT, Json, Role, managed, policy, scps

_CREATED = "2025-11-03T09:12:44+00:00"
_TRUST = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})


def accounts(given: Iterable[Role]) -> Iterator[list[Role]]:
    """The roles of one account after the other."""
    rest = iter(given)
    while account := list(islice(rest, PER_ACCOUNT)):
        yield account


def details(account: list[Role]) -> Json:
    arns = sorted({arn for role in account for arn in (*role.managed, *([role.boundary] if role.boundary else []))})
    return {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [_role(role) for role in account],
        "Policies": [_managed(arn) for arn in arns],
    }


def write(given: Iterable[Role], folder: Path) -> Json:
    """A file for each account, and beside it its SCPs and what its roles used. How much that is, and how many documents
    are distinct."""
    size, count, seen = 0, 0, set[str]()
    for account in accounts(given):
        name = account[0].account
        text = json.dumps(details(account))
        size += len(text)
        count += len(account)
        seen.update(arn for role in account for arn in (*role.managed, role.boundary or ""))
        seen.update(json.dumps(role.inline) for role in account)
        (folder / f"{name}.json").write_text(text)
        levels = [[canonical(document) for document in level] for level in scps(name)]
        (folder / f"{name}.scps").write_text(json.dumps(levels))
        (folder / f"{name}.used").write_text(json.dumps({role.arn: role.used for role in account}))
    return {"roles": count, "bytes": size, "documents": len(seen - {""})}


def canonical(document: Json) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _role(role: Role) -> Json:
    found: Json = {
        "Path": "/",
        "RoleName": role.name,
        "RoleId": f"AROA{role.account}{role.name[-3:]}",
        "Arn": role.arn,
        "CreateDate": _CREATED,
        "AssumeRolePolicyDocument": _TRUST,
        "InstanceProfileList": [],
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": role.inline}],
        "AttachedManagedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in role.managed],
        "Tags": [{"Key": "team", "Value": "orders"}],
        "RoleLastUsed": {"LastUsedDate": "2026-06-28T22:10:00+00:00", "Region": "eu-central-1"},
    }
    if role.boundary:
        found["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": role.boundary,
        }
    return found


def _managed(arn: str) -> Json:
    version = {"Document": managed()[arn], "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": _CREATED}
    return {
        "PolicyName": arn.rpartition("/")[2],
        "PolicyId": "ANPA00000000000000000",
        "Arn": arn,
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 1,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": _CREATED,
        "UpdateDate": _CREATED,
        "PolicyVersionList": [version],
    }
