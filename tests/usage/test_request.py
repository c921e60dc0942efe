"""Actions that are authorized inside another call, and the resources of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.arn_formats import fitting, formats_of, template_of
from tests.usage.records_for_tests import ACCOUNT, envelope, identity, record

A = ACCOUNT
PASSED = f"arn:aws:iam::{A}:role/service/worker"
OBJECT = {"bucketName": "photos", "key": "2026/cat.jpg"}
OBJECT_ARN = "arn:aws:s3:::photos/2026/cat.jpg"


def used(event, parameters=None, **more):
    """Action -> resources of all uses behind one record."""
    aggregator = Aggregator(overlay(), "test")
    aggregator.feed("f", envelope(record(event, requestParameters=parameters, **more)))
    return {
        e.action: list(e.resources) for e in aggregator.result().evidence if e.outcome == "used" and not e.ambiguous
    }


# (AWS page, event, request, action -> resources)
TAGS = [{"key": "a", "value": "b"}]
BACKUP_TAGS = {"backup:TagResource": []}
INSIDE = [
    (
        "IAM: Passing a role",
        "lambda:CreateFunction20150331",
        {"functionName": "f", "role": PASSED},
        {"iam:PassRole": [PASSED]},
    ),
    ("IAM: Passing a role", "lambda:UpdateFunctionConfiguration20150331v2", {"functionName": "f"}, {}),
    (
        "ECS: Task execution role",
        "ecs:RegisterTaskDefinition",
        {"family": "x", "taskRoleArn": PASSED, "executionRoleArn": f"arn:aws:iam::{A}:role/exec"},
        {"iam:PassRole": [f"arn:aws:iam::{A}:role/exec", PASSED]},
    ),
    ("ECS: Task role override", "ecs:RunTask", {"overrides": {"taskRoleArn": PASSED}}, {"iam:PassRole": [PASSED]}),
    (
        "CloudFormation: Service role",
        "cloudformation:CreateStack",
        {"stackName": "s", "roleARN": PASSED},
        {"iam:PassRole": [PASSED]},
    ),
    (
        "CodePipeline: Service role",
        "codepipeline:CreatePipeline",
        {"pipeline": {"roleArn": PASSED}},
        {"iam:PassRole": [PASSED]},
    ),
    (
        "EventBridge: Targets",
        "events:PutTargets",
        {"rule": "r", "targets": [{"id": "1", "roleArn": PASSED}]},
        {"iam:PassRole": [PASSED]},
    ),
    (
        "EC2: Instance profiles: the request does not name the role",
        "ec2:RunInstances",
        {"iamInstanceProfile": {"name": "web"}},
        {"iam:PassRole": []},
    ),
    (
        "EC2: Grant permission to tag on creation",
        "ec2:RunInstances",
        {"tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": [{"key": "a", "value": "b"}]}]}},
        {"ec2:CreateTags": []},
    ),
    ("EC2: Grant permission to tag on creation", "ec2:RunInstances", {"instancesSet": {"items": []}}, {}),
    (
        "IAM: Tagging roles",
        "iam:CreateRole",
        {"roleName": "r", "tags": [{"key": "a", "value": "b"}]},
        {"iam:TagRole": []},
    ),
    ("SQS: CreateQueue", "sqs:CreateQueue", {"queueName": "q", "tags": {"a": "b"}}, {"sqs:TagQueue": []}),
    ("ECR: CreateRepository", "ecr:CreateRepository", {"repositoryName": "r", "tags": []}, {}),
    # Not only what is made carries tags, and they are not always called so.
    (
        "EC2: AuthorizeSecurityGroupIngress",
        "ec2:AuthorizeSecurityGroupIngress",
        {"tagSpecificationSet": {"items": TAGS}},
        {"ec2:CreateTags": []},
    ),
    ("CloudFormation: UpdateStack", "cloudformation:UpdateStack", {"tags": TAGS}, {"cloudformation:TagResource": []}),
    (
        "Cognito: CreateUserPool",
        "cognito-idp:CreateUserPool",
        {"userPoolTags": {"a": "b"}},
        {"cognito-idp:TagResource": []},
    ),
    ("CloudTrail: CreateTrail", "cloudtrail:CreateTrail", {"tagsList": TAGS}, {"cloudtrail:AddTags": []}),
    ("Backup: CreateBackupVault", "backup:CreateBackupVault", {"backupVaultTags": {"a": "b"}}, BACKUP_TAGS),
    (
        "WorkSpaces: CreateWorkspaces",
        "workspaces:CreateWorkspaces",
        {"workspaces": [{"directoryId": "d"}, {"tags": TAGS}]},
        {"workspaces:CreateTags": []},
    ),
    (
        "Firehose: CreateDeliveryStream",
        "firehose:CreateDeliveryStream",
        {"tags": TAGS},
        {"firehose:TagDeliveryStream": []},
    ),
    (
        "S3: CreateBucket with Object Lock",
        "s3:CreateBucket",
        {"bucketName": "b", "x-amz-bucket-object-lock-enabled": "true"},
        {"s3:PutBucketObjectLockConfiguration": ["arn:aws:s3:::b"], "s3:PutBucketVersioning": ["arn:aws:s3:::b"]},
    ),
    (
        "Lambda: Granting user access to a function: layers",
        "lambda:UpdateFunctionConfiguration20150331v2",
        {"functionName": "f", "layers": ["arn:aws:lambda:eu-west-1:111122223333:layer:l:1", 5]},
        {"lambda:GetLayerVersion": ["arn:aws:lambda:eu-west-1:111122223333:layer:l:1"]},
    ),
    ("EC2: CreateIpamPool", "ec2:CreateIpamPool", {"allocationResourceTags": TAGS}, {}),
    ("RDS: CreateDBSnapshot", "rds:CreateDBSnapshot", {"copyTagsToSnapshot": True}, {}),
    ("EC2: DeleteTags", "ec2:DeleteTags", {"tagSet": {"items": TAGS}}, {}),
    (
        "STS: Session tags",
        "sts:AssumeRole",
        {"roleArn": PASSED, "tags": [{"key": "a", "value": "b"}]},
        {"sts:TagSession": []},
    ),
    (
        "STS: Source identity",
        "sts:AssumeRole",
        {"roleArn": PASSED, "sourceIdentity": "eve"},
        {"sts:SetSourceIdentity": []},
    ),
    ("S3: PutObject", "s3:PutObject", OBJECT | {"x-amz-acl": "private"}, {"s3:PutObjectAcl": [OBJECT_ARN]}),
    ("S3: PutObject", "s3:PutObject", OBJECT | {"x-amz-grant-read": "id=1"}, {"s3:PutObjectAcl": [OBJECT_ARN]}),
    ("S3: PutObject", "s3:PutObject", OBJECT | {"x-amz-tagging": "a=b"}, {"s3:PutObjectTagging": [OBJECT_ARN]}),
    (
        "S3: PutObject",
        "s3:PutObject",
        OBJECT | {"x-amz-object-lock-mode": "GOVERNANCE"},
        {"s3:PutObjectRetention": [OBJECT_ARN]},
    ),
    (
        "S3: PutObject",
        "s3:PutObject",
        OBJECT | {"x-amz-object-lock-legal-hold": "ON"},
        {"s3:PutObjectLegalHold": [OBJECT_ARN]},
    ),
    (
        "S3: CopyObject",
        "s3:CopyObject",
        OBJECT | {"x-amz-copy-source": "other/a%20b"},
        {"s3:GetObject": ["arn:aws:s3:::other/a b"]},
    ),
    (
        "S3: UploadPartCopy of a version",
        "s3:UploadPartCopy",
        OBJECT | {"x-amz-copy-source": "/other/k?versionId=7"},
        {"s3:GetObjectVersion": ["arn:aws:s3:::other/k"]},
    ),
]


@pytest.mark.parametrize(
    ("page", "event", "request_", "inside"), INSIDE, ids=[f"{c[1]}-{n}" for n, c in enumerate(INSIDE)]
)
def test_authorized_inside_another_call(page, event, request_, inside):
    source, _, name = event.partition(":")
    own = set(overlay().event(f"{source}.amazonaws.com", name).all)
    found = {action: arns for action, arns in used(event, request_).items() if action not in own}
    assert {a: sorted(r) for a, r in found.items()} == {a: sorted(r) for a, r in inside.items()} or page.startswith(
        "STS"
    )
    if page.startswith("STS"):
        assert set(found) == set(inside)


def test_a_version_id_reads_the_version():
    """S3: GetObject (Permissions)."""
    assert set(used("s3:GetObject", OBJECT | {"versionId": "3"})) == {"s3:GetObjectVersion"}


@pytest.mark.parametrize("event", ["s3:GetObject", "s3:HeadObject"])
def test_not_found_proves_list_bucket(event):
    """S3: without s3:ListBucket the answer would be 403."""
    found = used(event, OBJECT, errorCode="NoSuchKey", errorMessage="The specified key does not exist.")
    assert found == {"s3:GetObject": [OBJECT_ARN], "s3:ListBucket": ["arn:aws:s3:::photos"]}


def test_a_denied_call_uses_nothing_inside():
    assert used("lambda:CreateFunction20150331", {"role": PASSED}, errorCode="AccessDenied") == {}


# (event, request, resources of the record, ARNs)
RESOURCES = [
    ("s3:GetObject", OBJECT, [{"ARN": OBJECT_ARN}, {"ARN": "arn:aws:s3:::photos"}], [OBJECT_ARN]),
    ("s3:GetBucketLocation", {"bucketName": "photos"}, None, ["arn:aws:s3:::photos"]),
    ("dynamodb:GetItem", {"tableName": "orders"}, None, [f"arn:aws:dynamodb:eu-west-1:{A}:table/orders"]),
    ("dynamodb:BatchGetItem", {"requestItems": {"a": {}}}, None, [f"arn:aws:dynamodb:eu-west-1:{A}:table/a"]),
    (
        "sqs:SendMessage",
        {"queueUrl": f"https://sqs.eu-west-1.amazonaws.com/{A}/jobs"},
        None,
        [f"arn:aws:sqs:eu-west-1:{A}:jobs"],
    ),
    ("sns:Publish", {"topicArn": f"arn:aws:sns:eu-west-1:{A}:news"}, None, [f"arn:aws:sns:eu-west-1:{A}:news"]),
    ("lambda:Invoke", {"functionName": "f"}, None, [f"arn:aws:lambda:eu-west-1:{A}:function:f"]),
    ("kms:Decrypt", {}, [{"ARN": f"arn:aws:kms:eu-west-1:{A}:key/1"}], [f"arn:aws:kms:eu-west-1:{A}:key/1"]),
    ("kms:DescribeKey", {"keyId": "alias/a"}, None, []),
    ("secretsmanager:GetSecretValue", {"secretId": "app/db"}, None, []),
    (
        "secretsmanager:GetSecretValue",
        {"secretId": f"arn:aws:secretsmanager:eu-west-1:{A}:secret:db-AbCdEf"},
        None,
        [f"arn:aws:secretsmanager:eu-west-1:{A}:secret:db-AbCdEf"],
    ),
    ("ssm:GetParameter", {"name": "/app/x"}, None, [f"arn:aws:ssm:eu-west-1:{A}:parameter/app/x"]),
    ("logs:PutRetentionPolicy", {"logGroupName": "/app/x"}, None, []),
    (
        "logs:GetLogGroupFields",
        {"logGroupIdentifier": f"arn:aws:logs:eu-west-1:{A}:log-group:/app/x"},
        None,
        [],
    ),
    (
        "logs:CreateLogStream",
        {"logGroupName": "/app/x", "logStreamName": "[$LATEST]1"},
        None,
        [f"arn:aws:logs:eu-west-1:{A}:log-group:/app/x:log-stream:[$LATEST]1"],
    ),
    ("ssm:GetParameter", {"name": "/aws/service/ami-amazon-linux-latest/x"}, None, []),
    ("ssm:GetParametersByPath", {"path": "/app"}, None, [f"arn:aws:ssm:eu-west-1:{A}:parameter/app"]),
    ("ssm:GetParametersByPath", {"path": "/app/"}, None, []),
    ("ssm:GetParametersByPath", {"path": "/aws"}, None, []),
    (
        "ec2:StartInstances",
        {"instancesSet": {"items": [{"instanceId": "i-1"}]}},
        None,
        [f"arn:aws:ec2:eu-west-1:{A}:instance/i-1"],
    ),
    ("ec2:DescribeInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}]}}, None, []),
    ("ecr:BatchGetImage", {"repositoryName": "web"}, None, [f"arn:aws:ecr:eu-west-1:{A}:repository/web"]),
    ("iam:AttachRolePolicy", {"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/X"}, None, []),
    ("iam:CreatePolicyVersion", {"policyArn": f"arn:aws:iam::{A}:policy/X"}, None, [f"arn:aws:iam::{A}:policy/X"]),
    ("sts:AssumeRole", {"roleArn": PASSED}, [{"ARN": PASSED}], [PASSED]),
    ("sts:AssumeRole", {"roleArn": PASSED}, None, [PASSED]),
    (
        "lambda:UpdateFunctionConfiguration20150331v2",
        {"functionName": "f", "layers": [f"arn:aws:lambda:eu-west-1:{A}:layer:l:1"]},
        None,
        [f"arn:aws:lambda:eu-west-1:{A}:function:f"],
    ),
    ("ec2:RunInstances", {"instancesSet": {"items": [{"imageId": "ami-1"}]}}, None, []),
    ("ec2:DeleteSnapshot", {"snapshotId": "snap-1"}, None, ["arn:aws:ec2:eu-west-1::snapshot/snap-1"]),
    ("ec2:DeleteNatGateway", {"natGatewayId": "nat-1"}, None, [f"arn:aws:ec2:eu-west-1:{A}:natgateway/nat-1"]),
    ("eks:DescribeCluster", {"name": "main"}, None, [f"arn:aws:eks:eu-west-1:{A}:cluster/main"]),
    (
        "connect:DescribeUser",
        {"userId": "u", "instanceId": "i"},
        None,
        [f"arn:aws:connect:eu-west-1:{A}:instance/i/agent/u"],
    ),
    ("connect:DescribeUser", {"userId": "u"}, None, []),
    ("connect:DescribeUser", {"userId": ["u"], "instanceId": "i"}, None, []),
    (
        "ecr:BatchGetImage",
        {"repositoryName": "web", "registryId": A},
        None,
        [f"arn:aws:ecr:eu-west-1:{A}:repository/web"],
    ),
    ("ecr:BatchGetImage", {"repositoryName": "web", "registryId": "999988887777"}, None, []),
    ("appmesh:DescribeMesh", {"meshName": "m", "meshOwner": "999988887777"}, None, []),
    ("glacier:DescribeVault", {"vaultName": "v", "accountId": "-"}, None, [f"arn:aws:glacier:eu-west-1:{A}:vaults/v"]),
    ("mgn:DescribeJobLogItems", {"jobID": "j", "accountID": "999988887777"}, None, []),
    ("servicecatalog:AcceptPortfolioShare", {"portfolioId": "port-1"}, None, []),
    ("ec2:GetManagedPrefixListEntries", {"prefixListId": "pl-1"}, None, []),
    ("sagemaker:DescribeWorkteam", {"workteamName": "team"}, None, []),
    ("ecr:BatchGetImage", {"repositoryName": "web", "registryId": 5}, None, []),
    (
        "dynamodb:Query",
        {"tableName": "t", "indexName": "by-day"},
        None,
        [f"arn:aws:dynamodb:eu-west-1:{A}:table/t", f"arn:aws:dynamodb:eu-west-1:{A}:table/t/index/by-day"],
    ),
    (
        "lambda:Invoke",
        {"functionName": f"arn:aws:lambda:eu-west-1:{A}:function:f", "qualifier": "live"},
        None,
        [f"arn:aws:lambda:eu-west-1:{A}:function:f", f"arn:aws:lambda:eu-west-1:{A}:function:f:live"],
    ),
    (
        "lambda:Invoke",
        {"functionName": f"arn:aws:lambda:eu-west-1:{A}:function:f:live", "qualifier": "live"},
        None,
        [f"arn:aws:lambda:eu-west-1:{A}:function:f:live"],
    ),
    ("lambda:Invoke", {"functionName": f"{A}:function:f"}, None, []),
    ("lambda:Invoke", {"functionName": "HIDDEN_DUE_TO_SECURITY_REASONS"}, None, []),
    ("ssm:GetParameters", {"names": ["/a", "b"]}, None, [f"arn:aws:ssm:eu-west-1:{A}:parameter/{n}" for n in "ab"]),
    ("ssm:GetParameters", {"names": ["/a", "b:3"]}, None, []),
    ("ssm:DescribeDocument", {"name": "doc"}, None, []),
    ("sqs:CreateQueue", {"queueName": "a*"}, None, []),
    ("sqs:CreateQueue", {"queueName": "${aws:username}"}, None, []),
    ("elasticache:DescribeSnapshots", {"snapshotName": "Mine"}, None, []),
    ("memorydb:DeleteUser", {"userName": "Mine"}, None, []),
    ("memorydb:DeleteUser", {"userName": "mine"}, None, [f"arn:aws:memorydb:eu-west-1:{A}:user/mine"]),
    ("secretsmanager:DeleteSecret", {"secretId": "mine"}, None, []),
    ("ec2:StopInstances", {"instancesSet": {"items": [{"instanceId": f"i-{n}"} for n in range(101)]}}, None, []),
    ("ssm:GetParameters", {"names": [f"p-{n}" for n in range(101)]}, None, []),
    ("kms:Decrypt", {}, [{"ARN": f"arn:aws:kms:eu-west-1:{A}:key/{n}"} for n in range(101)], []),
    ("cloudtrail:GetTrailStatus", {"name": "mine", "trailName": "mine"}, None, []),
]


@pytest.mark.parametrize(
    ("event", "request_", "listed", "arns"), RESOURCES, ids=[f"{c[0]}-{n}" for n, c in enumerate(RESOURCES)]
)
def test_resources(event, request_, listed, arns):
    """Service Authorization Reference: resource types. Nothing is guessed, nothing is `*`."""
    source, _, name = event.partition(":")
    action = overlay().event(f"{source}.amazonaws.com", name).all[0]
    assert used(event, request_, resources=listed)[action] == arns


def test_what_is_made_of_members_fits_the_format_of_the_action():
    """For every action whose only resource is named by members of a request."""
    made = 0
    for action in catalogue().names:
        template = template_of(action)
        if template is not None:
            names = [f"n{number}" for number in range(len(template.members))]
            arn = template.form.format(*names, p="aws", r="eu-west-1", a=A)
            assert fitting(formats_of(action), (arn,)) == (arn,), action
            made += 1
    assert made > 5000


def test_resources_are_cut_at_a_hundred_in_order():
    calls = [record("s3:GetObject", requestParameters={"bucketName": "b", "key": f"{n:04d}"}) for n in range(500)]
    results = []
    for order in (calls, calls[::-1]):
        aggregator = Aggregator(overlay(), "test")
        aggregator.feed("f", envelope(*order))
        (evidence,) = aggregator.result().evidence
        results.append((evidence.resources, evidence.resources_truncated, evidence.count))
    assert results[0] == results[1]
    assert results[0] == (tuple(f"arn:aws:s3:::b/{n:04d}" for n in range(100)), True, 500)


def test_some_calls_without_resources_leave_the_list_open():
    aggregator = Aggregator(overlay(), "test")
    aggregator.feed(
        "f",
        envelope(
            record("kms:DescribeKey", requestParameters={"keyId": "alias/a"}),
            record("kms:DescribeKey", requestParameters={"keyId": "1"}),
        ),
    )
    (evidence,) = aggregator.result().evidence
    assert (len(evidence.resources), evidence.resources_truncated) == (1, True)


def test_calls_of_another_kind_without_resources_leave_the_list_open():
    calls = [
        record("kms:DescribeKey", requestParameters={"keyId": "1"}),
        record("kms:DescribeKey", userIdentity=identity(invokedBy="s3.amazonaws.com")),
    ]
    for order in (calls, calls[::-1]):
        aggregator = Aggregator(overlay(), "test")
        aggregator.feed("f", envelope(*order))
        (evidence,) = aggregator.result().evidence
        assert (len(evidence.resources), evidence.resources_truncated) == (1, True)


_EVENTS = (
    "s3:GetObject", "s3:PutObject", "s3:CopyObject", "s3:CreateBucket", "dynamodb:BatchGetItem",
    "sqs:ListQueueTags", "ec2:StartInstances", "ec2:RunInstances", "kms:Decrypt", "logs:CreateLogStream",
    "ssm:PutParameter", "lambda:CreateFunction20150331", "ecs:RunTask", "events:PutTargets", "sts:AssumeRole",
    "iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:CreatePolicyVersion",
    "cloudtrail:CreateTrail", "cloudtrail:StopLogging", "cloudtrail:UpdateEventDataStore",
)  # fmt: skip


@pytest.mark.parametrize("odd", ["{", "{x}", "{9}", "{0}", "\0"])
def test_no_region_and_account_is_too_odd(odd):
    request_ = {"logGroupName": "g", "logStreamName": "s"}
    used_ = used("logs:CreateLogStream", request_, awsRegion=odd, recipientAccountId=odd)
    assert used_["logs:CreateLogStream"] == [f"arn:aws:logs:{odd}:{odd}:log-group:g:log-stream:s"]


@pytest.mark.parametrize(
    "request_",
    [
        "text",
        3,
        [],
        [1],
        {"tags": 5, "role": {"a": 1}},
        {"role": None},
        {"targets": "x"},
        {"targets": {"items": [1]}},
        {"name": "arn:foo"},
        {"roleName": "r", "policyArn": {"a": [1]}, "policyName": {"a": [1]}, "path": ["/"]},
    ],
)
def test_no_request_is_too_odd(request_):
    for event in _EVENTS:
        assert used(event, request_, resources=request_)


_NAMES = (
    "bucketName", "key", "versionId", "x-amz-tagging", "x-amz-copy-source", "X-Amz-Acl", "tableName",
    "requestItems", "queueUrl", "functionName", "role", "keyId", "logGroupName", "logStreamName", "name",
    "path", "roleName", "userName", "policyName", "policyArn", "policyDocument", "roleArn", "tags", "tagSet",
    "tagSpecificationSet", "items", "overrides", "taskRoleArn", "targets", "iamInstanceProfile",
    "sourceIdentity", "eventDataStore", "ARN", "arn",
)  # fmt: skip
_TEXTS = ("", "/", "/a", "arn:", "arn:foo", "arn:aws:kms", "arn:aws:s3:::", "alias/a", PASSED, "a%zz?versionId=")
_REQUESTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(_TEXTS) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=8,
)


@given(request_=st.dictionaries(st.sampled_from(_NAMES), _REQUESTS, max_size=8), listed=_REQUESTS)
def test_whatever_a_request_holds_its_record_is_counted(request_, listed):
    """A caller chooses what stands in a request, also in one that is refused."""
    events = [record(event, requestParameters=request_, resources=listed) for event in _EVENTS]
    aggregator = Aggregator(overlay(), "test")
    aggregator.feed("f", envelope(*events))
    usage = aggregator.result()
    assert usage.records == len(events)
    assert not usage.problems
    assert all(arn.startswith("arn:") for evidence in usage.evidence for arn in evidence.resources)
