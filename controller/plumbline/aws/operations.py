"""The operations of AWS that Plumbline calls, with the IAM actions that they need. Data; the guard enforces it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Operation -> the IAM actions that it needs, by the Service Authorization Reference:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
# Services are named as in IAM actions, operations as in the API.
OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "access-analyzer:GenerateFindingRecommendation": ("access-analyzer:GenerateFindingRecommendation",),
        "access-analyzer:GetAnalyzer": ("access-analyzer:GetAnalyzer",),
        "access-analyzer:GetFindingRecommendation": ("access-analyzer:GetFindingRecommendation",),
        "access-analyzer:GetFindingV2": ("access-analyzer:GetFinding",),
        "access-analyzer:GetGeneratedPolicy": ("access-analyzer:GetGeneratedPolicy",),
        "access-analyzer:ListAnalyzers": ("access-analyzer:ListAnalyzers",),
        # Of external access, with principals; the other lists findings of unused access. Both need the same action.
        "access-analyzer:ListFindings": ("access-analyzer:ListFindings",),
        "access-analyzer:ListFindingsV2": ("access-analyzer:ListFindings",),
        "access-analyzer:ListPolicyGenerations": ("access-analyzer:ListPolicyGenerations",),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-policy-generation.html: the caller passes the
        # access role to Access Analyzer.
        "access-analyzer:StartPolicyGeneration": ("access-analyzer:StartPolicyGeneration", "iam:PassRole"),
        "access-analyzer:ValidatePolicy": ("access-analyzer:ValidatePolicy",),
        "account:ListRegions": ("account:ListRegions",),
        # https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html,
        # https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html: Athena uses the caller's permissions for the
        # table, the log files and the results. The only statement besides SELECT makes a table of ours.
        "athena:GetQueryExecution": ("athena:GetQueryExecution",),
        "athena:GetQueryResults": ("athena:GetQueryResults", "s3:GetObject"),
        "athena:GetWorkGroup": ("athena:GetWorkGroup",),
        "athena:StartQueryExecution": (
            "athena:StartQueryExecution",
            "glue:CreateTable",
            "glue:GetDatabase",
            "glue:GetTable",
            "s3:GetBucketLocation",
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
        ),
        "athena:StopQueryExecution": ("athena:StopQueryExecution",),
        "cloudtrail:CancelQuery": ("cloudtrail:CancelQuery",),
        "cloudtrail:DescribeQuery": ("cloudtrail:DescribeQuery",),
        "cloudtrail:GetEventDataStore": ("cloudtrail:GetEventDataStore",),
        "cloudtrail:GetEventSelectors": ("cloudtrail:GetEventSelectors",),
        "cloudtrail:GetQueryResults": ("cloudtrail:GetQueryResults",),
        "cloudtrail:GetTrail": ("cloudtrail:GetTrail",),
        "cloudtrail:GetTrailStatus": ("cloudtrail:GetTrailStatus",),
        "cloudtrail:StartQuery": ("cloudtrail:StartQuery",),
        "config:DescribeConfigurationAggregatorSourcesStatus": ("config:DescribeConfigurationAggregatorSourcesStatus",),
        "config:DescribeConfigurationAggregators": ("config:DescribeConfigurationAggregators",),
        "config:SelectAggregateResourceConfig": ("config:SelectAggregateResourceConfig",),
        "eks:DescribePodIdentityAssociation": ("eks:DescribePodIdentityAssociation",),
        "eks:ListClusters": ("eks:ListClusters",),
        "eks:ListPodIdentityAssociations": ("eks:ListPodIdentityAssociations",),
        "iam:GenerateCredentialReport": ("iam:GenerateCredentialReport",),
        "iam:GenerateServiceLastAccessedDetails": ("iam:GenerateServiceLastAccessedDetails",),
        "iam:GetAccessKeyLastUsed": ("iam:GetAccessKeyLastUsed",),
        "iam:GetAccountAuthorizationDetails": ("iam:GetAccountAuthorizationDetails",),
        "iam:GetCredentialReport": ("iam:GetCredentialReport",),
        "iam:GetPolicy": ("iam:GetPolicy",),
        "iam:GetPolicyVersion": ("iam:GetPolicyVersion",),
        "iam:GetServiceLastAccessedDetails": ("iam:GetServiceLastAccessedDetails",),
        "iam:ListAccessKeys": ("iam:ListAccessKeys",),
        "iam:ListRoles": ("iam:ListRoles",),
        "organizations:DescribeOrganization": ("organizations:DescribeOrganization",),
        "organizations:DescribePolicy": ("organizations:DescribePolicy",),
        "organizations:ListAccounts": ("organizations:ListAccounts",),
        "organizations:ListParents": ("organizations:ListParents",),
        "organizations:ListPoliciesForTarget": ("organizations:ListPoliciesForTarget",),
        "organizations:ListRoots": ("organizations:ListRoots",),
        "s3:GetObject": ("s3:GetObject",),
        # By botocore itself, where S3 redirects a request and does not say to which Region.
        "s3:HeadBucket": ("s3:ListBucket",),
        "s3:ListObjectsV2": ("s3:ListBucket",),
        # The only thing that is written into an account: findings about its roles, where the landscape asks for it.
        "securityhub:BatchImportFindings": ("securityhub:BatchImportFindings",),
        "securityhub:GenerateRecommendedPolicyV2": ("securityhub:GenerateRecommendedPolicyV2",),
        # https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_GetFindingsV2.html: the action of both versions.
        "securityhub:GetFindingsV2": ("securityhub:GetFindings",),
        "securityhub:GetRecommendedPolicyV2": ("securityhub:GetRecommendedPolicyV2",),
        # Messages about changes are taken out of a queue of Plumbline's own.
        "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
        "sqs:GetQueueUrl": ("sqs:GetQueueUrl",),
        "sqs:ReceiveMessage": ("sqs:ReceiveMessage",),
        "sts:AssumeRole": ("sts:AssumeRole",),
        # Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        "sts:GetCallerIdentity": (),
    }
)
