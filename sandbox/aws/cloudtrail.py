"""CloudTrail: the organization's trail as its management account, the delegated administrator and the members see it."""

from datetime import UTC
from typing import Any

from moto.cloudtrail.models import Trail, cloudtrail_backends

from sandbox import organization as org
from sandbox.aws.registry import MOTO, operation
from sandbox.protocol import AwsError, Call
from sandbox.world import World


def trails(account: str) -> list[Trail]:
    """The account's own trails and, for members, the organization's."""
    own = [t for backend in cloudtrail_backends[account].values() for t in backend.trails.values()]
    if account == org.MANAGEMENT or account not in org.ACCOUNTS:
        return own
    backend = cloudtrail_backends[org.MANAGEMENT][org.HOME_REGION]
    return own + [t for t in backend.trails.values() if t.is_org_trail]


def find(call: Call, name: str) -> Trail:
    for trail in trails(call.account):
        # A member names the organization's trail by its ARN; the name alone means a trail of its own.
        if trail.arn == name or (trail.trail_name == name and trail.account_id == call.account):
            return trail
    raise AwsError("TrailNotFoundException", f"Unknown trail: {name} for the user: {call.account}")


def _described(trail: Trail) -> dict[str, Any]:
    known = {k: v for k, v in trail.description(include_region=True).items() if v is not None}
    return known | {"HasCustomEventSelectors": bool(trail.event_selectors or trail.advanced_event_selectors)}


@operation("cloudtrail", "DescribeTrails")
def describe_trails(world: World, call: Call) -> dict[str, Any]:
    shadows = call.params.get("includeShadowTrails", True)
    names = call.params.get("trailNameList") or []
    found = [
        t
        for t in trails(call.account)
        if (shadows and t.is_multi_region) or (t.region_name == call.region and t.account_id == call.account)
    ]
    if names:
        found = [t for t in found if t.arn in names or t.trail_name in names]
    return {"trailList": [_described(t) for t in found]}


@operation("cloudtrail", "GetTrail")
def get_trail(world: World, call: Call) -> dict[str, Any]:
    return {"Trail": _described(find(call, call.params["Name"]))}


@operation("cloudtrail", "GetTrailStatus")
def get_trail_status(world: World, call: Call) -> dict[str, Any]:
    trail = find(call, call.params["Name"])
    status, latest = trail.status, world.behaviour.ago(0)
    answer: dict[str, Any] = {
        "IsLogging": status.is_logging,
        "LatestDeliveryTime": latest,
        "LatestDigestDeliveryTime": latest,
    }
    if status.started:
        answer["StartLoggingTime"] = status.started.replace(tzinfo=UTC)
    if status.stopped:
        answer["StopLoggingTime"] = status.stopped.replace(tzinfo=UTC)
    return answer


@operation("cloudtrail", "GetEventSelectors")
def get_event_selectors(world: World, call: Call) -> dict[str, Any]:
    trail = find(call, call.params["TrailName"])
    basic, advanced = trail.get_event_selectors()
    answer: dict[str, Any] = {"TrailARN": trail.arn}
    if basic:
        answer["EventSelectors"] = basic
    if advanced and not basic:
        answer["AdvancedEventSelectors"] = advanced
    return answer


@operation("cloudtrail", "PutEventSelectors", "StartLogging", "StopLogging", "UpdateTrail")
def changes(world: World, call: Call) -> dict[str, Any]:
    if call.account == org.SECURITY:  # the delegated administrator acts on the management account's trail
        call.account = org.MANAGEMENT
    return MOTO
