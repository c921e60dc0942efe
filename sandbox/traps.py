"""Roles planted so that a careless reader of the evidence gets them wrong; each says which trap it is.

What the right answer is follows in truth.py from the rules, not from here.
"""

from sandbox.kinds import tags
from sandbox.organization import ANALYTICS, DEVELOPMENT, LEGACY, PAYMENTS, PRODUCTION, Document
from sandbox.roles import Does, Role, allow, by_account, by_service, policy

# The action that each trap is about, by trap; the role is the one that carries the trap.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "deniedOnly": ("secretsmanager:PutSecretValue",),
    "deniedOnlyTracked": ("ec2:StopInstances",),
    "viaService": ("kms:Decrypt", "s3:GetBucketPolicy"),
    "passRole": ("iam:PassRole",),
    "dataEventsWithoutSelector": ("s3:GetObject", "lambda:InvokeFunction"),
    "recreatedRole": ("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:ListQueues"),
    "logGap": ("kinesis:DeleteStream", "kinesis:DescribeStream"),
    "yearlyJob": ("ec2:CreateImage",),
    "roleYoungerThanWindow": ("states:DeleteStateMachine", "states:ListStateMachines"),
    "grantYoungerThanWindow": ("sns:DeleteTopic", "sqs:DeleteQueue"),
    "rolePath": ("dynamodb:DescribeTable", "dynamodb:DeleteTable"),
    "sharedPolicy": ("ec2:DescribeInstances", "ec2:DescribeVolumes", "sns:ListTopics"),
    "throttledAccount": ("secretsmanager:DeleteSecret", "secretsmanager:GetSecretValue"),
    "unreachableAccount": ("sqs:ListQueues", "sqs:CreateQueue"),
    "unmappedEvent": ("glue:DeleteDatabase", "athena:DeleteWorkGroup"),
    "attempted": ("dynamodb:UpdateTable",),
    "boundaryMasked": ("iam:ListUsers",),
    "scpMasked": ("lightsail:GetInstances",),
    "developmentWindow": ("states:DescribeStateMachine", "states:DeleteStateMachine"),
}


def trap(kind: str, account: str, *does: Does, grants: tuple[str, ...] = (), **more: object) -> Role:
    inline = {"access": policy(allow(*grants))} if grants else {}
    fields: dict[str, object] = {"tags": tags("trapper", "production"), "inline": inline} | more
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind)
    role_name = str(fields.pop("name", f"trap-{words}"))
    trust = fields.pop("trust", by_service("ec2"))
    return Role(account, role_name, trust, does=does, traps=(kind,), **fields)  # type: ignore[arg-type]


