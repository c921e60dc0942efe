"""The ordinary roles and users of the organization: what any grown landscape has.

Roles planted to trap a reader are in traps.py.
"""

from dataclasses import replace

from sandbox import organization as org
from sandbox.kinds import cluster, deployer, function, idle, linked, nightly, people, reader, tags, worker
from sandbox.organization import ANALYTICS, DEVELOPMENT, LEGACY, MANAGEMENT, PAYMENTS, PRODUCTION, SECURITY
from sandbox.roles import Does, Role, User, allow, by_account, by_service, policy

AUTOSCALER = (
    "autoscaling:DescribeAutoScalingGroups",
    "ec2:DescribeInstanceTypes",
    "autoscaling:SetDesiredCapacity",
    "autoscaling:DeletePolicy",
)
DNS = (
    "route53:ListHostedZones",
    "route53:ChangeResourceRecordSets",
    "route53:DeleteHostedZone",
    "route53:CreateHostedZone",
)

ORDINARY: tuple[Role, ...] = (
    *(reader(account) for account in org.ACCOUNTS if account != LEGACY),
    # management
    Role(MANAGEMENT, "OrganizationAccountAccessRole", by_account(MANAGEMENT), ("AdministratorAccess",), {}, age=900),
    people(
        MANAGEMENT,
        "billing-reader",
        "AWSBillingReadOnlyAccess",
        3,
        "organizations:DescribeOrganization",
        "organizations:ListAccounts",
    ),
    people(
        MANAGEMENT,
        "organization-admin",
        "AWSOrganizationsFullAccess",
        2,
        "organizations:ListAccounts",
        "organizations:ListRoots",
    ),
    linked(MANAGEMENT, "AWSServiceRoleForOrganizations", "organizations", "AWSOrganizationsServiceTrustPolicy", 0),
    # security
    people(
        SECURITY,
        "auditor",
        "SecurityAudit",
        12,
        "iam:ListRoles",
        "iam:GetRole",
        "ec2:DescribeSecurityGroups",
        "s3:GetBucketPolicy",
    ),
    nightly(
        SECURITY,
        "log-archiver",
        8,
        "s3:ListAllMyBuckets",
        "s3:GetBucketLocation",
        unused=("s3:DeleteBucket", "s3:PutBucketPolicy"),
    ),
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
    cluster(
        PRODUCTION,
        "shop",
        "checkout",
        12,
        "secretsmanager:GetSecretValue",
        "sns:ListTopics",
        "sqs:CreateQueue",
        "sns:CreateTopic",
    ),
    nightly(
        PRODUCTION,
        "snapshot-nightly",
        6,
        "ec2:DescribeVolumes",
        "ec2:CreateSnapshot",
        unused=("ec2:DeleteSnapshot", "ec2:DeleteVolume"),
    ),
    nightly(
        PRODUCTION,
        "database-maintenance",
        4,
        "rds:DescribeDBInstances",
        unused=("rds:DeleteDBInstance", "rds:RebootDBInstance"),
    ),
    people(
        PRODUCTION,
        "on-call",
        "ReadOnlyAccess",
        10,
        "ec2:DescribeInstances",
        "cloudwatch:DescribeAlarms",
        "lambda:ListFunctions",
        "rds:DescribeDBInstances",
    ),
    people(
        PRODUCTION,
        "platform-engineer",
        "customer:EverythingButIdentity",
        3,
        "ec2:DescribeInstances",
        "eks:ListClusters",
        "eks:DescribeCluster",
    ),
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
    replace(
        nightly(PRODUCTION, "vault-backup", 4, "ec2:DescribeSnapshots", unused=("ec2:DeleteSnapshot",)),
        template=f"arn:aws:iam::{MANAGEMENT}:role-template/vault-backup",
    ),
    linked(
        PRODUCTION,
        "AWSServiceRoleForAutoScaling",
        "autoscaling",
        "AutoScalingServiceRolePolicy",
        20,
        "ec2:DescribeInstances",
        "ec2:DescribeSubnets",
    ),
    Role(
        PRODUCTION,
        "AccessAnalyzerCloudTrailRole",
        by_service("access-analyzer"),
        (),
        {
            "read": policy(
                allow(
                    "cloudtrail:GetTrail",
                    "s3:GetObject",
                    "s3:ListBucket",
                    "iam:GetServiceLastAccessedDetails",
                    "iam:GenerateServiceLastAccessedDetails",
                )
            )
        },
    ),
    Role(
        PRODUCTION,
        "partner-reports",
        by_account(org.OUTSIDER, StringEquals={"sts:ExternalId": "reports-4711"}),
        (),
        {
            "read": policy(
                allow(
                    "athena:StartQueryExecution",
                    "athena:GetQueryExecution",
                    "athena:GetQueryResults",
                    "glue:GetTable",
                    "glue:GetDatabases",
                )
            )
        },
        (Does("athena:StartQueryExecution", 3), Does("athena:GetQueryExecution", 6), Does("athena:GetQueryResults", 3)),
        "/partner/",
        tags=tags("reporting", "production"),
    ),
    Role(
        PRODUCTION,
        "edge-events",
        by_service("lambda"),
        (),
        {
            "access": policy(
                allow("sqs:ListQueues", "sqs:CreateQueue", "sqs:DeleteQueue", "events:ListRules", "events:DeleteRule")
            )
        },
        (
            Does("sqs:ListQueues", 12, "office", region=org.SECOND_REGION),
            Does("events:ListRules", 8, "office", region=org.SECOND_REGION),
        ),
        tags=tags("edge", "production"),
    ),
    # development
    function(DEVELOPMENT, "orders-api-dev", "orders", 4, "development", hours="office"),
    worker(
        DEVELOPMENT, "orders-worker-dev", "orders", 4, "development", hours="office", boundary="customer:TeamBoundary"
    ),
    deployer(DEVELOPMENT, "deploy-dev", "orders", 10, "development"),
    people(
        DEVELOPMENT,
        "developer",
        "PowerUserAccess",
        12,
        "ec2:DescribeInstances",
        "lambda:ListFunctions",
        "cloudformation:DescribeStacks",
        environment="development",
    ),
    people(
        DEVELOPMENT,
        "developer-admin",
        "AdministratorAccess",
        3,
        "iam:ListRoles",
        "ec2:RunInstances",
        environment="development",
    ),
    cluster(DEVELOPMENT, "dns", "external-dns", 4, *DNS, environment="development"),
    idle(DEVELOPMENT, "hackathon", "AmazonEC2FullAccess", "development"),
    # analytics
    function(ANALYTICS, "ingest", "analytics", 10),
    nightly(
        ANALYTICS,
        "etl-nightly",
        12,
        "glue:StartJobRun",
        "glue:GetJobRun",
        "athena:StartQueryExecution",
        unused=("glue:DeleteJob",),
    ),
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
    User(
        SECURITY,
        org.OPERATOR_USER,
        inline={"reach": policy(allow("sts:AssumeRole", on=f"arn:aws:iam::*:role/plumbline/{org.MEMBER_ROLE_NAME}"))},
        path="/plumbline/",
    ),
    User(
        PRODUCTION,
        "ci-legacy",
        ("AmazonS3FullAccess",),
        does=(Does("s3:ListAllMyBuckets", 4), Does("s3:GetBucketLocation", 4)),
    ),
    User(
        PRODUCTION,
        "alice",
        ("job-function/ViewOnlyAccess",),
        does=(Does("ec2:DescribeInstances", 2, "office"),),
        console=True,
    ),
    User(DEVELOPMENT, "bob", ("AmazonEC2FullAccess",), does=(Does("ec2:RunInstances", 0.5, "office"),), console=True),
    User(MANAGEMENT, "breakglass", ("AdministratorAccess",)),
    # What a reader of credentials has to tell apart.
    User(
        PRODUCTION,
        "report-export",
        ("AmazonS3ReadOnlyAccess",),
        does=(Does("s3:ListAllMyBuckets", at=(200,)),),
        disabled_key=400,
    ),
    User(DEVELOPMENT, "trainee", ("job-function/ViewOnlyAccess",), age=20),
    User(PRODUCTION, "visitor", ("job-function/ViewOnlyAccess",), age=300, console=True, signs_in=False),
    User(ANALYTICS, "data-import", ("AmazonS3ReadOnlyAccess",), does=(Does("s3:ListAllMyBuckets", at=(250,)),)),
    User(org.OUTSIDER, org.OUTSIDER_USER, inline={"reach": policy(allow("sts:AssumeRole"))}),
)
