"""What Security Hub recommends about unused permissions: found by role, asked for together, waited for together.

Knows a finding by its id alone, because no form of these findings is published: which role an answer is about, it says
itself. Judges nothing. One that is not ready is read in the next pass.
https://docs.aws.amazon.com/securityhub/latest/userguide/unused-access-recommendations.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from plumbline.aws.errors import AwsError, Denied, Invalid, NotFound, Throttled
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import RECOMMENDED
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Principal, digest_of
from plumbline.usage.sources.recommendations import recommended_step

MOST: Final = 200  # roles, and findings about them, that are asked about in one pass
WAITS: Final = (2.0, 6.0, 12.0)  # AWS says that one takes less than 20 seconds
TOGETHER: Final = (
    20  # filters of one kind: https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_GetFindingsV2.html
)
CONCURRENT: Final = 8

_SERVICE: Final = "securityhub"
_NOT_OF_CONTROLS: Final = {
    "FieldName": "metadata.product.name",
    "Filter": {"Value": "Security Hub CSPM", "Comparison": "NOT_EQUALS"},
}

_UNFINISHED: Final = SourceState(
    RECOMMENDED,
    State.PARTIAL,
    "Unfinished",
    f"one pass asks about at most {MOST} roles and findings, and waits for at most {sum(WAITS):.0f} s",
    "nothing at first: the next passes ask about others",
)

# Each role that it is asked about has a finding of unused permissions.
_SILENT: Final = SourceState(
    RECOMMENDED,
    State.PARTIAL,
    "NothingRecommended",
    "Security Hub has recommended nothing about any role for which an analyzer has a finding",
    "check that its region is where Security Hub gets the findings of Access Analyzer",
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Hub:
    """Where Security Hub is asked. `account`: its delegated administrator; None: each account about its own roles."""

    region: str
    account: str | None = None

    def asked_about(self, principal: Principal) -> str:
        return self.account or principal.account


@dataclass
class Recommended:
    """`steps` by principal ARN; none where AWS says that it cannot recommend any. `states` by account that was asked."""

    steps: dict[str, tuple[RecommendedStep, ...]] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)


class _Finding(NamedTuple):
    account: str
    uid: str


def collect(
    sessions: AwsSessions,
    hub: Hub,
    principals: Sequence[Principal],
    *,
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress = lambda _: None,
) -> Recommended:
    """What is recommended about `principals`, as far as it is known by now. Never raises AwsError."""
    asking = _Asking(sessions, hub, {principal.arn: principal for principal in principals})
    by_account: dict[str, list[str]] = {}
    turn = in_turn(principals, now)
    for principal in turn[:MOST]:
        by_account.setdefault(hub.asked_about(principal), []).append(principal.arn)
    with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="recommended") as pool:
        listed = pool.map(lambda one: asking.find(*one), sorted(by_account.items()))
        # One of each account in turn, so that many about one role hold up no other account.
        every = [finding for turn in zip_longest(*listed) for finding in turn if finding is not None]
        known, later = every[:MOST], every[MOST:]
        waiting = _those(known, pool.map(asking.begin, known))
        for wait in WAITS:
            if not waiting:
                break
            sleep(wait)
            waiting = _those(waiting, pool.map(asking.read, waiting))
    asking.unfinished |= {finding.account for finding in (*later, *waiting)}
    told = {account for account, _ in asking.answers}
    asking.silent |= by_account.keys() - told
    asking.unfinished |= {hub.asked_about(one) for one in turn[MOST:]}
    accounts = {hub.asked_about(one) for one in principals}
    found = Recommended(asking.steps(), {account: asking.state(account) for account in accounts})
    if by_account:
        progress(
            f"recommended policies: of {len(principals)} roles {sum(map(len, by_account.values()))} were asked about, "
            f"{len(found.steps)} answered, {len(waiting)} not ready"
        )
    return found


def in_turn(principals: Iterable[Principal], now: datetime) -> list[Principal]:
    """Each day in another order, so that those without an answer do not hold up the rest."""
    day = now.date().isoformat()
    return sorted(principals, key=lambda one: digest_of([day, one.arn]))


def _those(findings: Sequence[_Finding], waiting: Iterable[bool]) -> list[_Finding]:
    return [finding for finding, is_waiting in zip(findings, waiting, strict=True) if is_waiting]


@dataclass
class _Asking:
    """One pass. Denial or throttling ends it for its account: the rest would fare the same. Whatever else fails is of its
    own finding alone."""

    sessions: AwsSessions
    hub: Hub
    principals: Mapping[str, Principal]
    answers: dict[_Finding, tuple[str, tuple[RecommendedStep, ...]]] = field(default_factory=dict)
    stopped: dict[str, SourceState] = field(default_factory=dict)
    broken: dict[_Finding, SourceState] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)  # accounts, here and below
    silent: set[str] = field(default_factory=set)

    def find(self, account: str, arns: Sequence[str]) -> list[_Finding]:
        """Findings of any kind about the roles but those of controls: the API itself refuses others than it means."""
        found: dict[_Finding, None] = {}
        try:
            for at in range(0, len(arns), TOGETHER):
                for page in self._findings(account, arns[at : at + TOGETHER]):
                    found |= dict.fromkeys(_Finding(account, one["metadata"]["uid"]) for one in page["Findings"])
                    if len(found) > MOST:
                        return list(found)
        except AwsError as error:
            self.stopped[account] = self._refused(error, account)
        except (KeyError, TypeError) as error:
            self.stopped[account] = _malformed(State.UNAVAILABLE, account, error)
        return list(found)

    def begin(self, finding: _Finding) -> bool:
        """Reads what is there, and has one made where none is or its policy was changed since: making it again discards
        what AWS keeps for 90 days. Whether it is to be read again."""

        def attempt() -> bool:
            try:
                pages = self._pages(finding)
            except NotFound:
                pages = []
            if pages and not self._outdated(pages):
                return self._take(finding, pages)
            account, uid = finding
            self.sessions.call(
                _SERVICE, "GenerateRecommendedPolicyV2", account=account, region=self.hub.region, MetadataUid=uid
            )
            return True

        return self._attempted(finding, attempt)

    def read(self, finding: _Finding) -> bool:
        """Whether it is to be read again."""

        def attempt() -> bool:
            try:
                return self._take(finding, self._pages(finding))
            except NotFound:
                return True

        return self._attempted(finding, attempt)

    def steps(self) -> dict[str, tuple[RecommendedStep, ...]]:
        """By role, which may have several findings, such as one of each Region."""
        found: dict[str, tuple[RecommendedStep, ...]] = {}
        for _, (role, steps) in sorted(self.answers.items()):
            if not found.get(role):
                found[role] = steps
        return found

    def state(self, account: str) -> SourceState:
        if account in self.stopped:
            return self.stopped[account]
        for finding, state in sorted(self.broken.items()):
            if finding.account == account:
                return state
        if account in self.unfinished:
            return _UNFINISHED
        return _SILENT if account in self.silent else SourceState(RECOMMENDED, State.COMPLETE)

    def _attempted(self, finding: _Finding, attempt: Callable[[], bool]) -> bool:
        if finding.account in self.stopped:
            return False
        try:
            return attempt()
        except (Invalid, NotFound):
            return False  # it is of another kind, or resolved meanwhile
        except (Denied, Throttled) as error:
            self.stopped[finding.account] = _state(State.UNAVAILABLE, error)
        except AwsError as error:
            self.broken[finding] = _state(State.PARTIAL, error)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            self.broken[finding] = _malformed(State.PARTIAL, finding.account, error)
        return False

    def _take(self, finding: _Finding, pages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether there is nothing to take yet."""
        first = pages[0]
        match first["Status"]:
            case "IN_PROGRESS":
                return True
            case "SUCCEEDED":
                if any("RecommendationSteps" not in page for page in pages):
                    raise ValueError("RecommendationSteps is missing")
                role, steps = first["ResourceArn"], tuple(_steps(pages))
            case "FAILED":
                said = first.get("Error") or {}
                text = f"Security Hub could not recommend a policy: {said.get('Code')}: {said.get('Message')}"
                self.broken[finding] = SourceState(RECOMMENDED, State.PARTIAL, "RecommendationFailed", text)
                return False
            case other:
                raise ValueError(f"status {other}")
        principal = self.principals.get(role)
        # An account is believed about what it was asked, and about nothing else.
        if principal is not None and self.hub.asked_about(principal) == finding.account:
            self.answers[finding] = role, steps
        return False

    def _outdated(self, pages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a policy was changed after what is recommended about it. Of inline policies the time of a change is not
        known; AWS closes the finding and makes another."""
        principal = self.principals.get(pages[0].get("ResourceArn", ""))
        if principal is None:
            return False
        changed = {
            name: policy.version_created_at
            for policy in principal.policies
            if policy.version_created_at is not None
            for name in (policy.name, policy.key)
        }
        for step in _raw_steps(pages):
            at, changed_at = step.get("PolicyUpdatedAt"), changed.get(step.get("ExistingPolicyId", ""))
            if at is not None and changed_at is not None and at < changed_at:
                return True
        return False

    def _findings(self, account: str, arns: Sequence[str]) -> Iterator[dict[str, Any]]:
        about = [{"FieldName": "resources.uid", "Filter": {"Value": arn, "Comparison": "EQUALS"}} for arn in arns]
        filters = {
            "CompositeFilters": [
                {"StringFilters": about, "Operator": "OR"},
                {"StringFilters": [_NOT_OF_CONTROLS], "Operator": "AND"},
            ],
            "CompositeOperator": "AND",
        }
        return self.sessions.pages(_SERVICE, "GetFindingsV2", account=account, region=self.hub.region, Filters=filters)

    def _pages(self, finding: _Finding) -> list[dict[str, Any]]:
        return list(
            self.sessions.pages(
                _SERVICE,
                "GetRecommendedPolicyV2",
                account=finding.account,
                region=self.hub.region,
                MetadataUid=finding.uid,
            )
        )

    def _refused(self, error: AwsError, account: str) -> SourceState:
        """AWS does not say how it refuses where Security Hub is not enabled."""
        enable = (
            f"Enable Security Hub in {self.hub.region} of account {account}, or set region of"
            " analyzers.unusedAccess.securityHubRecommendations to where it is enabled"
        )
        if isinstance(error, NotFound) or error.code == "InvalidAccessException":
            return SourceState(RECOMMENDED, State.UNAVAILABLE, "HubNotEnabled", error.summary, enable)
        if error.reason == Denied.default_reason:
            remedy = f"{error.remedy}. {enable}" if error.remedy else enable
            return SourceState(RECOMMENDED, State.UNAVAILABLE, error.reason, error.summary, remedy)
        return _state(State.UNAVAILABLE, error)


def _raw_steps(pages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        for one in page.get("RecommendationSteps") or ():
            yield one["UnusedPermissions"]


def _steps(pages: Iterable[Mapping[str, Any]]) -> Iterator[RecommendedStep]:
    for step in _raw_steps(pages):
        yield recommended_step(step["RecommendedAction"], step.get("ExistingPolicyId"), step.get("RecommendedPolicy"))


def _state(state: State, error: AwsError) -> SourceState:
    return SourceState(RECOMMENDED, state, error.reason, error.summary, error.remedy)


def _malformed(state: State, account: str, error: Exception) -> SourceState:
    message = f"an answer of Security Hub in account {account} is not whole: {error}"
    return SourceState(RECOMMENDED, state, "MalformedAnswer", message)