SECRETS = ("secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DeleteSecret")
TRAPS: tuple[Role, ...] = (
    # Granted, always tried in vain: a resource policy refuses. The service is not one of those tracked by action.
    trap("deniedOnly", PRODUCTION, Does(SECRETS[0], 6), Does(SECRETS[1], 2, outcome="denied"), grants=SECRETS),
    # The same with a tracked action: last-accessed information counts attempts.
    trap(
        "deniedOnlyTracked",
        PRODUCTION,
        Does("ec2:DescribeInstances", 6),
        Does("ec2:StopInstances", 1, outcome="denied"),
        grants=("ec2:DescribeInstances", "ec2:StopInstances", "ec2:StartInstances"),
    ),
    trap(
        "viaService",
        PRODUCTION,
        Does("kms:Decrypt", 8, via="s3.amazonaws.com"),
        Does("s3:GetBucketPolicy", 2, via="cloudformation.amazonaws.com"),
        Does("cloudformation:DescribeStacks", 4),
        Does("s3:GetObject", 8),
        grants=(
            "kms:Decrypt",
            "kms:ScheduleKeyDeletion",
            "s3:GetObject",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy",
            "cloudformation:DescribeStacks",
        ),
    ),
    trap(
        "passRole",
        PRODUCTION,
        Does("lambda:CreateFunction", 0.5, passes="orders-api"),
        Does("lambda:GetFunction", 2),
        grants=("iam:PassRole", "lambda:CreateFunction", "lambda:GetFunction", "lambda:DeleteFunction"),
    ),
    trap(
        "passRole",
        PRODUCTION,
        Does("lambda:GetFunction", 3),
        grants=("iam:PassRole", "lambda:GetFunction", "lambda:DeleteFunction"),
        name="trap-pass-role-unseen",
    ),
    trap(
        "dataEventsWithoutSelector",
        PRODUCTION,
        Does("s3:GetObject", 30),
        Does("s3:GetBucketLocation", 4),
        Does("lambda:ListFunctions", 2),
        grants=(
            "s3:GetObject",
            "s3:GetBucketLocation",
            "s3:DeleteBucket",
            "lambda:InvokeFunction",
            "lambda:ListFunctions",
        ),
    ),
    trap(
        "dataEventsWithoutSelector",
        PRODUCTION,
        Does("s3:GetObject", 20),
        Does("lambda:InvokeFunction", 12),
        grants=("s3:GetObject", "lambda:InvokeFunction", "lambda:DeleteFunction"),
        name="trap-data-events-invoking",
    ),
    # Deleted and made again under the same name: what the former one did is nobody's use.
    trap(
        "recreatedRole",
        PRODUCTION,
        Does("sqs:CreateQueue", 3, since=93, until=21, former=True),
        Does("sqs:ListQueues", 3, since=19),
        grants=("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:ListQueues"),
        age=20,
        recreated=True,
    ),
    trap(
        "logGap",
        ANALYTICS,
        Does("kinesis:DescribeStream", 24),
        Does("kinesis:ListStreams", 6),
        grants=("kinesis:DescribeStream", "kinesis:ListStreams", "kinesis:DeleteStream"),
    ),
    # Older than any log; only last-accessed information remembers it.
    trap(
        "yearlyJob",
        PRODUCTION,
        Does("ec2:CreateImage", at=(300,)),
        Does("ec2:DescribeImages", 4),
        grants=("ec2:CreateImage", "ec2:DescribeImages", "ec2:DeregisterImage"),
    ),
    trap(
        "roleYoungerThanWindow",
        PRODUCTION,
        Does("states:ListStateMachines", 5, since=39),
        grants=("states:ListStateMachines", "states:DeleteStateMachine"),
        age=40,
    ),
    trap(
        "grantYoungerThanWindow",
        PRODUCTION,
        Does("sqs:ListQueues", 5),
        Does("sns:ListTopics", 3, since=9),
        grants=("sqs:ListQueues", "sqs:DeleteQueue"),
        managed=("customer:TopicAdministration",),
        attached={"customer:TopicAdministration": 10},
    ),
    trap(
        "rolePath",
        PRODUCTION,
        Does("dynamodb:DescribeTable", 8),
        grants=("dynamodb:DescribeTable", "dynamodb:DeleteTable"),
        path="/teams/orders/",
        trust=by_account(PRODUCTION),
    ),
    trap(
        "sharedPolicy",
        PRODUCTION,
        Does("ec2:DescribeInstances", 8),
        managed=("customer:SharedRead",),
        name="trap-shared-policy-one",
    ),
    trap(
        "sharedPolicy",
        PRODUCTION,
        Does("ec2:DescribeVolumes", 8),
        managed=("customer:SharedRead",),
        name="trap-shared-policy-two",
    ),
    trap("throttledAccount", PAYMENTS, Does(SECRETS[0], 8), grants=SECRETS),
    trap("unreachableAccount", LEGACY, Does("sqs:ListQueues", 2), grants=("sqs:ListQueues", "sqs:CreateQueue")),
    trap(
        "unmappedEvent",
        PRODUCTION,
        Does("glue:GetDatabases", 4),
        Does("glue:GetDatabases", 0.5, event="ReconcileLakehouseMirror"),
        Does("athena:ListWorkGroups", 2),
        grants=("glue:GetDatabases", "glue:DeleteDatabase", "athena:ListWorkGroups", "athena:DeleteWorkGroup"),
    ),
    trap(
        "attempted",
        PRODUCTION,
        Does("dynamodb:ListTables", 6),
        Does("dynamodb:UpdateTable", 2, outcome="throttled"),
        grants=("dynamodb:ListTables", "dynamodb:UpdateTable", "dynamodb:DeleteTable"),
    ),
    trap(
        "boundaryMasked",
        PRODUCTION,
        Does("sqs:ListQueues", 4),
        grants=("iam:ListUsers", "sqs:ListQueues", "sqs:DeleteQueue"),
        boundary="customer:WorkloadBoundary",
    ),
    trap(
        "scpMasked",
        PRODUCTION,
        Does("sns:ListTopics", 4),
        grants=("lightsail:GetInstances", "sns:ListTopics", "sns:DeleteTopic"),
    ),
    # 50 days ago: inside production's window, outside development's, inside memory.
    trap(
        "developmentWindow",
        DEVELOPMENT,
        Does("states:DescribeStateMachine", at=(50,)),
        Does("states:ListStateMachines", 2, "office"),
        grants=("states:DescribeStateMachine", "states:ListStateMachines", "states:DeleteStateMachine"),
        tags=tags("trapper", "development"),
    ),
    trap(
        "developmentWindow",
        PRODUCTION,
        Does("states:DescribeStateMachine", at=(50,)),
        Does("states:ListStateMachines", 2, "office"),
        grants=("states:DescribeStateMachine", "states:ListStateMachines", "states:DeleteStateMachine"),
        name="trap-production-window",
    ),
)
TRAP_POLICIES: dict[str, Document] = {
    "TopicAdministration": policy(allow("sns:ListTopics", "sns:DeleteTopic", "sns:CreateTopic")),
}
