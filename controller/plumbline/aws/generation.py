"""Policy generation jobs of IAM Access Analyzer: start, list, read, wait. Knows one job; no quota, store or verdict.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-policy-generation.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from plumbline.aws.errors import AwsError, Invalid, NotFound, Transient, whole
from plumbline.aws.session import AwsSessions
from plumbline.model.times import midnight

SERVICE: Final = "access-analyzer"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-quotas.html: at most 90 days of logs.
LONGEST_WINDOW: Final = timedelta(days=90)
_DAILY_QUOTA: Final = 50
_DAILY_QUOTA_OF: Final = dict.fromkeys(("af-south-1", "ap-east-1", "ap-southeast-3", "eu-south-1", "me-south-1"), 5)
FINAL: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
_STATES: Final = FINAL | {"IN_PROGRESS"}
# Of one job, 25 GB and 100,000 files of logs. Not 1 job at a time, nor the jobs of a day: those refuse the start.
OVER_QUOTA: Final = "SERVICE_QUOTA_EXCEEDED_ERROR"
UNAUTHORIZED: Final = "AUTHORIZATION_ERROR"

# What to do about the codes of `jobError`.
REMEDIES: Final = {
    UNAUTHORIZED: "Let the access role trust access-analyzer.amazonaws.com and read the trail and its bucket"
    " (deploy/aws/access-analyzer-role-policy.json)",
    "RESOURCE_NOT_FOUND_ERROR": "Check that the trail, its bucket and the principal exist",
    OVER_QUOTA: "A job reads at most 25 GB and 100,000 files of logs. Give it a trail of management events only, since it reads"
    " no others, or of one Region; or have these days from another source of events",
    "SERVICE_ERROR": "Access Analyzer failed, which may pass. Jobs of a landscape are tried again the next day, others when they"
    " are started again",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a job reads. `account` None: the caller's own; the access role lies in the principal's account."""

    trail_arn: str
    access_role_arn: str
    region: str
    all_regions: bool = True
    account: str | None = None

    @property
    def scope(self) -> str:
        """What of which trail is read; jobs of another scope are about other events."""
        return _scope(self.trail_arn, [] if self.all_regions else [self.region])


@dataclass(frozen=True, slots=True)
class JobRef:
    job_id: str
    principal: str
    status: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """A job as AWS shows it. `policies` are JSON texts, only of a job that succeeded; `start` and `end` its window, `scope`
    as in Source; these are None where AWS does not tell them."""

    job_id: str
    status: str
    started_at: datetime
    completed_at: datetime | None
    error_code: str | None
    error_message: str | None
    start: datetime | None
    end: datetime | None
    is_complete: bool
    policies: tuple[str, ...]
    scope: str | None = None

    @property
    def remedy(self) -> str:
        return REMEDIES.get(self.error_code or "", "Start it again later")


