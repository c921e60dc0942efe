"""Which API operation leaves which CloudTrail event, and which leave none.

A small table of its own for the services that the organization uses most; it makes no claim about the others.
"""

import re
from functools import cache
from typing import Any, Literal

import botocore.session

Visibility = Literal["management", "data", "never", "unknown"]

GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations", "support"})
SOURCES = {"cloudwatch": "monitoring", "tag": "tagging"}

# Where the event is not named as the action.
EVENT_NAMES = {
    "lambda:CreateFunction": "CreateFunction20150331",
    "lambda:DeleteFunction": "DeleteFunction20150331",
    "lambda:GetFunction": "GetFunction20150331v2",
    "lambda:InvokeFunction": "Invoke",
    "lambda:ListFunctions": "ListFunctions20150331",
    "lambda:UpdateFunctionCode": "UpdateFunctionCode20150331v2",
    "lambda:UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
    "s3:GetEncryptionConfiguration": "GetBucketEncryption",
    "s3:GetReplicationConfiguration": "GetBucketReplication",
    "s3:ListAllMyBuckets": "ListBuckets",
    "s3:ListBucket": "HeadBucket",
    "s3:PutEncryptionConfiguration": "PutBucketEncryption",
}

# Data events by service; only Lambda's are selected on the trail.
DATA: dict[str, str] = {
    "dynamodb": "BatchGetItem BatchWriteItem ConditionCheckItem DeleteItem GetItem GetRecords PutItem Query Scan SearchVectors "
    "UpdateItem PartiQLDelete PartiQLInsert PartiQLSelect PartiQLUpdate",
    "firehose": "PutRecord PutRecordBatch",
    "kinesis": "GetRecords PutRecord PutRecords SubscribeToShard",
    "lambda": "InvokeFunction",
    "s3": "AbortMultipartUpload DeleteObject DeleteObjectVersion GetObject GetObjectAcl GetObjectVersion ListBucket "
    "ListMultipartUploadParts PutObject PutObjectAcl RestoreObject",
    "sns": "Publish",
    "sqs": "ChangeMessageVisibility DeleteMessage ReceiveMessage SendMessage",
}
# No event of their own in any log.
NEVER = frozenset({"logs:PutLogEvents", "cloudwatch:PutMetricData", "events:PutEvents", "iam:PassRole"})

# Actions of tabled services for which this table does not want to be asked: they may be authorized inside another
# call, are logged only in some form, or need no permission at all.
_UNSURE = re.compile(
    r"^(s3:.*(Object|Multipart|ListBucket|AccessPoint|MultiRegion|Job|StorageLens|Table|Inventory|Metrics|Analytics).*"
    r"|lambda:Invoke.*|dynamodb:.*(Stream|Records|Shard|Endpoints|Transact|ExecuteStatement|Replica).*"
    r"|kinesis:.*(Record|Shard).*|sqs:.*Message.*|sns:Publish.*|logs:(Get|Filter|Start|Test|Unmask|StopQuery).*"
    r"|cloudwatch:(GetMetric|ListMetrics|Put|GetInsight|Create|Link).*|events:Put(Partner)?Events|ecs:(Poll|Submit|Start"
    r"Telemetry|Discover).*|ecr:.*(Layer|PutImage|BatchImport|GetAuthorization).*|states:.*(Sync|Task|Test).*"
    r"|ssm:.*(Instance|Inventory|Package|Patch|Channel|Calendar).*|sts:(Get|Decode|Tag|Set|AssumeRoleWith|AssumeRoot).*"
    r"|kms:(Decrypt|Encrypt|GenerateDataKey.*|ReEncrypt.*|CreateGrant|DescribeKey|RetireGrant|ListGrants)"
    r"|iam:(CreateServiceLinkedRole|Simulate.*|Upload.*|GetContext.*|SetSecurityTokenServicePreferences)"
    r"|cloudtrail:(StartQuery|.*Channel.*|.*Import.*|GenerateQuery.*|Search.*)|glue:.*(Session|Statement|UseGlue|Sign).*"
    r"|ec2:(CreateTags|.*Console.*|.*NetworkInterfacePermission|.*Declarative.*)"
    r"|[a-z0-9-]+:(Tag|Untag)[A-Z]?.*|[a-z0-9-]+:(Add|Remove|Delete|Create)Tags.*)$"
)

# botocore's name where it differs from the action prefix.
TABLED_SERVICES: dict[str, str] = {
    "states": "stepfunctions",
    "elasticloadbalancing": "elbv2",
    **{
        name: name
        for name in [
            "acm",
            "athena",
            "autoscaling",
            "cloudformation",
            "cloudtrail",
            "cloudwatch",
            "codebuild",
            "codepipeline",
            "dynamodb",
            "ec2",
            "ecr",
            "ecs",
            "eks",
            "events",
            "firehose",
            "glue",
            "iam",
            "kinesis",
            "kms",
            "lambda",
            "logs",
            "organizations",
            "rds",
            "route53",
            "s3",
            "secretsmanager",
            "sns",
            "sqs",
            "ssm",
            "sts",
        ]
    },
}
# Services with action-level last-accessed information.
TRACKED_SERVICES = ("ec2", "iam", "lambda", "s3", "rds", "ecr", "cloudformation")

_RENAMED = {action for action in EVENT_NAMES if action not in ("lambda:InvokeFunction", "s3:ListBucket")}


@cache
def _operations(prefix: str) -> frozenset[str]:
    model: Any = botocore.session.get_session().get_service_model(TABLED_SERVICES[prefix])
    return frozenset(model.operation_names)


@cache
def visibility(action: str) -> Visibility:
    """How a successful use of the action would show in a trail that selects everything."""
    prefix, name = action.split(":", 1)
    if action in NEVER:
        return "never"
    if name in DATA.get(prefix, "").split():
        return "data"
    if prefix not in TABLED_SERVICES or _UNSURE.match(action):
        return "unknown"
    return "management" if action in _RENAMED or name in _operations(prefix) else "unknown"


def logged(action: str) -> bool:
    """Whether this organization's trail records a use of the action."""
    # A use of an unsure action that the behaviour performs all the same is an ordinary management event, except where
    # it is one of the data events that are not selected.
    kind = visibility(action)
    return kind not in ("never", "data") or action in ("lambda:InvokeFunction", "s3:ListBucket")


@cache
def tracked(action: str) -> bool:
    """Whether last-accessed information names the action itself: management events of few services."""
    return action.split(":", 1)[0] in TRACKED_SERVICES and visibility(action) == "management"


def event_source(action: str) -> str:
    prefix = action.split(":", 1)[0]
    return f"{SOURCES.get(prefix, prefix)}.amazonaws.com"


def event_name(action: str) -> str:
    return EVENT_NAMES.get(action, action.split(":", 1)[1])


def read_only(action: str) -> bool:
    return action.split(":", 1)[1].startswith(
        ("Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search", "Scan")
    )


# What a request says, by operation: parameters that matter for deriving access. {role}, {account} and {region} are filled.
PARAMETERS: dict[str, dict[str, Any]] = {
    "lambda:CreateFunction": {"functionName": "orders", "runtime": "python3.11", "handler": "app.handler"},
    "lambda:InvokeFunction": {"functionName": "arn:aws:lambda:{region}:{account}:function:orders"},
    "lambda:GetFunction": {"functionName": "orders"},
    "s3:ListBucket": {"bucketName": "data-{account}", "Host": "data-{account}.s3.amazonaws.com"},
    "s3:GetBucketLocation": {"bucketName": "data-{account}", "location": ""},
    "s3:GetBucketPolicy": {"bucketName": "data-{account}", "policy": ""},
    "dynamodb:DescribeTable": {"tableName": "orders"},
    "secretsmanager:GetSecretValue": {"secretId": "arn:aws:secretsmanager:{region}:{account}:secret:app/db-AbCdEf"},
    "secretsmanager:DescribeSecret": {"secretId": "app/db"},
    "kms:Decrypt": {
        "encryptionContext": {"aws:s3:arn": "arn:aws:s3:::data-{account}"},
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
    },
    "ssm:GetParameter": {"name": "/app/config", "withDecryption": True},
    "ssm:GetParametersByPath": {"path": "/app/", "recursive": True, "withDecryption": False},
    "sqs:GetQueueAttributes": {"queueUrl": "https://sqs.{region}.amazonaws.com/{account}/orders"},
    "sts:AssumeRole": {"roleArn": "arn:aws:iam::{account}:role/shared", "roleSessionName": "session"},
    "cloudformation:DescribeStacks": {"stackName": "platform"},
    "iam:GetRole": {"roleName": "app"},
    "iam:CreateRole": {"roleName": "generated", "path": "/", "assumeRolePolicyDocument": "{}"},
}
