"""CloudTrail records, derived from behaviour by tables.

A record is rendered once per habit with holes for what differs between occurrences, because rendering two hundred
thousand dictionaries one by one would take most of the start. Must not know verdicts.
"""

import json
import random
import re
from collections.abc import Callable
from functools import cache
from time import gmtime, strftime
from typing import Any

from sandbox.behaviour import DAY, Habit
from sandbox.operations import PARAMETERS, event_name, event_source, logged, read_only
from sandbox.organization import SECURITY, Document
from sandbox.roles import Role, User, unique_id

_HOLES = re.compile(r"@(TIME|ID|REQUEST|SESSION|KEY)@")
ERRORS = {
    "ec2": ("Client.UnauthorizedOperation", "You are not authorized to perform this operation."),
    "denied": (
        "AccessDenied",
        "User: {who} is not authorized to perform: {action} with an explicit deny in a resource-based policy",
    ),
    "throttled": ("ThrottlingException", "Rate exceeded"),
}


@cache
def timestamp(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))


def visible(habit: Habit) -> bool:
    """Whether the organization's trail records this habit."""
    return habit.kind != "call" or logged(habit.action)


def _session_name(role: Role) -> str:
    if "/aws-reserved/" in role.path or role.name in ("on-call", "developer", "analyst", "auditor"):
        return "casey@example.com"
    return {"lambda": role.name, "ec2": "i-0a1b2c3d4e5f60718"}.get(_trusted_service(role), f"{role.name[:40]}-session")


def _trusted_service(role: Role) -> str:
    principal = role.trust["Statement"][0]["Principal"]
    service = principal.get("Service", "")
    return (service if isinstance(service, str) else service[0]).removesuffix(".amazonaws.com")


def _assumed_role(habit: Habit, role: Role) -> Document:
    identity: Document = {
        "type": "AssumedRole",
        "principalId": f"{habit.actor_id}:{_session_name(role)}",
        "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{_session_name(role)}",
        "accountId": role.account,
        "accessKeyId": "@KEY@",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": habit.actor_id,
                "arn": role.arn,
                "accountId": role.account,
                "userName": role.name,
            },
            "attributes": {"creationDate": "@SESSION@", "mfaAuthenticated": "false"},
        },
    }
    return identity | ({"invokedBy": habit.does.via} if habit.does.via else {})


def _iam_user(user: User) -> Document:
    identity = {"type": "IAMUser", "principalId": user.id, "arn": user.arn, "accountId": user.account}
    return identity | {"accessKeyId": user.access_key, "userName": user.name}


def _call(habit: Habit) -> Document:
    actor, does = habit.actor, habit.does
    identity = _assumed_role(habit, actor) if isinstance(actor, Role) else _iam_user(actor)
    values = {"account": actor.account, "region": habit.region}
    request = habit.request or _filled(PARAMETERS.get(does.operation, {}), values)
    if does.passes:
        request = request | {"role": f"arn:aws:iam::{actor.account}:role/{does.passes}"}
    record: Document = {
        "userIdentity": identity,
        "eventSource": event_source(does.operation),
        "eventName": does.event or event_name(does.operation),
        "sourceIPAddress": does.via or "10.20.30.40",
        "userAgent": does.via or "Boto3/1.44.5 md/Botocore#1.44.5 exec-env/AWS_Lambda_python3.11",
        "requestParameters": request or None,
        "responseElements": None if read_only(does.operation) else _response(does.operation, request, actor.account),
        "readOnly": read_only(does.operation),
    }
    if does.outcome != "ok":
        kind = "ec2" if does.outcome == "denied" and does.operation.startswith("ec2:") else does.outcome
        code, message = ERRORS[kind]
        message = message.format(who=identity["arn"], action=does.operation)
        record |= {"errorCode": code, "errorMessage": message, "responseElements": None}
    if does.operation == "lambda:InvokeFunction":
        function = f"arn:aws:lambda:{habit.region}:{actor.account}:function:orders"
        record |= {
            "resources": [{"accountId": actor.account, "type": "AWS::Lambda::Function", "ARN": function}],
            "managementEvent": False,
            "eventCategory": "Data",
            "readOnly": False,
            "responseElements": None,
        }
    return record


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _filled(v, values) for k, v in value.items()}
    return value.format(**values) if isinstance(value, str) else value


def _response(action: str, request: Document, account: str) -> Document | None:
    name = request.get("roleName")
    if action == "iam:CreateRole":
        return {"role": {"roleName": name, "arn": f"arn:aws:iam::{account}:role{request['path']}{name}"}}
    if action == "lambda:CreateFunction":
        return {"functionName": "orders", "role": request.get("role"), "version": "$LATEST"}
    return None if action.startswith("iam:") else {"requestId": "@REQUEST@"}


