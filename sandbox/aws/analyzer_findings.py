"""What analyzers find: unused access by the same last-accessed information that IAM tells, and roles that outsiders may
assume.

Of unused access only what is older than the analyzer's age is evaluated: principals, attachments and policy versions.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.analyzers import Analyzer, analyzer_of
from sandbox.aws.last_accessed import own_documents, services
from sandbox.aws.registry import operation, page
from sandbox.behaviour import DAY, POLICY_CHANGES, POLICY_CREATED, ROLES, policy_arn
from sandbox.organization import ACCOUNTS
from sandbox.protocol import AwsError, Call
from sandbox.world import World, identity_store

_ATTACHED = {
    (role.arn, policy_arn(role.account, reference)): days for role in ROLES for reference, days in role.attached.items()
}
_CHANGED = {
    policy_arn(account, f"customer:{name}"): days
    for (account, name), days in [*POLICY_CREATED.items(), *POLICY_CHANGES.items()]
}


@dataclass(frozen=True)
class Finding:
    id: str
    type: str
    resource: str
    account: str
    at: datetime
    details: tuple[dict[str, Any], ...]

    @property
    def resource_type(self) -> str:
        return "AWS::IAM::Role" if ":role/" in self.resource else "AWS::IAM::User"


def findings(world: World, analyzer: Analyzer) -> list[Finding]:
    """Of the analyzer's scan, which is made once."""
    if not analyzer.findings:
        made = _unused(world, analyzer) if analyzer.type.endswith("UNUSED_ACCESS") else _external(analyzer)
        for number, (type_, resource, details) in enumerate(made):
            name = uuid.uuid5(uuid.NAMESPACE_URL, f"{analyzer.arn}/{type_}/{resource}/{number}")
            owner = resource.split(":")[4]
            analyzer.findings.append(Finding(str(name), type_, resource, owner, analyzer.created, tuple(details)))
    return analyzer.findings


Made = Iterator[tuple[str, str, list[dict[str, Any]]]]


def _accounts(analyzer: Analyzer) -> list[str]:
    if analyzer.type.startswith("ACCOUNT"):
        return [analyzer.account]
    rules = (analyzer.configuration.get("unusedAccess") or {}).get("analysisRule") or {}
    excluded = {account for rule in rules.get("exclusions") or () for account in rule.get("accountIds") or ()}
    return [account for account in ACCOUNTS if account not in excluded]


# Unused access


def _unused(world: World, analyzer: Analyzer) -> Made:
    age = int(analyzer.configuration["unusedAccess"]["unusedAccessAge"])
    start = datetime.fromtimestamp(analyzer.created.timestamp() - age * DAY, UTC)
    for account in _accounts(analyzer):
        store = identity_store(account)
        for role in store.roles.values():
            if _aware(role.create_date) <= start and not role.path.startswith("/aws-service-role/"):
                yield from _role(world, role, account, age, start)
        for user in store.users.values():
            if _aware(user.create_date) <= start:
                yield from _credentials(user, start)
                yield from _permissions(world, user, account, age, start)


def _role(world: World, role: Any, account: str, age: int, start: datetime) -> Made:
    last = role.last_used
    if last is None or _aware(last) < start:
        yield "UnusedIAMRole", role.arn, [{"unusedIamRoleDetails": _last(last)}]
    else:
        yield from _permissions(world, role, account, age, start)


def _credentials(user: Any, start: datetime) -> Made:
    for key in user.access_keys:
        last = key.last_used.timestamp if key.last_used else None
        if key.status == "Active" and _aware(key.create_date) <= start and (last is None or _aware(last) < start):
            details = {"accessKeyId": key.access_key_id} | _last(last)
            yield "UnusedIAMUserAccessKey", user.arn, [{"unusedIamUserAccessKeyDetails": details}]
    last = user.password_last_used
    if user.password and (last is None or _aware(last) < start):
        yield "UnusedIAMUserPassword", user.arn, [{"unusedIamUserPasswordDetails": _last(last)}]


