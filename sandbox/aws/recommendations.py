"""What Access Analyzer recommends about unused permissions: the policies of the role without what the finding names."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.aws.analyzer_findings import Finding, finding_of
from sandbox.aws.registry import operation, page
from sandbox.expand import catalogue, listed, named
from sandbox.protocol import AwsError, Call
from sandbox.world import World, identity_store

_KEY = "recommendation/"


@dataclass
class Recommendation:
    finding: Finding
    started: datetime
    polls: int = 0


@operation("accessanalyzer", "GenerateFindingRecommendation")
def generate_finding_recommendation(world: World, call: Call) -> dict[str, Any]:
    finding = finding_of(world, call)
    if finding.type != "UnusedPermission":
        raise AwsError("ValidationException", "Only for unused permissions", 400, reason="other", fieldList=[])
    world.jobs[_KEY + finding.id] = Recommendation(finding, world.now())
    return {}


@operation("accessanalyzer", "GetFindingRecommendation")
def get_finding_recommendation(world: World, call: Call) -> dict[str, Any]:
    finding = finding_of(world, call)
    known = world.jobs.get(_KEY + finding.id)
    if not isinstance(known, Recommendation):
        message = f"There is no recommendation for finding {finding.id}"
        raise AwsError("ResourceNotFoundException", message, 404, resourceId=finding.id, resourceType="recommendation")
    known.polls += 1
    told = {
        "startedAt": known.started,
        "resourceArn": finding.resource,
        "recommendationType": "UnusedPermissionRecommendation",
    }
    if known.polls <= world.settings.recommendationPolls:
        return told | {"status": "IN_PROGRESS"}
    if finding.resource == world.settings.recommendationFails:
        error = {"code": "UNSUPPORTED", "message": "Its policies cannot be modified directly"}
        return told | {"status": "FAILED", "completedAt": known.started, "error": error}
    steps, token = page(
        recommended_steps(finding), int(call.params.get("maxResults") or 2), call.params.get("nextToken")
    )
    told |= {"status": "SUCCEEDED", "completedAt": known.started, "recommendedSteps": steps}
    return told | ({"nextToken": token} if token else {})


def _unused(finding: Finding) -> set[str]:
    found: set[str] = set()
    for one in finding.details:
        told = one["unusedPermissionDetails"]
        service = told["serviceNamespace"]
        all_of_it = [f"{service}:{name}" for name in catalogue().get(service, ())]
        found |= {action["action"] for action in told["actions"]} if "actions" in told else set(all_of_it)
    return found


def policies_of(finding: Finding) -> dict[str, tuple[Any, datetime]]:
    """The policies of the role or user by name or ARN, as they are now and since when. Of inline ones moto keeps no time."""
    store = identity_store(finding.account)
    entity: Any = next(e for e in [*store.roles.values(), *store.users.values()] if e.arn == finding.resource)
    found = {name: (d if isinstance(d, dict) else json.loads(d), finding.at) for name, d in entity.policies.items()}
    for arn, policy in entity.managed_policies.items():
        version = next(v for v in policy.versions if v.is_default)
        found[arn] = json.loads(version.document), version.create_date
    return found


def recommended_steps(finding: Finding) -> list[dict[str, Any]]:
    unused, steps = _unused(finding), []
    for name, (document, since) in policies_of(finding).items():
        reduced = _without(document, unused)
        step: dict[str, Any] = {"existingPolicyId": name, "policyUpdatedAt": since}
        if reduced == document:
            continue
        if any(statement["Effect"] == "Allow" for statement in reduced["Statement"]):
            step |= {"recommendedAction": "CREATE_POLICY", "recommendedPolicy": json.dumps(reduced)}
        else:
            step["recommendedAction"] = "DETACH_POLICY"
        steps.append({"unusedPermissionsRecommendedStep": step})
    return steps


def _without(document: dict[str, Any], unused: set[str]) -> dict[str, Any]:
    """Statements that allow nothing of it stay as they are."""
    statements = []
    for statement in listed(document["Statement"]):
        if statement["Effect"] == "Allow" and "Action" in statement and named(statement) & unused:
            rest = sorted(named(statement) - unused)
            statements += [statement | {"Action": rest}] if rest else []
        else:
            statements.append(statement)
    return document | {"Statement": statements}
