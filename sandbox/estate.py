"""The ordinary roles, users and policies of the organization: what any grown landscape has.

Kinds of roles are functions, so that one line makes one role. Roles planted to trap a reader are in traps.py.
"""

from sandbox import organization as org
from sandbox.organization import ANALYTICS, DEVELOPMENT, LEGACY, MANAGEMENT, PAYMENTS, PRODUCTION, SECURITY, Document
from sandbox.roles import (
    Does,
    Hours,
    Role,
    User,
    allow,
    by_account,
    by_cluster,
    by_operator,
    by_repository,
    by_saml,
    by_service,
    deny,
    policy,
)

# Customer managed policies, by name; each account that attaches one has its own copy.
CUSTOMER_POLICIES: dict[str, Document] = {
    "QueueWorker": policy(
        allow("sqs:*", on="arn:aws:sqs:*:*:orders-*"),
        allow("s3:GetObject", "s3:PutObject", "s3:ListBucket", on=["arn:aws:s3:::data-*", "arn:aws:s3:::data-*/*"]),
        allow("ec2:Describe*"),
    ),
    "Deployments": policy(
        allow("cloudformation:*", "lambda:*", "ecr:*"),
        allow("iam:GetRole", "iam:PassRole", "iam:CreateRole", "iam:DeleteRole", "iam:AttachRolePolicy", "iam:PutRolePolicy"),
        allow("s3:Get*", "s3:List*", "s3:PutObject", on=["arn:aws:s3:::artifacts-*", "arn:aws:s3:::artifacts-*/*"]),
        deny("iam:CreateUser", "iam:CreateAccessKey"),
    ),
    "EverythingButIdentity": policy(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        deny("ec2:TerminateInstances", "rds:Delete*", Condition={"StringEquals": {"aws:ResourceTag/environment": "production"}}),
    ),
    "WorkloadBoundary": policy(
        allow("s3:*", "sqs:*", "sns:*", "dynamodb:*", "lambda:*", "logs:*", "cloudwatch:*", "ec2:Describe*", "ssm:Get*", "kms:Decrypt"),
    ),
    "TeamBoundary": policy(
        allow("s3:*", "glue:*", "athena:*", "logs:*", "states:*", "lambda:*", "ec2:*", "cloudformation:*", "sqs:*"),
    ),
    "SharedRead": policy(
        allow("ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeSubnets"),
        allow("s3:GetBucketLocation", "s3:ListAllMyBuckets", "s3:GetBucketPolicy"),
        allow("sns:ListTopics", "sns:GetTopicAttributes", "sqs:ListQueues", "sqs:GetQueueAttributes"),
    ),
}


def tags(owner: str, environment: str) -> dict[str, str]:
    return {"owner": f"{owner}@example.com", "team": owner, "environment": environment}


def function(
    account: str, name: str, team: str, rate: float, environment: str = "production", hours: Hours = "always", **more: object
) -> Role:
    """Execution role of a function: reads a table and a secret, much of it invisible to the trail."""
    access = policy(
        allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:DescribeTable", "dynamodb:DeleteTable"),
        allow("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"),
        allow("ssm:GetParameter", "ssm:GetParametersByPath", "ssm:PutParameter", "kms:Decrypt"),
    )
    does = (
        Does("secretsmanager:GetSecretValue", rate, hours),
        Does("kms:Decrypt", rate / 2, hours, via="secretsmanager.amazonaws.com"),
        Does("ssm:GetParameter", rate, hours),
        Does("dynamodb:DescribeTable", rate / 2, hours),
        Does("dynamodb:GetItem", rate, hours),
        Does("dynamodb:Query", rate, hours),
        Does("logs:CreateLogStream", rate / 3, hours),
        Does("logs:PutLogEvents", rate, hours),
    )
    return Role(
        account,
        name,
        by_service("lambda"),
        ("service-role/AWSLambdaBasicExecutionRole",),
        {"access": access},
        does,
        tags=tags(team, environment),
        **more,  # type: ignore[arg-type]
    )


