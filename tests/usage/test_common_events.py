"""Events that attacks and their defence leave in real logs: each in one bin, and each with actions that there are.

The kinds below are those of public logs of simulated attacks; their records are made here. Real log files are checked in the
same way where PLUMBLINE_EVENTS names a folder of them: then it has to be there, and to hold records.
"""

import os
from pathlib import Path

import pytest

from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.summary import read_paths
from tests.usage.records_for_tests import envelope, identity, record

# Events that nobody can name, as (source, name): whoever adds one says that it makes verdicts undetermined.
UNMAPPED = frozenset()
DENIED, EC2_DENIED = {"errorCode": "AccessDenied"}, {"errorCode": "Client.UnauthorizedOperation"}
ROLE_ARN = "arn:aws:iam::111122223333:role/other"
TAGS = [{"key": "team", "value": "a"}]

# (event, what is special in its record, the actions that it means, its bin)
USES = {
    "bedrock": (
        "CreateFoundationModelAgreement GetFoundationModelAvailability InvokeModel ListFoundationModelAgreementOffers"
        " PutFoundationModelEntitlement PutUseCaseForModelAccess"
    ),
    "cloudtrail": "DeleteTrail PutEventSelectors StopLogging",
    "ec2": (
        "AuthorizeSecurityGroupIngress DeleteFlowLogs DescribeInstances EnableSerialConsoleAccess ModifyImageAttribute"
        " ModifyInstanceAttribute ModifySnapshotAttribute StartInstances StopInstances"
    ),
    "ec2-instance-connect": "SendSSHPublicKey SendSerialConsoleSSHPublicKey",
    "iam": (
        "AttachRolePolicy AttachUserPolicy CreateAccessKey CreateLoginProfile CreateRole UpdateAssumeRolePolicy"
        " UpdateLoginProfile"
    ),
    "rds": "ModifyDBSnapshotAttribute",
    "route53resolver": "DeleteResolverQueryLogConfig",
    "secretsmanager": "BatchGetSecretValue GetSecretValue ListSecrets",
    "ssm": (
        "DescribeInstanceInformation DescribeParameters GetCommandInvocation GetParameters SendCommand StartSession"
        " TerminateSession"
    ),
    "sts": "AssumeRole GetFederationToken",
}
OTHERS = [
    ("lambda:AddPermission20150331v2", {}, {"lambda:AddPermission"}, "action"),
    ("lambda:UpdateFunctionCode20150331v2", {}, {"lambda:UpdateFunctionCode"}, "action"),
    ("lambda:UpdateFunctionConfiguration20150331v2", {}, {"lambda:UpdateFunctionConfiguration"}, "action"),
    (
        "iam:CreateUser",
        {"requestParameters": {"userName": "u", "tags": TAGS}},
        {"iam:CreateUser", "iam:TagUser"},
        "action",
    ),
    (
        "rolesanywhere:CreateProfile",
        {"requestParameters": {"name": "p", "roleArns": [ROLE_ARN], "tags": TAGS}},
        {"rolesanywhere:CreateProfile", "rolesanywhere:TagResource", "iam:PassRole"},
        "action",
    ),
    (
        "rolesanywhere:CreateTrustAnchor",
        {"requestParameters": {"name": "a", "tags": TAGS}},
        {"rolesanywhere:CreateTrustAnchor", "rolesanywhere:TagResource"},
        "action",
    ),
    # It failed after it was authorized.
    (
        "iam:DeleteLoginProfile",
        {"errorCode": "EntityTemporarilyUnmodifiableException"},
        {"iam:DeleteLoginProfile"},
        "action",
    ),
    ("ec2:DescribeInstanceAttribute", EC2_DENIED, {"ec2:DescribeInstanceAttribute"}, "denied"),
    ("ec2:GetPasswordData", EC2_DENIED, {"ec2:GetPasswordData"}, "denied"),
    ("ec2:RunInstances", EC2_DENIED, {"ec2:RunInstances"}, "denied"),
    ("organizations:LeaveOrganization", DENIED, {"organizations:LeaveOrganization"}, "denied"),
    ("sts:AssumeRole", DENIED, {"sts:AssumeRole"}, "denied"),
    ("sts:GetCallerIdentity", {}, set(), "permissionless"),
    (
        "signin:ConsoleLogin",
        {"eventType": "AwsConsoleSignIn", "userIdentity": identity(type="IAMUser")},
        set(),
        "permissionless",
    ),
]
EVENTS = [
    *(
        (f"{source}:{name}", {}, {f"{source}:{name}"}, "action")
        for source, said in USES.items()
        for name in said.split()
    ),
    *OTHERS,
]


def aggregated(*records):
    aggregator = Aggregator(overlay(), "logs")
    aggregator.feed("events", envelope(*records))
    return aggregator.result()


def unsound(usage):
    """What is wrong with what was made of records."""
    known = {name.lower() for name in catalogue().names}
    return {
        "binned twice or not at all": usage.records - sum(usage.bins.values()),
        "not in the catalogue": sorted({one.action for one in usage.evidence if one.action.lower() not in known}),
        "unmapped": sorted({(one.event_source, one.event_name) for one in usage.unmapped} - UNMAPPED),
        "without a name": usage.bins["unmapped"] - sum(one.count for one in usage.unmapped),
        "damaged": [problem.message for problem in usage.problems],
    }


SOUND = {
    "binned twice or not at all": 0,
    "not in the catalogue": [],
    "unmapped": [],
    "without a name": 0,
    "damaged": [],
}


@pytest.mark.parametrize(("event", "more", "actions", "bin_"), EVENTS, ids=[f"{one[0]} {one[3]}" for one in EVENTS])
def test_what_an_event_is(event, more, actions, bin_):
    usage = aggregated(record(event, **more))
    assert {name: count for name, count in usage.bins.items() if count} == {bin_: 1}
    assert {one.action for one in usage.evidence} == actions
    assert unsound(usage) == SOUND


def test_each_of_them_ends_in_one_bin():
    usage = aggregated(*(record(event, **more) for event, more, _, _ in EVENTS))
    assert usage.records == len(EVENTS) == 55
    assert unsound(usage) == SOUND


@pytest.mark.parametrize(
    ("wrong", "what"),
    [(record("glue:NoSuchOperation"), "unmapped"), (record(eventName=None), "without a name"), (7, "without a name")],
)
def test_what_is_wrong_would_be_found(wrong, what):
    found = unsound(aggregated(record(), wrong))
    assert {name for name, told in found.items() if told != SOUND[name]} - {"damaged"} == {what}


@pytest.mark.parametrize("folder", [None, *filter(None, [os.environ.get("PLUMBLINE_EVENTS")])])
def test_log_files(folder, tmp_path):
    if folder is None:
        (tmp_path / "own.json").write_bytes(envelope(*(record(event, **more) for event, more, _, _ in EVENTS)))
    usage = read_paths([Path(folder or tmp_path)]).usage
    assert usage.records > 0
    assert unsound(usage) == SOUND
