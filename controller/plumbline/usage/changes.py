"""Events that change what principals are granted or whom they trust, or what a trail records: read from successful writes.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html,
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plumbline.model.evidence import TRUST, GrantChange, TrailChange
from plumbline.usage.records import Record
from plumbline.usage.request import decoded
from plumbline.usage.resources import partition_of

# IAM writes -> (request parameter and kind of the target, request parameter of the policy). `policyArn` as target: the
# change reaches every principal to which the managed policy is attached.
_ROLE, _USER, _GROUP = ("roleName", "role"), ("userName", "user"), ("groupName", "group")
_POLICY = ("policyArn", "policy")
GRANT_CHANGES: Mapping[str, tuple[tuple[str, str], str | None]] = {
    "AttachRolePolicy": (_ROLE, "policyArn"),
    "DetachRolePolicy": (_ROLE, "policyArn"),
    "PutRolePolicy": (_ROLE, "policyName"),
    "DeleteRolePolicy": (_ROLE, "policyName"),
    "PutRolePermissionsBoundary": (_ROLE, None),
    "DeleteRolePermissionsBoundary": (_ROLE, None),
    "UpdateAssumeRolePolicy": (_ROLE, "policyDocument"),
    "CreateRole": (_ROLE, None),
    "DeleteRole": (_ROLE, None),
    "AttachUserPolicy": (_USER, "policyArn"),
    "DetachUserPolicy": (_USER, "policyArn"),
    "PutUserPolicy": (_USER, "policyName"),
    "DeleteUserPolicy": (_USER, "policyName"),
    "PutUserPermissionsBoundary": (_USER, None),
    "DeleteUserPermissionsBoundary": (_USER, None),
    "CreateUser": (_USER, None),
    "DeleteUser": (_USER, None),
    "AddUserToGroup": (_USER, None),
    "RemoveUserFromGroup": (_USER, None),
    "AttachGroupPolicy": (_GROUP, "policyArn"),
    "DetachGroupPolicy": (_GROUP, "policyArn"),
    "PutGroupPolicy": (_GROUP, "policyName"),
    "DeleteGroupPolicy": (_GROUP, "policyName"),
    "CreatePolicyVersion": (_POLICY, "policyArn"),
    "SetDefaultPolicyVersion": (_POLICY, "policyArn"),
}
TRAIL_CHANGES = frozenset(
    {
        "CreateTrail",
        "UpdateTrail",
        "DeleteTrail",
        "StartLogging",
        "StopLogging",
        "PutEventSelectors",
        "CreateEventDataStore",
        "UpdateEventDataStore",
        "DeleteEventDataStore",
        "RestoreEventDataStore",
        "StartEventDataStoreIngestion",
        "StopEventDataStoreIngestion",
    }
)
_IAM, _CLOUDTRAIL = "iam.amazonaws.com", "cloudtrail.amazonaws.com"


def is_change(event_source: str, event_name: str) -> bool:
    """Whether the event, if it succeeded, changes grants or a trail."""
    if event_source == _IAM:
        return event_name in GRANT_CHANGES
    return event_source == _CLOUDTRAIL and event_name in TRAIL_CHANGES


def grant_change(record: Record, account: str, by: str) -> GrantChange | None:
    """The change of grants that the record made; None when it names nothing.

    Requests name roles, users and groups without their path: then the target's ARN has none either.
    """
    request = _mapping(record.requestParameters)
    (parameter, kind), policy_parameter = GRANT_CHANGES[record.eventName]
    name = _text(request, parameter)
    if not name:
        return None
    target = name
    if kind != "policy":
        path = _text(request, "path") if record.eventName.startswith("Create") else None
        target = f"arn:{partition_of(record.awsRegion or '')}:iam::{account}:{kind}{path or '/'}{name}"
    policy = _text(request, policy_parameter) if policy_parameter else None
    key = f"inline/{policy}" if policy and policy_parameter == "policyName" else policy
    if policy_parameter == "policyDocument":
        key = TRUST
    return GrantChange(account, record.eventName, target, key, record.eventTime, by)


def trail_change(record: Record, account: str) -> TrailChange | None:
    """The change of a trail that the record made; None when it names none."""
    request, response = _mapping(record.requestParameters), _mapping(record.responseElements)
    store = request.get("eventDataStore") or response.get("eventDataStoreArn")
    name = store or response.get("trailARN") or request.get("name") or request.get("trailName")
    if not isinstance(name, str) or not name:
        return None
    region, kind = record.awsRegion or "", "eventdatastore" if store else "trail"
    arn = name if name.startswith("arn:") else f"arn:{partition_of(region)}:cloudtrail:{region}:{account}:{kind}/{name}"
    return TrailChange(record.eventName, arn, record.eventTime)


def _text(request: Mapping[str, Any], name: str) -> str | None:
    value = request.get(name)
    return value if isinstance(value, str) else None


def _mapping(raw: bytes | Any) -> Mapping[str, Any]:
    value = decoded(bytes(raw))
    return value if isinstance(value, dict) else {}


def grants_in_order(changes: Iterable[GrantChange]) -> tuple[GrantChange, ...]:
    """Sorted by time."""
    return tuple(sorted(changes, key=lambda c: (c.at, c.event_name, c.target, c.policy or "", c.by)))


def trails_in_order(changes: Iterable[TrailChange]) -> tuple[TrailChange, ...]:
    """Sorted by time."""
    return tuple(sorted(changes, key=lambda c: (c.at, c.event_name, c.trail)))