def window(now: datetime, lookback: timedelta) -> tuple[datetime, datetime]:
    """The whole UTC days before today, as many as `lookback`, at least one and at most 90."""
    end = midnight(now)
    days = max(1, min(lookback, LONGEST_WINDOW) // timedelta(days=1))
    return end - timedelta(days=days), end


def daily_quota(region: str) -> int:
    """How many jobs AWS lets an account start a day, canceled ones included."""
    return _DAILY_QUOTA_OF.get(region, _DAILY_QUOTA)


def client_token(unique_id: str, scope: str, start: datetime, end: datetime, attempt: int = 0) -> str:
    """Equal for equal role, logs and window: a start that is repeated, even after a lost store, starts nothing twice.

    `attempt`: how many jobs about the same have ended badly; their tokens would only find them again.
    """
    times = f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%S}/{end.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    text = f"{unique_id}/{scope}/{times}/{attempt}"
    return "plumbline-" + hashlib.sha256(text.encode()).hexdigest()[:40]


def start_job(
    sessions: AwsSessions, source: Source, principal_arn: str, *, start: datetime, end: datetime, token: str
) -> str:
    """Starts a job, or finds the one that was started with the same token; its id. Raises AwsError."""
    trail: dict[str, Any] = {"cloudTrailArn": source.trail_arn, "allRegions": source.all_regions}
    if not source.all_regions:
        trail["regions"] = [source.region]
    answer = sessions.call(
        SERVICE,
        "StartPolicyGeneration",
        account=source.account,
        region=source.region,
        policyGenerationDetails={"principalArn": principal_arn},
        cloudTrailDetails={
            "trails": [trail],
            "accessRole": source.access_role_arn,
            "startTime": start,
            "endTime": end,
        },
        clientToken=token,
    )
    with whole(SERVICE, "StartPolicyGeneration", source.account):
        return str(answer["jobId"])


def list_jobs(sessions: AwsSessions, source: Source, principal_arn: str | None = None) -> list[JobRef]:
    """The jobs of the last seven days, of one principal or of all, whoever started them, oldest first. Raises AwsError."""
    about = {} if principal_arn is None else {"principalArn": principal_arn}
    pages = sessions.pages(SERVICE, "ListPolicyGenerations", account=source.account, region=source.region, **about)
    with whole(SERVICE, "ListPolicyGenerations", source.account):
        found = [
            JobRef(raw["jobId"], raw["principalArn"], raw["status"], raw["startedOn"].astimezone(UTC))
            for page in pages
            for raw in page["policyGenerations"]
        ]
    return sorted(
        [job for job in found if principal_arn in {None, job.principal}], key=lambda job: (job.started_at, job.job_id)
    )


def read_job(sessions: AwsSessions, source: Source, job_id: str) -> JobAnswer:
    """The state of a job. Raises NotFound when AWS no longer knows it, else AwsError.

    Resource placeholders are not asked for: in a live policy `${...}` would be a policy variable.
    """
    try:
        answer = sessions.call(
            SERVICE,
            "GetGeneratedPolicy",
            account=source.account,
            region=source.region,
            jobId=job_id,
            includeResourcePlaceholders=False,
            includeServiceLevelTemplate=True,
        )
    except Invalid as error:
        # The operation has no error of its own for an unknown job.
        raise NotFound(
            error.message, service=SERVICE, operation="GetGeneratedPolicy", account=error.account, code=error.code
        ) from error
    with whole(SERVICE, "GetGeneratedPolicy", source.account):
        return _job(answer)


def _job(answer: Mapping[str, Any]) -> JobAnswer:
    details = answer["jobDetails"]
    if details["status"] == "SUCCEEDED":
        result = answer["generatedPolicyResult"]
        properties = result["properties"]
        # botocore's model does not require them; without them the policy would be an empty one.
        generated = result["generatedPolicies"]
    else:
        result = answer.get("generatedPolicyResult") or {}
        properties = result.get("properties") or {}
        generated = result.get("generatedPolicies") or ()
    trail = properties.get("cloudTrailProperties") or {}
    failed = details.get("jobError") or {}
    if details["status"] not in _STATES:
        raise ValueError(f"the state {details['status']!r} of a job is not known")
    return JobAnswer(
        job_id=details["jobId"],
        status=details["status"],
        started_at=details["startedOn"].astimezone(UTC),
        completed_at=_utc(details.get("completedOn")),
        error_code=failed.get("code"),
        error_message=failed.get("message"),
        start=_utc(trail.get("startTime")),
        end=_utc(trail.get("endTime")),
        is_complete=properties.get("isComplete") is True,
        policies=tuple(policy["policy"] for policy in generated),
        scope=_scope_of(trail.get("trailProperties") or ()),
    )


# Of a job of somebody else whose trail AWS does not tell: it is about no logs of ours. None is kept for rows of an older
# store, which are.
UNTOLD_SCOPE: Final = "unknown"


def _scope(trail_arn: str, regions: Sequence[str]) -> str:
    """Without Regions: all of them."""
    return " ".join([trail_arn, *sorted(regions)])


def _scope_of(trails: Sequence[Mapping[str, Any]]) -> str | None:
    """None where nothing is told, or of several trails, which we never give."""
    if len(trails) != 1:
        return None
    (trail,) = trails
    return _scope(trail["cloudTrailArn"], [] if trail.get("allRegions") else trail.get("regions") or ["?"])


def wait(
    poll: Callable[[], JobAnswer],
    *,
    seconds: float,
    progress: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobAnswer:
    """The answer of a job that has ended, whatever its end. Raises Transient after `seconds`; the job goes on then."""
    began, pause = clock(), 1.0
    while True:
        answer = poll()
        if answer.status in FINAL:
            return answer
        passed = clock() - began
        if passed + pause > seconds:
            raise Transient(
                f"policy generation {answer.job_id} has not ended after {passed:.0f} seconds",
                service=SERVICE,
                operation="GetGeneratedPolicy",
                code="TimedOut",
                reason="TimedOut",
                remedy="Run the same command again today: it finds the job instead of starting another",
            )
        progress(f"policy generation {answer.job_id}: {answer.status}, {passed:.0f} s")
        sleep(pause)
        pause = min(pause * 1.5, 15.0)


def failure(answer: JobAnswer, account: str | None = None) -> AwsError:
    """The error that says why a job did not succeed."""
    code = answer.error_code or answer.status
    return Invalid(
        answer.error_message or f"the job ended as {answer.status}",
        service=SERVICE,
        operation="StartPolicyGeneration",
        account=account,
        code=code,
        reason="JobCanceled" if answer.status == "CANCELED" else "JobFailed",
        remedy=answer.remedy,
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
