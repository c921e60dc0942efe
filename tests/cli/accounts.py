"""Small files of GetAccountAuthorizationDetails, with documents URL-encoded as the API hands them out, or decoded."""

import json
from urllib.parse import quote

from tests.usage.records_for_tests import record

ACCOUNT = "111111111111"
CREATED = "2026-01-01T00:00:00+00:00"


def arn(kind, name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:{kind}/{name}"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions, resource="*", **more):
    return allow(*actions, resource=resource, **more) | {"Effect": "Deny"}


def trust(principal, action="sts:AssumeRole", **more):
    return document({"Effect": "Allow", "Principal": principal, "Action": action, **more})


def inline(name, *statements):
    return {"PolicyName": name, "PolicyDocument": document(*statements)}


def attached(*names):
    """Managed policies by ARN, or by the name of one of this account."""
    arns = [name if name.startswith("arn:") else arn("policy", name) for name in names]
    return [{"PolicyName": one.rpartition("/")[2], "PolicyArn": one} for one in arns]


def bounded_by(name):
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn("policy", name)}


def managed(name, *statements):
    version = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": CREATED, "Document": document(*statements)}
    return {
        "PolicyName": name,
        "PolicyId": f"ANPA{name.upper()}",
        "Arn": arn("policy", name),
        "DefaultVersionId": "v1",
        "PolicyVersionList": [version],
    }


def role(name, *policies, account=ACCOUNT, trusts=None, **more):
    return {
        "RoleName": name,
        "RoleId": f"AROA{name.upper()}",
        "Path": "/",
        "Arn": arn("role", name, account),
        "CreateDate": CREATED,
        "AssumeRolePolicyDocument": trusts or trust({"Service": "ec2.amazonaws.com"}),
        "RolePolicyList": list(policies),
        "AttachedManagedPolicies": [],
        **more,
    }


def user(name, *policies, **more):
    return {
        "UserName": name,
        "UserId": f"AIDA{name.upper()}",
        "Path": "/",
        "Arn": arn("user", name),
        "CreateDate": CREATED,
        "UserPolicyList": list(policies),
        **more,
    }


def group(name, *policies, **more):
    return {
        "GroupName": name,
        "GroupId": f"AGPA{name.upper()}",
        "Path": "/",
        "Arn": arn("group", name),
        "CreateDate": CREATED,
        "GroupPolicyList": list(policies),
        **more,
    }


def called(role_name, action, at="2026-06-01T10:00:00Z", account=ACCOUNT):
    """A CloudTrail record of a role's call."""
    unique_id = f"AROA{role_name.upper()}"
    issuer = {"type": "Role", "principalId": unique_id, "arn": arn("role", role_name, account), "accountId": account}
    who = {
        "type": "AssumedRole",
        "principalId": f"{unique_id}:session",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/session",
        "accountId": account,
        "sessionContext": {"sessionIssuer": {**issuer, "userName": role_name}},
    }
    return record(action, eventTime=at, userIdentity=who, recipientAccountId=account)


def details(roles=(), users=(), groups=(), policies=(), **more):
    return {
        "RoleDetailList": list(roles),
        "UserDetailList": list(users),
        "GroupDetailList": list(groups),
        "Policies": list(policies),
        **more,
    }


def encoded(value):
    """The same with every document as the API prints it."""
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = ("PolicyDocument", "AssumeRolePolicyDocument", "Document")
    return {k: quote(json.dumps(v), safe="") if k in names else encoded(v) for k, v in value.items()}


def saved(path, data):
    path.write_text(json.dumps(data))
    return path
