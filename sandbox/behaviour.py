"""Who did what and when: the one origin of events, last-accessed information, generated policies and truth.

Knows roles, users and the calendar. Must not know what an event looks like or what a verdict is.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from sandbox.estate import ORDINARY, USERS
from sandbox.operations import GLOBAL_SERVICES
from sandbox.organization import DEVELOPMENT, HOME_REGION, PRODUCTION
from sandbox.roles import Does, Role, User
from sandbox.traps import TRAPS

DAY, HOUR = 86_400, 3_600
LOG_DAYS, MEMORY_DAYS = 93, 400
VOLUME = 2.1  # brings the ordinary roles to some 200,000 events

Kind = Literal["call", "assume", "consoleLogin", "serviceEvent", "insight"]
ROLES: tuple[Role, ...] = ORDINARY + TRAPS
# A new default version of a customer managed policy, in days before the as-of day.
POLICY_CHANGES: dict[tuple[str, str], int] = {(DEVELOPMENT, "Deployments"): 45}
POLICY_CREATED: dict[tuple[str, str], int] = {(PRODUCTION, "TopicAdministration"): 11}
# Identity changes are the work of the account's pipeline.
CHANGERS = {PRODUCTION: "deploy-orders", DEVELOPMENT: "deploy-dev"}


@dataclass(frozen=True)
class Habit:
    """All occurrences of one thing that one principal did in one Region."""

    actor: Role | User
    does: Does
    region: str
    times: tuple[int, ...]
    kind: Kind = "call"
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> str:
        return self.does.operation

    @property
    def actor_id(self) -> str:
        return self.actor.former_id if self.does.former and isinstance(self.actor, Role) else self.actor.id

    def between(self, start: float, end: float) -> tuple[int, ...]:
        return self.times[bisect_left(self.times, start) : bisect_left(self.times, end)]


@dataclass(frozen=True)
class Behaviour:
    as_of: date
    seed: int
    habits: tuple[Habit, ...]

    @cached_property
    def end(self) -> int:
        return epoch(self.as_of)

    @cached_property
    def start(self) -> int:
        """The first second that the logs cover."""
        return self.end - LOG_DAYS * DAY

    @cached_property
    def by_arn(self) -> dict[str, list[Habit]]:
        found: dict[str, list[Habit]] = {}
        for habit in self.habits:
            found.setdefault(habit.actor.arn, []).append(habit)
        return found

    def calls(self, arn: str) -> list[Habit]:
        """What the principal that now bears this ARN did itself."""
        return [h for h in self.by_arn.get(arn, []) if h.kind == "call" and not h.does.former]

    def last_used(self, role: Role) -> tuple[int, str] | None:
        uses = [(h.times[-1], h.region) for h in self.calls(role.arn) if h.times]
        return max(uses, default=None)

    def ago(self, days: float) -> datetime:
        return datetime.fromtimestamp(self.end, UTC) - timedelta(days=days)


def epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _times(does: Does, end: int, volume: float, rng: random.Random) -> tuple[int, ...]:
    times = [end - days * DAY + rng.randrange(9 * HOUR, 17 * HOUR) for days in does.at]
    first, last = {"always": (0, DAY), "office": (8 * HOUR, 18 * HOUR), "night": (HOUR, 3 * HOUR)}[does.hours]
    rate = does.per_day * volume
    for days in range(does.since, does.until, -1):
        midnight = end - days * DAY
        if does.hours == "office" and (midnight // DAY + 3) % 7 >= 5:  # the epoch was a Thursday
            continue
        count = int(rate) + (rng.random() < rate % 1)
        times += [midnight + rng.randrange(first, last) for _ in range(count)]
    return tuple(sorted(times))


def _region(does: Does) -> str:
    return HOME_REGION if does.operation.split(":")[0] in GLOBAL_SERVICES else does.region or HOME_REGION


def _sessions(role: Role, habits: list[Habit], start: int) -> Iterator[Habit]:
    """Someone assumes the role a little before its first use of each day."""
    for former in (False, True):
        for region in sorted({h.region for h in habits if h.does.former == former}):
            used = [t for h in habits if h.region == region and h.does.former == former for t in h.times if t >= start]
            first: dict[int, int] = {}
            for t in used:
                first[t // DAY] = min(first.get(t // DAY, t), t)
            times = tuple(sorted(max(day * DAY, t - 20) for day, t in first.items()))
            if times:
                yield Habit(role, Does("sts:AssumeRole", former=former), region, times, "assume")


def _changes() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Identity changes that explain what is young in the inventory: account, operation, days ago, request."""
    for role in ROLES:
        name = {"roleName": role.name}
        if role.recreated:
            yield role.account, "iam:DeleteRole", role.age, name
        if role.age < LOG_DAYS:
            yield role.account, "iam:CreateRole", role.age, name | {"path": role.path, "assumeRolePolicyDocument": "{}"}
            for inline in role.inline:
                yield role.account, "iam:PutRolePolicy", role.age, name | {"policyName": inline, "policyDocument": "{}"}
        for reference, days in role.attached.items():
            arn = policy_arn(role.account, reference)
            yield role.account, "iam:AttachRolePolicy", days, name | {"policyArn": arn}
    for (account, policy), days in POLICY_CREATED.items():
        yield account, "iam:CreatePolicy", days, {"policyName": policy, "policyDocument": "{}"}
    for (account, policy), days in POLICY_CHANGES.items():
        request = {"policyArn": policy_arn(account, f"customer:{policy}"), "policyDocument": "{}", "setAsDefault": True}
        yield account, "iam:CreatePolicyVersion", days, request


def policy_arn(account: str, reference: str) -> str:
    if reference.startswith("customer:"):
        return f"arn:aws:iam::{account}:policy/{reference.removeprefix('customer:')}"
    return f"arn:aws:iam::aws:policy/{reference}"


def behave(as_of: date, seed: int = 1) -> Behaviour:
    """The same day and seed always give the same behaviour."""
    end = epoch(as_of)
    start = end - LOG_DAYS * DAY
    habits: list[Habit] = []
    actors: tuple[Role | User, ...] = (*ROLES, *USERS)
    for actor in actors:
        rng = random.Random(f"{seed}/{actor.arn}")
        volume = 1.0 if isinstance(actor, User) or actor.traps else VOLUME
        own = [Habit(actor, does, _region(does), _times(does, end, volume, rng)) for does in actor.does]
        habits += own
        if isinstance(actor, Role):
            habits += _sessions(actor, own, start)
        elif actor.console and actor.signs_in:
            login = Does("signin:ConsoleLogin", 0.6, "office")
            habits.append(Habit(actor, login, HOME_REGION, _times(login, end, 1.0, rng), "consoleLogin"))
    by_name = {(role.account, role.name): role for role in ROLES}
    for n, (account, operation, days, request) in enumerate(_changes()):
        changer = by_name[account, CHANGERS[account]]
        # In the order in which they are told, a minute apart, at noon of the day.
        when = end - days * DAY + DAY // 2 + n * 60
        habits.append(Habit(changer, Does(operation), HOME_REGION, (when,), request=request))
    background = by_name[PRODUCTION, "orders-api"]
    rotation = Does("kms:RotateKey", at=(80, 50, 20))
    habits.append(
        Habit(background, rotation, HOME_REGION, _times(rotation, end, 1, random.Random(seed)), "serviceEvent")
    )
    insight = Does("ec2:RunInstances", at=(33,))
    habits.append(Habit(background, insight, HOME_REGION, _times(insight, end, 1, random.Random(seed)), "insight"))
    return Behaviour(as_of, seed, tuple(h for h in habits if h.times))
