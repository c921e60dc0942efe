"""AssumeRole that asks the trust policy, external ID included."""

import json
from fnmatch import fnmatchcase
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.sts.models import sts_backends

from sandbox.aws.last_accessed import granting_documents
from sandbox.aws.registry import operation
from sandbox.organization import Document
from sandbox.protocol import AwsError, Call
from sandbox.world import Principal, World, identity_store


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _names(statement: Document, caller: Principal) -> str:
    """How a trust statement names the caller: itself, only its account, or not at all."""
    principal = statement.get("Principal", {})
    names = _list("*" if principal == "*" else principal.get("AWS"))
    if caller.arn in names:
        return "itself"
    return "account" if {"*", caller.account, f"arn:aws:iam::{caller.account}:root"} & set(names) else ""


def _conditions_hold(statement: Document, context: dict[str, str]) -> bool:
    """StringEquals and StringLike and their negations; any other condition is taken as not met."""
    for operator, keys in statement.get("Condition", {}).items():
        negated, base = "Not" in operator, operator.replace("Not", "").removesuffix("IfExists")
        if base not in ("StringEquals", "StringLike", "ArnEquals", "ArnLike"):
            return False
        for key, patterns in keys.items():
            value = context.get(key.lower())
            if value is None:
                if operator.endswith("IfExists") or negated:
                    continue
                return False
            match = any(fnmatchcase(value, p) if base != "StringEquals" else value == p for p in _list(patterns))
            if match == negated:
                return False
    return True


def _acts(statement: Document) -> bool:
    return any(fnmatchcase("sts:assumerole", a.lower()) for a in _list(statement.get("Action")))


def trusts(document: Document, caller: Principal, context: dict[str, str]) -> str:
    """How the trust policy lets the caller in: by naming it, by its account, or not at all."""
    applying: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in _list(document.get("Statement")):
        how = _names(statement, caller)
        if how and _acts(statement) and _conditions_hold(statement, context):
            applying[statement["Effect"]].add(how)
    return "" if applying["Deny"] else "itself" if "itself" in applying["Allow"] else "".join(applying["Allow"])


def _may_assume(caller: Principal, arn: str) -> bool:
    """Whether the caller's own policies allow it; a trust policy of another account, or for an account, is not enough."""
    if caller.arn.endswith(":root"):
        return True
    effects = {
        s["Effect"]
        for document in granting_documents(caller.account, caller.arn)
        for s in _list(document["Statement"])
        if _acts(s) and any(fnmatchcase(arn, r) for r in _list(s.get("Resource")))
    }
    return effects == {"Allow"}


def trusts_service(document: Document, service: str) -> bool:
    return any(
        s["Effect"] == "Allow" and service in _list(s.get("Principal", {}).get("Service"))
        for s in _list(document.get("Statement"))
        if isinstance(s.get("Principal"), dict)
    )


@operation("sts", "AssumeRole")
def assume_role(world: World, call: Call) -> dict[str, Any]:
    arn, caller = call.params["RoleArn"], world.principal(call.access_key)
    assert caller is not None
    denied = AwsError(
        "AccessDenied", f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}", 403
    )
    try:
        role = identity_store(arn.split(":")[4]).get_role_by_arn(arn)
    except (NotFoundException, IndexError, KeyError):
        raise denied from None
    context = {"aws:principalarn": caller.arn, "aws:principalaccount": caller.account}
    if "ExternalId" in call.params:
        context["sts:externalid"] = call.params["ExternalId"]
    how = trusts(json.loads(role.assume_role_policy_document), caller, context)
    delegated = how == "account" or arn.split(":")[4] != caller.account
    if not how or (delegated and not _may_assume(caller, arn)):
        raise denied
    session = sts_backends[caller.account]["aws"].assume_role(
        region_name=call.region,
        role_session_name=call.params["RoleSessionName"],
        role_arn=arn,
        policy=call.params.get("Policy", ""),
        duration=int(call.params.get("DurationSeconds") or 3600),
        external_id=call.params.get("ExternalId", ""),
    )
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": session.expiration,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }
