"""One whole answer of AWS to each operation that is read, with something in it that must not be lost."""

import json
from datetime import UTC, datetime, timedelta

from plumbline.inventory.configuration_items import RESOURCE_TYPES
from plumbline.usage.sources.query import Row
from tests.inventory.test_inventory_credentials import line, report

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
MADE = NOW - timedelta(days=200)
ACCOUNT, MANAGEMENT = "100000000003", "100000000001"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
USER = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/bound"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/org"
STORE = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:eventdatastore/11111111-2222-4333-8444-555555555555"
ANALYZERS = {
    kind: f"arn:aws:access-analyzer:{REGION}:{ACCOUNT}:analyzer/{kind}" for kind in ("ACCOUNT", "ACCOUNT_UNUSED_ACCESS")
}
QUERY = "0123456789abcdef0123456789abcdef0123"  # as long as ids are
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole"]}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [PODS | {"Action": ["sts:AssumeRole", "sts:TagSession"]}]})

_ROLE = {
    "Arn": ROLE,
    "RoleId": "AROAAPP",
    "RoleName": "app",
    "Path": "/",
    "CreateDate": MADE,
    "AssumeRolePolicyDocument": TRUST,
}
_DETAILS = _ROLE | {
    "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": DOCUMENT}],
    "AttachedManagedPolicies": [],
    "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": BOUNDARY},
}
_USER = {
    "Arn": USER,
    "UserId": "AIDAALICE",
    "UserName": "alice",
    "Path": "/",
    "CreateDate": MADE,
    "GroupList": ["all"],
    "AttachedManagedPolicies": [],
}
_GROUP = {
    "Arn": f"arn:aws:iam::{ACCOUNT}:group/all",
    "GroupId": "AGPAALL",
    "GroupName": "all",
    "Path": "/",
    "CreateDate": MADE,
    "GroupPolicyList": [{"PolicyName": "shared", "PolicyDocument": DOCUMENT}],
    "AttachedManagedPolicies": [],
}
_ANALYZER = {"status": "ACTIVE", "createdAt": MADE, "lastResourceAnalyzedAt": NOW}
_FINDING = {
    "id": "finding",
    "resource": ROLE,
    "resourceType": "AWS::IAM::Role",
    "resourceOwnerAccount": ACCOUNT,
    "status": "ACTIVE",
    "analyzedAt": NOW,
    "createdAt": MADE,
    "updatedAt": NOW,
}
_STEP = {"recommendedAction": "CREATE_POLICY", "recommendedPolicy": DOCUMENT, "existingPolicyId": "own"}
_JOB = {"jobId": "job", "principalArn": ROLE, "status": "SUCCEEDED", "startedOn": MADE, "completedOn": NOW}
_TRAIL_USED = {"cloudTrailArn": TRAIL, "allRegions": True}
_QUERY_ROW = Row._make("1" if name in {"count", "number"} else "x" for name in Row._fields)


def _item(kind, identifier, configuration, arn, region="global"):
    return {
        "version": "1.3",
        "accountId": ACCOUNT,
        "awsRegion": region,
        "arn": arn,
        "resourceType": kind,
        "resourceId": identifier,
        "configurationItemCaptureTime": "2026-06-01T00:00:00.000Z",
        "configurationItemStatus": "OK",
        "configuration": configuration,
        "tags": [],
    }


def _selected(parameters):
    """AWS Config gives rows as texts."""
    text = parameters["Expression"]
    if "GROUP BY" in text:
        rows = [{"accountId": ACCOUNT, "COUNT(*)": 1}]
    elif RESOURCE_TYPES[0] in text:
        small = {name[:1].lower() + name[1:]: one for name, one in _DETAILS.items()}
        small |= {"createDate": "2026-01-01T00:00:00.000Z", "permissionsBoundary": None}
        small["rolePolicyList"] = [{"policyName": "own", "policyDocument": DOCUMENT}]
        rows = [_item("AWS::IAM::Role", "AROAAPP", small, ROLE)]
    else:
        group = {"AllSupported": True, "IncludeGlobalResourceTypes": True, "ResourceTypes": []}
        recorder = {"Name": "default", "Recording": True, "RecordingGroup": group}
        rows = [_item("AWS::Config::ConfigurationRecorder", "default", recorder, f"{ROLE}/recorder", REGION)]
    return {"Results": [json.dumps(row) for row in rows]}


def _listed(parameters):
    """Keys below a prefix, or its folders."""
    found = {"KeyCount": 1, "IsTruncated": False, "Name": "logs", "MaxKeys": 1000}
    if "Delimiter" in parameters:
        return found | {"CommonPrefixes": [{"Prefix": "p/x/"}]}
    return found | {"Contents": [{"Key": "p/a", "ETag": '"1"', "Size": 1}]}


def _athena_line(cells):
    return {"Data": [{"VarCharValue": cell} for cell in cells]}


# Operation -> the answer, or what makes it of the parameters.
WHOLE = {
    "access-analyzer:GetAnalyzer": {
        "analyzer": {
            **_ANALYZER,
            "arn": ANALYZERS["ACCOUNT_UNUSED_ACCESS"],
            "name": "ACCOUNT_UNUSED_ACCESS",
            "type": "ACCOUNT_UNUSED_ACCESS",
            "configuration": {"unusedAccess": {"unusedAccessAge": 90}},
        }
    },
    "access-analyzer:GetFindingRecommendation": {
        "startedAt": NOW,
        "completedAt": NOW,
        "resourceArn": ROLE,
        "recommendationType": "UnusedPermissionRecommendation",
        "status": "SUCCEEDED",
        "recommendedSteps": [{"unusedPermissionsRecommendedStep": _STEP}],
    },
    "access-analyzer:GetFindingV2": _FINDING
    | {
        "findingType": "UnusedPermission",
        "findingDetails": [
            {"unusedPermissionDetails": {"serviceNamespace": "s3", "actions": [{"action": "GetObject"}]}}
        ],
    },
    "access-analyzer:GetGeneratedPolicy": {
        "jobDetails": {name: value for name, value in _JOB.items() if name != "principalArn"},
        "generatedPolicyResult": {
            "properties": {
                "isComplete": True,
                "principalArn": ROLE,
                "cloudTrailProperties": {"trailProperties": [_TRAIL_USED], "startTime": MADE, "endTime": NOW},
            },
            "generatedPolicies": [{"policy": DOCUMENT}],
        },
    },
    "access-analyzer:ListAnalyzers": {
        "analyzers": [_ANALYZER | {"arn": arn, "name": kind, "type": kind} for kind, arn in ANALYZERS.items()]
    },
    "access-analyzer:ListFindings": {"findings": [_FINDING | {"isPublic": True, "condition": {}}]},
    "access-analyzer:ListFindingsV2": {"findings": [_FINDING | {"findingType": "UnusedPermission"}]},
    "access-analyzer:ListPolicyGenerations": {"policyGenerations": [_JOB]},
    "access-analyzer:StartPolicyGeneration": {"jobId": "job"},
    "access-analyzer:ValidatePolicy": {
        "findings": [
            {
                "findingType": "WARNING",
                "issueCode": "A",
                "findingDetails": "text",
                "learnMoreLink": "https://docs.aws.amazon.com/a",
                "locations": [],
            }
        ]
    },
    "account:ListRegions": {"Regions": [{"RegionName": REGION, "RegionOptStatus": "ENABLED_BY_DEFAULT"}]},
    "athena:GetQueryExecution": {
        "QueryExecution": {
            "QueryExecutionId": "q",
            "Status": {"State": "SUCCEEDED"},
            "Statistics": {"DataScannedInBytes": 5},
        }
    },
    "athena:GetQueryResults": {"ResultSet": {"Rows": [_athena_line(Row._fields), _athena_line(_QUERY_ROW)]}},
    "athena:GetWorkGroup": {"WorkGroup": {"Name": "primary"}},
    "athena:StartQueryExecution": {"QueryExecutionId": "q"},
    "cloudtrail:DescribeQuery": {"QueryId": QUERY, "QueryStatus": "FINISHED", "QueryStatistics": {"BytesScanned": 5}},
    "cloudtrail:GetEventDataStore": {
        "EventDataStoreArn": STORE,
        "Name": "store",
        "Status": "ENABLED",
        "RetentionPeriod": 365,
        "MultiRegionEnabled": True,
        "AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}],
    },
    "cloudtrail:GetEventSelectors": {
        "TrailARN": TRAIL,
        "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}],
    },
    "cloudtrail:GetQueryResults": {
        "QueryStatus": "FINISHED",
        "QueryStatistics": {"ResultsCount": 1, "TotalResultsCount": 1, "BytesScanned": 5},
        "QueryResultRows": [[{name: value} for name, value in _QUERY_ROW._asdict().items()]],
    },
    "cloudtrail:GetTrail": {"Trail": {"Name": "org", "TrailARN": TRAIL, "HomeRegion": REGION}},
    "cloudtrail:GetTrailStatus": {"IsLogging": True, "StartLoggingTime": MADE},
    "cloudtrail:StartQuery": {"QueryId": QUERY},
    "config:DescribeConfigurationAggregatorSourcesStatus": {
        "AggregatedSourceStatusList": [
            {
                "SourceId": ACCOUNT,
                "SourceType": "ACCOUNT",
                "AwsRegion": REGION,
                "LastUpdateStatus": "SUCCEEDED",
                "LastUpdateTime": NOW,
            }
        ]
    },
    "config:DescribeConfigurationAggregators": {"ConfigurationAggregators": [{"ConfigurationAggregatorName": "all"}]},
    "config:SelectAggregateResourceConfig": _selected,
    "eks:DescribePodIdentityAssociation": {
        "association": {
            "clusterName": "shop",
            "namespace": "pay",
            "serviceAccount": "api",
            "roleArn": ROLE,
            "associationId": "a-1",
            "associationArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/shop/a-1",
        }
    },
    "eks:ListClusters": {"clusters": ["shop"]},
    "eks:ListPodIdentityAssociations": {"associations": [{"clusterName": "shop", "associationId": "a-1"}]},
    "iam:GenerateServiceLastAccessedDetails": {"JobId": QUERY},
    "iam:GetAccessKeyLastUsed": {
        "UserName": "alice",
        "AccessKeyLastUsed": {"LastUsedDate": MADE, "ServiceName": "s3", "Region": REGION},
    },
    "iam:GetAccountAuthorizationDetails": {
        "RoleDetailList": [_DETAILS],
        "UserDetailList": [_USER],
        "GroupDetailList": [_GROUP],
        "Policies": [],
        "IsTruncated": False,
    },
    "iam:GetCredentialReport": {
        "Content": report(line("alice", arn=USER)).encode(),
        "ReportFormat": "text/csv",
        "GeneratedTime": NOW - timedelta(hours=1),
    },
    "iam:GetPolicy": {
        "Policy": {
            "Arn": BOUNDARY,
            "PolicyName": "bound",
            "PolicyId": "ANPABOUND",
            "DefaultVersionId": "v1",
            "Path": "/",
            "AttachmentCount": 0,
            "PermissionsBoundaryUsageCount": 1,
            "CreateDate": MADE,
            "UpdateDate": MADE,
        }
    },
    "iam:GetPolicyVersion": {
        "PolicyVersion": {"Document": DOCUMENT, "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": MADE}
    },
    "iam:GetServiceLastAccessedDetails": {
        "JobStatus": "COMPLETED",
        "JobType": "SERVICE_LEVEL",
        "JobCreationDate": NOW,
        "JobCompletionDate": NOW,
        "ServicesLastAccessed": [{"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": MADE}],
        "IsTruncated": False,
    },
    "iam:ListAccessKeys": {
        "AccessKeyMetadata": [
            {"UserName": "alice", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Active", "CreateDate": MADE}
        ],
        "IsTruncated": False,
    },
    "iam:ListRoles": {"Roles": [_ROLE], "IsTruncated": False},
    "organizations:DescribeOrganization": {"Organization": {"Id": "o-x", "MasterAccountId": MANAGEMENT}},
    "organizations:DescribePolicy": {"Policy": {"PolicySummary": {"Id": "p-x"}, "Content": DOCUMENT}},
    "organizations:ListAccounts": {"Accounts": [{"Id": ACCOUNT, "Name": "production", "Status": "ACTIVE"}]},
    "organizations:ListParents": lambda parameters: {
        "Parents": [{"Id": "r-x", "Type": "ROOT"} if parameters["ChildId"] == "ou-a" else {"Id": "ou-a", "Type": "OU"}]
    },
    "organizations:ListPoliciesForTarget": {"Policies": [{"Id": "p-x", "Type": "SERVICE_CONTROL_POLICY"}]},
    "organizations:ListRoots": {
        "Roots": [
            {
                "Id": "r-x",
                "PolicyTypes": [
                    {"Type": kind, "Status": "ENABLED"}
                    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
                ],
            }
        ]
    },
    "s3:ListObjectsV2": _listed,
    "securityhub:BatchImportFindings": lambda parameters: {
        "SuccessCount": len(parameters["Findings"]),
        "FailedCount": 0,
        "FailedFindings": [],
    },
    "securityhub:GetFindingsV2": {"Findings": [{"metadata": {"uid": "finding"}}]},
    "securityhub:GetRecommendedPolicyV2": {
        "Status": "SUCCEEDED",
        "ResourceArn": ROLE,
        "RecommendationType": "UNUSED_PERMISSION_RECOMMENDATION",
        "RecommendationSteps": [
            {"UnusedPermissions": {name[:1].upper() + name[1:]: value for name, value in _STEP.items()}}
        ],
    },
    "sqs:GetQueueUrl": {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/changes"},
    "sqs:ReceiveMessage": {"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": "{}"}]},
    "sts:AssumeRole": {
        "Credentials": {
            "AccessKeyId": "ASIAAAAAAAAAAAAAAAAA",
            "SecretAccessKey": "hush",
            "SessionToken": "t",
            "Expiration": datetime(2099, 1, 1, tzinfo=UTC),
        }
    },
    "sts:GetCallerIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/o", "Account": ACCOUNT, "UserId": "AIDAO"},
}

# Whose answer says nothing that is read.
UNREAD = {
    "access-analyzer:GenerateFindingRecommendation",
    "athena:StopQueryExecution",
    "cloudtrail:CancelQuery",
    "iam:GenerateCredentialReport",
    "securityhub:GenerateRecommendedPolicyV2",
    "sqs:DeleteMessageBatch",
}
# Which is called only where the answers before it are others than these.
RARE = {"athena:StopQueryExecution", "cloudtrail:CancelQuery", "securityhub:GenerateRecommendedPolicyV2"}
# Bytes, of which whoever reads them says what is wrong.
BYTES = {"s3:GetObject"}
# With which botocore itself asks where a bucket is.
BY_BOTOCORE = {"s3:HeadBucket"}
