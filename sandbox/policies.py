"""The customer managed policies of the ordinary roles, by name; each account that uses one has its own copy."""

from sandbox.organization import Document
from sandbox.roles import allow, deny, policy

CUSTOMER_POLICIES: dict[str, Document] = {
    "QueueWorker": policy(
        allow("sqs:*", on="arn:aws:sqs:*:*:orders-*"),
        allow("s3:GetObject", "s3:PutObject", "s3:ListBucket", on=["arn:aws:s3:::data-*", "arn:aws:s3:::data-*/*"]),
        allow("ec2:Describe*"),
    ),
    "Deployments": policy(
        allow("cloudformation:*", "lambda:*", "ecr:*"),
        allow(
            "iam:GetRole",
            "iam:PassRole",
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:AttachRolePolicy",
            "iam:PutRolePolicy",
        ),
        allow("s3:Get*", "s3:List*", "s3:PutObject", on=["arn:aws:s3:::artifacts-*", "arn:aws:s3:::artifacts-*/*"]),
        deny("iam:CreateUser", "iam:CreateAccessKey"),
    ),
    "EverythingButIdentity": policy(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        deny(
            "ec2:TerminateInstances",
            "rds:Delete*",
            Condition={"StringEquals": {"aws:ResourceTag/environment": "production"}},
        ),
    ),
    "WorkloadBoundary": policy(
        allow(
            "s3:*",
            "sqs:*",
            "sns:*",
            "dynamodb:*",
            "lambda:*",
            "logs:*",
            "cloudwatch:*",
            "ec2:Describe*",
            "ssm:Get*",
            "kms:Decrypt",
            "secretsmanager:Get*",
        ),
    ),
    "TeamBoundary": policy(
        allow(
            "s3:*",
            "glue:*",
            "athena:*",
            "logs:*",
            "states:*",
            "lambda:*",
            "ec2:*",
            "cloudformation:*",
            "sqs:*",
            "ssm:*",
        ),
    ),
    "SharedRead": policy(
        allow("ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeSubnets"),
        allow("s3:GetBucketLocation", "s3:ListAllMyBuckets", "s3:GetBucketPolicy"),
        allow("sns:ListTopics", "sns:GetTopicAttributes", "sqs:ListQueues", "sqs:GetQueueAttributes"),
    ),
}
