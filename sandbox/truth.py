"""The right answer for every role and granted action, derived from behaviour by the rules of evidence.

Knows grants, guardrails, what each source can show, and the traps. It never reads an event: events and truth are two
derivations of one behaviour, so that comparing an answer with the truth tests the answer.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from sandbox import organization as org
from sandbox.behaviour import DAY, HOUR, MEMORY_DAYS, POLICY_CHANGES, POLICY_CREATED, ROLES, Behaviour, Habit
from sandbox.events import visible
from sandbox.expand import Actions, allowed, blocked
from sandbox.operations import tracked, visibility
from sandbox.organization import ACCOUNTS, ANALYTICS, LEGACY, MANAGEMENT, PAYMENTS, Document
from sandbox.policies import CUSTOMER_POLICIES
from sandbox.roles import Role
from sandbox.trail import GAP, in_gap
from sandbox.traps import SUBJECTS, TRAP_POLICIES

Answer = tuple[str, str]  # verdict, reason
# May be authorized inside a call of which only parameters tell; either answer is right.
COMPANIONS = frozenset({"cloudformation:ListStacks", "ssm:GetParameters", "lambda:PassCapacityProvider"})


@cache
def _aws_managed() -> dict[str, tuple[Document, float]]:
    """Document and date of the default version, by path and name."""
    found = {}
    for name, data in json.loads(aws_managed_policies_data).items():
        updated = datetime.fromisoformat(data["UpdateDate"]).timestamp()
        found[data["Path"].removeprefix("/") + name] = (data["Document"], updated)
    return found


@dataclass(eq=False)
class Case:
    """One role with everything that decides about its actions."""

    behaviour: Behaviour
    role: Role

    @property
    def start(self) -> int:
        """The window is whole days and leaves out the last, which sources may still be delivering."""
        return self.behaviour.end - (1 + ACCOUNTS[self.role.account].lookback) * DAY

    @cached_property
    def habits(self) -> list[Habit]:
        return self.behaviour.calls(self.role.arn)

    @cached_property
    def grants(self) -> list[tuple[Document, float, bool]]:
        """Each identity-based policy: document, since when it grants, and whether AWS keeps it."""
        born, end, account = self.behaviour.end - self.role.age * DAY, self.behaviour.end, self.role.account
        grants: list[tuple[Document, float, bool]] = [(d, born, False) for d in self.role.inline.values()]
        for reference in self.role.managed:
            attached = end - self.role.attached.get(reference, self.role.age) * DAY
            if reference.startswith("customer:"):
                name = reference.removeprefix("customer:")
                made = POLICY_CHANGES.get((account, name), POLICY_CREATED.get((account, name), MEMORY_DAYS))
                grants.append((_customer(reference), max(attached, end - made * DAY), False))
            else:
                document, updated = _aws_managed()[reference]
                grants.append((document, max(attached, updated), True))
        return grants

    @cached_property
    def granted(self) -> Actions:
        return allowed(document for document, _, _ in self.grants)

    @cached_property
    def granted_before(self) -> Actions:
        """Granted by policies that are as old as the window."""
        return allowed(document for document, since, _ in self.grants if since <= self.start)

    @cached_property
    def granted_by_aws_lately(self) -> Actions:
        return allowed(document for document, since, aws in self.grants if aws and since > self.start)

    @cached_property
    def masked(self) -> dict[str, str]:
        """Action to what blocks it."""
        found = dict.fromkeys(blocked(document for document, _, _ in self.grants), "identity")
        if self.role.boundary:
            boundary = [_customer(self.role.boundary)]
            found |= dict.fromkeys(self.granted - (allowed(boundary) - blocked(boundary)), "boundary")
        if self.role.account != MANAGEMENT and not self.role.path.startswith("/aws-service-role/"):
            found |= dict.fromkeys(_blocked_by_organization(self.role.account), "scp")
        return found

    @cached_property
    def last_attempt(self) -> dict[str, int]:
        """Service prefix to its last attempt, as last-accessed information tells it."""
        last: dict[str, int] = {}
        for habit in self.habits:
            prefix = habit.action.split(":")[0]
            last[prefix] = max(last.get(prefix, 0), habit.times[-1])
        return last

    @cached_property
    def unmapped(self) -> set[str]:
        """Services of which an event was seen that belongs to no known action."""
        seen = (h for h in self.habits if h.does.event and h.between(self.start, self.behaviour.end))
        return {h.action.split(":")[0] for h in seen}

    def shown(self, habit: Habit, start: float, end: float) -> bool:
        """Whether the logs show the habit between two times."""
        if not visible(habit):
            return False
        times = habit.between(max(start, self.behaviour.start), end)
        return any(not in_gap(self.role.account, habit.region, t, self.behaviour.end) for t in times)

    def of(self, action: str) -> list[Habit]:
        return self._by_action.get(action, [])

    @cached_property
    def _by_action(self) -> dict[str, list[Habit]]:
        found: dict[str, list[Habit]] = {}
        for habit in self.habits:
            if not habit.does.event:
                found.setdefault(habit.action, []).append(habit)
            if habit.does.passes:
                found.setdefault("iam:PassRole", []).append(habit)
        return found

    def last_accessed(self, action: str) -> int:
        """The date that last-accessed information gives the action; 0 for none. Attempts count."""
        if not tracked(action) or self.role.account in (PAYMENTS, LEGACY):
            return 0
        return max((h.times[-1] for h in self.of(action)), default=0)


def _customer(reference: str) -> Document:
    return (CUSTOMER_POLICIES | TRAP_POLICIES)[reference.removeprefix("customer:")]


@cache
def _blocked_by_organization(account: str) -> Actions:
    targets = org.units_above(account)
    policies = [
        g.document for g in org.GUARDRAILS if g.type == "SERVICE_CONTROL_POLICY" and set(g.targets) & set(targets)
    ]
    return blocked(policies)


def _used(case: Case, action: str) -> str:
    """Why the action counts as used in the window; empty if it does not."""
    end = case.behaviour.end
    succeeded = [h for h in case.of(action) if h.does.outcome == "ok" and case.shown(h, case.start, end)]
    if action == "iam:PassRole" and succeeded:
        return "passed in a request"
    if succeeded:
        via = sorted({h.does.via for h in succeeded if h.does.via})
        return f"used through {', '.join(via)}" if via and all(h.does.via for h in succeeded) else "used"
    return "attempted, by last-accessed information" if case.last_accessed(action) >= case.start else ""


def _undetermined(case: Case, action: str) -> str:
    """Why nothing can be decided about an action that is not known to be used; empty if it can."""
    role, start, end = case.role, case.start, case.behaviour.end
    if role.account == LEGACY:
        return "unreachableAccount"
    if role.account == PAYMENTS:
        return "throttledAccount"
    if role.account == ANALYTICS:
        return "logGap"
    if role.recreated:
        return "recreatedRole"
    if end - role.age * DAY > start:
        return "roleYoungerThanWindow"
    if action not in case.granted_before and action not in case.granted_by_aws_lately:
        return "grantYoungerThanWindow"
    if any(h.does.outcome == "throttled" and case.shown(h, start, end) for h in case.of(action)):
        return "attempted"
    earlier = any(h.does.outcome == "ok" and case.shown(h, 0, start) for h in case.of(action))
    if earlier or end - MEMORY_DAYS * DAY <= case.last_accessed(action) < start:
        return "usedBeforeLookback"
    if action == "iam:PassRole":
        return "permissionOnly"
    prefix = action.split(":", maxsplit=1)[0]
    if visibility(action) in ("data", "never") and action != "lambda:InvokeFunction" and prefix in case.last_attempt:
        return "notLogged"
    return "unmappedEvent" if prefix in case.unmapped else ""


def _either(case: Case, action: str) -> str:
    """Why both unused and undetermined are right answers; empty if only unused is."""
    prefix = action.split(":", maxsplit=1)[0]
    decidable = visibility(action) == "management" or action == "lambda:InvokeFunction"
    if not decidable or action in COMPANIONS:
        return "not in the table of observable operations"
    if action not in case.granted_before:
        return "the AWS managed policy has a newer version"
    if prefix in case.last_attempt and case.last_attempt[prefix] < case.start:
        return "the service was last attempted before the window"
    return ""


def verdict(case: Case, action: str) -> Answer:
    if action in case.masked:
        return "masked", case.masked[action]
    used = "" if case.role.account == LEGACY else _used(case, action)
    if used:
        return "used", used
    undetermined = _undetermined(case, action)
    if undetermined:
        return "undetermined", undetermined
    either = _either(case, action)
    if either:
        return "notUsed", either
    denied = any(h.does.outcome == "denied" for h in case.of(action))
    return "unused", "every call was denied" if denied else "observable and never seen"


def _ever_used(case: Case, action: str) -> bool:
    return any(h.does.outcome == "ok" for h in case.of(action))


def tell(behaviour: Behaviour) -> dict[str, Any]:
    """The truth file."""
    roles: dict[str, Any] = {}
    traps: dict[str, list[dict[str, str]]] = {name: [] for name in SUBJECTS}
    for role in ROLES:
        case = Case(behaviour, role)
        actions = {}
        for action in sorted(case.granted):
            answer, reason = verdict(case, action)
            actions[action] = {"verdict": answer, "everUsed": _ever_used(case, action), "reason": reason}
        roles[role.arn] = {"uniqueId": role.id, "account": role.account, "traps": list(role.traps), "actions": actions}
        for trap in role.traps:
            for action in SUBJECTS[trap]:
                if action in actions:
                    answer, reason = verdict(case, action)
                    traps[trap].append({"role": role.arn, "action": action, "verdict": answer, "reason": reason})
    end = behaviour.end - DAY
    return {
        "asOf": behaviour.as_of.isoformat(),
        "accounts": {
            a.id: {"name": a.name, "regions": list(a.regions), "lookbackDays": a.lookback} for a in ACCOUNTS.values()
        },
        "window": {
            a.id: {"start": _iso(end - a.lookback * DAY), "end": _iso(end), "logsFrom": _iso(behaviour.start)}
            for a in ACCOUNTS.values()
        },
        "roles": roles,
        "traps": traps,
        "gap": _gap(behaviour),
    }


def _gap(behaviour: Behaviour) -> dict[str, str]:
    account, region, days, hour, hours = GAP
    start = behaviour.end - days * DAY + hour * HOUR
    return {"account": account, "region": region, "start": _iso(start), "end": _iso(start + hours * HOUR)}


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
