"""The unified Security Hub: its service-linked analyzer, what that finds in OCSF, and what it recommends about it.

Whoever administers the organization sees the findings of all members, everybody else their own.
https://docs.aws.amazon.com/securityhub/latest/userguide/unused-access-recommendations.html
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox import organization as org
from sandbox.aws.analyzer_findings import Finding, findings
from sandbox.aws.analyzers import Analyzer
from sandbox.aws.recommendations import Recommendation, policies_of, recommended_steps
from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.world import World

MANAGED_BY = "securityhubv2.amazonaws.com"
AGE, COMPOSITES, FILTERS = 90, 10, 20
Json = dict[str, Any]
STATUSES = ("Unknown", "New", "In Progress", "Suppressed", "Resolved", "Archived")


@dataclass(frozen=True)
class Known:
    """A finding in Security Hub, and that of the analyzer where it comes from one."""

    uid: str
    account: str
    document: Json
    analyzed: Finding | None = None


@operation("securityhub", "EnableSecurityHubV2")
def enable_security_hub_v2(world: World, call: Call) -> Json:
    """Its analyzer lives in us-east-1, wherever it is enabled."""
    world.jobs.setdefault(f"hubv2/{call.account}/{call.region}", True)
    made = Analyzer(
        f"_AccessAnalyzerForSecurityHub-{call.account}",
        call.account,
        "us-east-1",
        "ACCOUNT_UNUSED_ACCESS",
        {"unusedAccess": {"unusedAccessAge": AGE}},
        {},
        world.now(),
        managed_by=MANAGED_BY,
    )
    world.jobs.setdefault(made.arn, made)
    return {"HubV2Arn": f"arn:aws:securityhub:{call.region}:{call.account}:hubv2/{uuid.UUID(int=0)}"}


def _known(world: World, call: Call) -> Iterator[Known]:
    if f"hubv2/{call.account}/{call.region}" not in world.jobs:
        raise AwsError("AccessDeniedException", f"Account {call.account} has not enabled Security Hub", 403)
    for analyzer in [one for one in world.jobs.values() if isinstance(one, Analyzer) and one.managed_by == MANAGED_BY]:
        if call.account not in (analyzer.account, org.SECURITY):
            continue
        status = world.settings.hubStatus
        for finding in findings(world, analyzer):
            yield _told(finding, finding.type, "IAM Access Analyzer", call.region, status, finding)
            if finding.type == "UnusedPermission":
                yield _told(finding, "IAM.21", "Security Hub CSPM", call.region, status)
                yield _told(finding, "Exposure", "Security Hub", call.region, status)


def _told(
    finding: Finding, title: str, product: str, region: str, status: int, analyzed: Finding | None = None
) -> Known:
    uid = uuid.uuid5(uuid.NAMESPACE_URL, f"{region}/{product}/{finding.id}").hex
    document = {
        "metadata": {"uid": uid, "product": {"name": product}},
        "finding_info": {"title": title, "created_time_dt": finding.at.isoformat()},
        "resources": [{"uid": finding.resource, "type": finding.resource_type}],
        "status": STATUSES[status],
        "status_id": status,
    }
    return Known(uid, finding.account, document, analyzed)


# Filters


@operation("securityhub", "GetFindingsV2")
def get_findings_v2(world: World, call: Call) -> Json:
    filters = call.params.get("Filters") or {}
    composites = filters.get("CompositeFilters") or []
    if len(composites) > COMPOSITES or any(len(one.get("StringFilters") or ()) > FILTERS for one in composites):
        raise AwsError("ValidationException", "There are too many filters", 400)
    found = [
        one.document
        for one in _known(world, call)
        if _joined(filters.get("CompositeOperator"), [_matches(composite, one.document) for composite in composites])
    ]
    listed, token = page(found, min(call.params.get("MaxResults") or 7, 100), call.params.get("NextToken"))
    return {"Findings": listed} | ({"NextToken": token} if token else {})


def _matches(composite: Json, document: Json) -> bool:
    """Of the filters only those of strings are known."""
    told = [_holds(one["Filter"], _values(document, one["FieldName"])) for one in composite.get("StringFilters") or ()]
    return _joined(composite.get("Operator"), told)


def _joined(operator: str | None, told: list[bool]) -> bool:
    return any(told) if operator == "OR" else all(told)


def _holds(wanted: Json, values: list[str]) -> bool:
    match wanted["Comparison"]:
        case "EQUALS":
            return wanted["Value"] in values
        case "NOT_EQUALS":
            return wanted["Value"] not in values
    raise AwsError("ValidationException", f"The sandbox does not know {wanted['Comparison']}", 400)


def _values(document: Json, field: str) -> list[str]:
    """Of all items, where a list is on the way."""
    found: list[Any] = [document]
    for name in field.split("."):
        held = [one[name] for one in found if name in one]
        found = [item for one in held for item in (one if isinstance(one, list) else [one])]
    return [str(one) for one in found]


# Recommended policies


def _about(world: World, call: Call) -> Finding:
    """The finding of unused permissions that is meant."""
    uid = call.params["MetadataUid"]
    known = next((one for one in _known(world, call) if one.uid == uid), None)
    if known is None:
        raise AwsError("AccessDeniedException", f"Finding {uid} is none of account {call.account}", 403)
    if known.analyzed is None or known.analyzed.type != "UnusedPermission":
        raise AwsError("InvalidInputException", "The finding is not an unused permissions finding", 400)
    return known.analyzed


@operation("securityhub", "GenerateRecommendedPolicyV2")
def generate_recommended_policy_v2(world: World, call: Call) -> Json:
    finding = _about(world, call)
    world.jobs[_key(call)] = Recommendation(finding, world.now())
    return {}


@operation("securityhub", "GetRecommendedPolicyV2")
def get_recommended_policy_v2(world: World, call: Call) -> Json:
    finding, known = _about(world, call), world.jobs.get(_key(call))
    if not isinstance(known, Recommendation):
        raise AwsError("ResourceNotFoundException", "No recommendation was generated for the finding", 404)
    known.polls += 1
    told: Json = {"ResourceArn": finding.resource, "RecommendationType": "UNUSED_PERMISSION_RECOMMENDATION"}
    if known.polls <= world.settings.recommendationPolls:
        return told | {"Status": "IN_PROGRESS"}
    if finding.resource == world.settings.recommendationFails:
        error = {"Code": "UNSUPPORTED", "Message": "Its policies cannot be modified directly"}
        return told | {"Status": "FAILED", "Error": error}
    steps = [{"UnusedPermissions": _step(step, finding)} for one in recommended_steps(finding) for step in one.values()]
    listed, token = page(steps, int(call.params.get("MaxResults") or 1), call.params.get("NextToken"))
    return told | {"Status": "SUCCEEDED", "RecommendationSteps": listed} | ({"NextToken": token} if token else {})


def _step(step: Json, finding: Finding) -> Json:
    """In its own words, and with the text of a policy that is to be replaced."""
    told = {name[0].upper() + name[1:]: value for name, value in step.items()}
    if step["recommendedAction"] == "CREATE_POLICY":
        told["ExistingPolicy"] = json.dumps(policies_of(finding)[step["existingPolicyId"]][0])
    return told


def _key(call: Call) -> str:
    return f"recommendedPolicyV2/{call.params['MetadataUid']}"
