"""Bins, grouping and their properties."""

import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.overlay import overlay
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.classify import BINS
from plumbline.usage.counted import Counted, CountedAggregator
from plumbline.usage.records import records_of
from tests.usage.records_for_tests import ACCOUNT, ROLE, ROLE_ID, envelope, identity, record


def aggregated(*files):
    aggregator = Aggregator(overlay(), "test")
    for number, data in enumerate(files):
        aggregator.feed(str(number), data)
    return aggregator.result()


def one_bin(data):
    bins = aggregated(envelope(data)).bins
    (name,) = [name for name, count in bins.items() if count]
    return name


MESSAGE = "User: x is not authorized to perform: ec2:RunInstances on resource: y"
# (rule, record, bin)
BINNED = [
    ("a call", record(), "action"),
    ("Semantics 3: throttled is attempted, an action", record(errorCode="ThrottlingException"), "action"),
    ("EC2: DryRunOperation", record("ec2:RunInstances", errorCode="Client.DryRunOperation"), "action"),
    ("denied by code", record(errorCode="Client.UnauthorizedOperation"), "denied"),
    ("denied by message", record("ec2:RunInstances", errorCode="Odd", errorMessage=MESSAGE), "denied"),
    ("denied without known action", record("ec2:NoSuch", errorCode="AccessDenied"), "denied"),
    ("STS: GetCallerIdentity", record("sts:GetCallerIdentity"), "permissionless"),
    ("STS: GetSessionToken", record("sts:GetSessionToken"), "permissionless"),
    ("console sign-in", record("signin:ConsoleLogin", eventType="AwsConsoleSignIn"), "permissionless"),
    ("DynamoDB: DescribeEndpoints", record("dynamodb:DescribeEndpoints"), "action"),
    ("CloudTrail: AWS service events", record("kms:RotateKey", eventType="AwsServiceEvent"), "serviceEvent"),
    ("CloudTrail: Insights", record(eventType="AwsCloudTrailInsight", eventCategory="Insight"), "serviceEvent"),
    (
        "a service as itself",
        record("sts:AssumeRole", userIdentity={"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}),
        "serviceEvent",
    ),
    (
        "a service on behalf of a role",
        record("kms:Decrypt", userIdentity=identity(invokedBy="s3.amazonaws.com")),
        "action",
    ),
    ("another account", record("s3:GetObject", userIdentity={"type": "AWSAccount", "accountId": "9"}), "action"),
    ("unknown event", record("ec2:NoSuchOperation"), "unmapped"),
    ("no name", record(eventName=None), "unmapped"),
    ("no source", record(eventSource=None), "unmapped"),
    ("no object", 7, "unmapped"),
]


@pytest.mark.parametrize(("rule", "data", "expected"), BINNED, ids=[case[0] for case in BINNED])
def test_every_record_is_in_one_bin(rule, data, expected):
    assert one_bin(data) == expected


def test_forward_access_sessions_count_for_the_role():
    (evidence,) = aggregated(
        envelope(record("kms:Decrypt", userIdentity=identity(invokedBy="s3.amazonaws.com")))
    ).evidence
    assert (evidence.principal, evidence.via_services) == (ROLE, ("s3.amazonaws.com",))


def test_several_actions_behind_one_event_are_ambiguous():
    found = aggregated(envelope(record("autoscaling:PutScalingPolicy"))).evidence
    assert [(e.action, e.ambiguous) for e in found] == [
        ("application-autoscaling:PutScalingPolicy", True),
        ("autoscaling:PutScalingPolicy", True),
    ]


def test_a_role_that_is_passed_keeps_the_service_that_it_is_for():
    app, job = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("app", "job"))
    found = aggregated(
        envelope(
            record("lambda:CreateFunction20150331", requestParameters={"functionName": "f", "role": app}),
            record("lambda:CreateFunction20150331", requestParameters={"functionName": "g", "role": job}),
            record("ecs:RegisterTaskDefinition", requestParameters={"family": "t", "taskRoleArn": app}),
            record("datasync:CreateLocationS3", requestParameters={"s3Config": {"bucketAccessRoleArn": app}}),
            record(
                "ec2:CreateFlowLogs", requestParameters={"CreateFlowLogsRequest": {"DeliverLogsPermissionArn": app}}
            ),
        )
    ).evidence
    passed = {(e.passed_to, e.resources, e.count) for e in found if e.action == "iam:PassRole" and e.passed_to}
    assert passed == {("lambda.amazonaws.com", (app, job), 2), ("ecs-tasks.amazonaws.com", (app,), 1)}
    assert all(e.passed_to == "" for e in found if e.action != "iam:PassRole")


def test_in_china_services_have_other_names():
    there = identity(ROLE.replace("arn:aws:", "arn:aws-cn:"))
    launched = record("ec2:RunInstances", requestParameters={"iamInstanceProfile": {"name": "p"}}, userIdentity=there)
    found = {e.action: e.passed_to for e in aggregated(envelope(launched)).evidence}
    assert found["iam:PassRole"] == ""


def test_denied_names_the_action_of_the_message():
    message = "User: x is not authorized to perform: iam:PassRole on resource: y"
    found = aggregated(
        envelope(record("lambda:CreateFunction20150331", errorCode="AccessDenied", errorMessage=message))
    ).evidence
    assert [(e.action, e.outcome) for e in found] == [
        ("iam:PassRole", "denied"),
        ("lambda:CreateFunction", "attempted"),
    ]


def test_unmapped_use_names_candidates():
    (use,) = aggregated(envelope(record("glue:NoSuchOperation"))).unmapped
    assert (use.principal, use.event_source, use.services, use.count) == (ROLE, "glue.amazonaws.com", ("glue",), 1)


def test_unique_ids_stay_apart():
    data = envelope(record(), record(userIdentity=identity(unique_id="AROAFORMER")))
    assert {e.unique_id for e in aggregated(data).evidence} == {ROLE_ID, "AROAFORMER"}


def test_a_record_delivered_twice_is_one_use_and_two_records():
    data = record()
    usage = aggregated(envelope(data), envelope(data))
    assert (usage.records, usage.bins["action"], usage.evidence[0].count) == (2, 2, 1)


def test_the_two_copies_of_a_call_across_accounts_count_once():
    """CloudTrail: sharedEventID. The caller's own copy names its role."""
    caller = record("kms:Decrypt", sharedEventID="s1")
    owner = record(
        "kms:Decrypt",
        sharedEventID="s1",
        recipientAccountId="999999999999",
        userIdentity={"type": "AWSAccount", "accountId": ACCOUNT, "principalId": f"{ROLE_ID}:session"},
    )
    for files in ((caller, owner), (owner, caller)):
        usage = aggregated(*(envelope(data) for data in files))
        assert [(e.principal, e.count) for e in usage.evidence] == [(ROLE, 1)]
        assert usage.bins["action"] == 2
    assert [e.principal for e in aggregated(envelope(owner)).evidence] == [ROLE_ID]


# (API reference, event, request, target, policy)
GRANTS = [
    (
        "AttachRolePolicy",
        {"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/P"},
        "role/r",
        "arn:aws:iam::aws:policy/P",
    ),
    (
        "DetachRolePolicy",
        {"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/P"},
        "role/r",
        "arn:aws:iam::aws:policy/P",
    ),
    ("PutRolePolicy", {"roleName": "r", "policyName": "p"}, "role/r", "inline/p"),
    ("DeleteRolePolicy", {"roleName": "r", "policyName": "p"}, "role/r", "inline/p"),
    ("PutRolePermissionsBoundary", {"roleName": "r", "permissionsBoundary": "b"}, "role/r", None),
    ("DeleteRolePermissionsBoundary", {"roleName": "r"}, "role/r", None),
    ("UpdateAssumeRolePolicy", {"roleName": "r", "policyDocument": "{}"}, "role/r", "trust"),
    ("CreateRole", {"roleName": "r", "path": "/team/"}, "role/team/r", None),
    ("DeleteRole", {"roleName": "r"}, "role/r", None),
    ("AttachUserPolicy", {"userName": "u", "policyArn": "x"}, "user/u", "x"),
    ("AddUserToGroup", {"userName": "u", "groupName": "g"}, "user/u", None),
    ("PutGroupPolicy", {"groupName": "g", "policyName": "p"}, "group/g", "inline/p"),
]


@pytest.mark.parametrize(("event", "request_", "target", "policy"), GRANTS, ids=[case[0] for case in GRANTS])
def test_grant_changes(event, request_, target, policy):
    (change,) = aggregated(envelope(record(f"iam:{event}", requestParameters=request_))).grant_changes
    assert (change.target, change.policy, change.by) == (f"arn:aws:iam::{ACCOUNT}:{target}", policy, ROLE)


def test_a_service_that_writes_as_itself_changes_grants_too():
    service = {"type": "AWSService", "invokedBy": "some.amazonaws.com"}
    request = {"roleName": "app", "policyName": "p"}
    data = envelope(record("iam:PutRolePolicy", userIdentity=service, requestParameters=request))
    found = aggregated(data)
    assert found.bins["serviceEvent"] == 1
    assert [change.policy for change in found.grant_changes] == ["inline/p"]
    (like,) = [one for batch in records_of(data) for one in batch]
    counter = CountedAggregator(overlay(), "test")
    counter.add(Counted(like, 1, 1, like.eventTime, like.eventTime))
    assert counter.result().grant_changes == found.grant_changes


def test_policy_versions_change_the_policy():
    arn = f"arn:aws:iam::{ACCOUNT}:policy/P"
    for event in ("CreatePolicyVersion", "SetDefaultPolicyVersion"):
        (change,) = aggregated(envelope(record(f"iam:{event}", requestParameters={"policyArn": arn}))).grant_changes
        assert (change.target, change.policy) == (arn, arn)


def test_a_failed_write_changes_nothing():
    request = {"roleName": "r", "policyName": "p"}
    for code in ("AccessDenied", "ThrottlingException", "NoSuchEntityException"):
        data = envelope(record("iam:PutRolePolicy", requestParameters=request, errorCode=code))
        assert aggregated(data).grant_changes == () or code == "NoSuchEntityException"


@pytest.mark.parametrize("event", ["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"])
def test_trail_changes(event):
    (change,) = aggregated(envelope(record(f"cloudtrail:{event}", requestParameters={"name": "org"}))).trail_changes
    assert change.trail == f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/org"


def test_selectors_changed():
    request = {"trailName": "arn:aws:cloudtrail:us-east-1:1:trail/t"}
    (change,) = aggregated(envelope(record("cloudtrail:PutEventSelectors", requestParameters=request))).trail_changes
    assert (change.event_name, change.trail) == ("PutEventSelectors", request["trailName"])


EVENTS = st.sampled_from(
    [
        "ec2:DescribeInstances",
        "s3:GetObject",
        "sts:GetCallerIdentity",
        "ec2:NoSuch",
        "autoscaling:PutScalingPolicy",
        "iam:CreateRole",
    ]
)
RECORDS = st.builds(
    record,
    EVENTS,
    errorCode=st.sampled_from([None, "AccessDenied", "Throttling", "NoSuchKey"]),
    eventTime=st.datetimes().map(lambda t: t.replace(microsecond=0).isoformat() + "Z"),
    requestParameters=st.sampled_from(
        [
            None,
            {"bucketName": "b", "key": "k"},
            {"versionId": "1", "bucketName": "b", "key": "v"},
            {"roleName": "r", "tags": [1]},
        ]
    ),
    sharedEventID=st.sampled_from([None, "a", "b"]),
    recipientAccountId=st.sampled_from([ACCOUNT, "999999999999"]),
    userIdentity=st.sampled_from(
        [
            None,
            identity(),
            {"type": "AWSAccount", "accountId": ACCOUNT, "principalId": "AROAX:s"},
            {"type": "AWSService"},
        ]
    ),
) | st.sampled_from([None, 1, {"eventName": "x"}])


@given(st.lists(RECORDS, max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_split_do_not_matter_and_bins_add_up(records, rng, parts):
    whole = aggregated(envelope(*records))
    mixed = records[:]
    rng.shuffle(mixed)
    split = aggregated(*(envelope(*mixed[n::parts]) for n in range(parts)))
    assert sum(whole.bins.values()) == whole.records == len(records)
    assert set(whole.bins) == set(BINS)
    assert (whole.bins, whole.evidence, whole.unmapped, whole.grant_changes) == (
        split.bins,
        split.evidence,
        split.unmapped,
        split.grant_changes,
    )


@pytest.mark.slow
def test_memory_does_not_grow_with_the_records():
    rng = random.Random(1)

    def batch():
        return envelope(*[record(requestParameters={"filter": rng.random()}, userAgent="x" * 200) for _ in range(2000)])

    aggregator = Aggregator(overlay(), "test")
    for number in range(5):
        aggregator.feed(str(number), io.BytesIO(batch()))
    assert len(aggregator.tally.groups) == 1
    assert aggregator._events._requests.remembered <= 100
    assert json.dumps(aggregator.result().bins)
