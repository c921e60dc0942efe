"""Service-last-accessed jobs: what a principal's policies grant, against what it attempted.

Attempts count, denied ones too; only the session that started a job may read it; nothing older than 400 days.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sandbox.aws.registry import operation
from sandbox.behaviour import DAY, MEMORY_DAYS, Behaviour, Habit
from sandbox.expand import allowed, service_name
from sandbox.operations import tracked
from sandbox.protocol import AwsError, Call
from sandbox.world import World, identity_store


@dataclass
class Job:
    session: str
    granularity: str
    principal: str
    services: list[dict[str, Any]]
    created: datetime
    polls: int = 0


def own_documents(entity: Any, counts: Callable[[str], bool] = lambda _: True) -> list[dict[str, Any]]:
    """`counts`: which managed policies are taken, by ARN."""
    own = [d if isinstance(d, dict) else json.loads(d) for d in entity.policies.values()]
    return own + [_default(p) for arn, p in entity.managed_policies.items() if counts(arn)]


def _default(policy: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(next(v.document for v in policy.versions if v.is_default))
    return document


def granting_documents(account: str, arn: str) -> list[dict[str, Any]]:
    """The permissions policies behind a user, group, role or policy; nothing of boundaries and guardrails."""
    store, entity = identity_store(account), _entity(account, arn)
    if arn in store.managed_policies:
        return [_default(entity)]
    groups = store.get_groups_for_user(entity.name) if ":user/" in arn else []
    return own_documents(entity) + [d for group in groups for d in own_documents(group)]


def _entity(account: str, arn: str) -> Any:
    store = identity_store(account)
    entities: list[Any] = [*store.roles.values(), *store.users.values(), *store.groups.values()]
    for entity in [*entities, *store.managed_policies.values()]:
        if entity.arn == arn:
            return entity
    raise AwsError("NoSuchEntity", f"ARN {arn} cannot be found.", 404)


def last_attempts(behaviour: Behaviour, arn: str, unique_id: str) -> dict[str, Habit]:
    """Action or service prefix to the habit that attempted it last; a predecessor of the same name did nothing."""
    last: dict[str, Habit] = {}
    for habit in behaviour.calls(arn):
        if habit.actor_id != unique_id or habit.times[-1] < behaviour.end - MEMORY_DAYS * DAY:
            continue
        names = [habit.action.split(":")[0]]
        if not habit.does.event and tracked(habit.action):
            names.append(habit.action)
        for name in names:
            if name not in last or last[name].times[-1] < habit.times[-1]:
                last[name] = habit
    return last


def _when(habit: Habit) -> datetime:
    return datetime.fromtimestamp(habit.times[-1], UTC)


def services(
    behaviour: Behaviour, account: str, arn: str, action_level: bool, documents: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """`documents`: instead of all that the entity is granted by."""
    granted = allowed(granting_documents(account, arn) if documents is None else documents)
    last = last_attempts(behaviour, arn, _entity(account, arn).id)
    entries = []
    for prefix, of_service in groupby(sorted(granted), lambda action: action.split(":")[0]):
        entry: dict[str, Any] = {
            "ServiceName": service_name(prefix),
            "ServiceNamespace": prefix,
            "TotalAuthenticatedEntities": 0,
        }
        if prefix in last:
            entry |= {
                "LastAuthenticated": _when(last[prefix]),
                "LastAuthenticatedEntity": arn,
                "LastAuthenticatedRegion": last[prefix].region,
                "TotalAuthenticatedEntities": 1,
            }
        if action_level and (actions := [a for a in of_service if tracked(a)]):
            entry["TrackedActionsLastAccessed"] = [_tracked(a, last.get(a), arn) for a in actions]
        entries.append(entry)
    return entries


def _tracked(action: str, habit: Habit | None, arn: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"ActionName": action.split(":")[1]}
    if habit:
        entry |= {"LastAccessedEntity": arn, "LastAccessedTime": _when(habit), "LastAccessedRegion": habit.region}
    return entry


@operation("iam", "GenerateServiceLastAccessedDetails")
def generate_service_last_accessed_details(world: World, call: Call) -> dict[str, Any]:
    arn, granularity = call.params["Arn"], call.params.get("Granularity") or "SERVICE_LEVEL"
    if granularity not in ("SERVICE_LEVEL", "ACTION_LEVEL"):
        raise AwsError("InvalidInput", f"Granularity {granularity} is invalid.", 400)
    if f":{call.account}:" not in arn and ":aws:policy/" not in arn:
        raise AwsError("NoSuchEntity", f"ARN {arn} cannot be found.", 404)
    found = services(world.behaviour, call.account, arn, granularity == "ACTION_LEVEL")
    job = str(uuid.uuid4())
    world.jobs[job] = Job(call.access_key, granularity, arn, found, world.now())
    return {"JobId": job}


@operation("iam", "GetServiceLastAccessedDetails")
def get_service_last_accessed_details(world: World, call: Call) -> dict[str, Any]:
    job = world.jobs.get(call.params["JobId"])
    if not isinstance(job, Job) or job.session != call.access_key:
        raise AwsError("NoSuchEntity", f"Request for job {call.params['JobId']} cannot be found.", 404)
    marker = call.params.get("Marker") or "services-0"
    start = marker.removeprefix("services-")
    if not start.isdigit() or start == marker:
        raise AwsError("InvalidInput", "Invalid Marker.", 400)
    job.polls += 1
    ended, failed = job.polls > world.settings.lastAccessedPolls, job.principal == world.settings.lastAccessedFails
    done = ended and not failed
    end = int(start) + int(call.params.get("MaxItems") or 100)
    answer: dict[str, Any] = {
        "JobStatus": "COMPLETED" if done else "FAILED" if ended else "IN_PROGRESS",
        "JobType": job.granularity,
        "JobCreationDate": job.created,
        "JobCompletionDate": job.created,
        "ServicesLastAccessed": job.services[int(start) : end] if done else [],
        "IsTruncated": done and end < len(job.services),
    }
    if ended and failed:
        answer["Error"] = {"Code": "InternalFailure", "Message": "The report could not be made."}
    return answer | ({"Marker": f"services-{end}"} if answer["IsTruncated"] else {})
