"""Whether the users, access keys, passwords and roles of a landscape are inactive, by its lookbacks and its evidence. Pure.

Knows which lookback is whose, and how much of the answer a status holds. The rules are those of assess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import parse_duration
from plumbline.api.landscape import ActivityCounts, InactivityStatus, LandscapeSpec, RemovalCandidate
from plumbline.api.sources import CredentialReport
from plumbline.assess.assumptions import Assumptions, assumptions
from plumbline.assess.inactive import Windows, judge_user
from plumbline.assess.owners import Owners
from plumbline.assess.silent_principals import Seen, judge_role
from plumbline.assess.targets import not_editable
from plumbline.assess.verdicts import Context
from plumbline.assess.window import Window
from plumbline.model.credentials import AccountCredentials
from plumbline.model.evidence import Evidence, PrincipalUsage
from plumbline.model.inactivity import Activity, Judgement, counts
from plumbline.model.snapshot import Principal, Snapshot
from plumbline.reconcile.view import LandscapeView

_LISTED = 50
_DETAIL = 300


@dataclass(frozen=True)
class Lookbacks:
    """A role that a baseline governs is held to its lookback; all else to that of its account. `governed`: role ARN -> days."""

    spec: CredentialReport
    snapshot: Snapshot
    governed: Mapping[str, int]

    @classmethod
    def of(
        cls,
        spec: CredentialReport,
        snapshot: Snapshot,
        baselines: Iterable[LeastPrivilegeBaseline],
        governed: Mapping[str, str],
    ) -> Lookbacks:
        days = {baseline.metadata.key: baseline.spec.lookback_days for baseline in baselines}
        return cls(spec, snapshot, {arn: days[key] for arn, key in governed.items() if key in days})

    @property
    def keys(self) -> int:
        return parse_duration(self.spec.access_key_lookback).days

    @property
    def longest(self) -> int:
        """The longest that logs must cover; keys do not rest on logs."""
        own = (parse_duration(text).days for text in (self.spec.lookback, self.spec.development.lookback))
        return max(*own, *self.governed.values())

    def days(self, principal: Principal) -> int:
        account = self.snapshot.accounts[principal.account]
        development = self.spec.development
        own = development.lookback if development.includes(account.id, account.ou_path) else self.spec.lookback
        return self.governed.get(principal.arn, parse_duration(own).days)

    def idle_at_sight(self, as_of: date, memory: timedelta) -> frozenset[str]:
        """Users, and roles that live IAM alone does not show in use: of the others nothing more needs to be asked."""
        found = set()
        for arn, principal in self.snapshot.principals.items():
            start = Window.of(as_of, self.days(principal), memory).start
            old = principal.created_at <= start
            unused = principal.last_used_at is None or principal.last_used_at < start
            if old and unused and not not_editable(principal):
                found.add(arn)
        return frozenset(found)


def judge(
    view: LandscapeView,
    lookbacks: Lookbacks,
    credentials: Mapping[str, AccountCredentials],
    assuming: Sequence[Evidence],
    as_of: date,
) -> tuple[Judgement, ...]:
    """What is said of each, by principal. `assuming`: all evidence of roles being assumed, whoever did it."""
    found: list[Judgement] = []
    contexts: dict[tuple[str, int], Context] = {}
    assumed: dict[datetime, Assumptions] = {}
    keys = Window.of(as_of, lookbacks.keys, view.memory)
    for arn, principal in sorted(view.snapshot.principals.items()):
        days = lookbacks.days(principal)
        window = Window.of(as_of, days, view.memory)
        place = (principal.account, days)
        if place not in contexts:
            contexts[place] = view.context(principal.account, window, remove_rare=False)
        if window.start not in assumed:
            assumed[window.start] = assumptions(assuming, window.start)
        seen = Seen(
            usage=view.usage.get(arn, PrincipalUsage()),
            access=view.coverage.last_accessed.get(arn),
            reach=contexts[place].reach,
            assumed=assumed[window.start],
            catalogue=contexts[place].catalogue,
        )
        if principal.kind == "role":
            found.append(judge_role(principal, seen, window))
        else:
            found += judge_user(principal, credentials.get(principal.account), seen, Windows(window, keys))
    return tuple(found)


def own_use(spec: LandscapeSpec, snapshot: Snapshot) -> Iterable[Evidence]:
    """Plumbline assumes roles itself, in this very pass, and the logs will show it only later: they are no candidates."""
    organization = spec.accounts.organization
    named = organization.role_arn if organization is not None else None
    for arn, principal in snapshot.principals.items():
        at = snapshot.accounts[principal.account].collected_at
        if at is not None and (arn == named or arn.endswith(f":role/{spec.member_role.name.strip('/')}")):
            yield Evidence("plumbline", None, "sts:AssumeRole", "used", "own use", first=at, last=at, resources=(arn,))


def inactivity_status(judgements: Iterable[Judgement], owners: Owners) -> InactivityStatus:
    """Counts of all, and the candidates that have been idle longest."""
    all_of = list(judgements)
    number = counts(all_of)
    candidates = sorted((one for one in all_of if one.action), key=_longest_idle)
    why: dict[str, int] = {}
    for one in all_of:
        if one.activity is Activity.UNDETERMINED:
            why[one.reason] = why.get(one.reason, 0) + 1
    return InactivityStatus(
        users=_counts(number["user"]),
        access_keys=_counts(number["accessKey"]),
        passwords=_counts(number["password"]),
        roles=_counts(number["role"]),
        why_undetermined=dict(sorted(why.items())),
        candidates=[_candidate(one, owners.of(one.principal)) for one in candidates[:_LISTED]],
        candidates_truncated=max(0, len(candidates) - _LISTED),
    )


def _longest_idle(one: Judgement) -> tuple[date, str, str, str]:
    return (one.since or date.max, one.kind, one.principal, one.key)


def _counts(number: Mapping[Activity, int]) -> ActivityCounts:
    return ActivityCounts(**{activity.value: count for activity, count in number.items()})


def _candidate(one: Judgement, owner: str) -> RemovalCandidate:
    if one.action is None:
        raise ValueError("what has no action is no candidate")
    return RemovalCandidate(
        action=one.action,
        arn=one.principal,
        access_key=one.key if one.kind == "accessKey" else "",
        since=one.since.isoformat() if one.since else "",
        owner=owner,
        reason=one.reason,
        detail=one.detail[:_DETAIL],
        sources=list(one.sources),
    )