def _permissions(world: World, entity: Any, account: str, age: int, start: datetime) -> Made:
    def old(policy: str) -> bool:
        return min(_CHANGED.get(policy, age + 1), _ATTACHED.get((entity.arn, policy), age + 1)) > age

    documents = own_documents(entity, old)
    details = []
    for service in services(world.behaviour, account, entity.arn, action_level=True, documents=documents):
        told = {"serviceNamespace": service["ServiceNamespace"]} | _last(service.get("LastAuthenticated"))
        if _silent(service.get("LastAuthenticated"), start):
            details.append({"unusedPermissionDetails": told})
            continue
        actions = [
            {"action": f"{service['ServiceNamespace']}:{a['ActionName']}"} | _last(a.get("LastAccessedTime"))
            for a in service.get("TrackedActionsLastAccessed", ())
            if _silent(a.get("LastAccessedTime"), start)
        ]
        if actions:
            details.append({"unusedPermissionDetails": told | {"actions": actions}})
    if details:
        yield "UnusedPermission", entity.arn, details


def _silent(last: datetime | None, start: datetime) -> bool:
    return last is None or last < start


def _last(at: datetime | None) -> dict[str, Any]:
    return {} if at is None else {"lastAccessed": at}


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# External access


def _external(analyzer: Analyzer) -> Made:
    accounts = _accounts(analyzer)
    for account in accounts:
        for role in identity_store(account).roles.values():
            for statement in json.loads(role.assume_role_policy_document)["Statement"]:
                for kind, name in _outsiders(statement, accounts):
                    details = {
                        "action": _listed(statement["Action"]),
                        "condition": {},
                        "isPublic": name == "*" and "Condition" not in statement,
                        "principal": {kind: name},
                    }
                    yield "ExternalAccess", role.arn, [{"externalAccessDetails": details}]


def _outsiders(statement: dict[str, Any], accounts: list[str]) -> Iterator[tuple[str, str]]:
    principal = statement.get("Principal")
    if statement["Effect"] != "Allow" or principal is None:
        return
    for kind, names in (principal if isinstance(principal, dict) else {"AWS": principal}).items():
        for name in _listed(names):
            owner = name.split(":")[4] if name.startswith("arn:") else name
            if kind == "Federated" or (kind == "AWS" and owner not in accounts):
                yield kind, name


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Operations


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "resource": finding.resource,
        "resourceType": finding.resource_type,
        "resourceOwnerAccount": finding.account,
        "status": "ACTIVE",
        "createdAt": finding.at,
        "analyzedAt": finding.at,
        "updatedAt": finding.at,
    }


def _filtered(told: Iterable[dict[str, Any]], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        one
        for one in told
        if all(str(one.get(key)) in rule.get("eq", [str(one.get(key))]) for key, rule in wanted.items())
    ]


def _paged(call: Call, told: list[dict[str, Any]]) -> dict[str, Any]:
    found, token = page(told, int(call.params.get("maxResults") or 100), call.params.get("nextToken"))
    return {"findings": found} | ({"nextToken": token} if token else {})


@operation("accessanalyzer", "ListFindingsV2")
def list_findings_v2(world: World, call: Call) -> dict[str, Any]:
    analyzer = analyzer_of(world, call, call.params["analyzerArn"])
    archived = {"status": "ARCHIVED"} if world.settings.findingsArchived else {}
    told = (_told(one) | {"findingType": one.type} | archived for one in findings(world, analyzer))
    return _paged(call, _filtered(told, call.params.get("filter") or {}))


@operation("accessanalyzer", "ListFindings")
def list_findings(world: World, call: Call) -> dict[str, Any]:
    analyzer = analyzer_of(world, call, call.params["analyzerArn"])
    if analyzer.type.endswith("UNUSED_ACCESS"):
        message = "ListFindings is supported only for external access analyzers"
        raise AwsError("ValidationException", message, 400, reason="other", fieldList=[])
    told = (_told(one) | one.details[0]["externalAccessDetails"] for one in findings(world, analyzer))
    return _paged(call, _filtered(told, call.params.get("filter") or {}))


def finding_of(world: World, call: Call) -> Finding:
    analyzer = analyzer_of(world, call, call.params["analyzerArn"])
    for finding in findings(world, analyzer):
        if finding.id == call.params["id"]:
            return finding
    message = f"Finding {call.params['id']} not found"
    raise AwsError("ResourceNotFoundException", message, 404, resourceId=call.params["id"], resourceType="finding")


@operation("accessanalyzer", "GetFindingV2")
def get_finding_v2(world: World, call: Call) -> dict[str, Any]:
    finding = finding_of(world, call)
    details, token = page(list(finding.details), int(call.params.get("maxResults") or 10), call.params.get("nextToken"))
    told = _told(finding) | {"findingType": finding.type, "findingDetails": details}
    return told | ({"nextToken": token} if token else {})
