"""Access Analyzer: policy generation as the asynchronous, rationed job that it is, analyzers, and ValidatePolicy."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox import organization as org
from sandbox.aws import cloudtrail
from sandbox.aws.last_accessed import granting_documents
from sandbox.aws.registry import operation, page
from sandbox.aws.sts import trusts_service
from sandbox.aws.validate_policy import findings
from sandbox.behaviour import LOG_DAYS
from sandbox.events import visible
from sandbox.operations import visibility
from sandbox.protocol import AwsError, Call
from sandbox.trail import in_gap
from sandbox.world import World, identity_store

SERVICE = "access-analyzer.amazonaws.com"
LONGEST = timedelta(days=90)


@dataclass
class Generation:
    id: str
    account: str
    region: str
    principal: str
    details: dict[str, Any]
    token: str
    started: datetime
    completed: datetime | None = None
    polls: int = 0
    status: str = "IN_PROGRESS"
    error: tuple[str, str] | None = None
    actions: list[str] = field(default_factory=list)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, 400, reason="fieldValidationFailed", fieldList=[])


def _quota(message: str) -> AwsError:
    return AwsError("ServiceQuotaExceededException", message, 402, resourceId="policy-generation", resourceType="job")


def _generations(world: World, call: Call) -> list[Generation]:
    """The jobs of the account and Region. Each look at them moves the running one on, as time would, whoever looks."""
    jobs = [j for j in world.jobs.values() if isinstance(j, Generation)]
    jobs = [j for j in jobs if (j.account, j.region) == (call.account, call.region)]
    for job in jobs:
        if job.status == "IN_PROGRESS":
            job.polls += 1
            if job.polls > world.settings.policyGenerationPolls:
                _finish(world, job)
    return jobs


def _generation(world: World, call: Call) -> Generation:
    for job in _generations(world, call):
        if job.id == call.params["jobId"]:
            return job
    raise _invalid(f"Policy generation job {call.params['jobId']} does not exist")


@operation("accessanalyzer", "StartPolicyGeneration")
def start_policy_generation(world: World, call: Call) -> dict[str, Any]:
    principal = call.params["policyGenerationDetails"]["principalArn"]
    details, token = call.params.get("cloudTrailDetails") or {}, call.params.get("clientToken") or str(uuid.uuid4())
    _check(world, call, principal, details)
    jobs = _generations(world, call)
    for job in jobs:
        if job.token == token:
            if (job.principal, job.details) != (principal, details):
                message = "The client token was used before with other parameters"
                raise AwsError("ConflictException", message, 409, resourceId=job.id, resourceType="job")
            return {"jobId": job.id}
    if any(job.status == "IN_PROGRESS" for job in jobs):
        raise _quota("Only 1 policy generation may be in progress at a time")
    limit = world.settings.policyGenerationDailyQuota
    # Cancelled and failed ones count.
    if sum(job.started > world.now() - timedelta(days=1) for job in jobs) >= limit:
        raise _quota(f"The limit of {limit} policy generations per day is reached")
    made = Generation(str(uuid.uuid4()), call.account, call.region, principal, details, token, world.now())
    world.jobs[made.id] = made
    return {"jobId": made.id}


def _check(world: World, call: Call, principal: str, details: dict[str, Any]) -> None:
    if principal.split(":")[4] != call.account:
        raise _invalid("The principal must belong to the calling account")
    try:
        granting_documents(call.account, principal)
    except AwsError:
        raise _invalid(f"Principal {principal} does not exist") from None
    if details:
        if (details.get("endTime") or world.now()) <= details["startTime"]:
            raise _invalid("startTime must be before endTime")
        if len(details["trails"]) != 1:
            raise _invalid("Exactly one trail must be given")


def _finish(world: World, job: Generation) -> None:
    job.completed, job.status = world.now(), "SUCCEEDED"
    job.error = _failure(world, job)
    if job.error:
        job.status = "FAILED"
    elif job.details:
        job.actions = _observed(world, job)


def _failure(world: World, job: Generation) -> tuple[str, str] | None:
    if not job.details:
        return None
    wanted = [t["cloudTrailArn"] for t in job.details["trails"]]
    if not set(wanted) <= {t.arn for t in cloudtrail.trails(job.account)}:
        return "RESOURCE_NOT_FOUND_ERROR", f"The trail {wanted[0]} could not be found."
    role = job.details["accessRole"]
    known = {r.arn: r for r in identity_store(job.account).roles.values()}
    if role not in known or not trusts_service(json.loads(known[role].assume_role_policy_document), SERVICE):
        return "AUTHORIZATION_ERROR", f"Access Analyzer is not authorized to assume {role}."
    start, end = _window(job)
    if end - start > LONGEST.total_seconds():
        return "SERVICE_QUOTA_EXCEEDED_ERROR", f"The time range is longer than {LONGEST.days} days."
    own = f"/{job.account}/CloudTrail/"
    regions = _regions(job)
    logs = [
        o
        for o in world.bucket.objects.values()
        if own in o.key and start <= o.modified < end
        if regions is None or o.key.partition(own)[2].partition("/")[0] in regions
    ]
    # As AWS words the first of them; the quotas are named at
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-quotas.html
    for what, amount, limit in (
        ("CloudTrail log files processed per policy generation", len(logs), world.settings.policyGenerationLogFiles),
        (
            "Policy generation CloudTrail data size",
            sum(len(o.body) for o in logs),
            world.settings.policyGenerationBytes,
        ),
    ):
        if amount > limit:
            return "SERVICE_QUOTA_EXCEEDED_ERROR", f"{what} limit exceeded. Please fix before trying again."
    return None


def _regions(job: Generation) -> list[str] | None:
    trail = job.details["trails"][0]
    return None if trail.get("allRegions") else trail.get("regions") or [org.HOME_REGION]


def _window(job: Generation) -> tuple[float, float]:
    end: datetime = job.details.get("endTime") or job.started
    return job.details["startTime"].timestamp(), end.timestamp()


def _observed(world: World, job: Generation) -> list[str]:
    """Actions of the successful management events in the trail; never data events, never iam:PassRole."""
    behaviour, (start, end) = world.behaviour, _window(job)
    start = max(start, behaviour.end - LOG_DAYS * 86_400)
    regions = _regions(job)
    return sorted(
        {
            h.action
            for h in behaviour.calls(job.principal)
            if h.does.outcome == "ok" and not h.does.event and visible(h) and visibility(h.action) != "data"
            if regions is None or h.region in regions
            if any(not in_gap(job.account, h.region, t, behaviour.end) for t in h.between(start, end))
        }
    )


@operation("accessanalyzer", "GetGeneratedPolicy")
def get_generated_policy(world: World, call: Call) -> dict[str, Any]:
    job = _generation(world, call)
    details: dict[str, Any] = {"jobId": job.id, "status": job.status, "startedOn": job.started}
    if job.completed:
        details["completedOn"] = job.completed
    if job.error:
        details["jobError"] = {"code": job.error[0], "message": job.error[1]}
    properties: dict[str, Any] = {"isComplete": False, "principalArn": job.principal}
    if job.details:
        properties["cloudTrailProperties"] = {
            "trailProperties": job.details["trails"],
            "startTime": job.details["startTime"],
            "endTime": job.details.get("endTime") or job.started,
        }
    statement = {"Sid": "SupportedServiceSid0", "Effect": "Allow", "Action": job.actions, "Resource": "*"}
    policies = [{"policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}] if job.actions else []
    return {"jobDetails": details, "generatedPolicyResult": {"properties": properties, "generatedPolicies": policies}}


@operation("accessanalyzer", "ListPolicyGenerations")
def list_policy_generations(world: World, call: Call) -> dict[str, Any]:
    principal, recent = call.params.get("principalArn"), world.now() - timedelta(days=7)
    jobs = [j for j in _generations(world, call) if j.started > recent and principal in (None, j.principal)]
    jobs, token = page(jobs, int(call.params.get("maxResults") or 50), call.params.get("nextToken"))
    told = [
        {"jobId": j.id, "principalArn": j.principal, "status": j.status, "startedOn": j.started}
        | ({"completedOn": j.completed} if j.completed else {})
        for j in jobs
    ]
    return {"policyGenerations": told} | ({"nextToken": token} if token else {})


@operation("accessanalyzer", "CancelPolicyGeneration")
def cancel_policy_generation(world: World, call: Call) -> dict[str, Any]:
    job = _generation(world, call)
    if job.status == "IN_PROGRESS":
        job.status, job.completed = "CANCELED", world.now()
    return {}


@operation("accessanalyzer", "ValidatePolicy")
def validate_policy(world: World, call: Call) -> dict[str, Any]:
    kind, resource = call.params["policyType"], call.params.get("validatePolicyResourceType")
    if resource and kind != "RESOURCE_POLICY":
        raise _invalid("validatePolicyResourceType is only for policies of type RESOURCE_POLICY")
    found = findings(call.params["policyDocument"], kind, resource)
    found, token = page(found, int(call.params.get("maxResults") or 100), call.params.get("nextToken"))
    return {"findings": found} | ({"nextToken": token} if token else {})