def worker(
    account: str, name: str, team: str, rate: float, environment: str = "production", hours: Hours = "always", **more: object
) -> Role:
    """Instance role of a fleet that works on queues."""
    does = (
        Does("sqs:GetQueueAttributes", rate, hours),
        Does("sqs:ReceiveMessage", rate, hours),
        Does("sqs:DeleteMessage", rate, hours),
        Does("s3:GetObject", rate, hours),
        Does("s3:ListBucket", rate / 4, hours),
        Does("ec2:DescribeInstances", rate, hours),
        Does("ec2:DescribeTags", rate / 2, hours),
        Does("ssm:UpdateInstanceInformation", rate / 2, hours),
    )
    return Role(
        account,
        name,
        by_service("ec2"),
        ("customer:QueueWorker", "AmazonSSMManagedInstanceCore"),
        {},
        does,
        tags=tags(team, environment),
        **more,  # type: ignore[arg-type]
    )


def deployer(account: str, name: str, repository: str, rate: float, environment: str = "production") -> Role:
    """A pipeline: stacks and functions in office hours, much of it through CloudFormation."""
    does = (
        Does("cloudformation:DescribeStacks", rate, "office"),
        Does("cloudformation:CreateChangeSet", rate / 4, "office"),
        Does("cloudformation:ExecuteChangeSet", rate / 4, "office"),
        Does("lambda:UpdateFunctionCode", rate / 4, "office"),
        Does("lambda:GetFunction", rate / 2, "office", via="cloudformation.amazonaws.com"),
        Does("iam:GetRole", rate / 4, "office", via="cloudformation.amazonaws.com"),
        Does("s3:PutObject", rate / 2, "office"),
    )
    return Role(account, name, by_repository(account, repository), ("customer:Deployments",), {}, does, tags=tags("platform", environment))