def _assume(habit: Habit) -> Document:
    role = habit.actor
    assert isinstance(role, Role)
    service, statement = _trusted_service(role), role.trust["Statement"][0]
    name, identity = "AssumeRole", {"type": "AWSService", "invokedBy": f"{service}.amazonaws.com"}
    if "Federated" in statement["Principal"]:
        saml = statement["Action"] != "sts:AssumeRoleWithWebIdentity"
        name = "AssumeRoleWithSAML" if saml else "AssumeRoleWithWebIdentity"
        provider = statement["Principal"]["Federated"]
        identity = {
            "type": "SAMLUser" if saml else "WebIdentityUser",
            "principalId": f"{provider}:casey",
            "userName": "casey",
            "identityProvider": provider,
        }
    elif not service:
        caller = statement["Principal"]["AWS"]
        account = (caller if isinstance(caller, str) else caller[0]).split(":")[4]
        identity = {
            "type": "AWSAccount",
            "principalId": unique_id("AIDA", account, "caller"),
            "accountId": account or SECURITY,
        }
    session = {
        "accessKeyId": "@KEY@",
        "expiration": "Jan 1, 2030, 12:00:00 AM",
        "sessionToken": "(redacted)",
    }
    assumed = {
        "assumedRoleId": f"{habit.actor_id}:{_session_name(role)}",
        "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{_session_name(role)}",
    }
    return {
        "userIdentity": identity,
        "eventSource": "sts.amazonaws.com",
        "eventName": name,
        "sourceIPAddress": identity.get("invokedBy", "10.20.30.41"),
        "userAgent": identity.get("invokedBy", "aws-sdk-go-v2/1.30"),
        "requestParameters": {"roleArn": role.arn, "roleSessionName": _session_name(role)},
        "responseElements": {"credentials": session, "assumedRoleUser": assumed},
        "resources": [{"accountId": role.account, "type": "AWS::IAM::Role", "ARN": role.arn}],
        "sharedEventID": "@REQUEST@",
        "readOnly": True,
    }


def _console_login(habit: Habit) -> Document:
    assert isinstance(habit.actor, User)
    identity = _iam_user(habit.actor)
    del identity["accessKeyId"]
    return {
        "userIdentity": identity,
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "Mozilla/5.0",
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"LoginTo": "https://console.aws.amazon.com/", "MFAUsed": "Yes", "MobileVersion": "No"},
        "readOnly": False,
        "eventType": "AwsConsoleSignIn",
    }


def _service_event(habit: Habit) -> Document:
    account = habit.actor.account
    key = f"arn:aws:kms:{habit.region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    return {
        "userIdentity": {"accountId": account, "invokedBy": "AWS Internal"},
        "eventSource": "kms.amazonaws.com",
        "eventName": "RotateKey",
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "resources": [{"accountId": account, "type": "AWS::KMS::Key", "ARN": key}],
        "serviceEventDetails": {"keyId": key},
        "readOnly": False,
        "eventType": "AwsServiceEvent",
    }


def _insight(_: Habit) -> Document:
    details = {
        "state": "Start",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "insightType": "ApiCallRateInsight",
        "insightContext": {
            "statistics": {"baseline": {"average": 0.02}, "insight": {"average": 9.1}, "insightDuration": 3}
        },
    }
    return {
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "insightDetails": details,
        "sharedEventID": "@REQUEST@",
        "eventType": "AwsCloudTrailInsight",
        "eventCategory": "Insight",
    }


_RECORDS: dict[str, Callable[[Habit], Document]] = {
    "call": _call,
    "assume": _assume,
    "consoleLogin": _console_login,
    "serviceEvent": _service_event,
    "insight": _insight,
}


def record(habit: Habit) -> Document:
    """The record of one occurrence, with holes."""
    common: Document = {"eventVersion": "1.11", "eventTime": "@TIME@", "awsRegion": habit.region}
    known: Document = {
        "requestID": "@REQUEST@",
        "eventID": "@ID@",
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": habit.actor.account,
        "eventCategory": "Management",
    }
    return common | known | _RECORDS[habit.kind](habit)


def renderer(habit: Habit, rng: random.Random) -> Callable[[int], str]:
    """A function from the second of an occurrence to its JSON text."""
    text = json.dumps(record(habit), separators=(",", ":")).replace("%", "%%")
    template = _HOLES.sub(r"%(\1)s", text)
    key = unique_id("ASIA", habit.actor_id)[:13]

    def render(second: int) -> str:
        first = second - second % DAY
        bits = f"{rng.getrandbits(128):032x}"
        event_id = f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"
        holes = {
            "TIME": timestamp(second),
            "ID": event_id,
            "REQUEST": event_id[::-1].replace("-", "")[:32],
            "SESSION": timestamp(max(first, second - second % (6 * 3600))),
            "KEY": f"{key}{first // DAY:07d}",
        }
        return template % holes

    return render
