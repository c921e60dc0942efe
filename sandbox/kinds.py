"""Kinds of ordinary roles, so that one line of estate.py makes one role: what it is granted and what it does."""

from sandbox import organization as org
from sandbox.organization import PRODUCTION, SECURITY
from sandbox.roles import (
    Does,
    Hours,
    Role,
    allow,
    by_account,
    by_cluster,
    by_operator,
    by_repository,
    by_service,
    policy,
)


def tags(owner: str, environment: str) -> dict[str, str]:
    return {"owner": f"{owner}@example.com", "team": owner, "environment": environment}


def function(
    account: str,
    name: str,
    team: str,
    rate: float,
    environment: str = "production",
    *,
    hours: Hours = "always",
    **more: object,
) -> Role:
    """Execution role of a function: reads a table and a secret, much of it invisible to the trail."""
    access = policy(
        allow(
            "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:DescribeTable", "dynamodb:DeleteTable"
        ),
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
    account: str,
    name: str,
    team: str,
    rate: float,
    environment: str = "production",
    *,
    hours: Hours = "always",
    **more: object,
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
    return Role(
        account,
        name,
        by_repository(account, repository),
        ("customer:Deployments",),
        {},
        does,
        tags=tags("platform", environment),
    )


def cluster(
    account: str, namespace: str, name: str, rate: float, *actions: str, environment: str = "production"
) -> Role:
    """A service account of the cluster: uses the first half of what it is granted."""
    hours: Hours = "always" if environment == "production" else "office"
    does = tuple(Does(action, rate, hours) for action in actions[: len(actions) // 2])
    inline = {"access": policy(allow(*actions))}
    trust = by_cluster(account, namespace, name)
    return Role(
        account, f"eks-{namespace}-{name}", trust, (), inline, does, "/eks/", tags=tags("platform", environment)
    )


def nightly(
    account: str, name: str, rate: float, *actions: str, unused: tuple[str, ...] = (), environment: str = "production"
) -> Role:
    """A job of the small hours."""
    does = tuple(Does(action, rate, "night") for action in actions)
    inline = {"job": policy(allow(*actions, *unused))}
    return Role(
        account, name, by_service("events", "scheduler"), (), inline, does, tags=tags("operations", environment)
    )


def people(
    account: str, name: str, managed: str, rate: float, *actions: str, path: str = "/", environment: str = "production"
) -> Role:
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
    inline = {
        "read": policy(allow("iam:Get*", "iam:List*", "iam:GenerateServiceLastAccessedDetails", "access-analyzer:*"))
    }
    return Role(account, org.MEMBER_ROLE_NAME, by_operator(), managed, inline, path=org.MEMBER_ROLE_PATH)