def cluster(account: str, namespace: str, name: str, rate: float, *actions: str, environment: str = "production") -> Role:
    """A service account of the cluster: uses the first half of what it is granted."""
    hours: Hours = "always" if environment == "production" else "office"
    does = tuple(Does(action, rate, hours) for action in actions[: len(actions) // 2])
    inline = {"access": policy(allow(*actions))}
    trust = by_cluster(account, namespace, name)
    return Role(account, f"eks-{namespace}-{name}", trust, (), inline, does, "/eks/", tags=tags("platform", environment))


def nightly(account: str, name: str, rate: float, *actions: str, unused: tuple[str, ...] = (), environment: str = "production") -> Role:
    """A job of the small hours."""
    does = tuple(Does(action, rate, "night") for action in actions)
    inline = {"job": policy(allow(*actions, *unused))}
    return Role(account, name, by_service("events", "scheduler"), (), inline, does, tags=tags("operations", environment))


def people(account: str, name: str, managed: str, rate: float, *actions: str, path: str = "/", environment: str = "production") -> Role:
    """A role that people assume in office hours."""
    does = tuple(Does(action, rate, "office") for action in actions)
    return Role(account, name, by_account(SECURITY), (managed,), {}, does, path, tags=tags("people", environment))


def idle(account: str, name: str, managed: str, environment: str = "production") -> Role:
    return Role(account, name, by_service("ec2"), (managed,), {}, tags=tags("unknown", environment))


def linked(account: str, name: str, service: str, managed: str, rate: float, *actions: str) -> Role:
    does = tuple(Does(action, rate) for action in actions)
    path = f"/aws-service-role/{service}.amazonaws.com/"
    return Role(account, name, by_service(service), (f"aws-service-role/{managed}",), {}, does, path)


def reader(account: str) -> Role:
    managed = ("SecurityAudit",) if account == PRODUCTION else ()
    inline = {"read": policy(allow("iam:Get*", "iam:List*", "iam:GenerateServiceLastAccessedDetails", "access-analyzer:*"))}
    return Role(account, org.MEMBER_ROLE_NAME, by_operator(), managed, inline, path=org.MEMBER_ROLE_PATH)


AUTOSCALER = ("autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstanceTypes", "autoscaling:SetDesiredCapacity", "autoscaling:DeletePolicy")
DNS = ("route53:ListHostedZones", "route53:ChangeResourceRecordSets", "route53:DeleteHostedZone", "route53:CreateHostedZone")

ORDINARY: tuple[Role, ...] = (
    *(reader(account) for account in org.ACCOUNTS if account != LEGACY),
    # management
    Role(MANAGEMENT, "OrganizationAccountAccessRole", by_account(MANAGEMENT), ("AdministratorAccess",), {}, age=900),
    people(MANAGEMENT, "billing-reader", "AWSBillingReadOnlyAccess", 3, "organizations:DescribeOrganization", "organizations:ListAccounts"),
    people(MANAGEMENT, "organization-admin", "AWSOrganizationsFullAccess", 2, "organizations:ListAccounts", "organizations:ListRoots"),
    linked(MANAGEMENT, "AWSServiceRoleForOrganizations", "organizations", "AWSOrganizationsServiceTrustPolicy", 0),
    # security
    people(SECURITY, "auditor", "SecurityAudit", 12, "iam:ListRoles", "iam:GetRole", "ec2:DescribeSecurityGroups", "s3:GetBucketPolicy"),
    nightly(SECURITY, "log-archiver", 8, "s3:ListAllMyBuckets", "s3:GetBucketLocation", unused=("s3:DeleteBucket", "s3:PutBucketPolicy")),
    function(SECURITY, "finding-responder", "security", 6, hours="office"),
    people(SECURITY, "incident-admin", "AdministratorAccess", 0.2, "ec2:DescribeInstances", "iam:ListUsers"),
    # production
    function(PRODUCTION, "orders-api", "orders", 20),
    function(PRODUCTION, "catalog-api", "catalog", 14, boundary="customer:WorkloadBoundary"),
    function(PRODUCTION, "mail-sender", "messaging", 8),
    function(PRODUCTION, "image-resizer", "media", 10, boundary="customer:WorkloadBoundary"),
    worker(PRODUCTION, "orders-worker", "orders", 16),
    worker(PRODUCTION, "media-worker", "media", 10),
    worker(PRODUCTION, "search-indexer", "catalog", 8, age=450),
    deployer(PRODUCTION, "deploy-orders", "orders", 12),
    deployer(PRODUCTION, "deploy-catalog", "catalog", 8),
    cluster(PRODUCTION, "kube-system", "cluster-autoscaler", 14, *AUTOSCALER),
    cluster(PRODUCTION, "dns", "external-dns", 10, *DNS),
    cluster(PRODUCTION, "shop", "checkout", 12, "secretsmanager:GetSecretValue", "sns:ListTopics", "sqs:CreateQueue", "sns:CreateTopic"),
    nightly(PRODUCTION, "snapshot-nightly", 6, "ec2:DescribeVolumes", "ec2:CreateSnapshot", unused=("ec2:DeleteSnapshot", "ec2:DeleteVolume")),
    nightly(PRODUCTION, "database-maintenance", 4, "rds:DescribeDBInstances", unused=("rds:DeleteDBInstance", "rds:RebootDBInstance")),
    people(PRODUCTION, "on-call", "ReadOnlyAccess", 10, "ec2:DescribeInstances", "cloudwatch:DescribeAlarms", "lambda:ListFunctions", "rds:DescribeDBInstances"),
    people(PRODUCTION, "power-user", "PowerUserAccess", 2, "ec2:DescribeInstances", "ec2:RebootInstances"),
    people(
        PRODUCTION,
        "AWSReservedSSO_Support_0123456789abcdef",
        "job-function/ViewOnlyAccess",
        4,
        "ec2:DescribeInstances",
        "s3:ListAllMyBuckets",
        path="/aws-reserved/sso.amazonaws.com/",
    ),
    idle(PRODUCTION, "legacy-batch", "AmazonS3FullAccess"),
    linked(PRODUCTION, "AWSServiceRoleForAutoScaling", "autoscaling", "AutoScalingServiceRolePolicy", 20, "ec2:DescribeInstances", "ec2:DescribeSubnets"),
    Role(
        PRODUCTION,
        "AccessAnalyzerCloudTrailRole",
        by_service("access-analyzer"),
        (),
        {"read": policy(allow("cloudtrail:GetTrail", "s3:GetObject", "s3:ListBucket", "iam:GetServiceLastAccessedDetails", "iam:GenerateServiceLastAccessedDetails"))},
    ),
    Role(
        PRODUCTION,
        "partner-reports",
        by_account("200000000009", StringEquals={"sts:ExternalId": "reports-4711"}),
        (),
        {"read": policy(allow("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "glue:GetTable", "glue:GetDatabases"))},
        (Does("athena:StartQueryExecution", 3), Does("athena:GetQueryExecution", 6), Does("athena:GetQueryResults", 3)),
        "/partner/",
        tags=tags("reporting", "production"),
    ),
    Role(
        PRODUCTION,
        "edge-events",
        by_service("lambda"),
        (),
        {"access": policy(allow("sqs:ListQueues", "sqs:CreateQueue", "sqs:DeleteQueue", "events:ListRules", "events:DeleteRule"))},
        (Does("sqs:ListQueues", 12, "office", region=org.SECOND_REGION), Does("events:ListRules", 8, "office", region=org.SECOND_REGION)),
        tags=tags("edge", "production"),
    ),
    # development
    function(DEVELOPMENT, "orders-api-dev", "orders", 4, "development", "office"),
    worker(DEVELOPMENT, "orders-worker-dev", "orders", 4, "development", "office"),
    deployer(DEVELOPMENT, "deploy-dev", "orders", 10, "development"),
    people(DEVELOPMENT, "developer", "PowerUserAccess", 12, "ec2:DescribeInstances", "lambda:ListFunctions", "cloudformation:DescribeStacks", environment="development"),
    people(DEVELOPMENT, "developer-admin", "AdministratorAccess", 3, "iam:ListRoles", "ec2:RunInstances", environment="development"),
    cluster(DEVELOPMENT, "dns", "external-dns", 4, *DNS, environment="development"),
    idle(DEVELOPMENT, "hackathon", "AmazonEC2FullAccess", "development"),
    # analytics
    function(ANALYTICS, "ingest", "analytics", 10),
    nightly(ANALYTICS, "etl-nightly", 12, "glue:StartJobRun", "glue:GetJobRun", "athena:StartQueryExecution", unused=("glue:DeleteJob",)),
    worker(ANALYTICS, "cruncher", "analytics", 10),
    people(ANALYTICS, "analyst", "AmazonAthenaFullAccess", 8, "athena:StartQueryExecution", "athena:GetQueryExecution"),
    # payments
    function(PAYMENTS, "ledger-api", "payments", 14),
    function(PAYMENTS, "card-gateway", "payments", 12),
    worker(PAYMENTS, "settlement", "payments", 8),
    deployer(PAYMENTS, "deploy-payments", "payments", 4),
    # legacy
    worker(LEGACY, "old-monolith", "unknown", 3, hours="office"),
    idle(LEGACY, "old-admin", "AdministratorAccess"),
)

USERS: tuple[User, ...] = (
    User(SECURITY, org.OPERATOR_USER, inline={"reach": policy(allow("sts:AssumeRole", on=f"arn:aws:iam::*:role/plumbline/{org.MEMBER_ROLE_NAME}"))}, path="/plumbline/"),
    User(PRODUCTION, "ci-legacy", ("AmazonS3FullAccess",), does=(Does("s3:ListAllMyBuckets", 4), Does("s3:GetBucketLocation", 4))),
    User(PRODUCTION, "alice", ("job-function/ViewOnlyAccess",), does=(Does("ec2:DescribeInstances", 2, "office"),), console=True),
    User(DEVELOPMENT, "bob", ("AmazonEC2FullAccess",), does=(Does("ec2:RunInstances", 0.5, "office"),), console=True),
    User(MANAGEMENT, "breakglass", ("AdministratorAccess",), console=False),
)
