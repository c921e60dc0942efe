"""What Security Hub recommends about unused permissions: found by role, asked for together, waited for together.

Knows a finding by its id, its status and its age, because no form of these findings is published: which role an answer is
about, it says itself. Judges nothing. One that is not ready is read in the next pass.
https://docs.aws.amazon.com/securityhub/latest/userguide/unused-access-recommendations.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any, Final

from plumbline.aws.errors import AwsError, Denied, Invalid, NotFound, Throttled, whole
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Principal, digest_of
from plumbline.usage.sources import recommended_states
from plumbline.usage.sources.about import About, about
from plumbline.usage.sources.hub_findings import TOGETHER, HubFinding, about_roles, closed, hub_finding, steps_of
from plumbline.usage.sources.recommendations import failure

MOST: Final = 200  # roles, and findings about them, that are asked about in one pass
WAITS: Final = (2.0, 6.0, 12.0)  # AWS says that one takes less than 20 seconds
CONCURRENT: Final = 8

_SERVICE: Final = "securityhub"
_UNFINISHED: Final = recommended_states.unfinished(
    f"one pass asks about at most {MOST} roles and findings, and waits for at most {sum(WAITS):.0f} s"
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
    """`steps` by principal ARN, about its policies as they are; none where AWS says that it cannot recommend any. `made`: of
    which principals one was started in this pass; `outdated`: of which there is none but about former policies; `failed`: what
    AWS said of those for which it could make none. `states` by account that was asked, but for what has failed."""

    steps: dict[str, tuple[RecommendedStep, ...]] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)


def collect(
    sessions: AwsSessions,
    hub: Hub,
    principals: Sequence[Principal],
    *,
    asked: frozenset[str] = frozenset(),
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress = lambda _: None,
) -> Recommended:
    """What is recommended about `principals`, as far as it is known by now. `asked`: those for which one was started before
    that is about their policies as they are. Never raises AwsError."""
    asking = _Asking(sessions, hub, {principal.arn: principal for principal in principals}, asked)
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
    told = {finding.account for finding in (*asking.answers, *asking.failures)}
    asking.silent |= by_account.keys() - told
    asking.unfinished |= {hub.asked_about(one) for one in turn[MOST:]}
    accounts = {hub.asked_about(one) for one in principals}
    found = Recommended(
        asking.steps(),
        {account: asking.state(account) for account in accounts},
        frozenset(asking.made),
        frozenset(asking.outdated()),
        asking.failed(),
    )
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


def _those(findings: Sequence[HubFinding], waiting: Iterable[bool]) -> list[HubFinding]:
    return [finding for finding, is_waiting in zip(findings, waiting, strict=True) if is_waiting]


@dataclass
class _Asking:
    """One pass. Denial or throttling ends it for its account: the rest would fare the same. Whatever else fails is of its
    own finding alone."""

    sessions: AwsSessions
    hub: Hub
    principals: Mapping[str, Principal]
    asked: frozenset[str]
    answers: dict[HubFinding, tuple[str, tuple[RecommendedStep, ...]]] = field(default_factory=dict)
    stopped: dict[str, SourceState] = field(default_factory=dict)
    broken: dict[HubFinding, SourceState] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)  # accounts, here and below
    silent: set[str] = field(default_factory=set)
    set_aside: set[str] = field(default_factory=set)
    started: set[HubFinding] = field(default_factory=set)
    failures: dict[HubFinding, tuple[str, str]] = field(default_factory=dict)  # principal, and what AWS said
    running: dict[HubFinding, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)  # principals, here and below
    former: set[str] = field(default_factory=set)

    def find(self, account: str, arns: Sequence[str]) -> list[HubFinding]:
        """Findings of any kind about the roles but those of controls: the API itself refuses others than it means."""
        found: dict[HubFinding, None] = {}
        try:
            for at in range(0, len(arns), TOGETHER):
                for page in self._findings(account, arns[at : at + TOGETHER]):
                    with whole(_SERVICE, "GetFindingsV2", account):
                        known = [(closed(one), hub_finding(account, one)) for one in page["Findings"]]
                    found |= dict.fromkeys(finding for is_closed, finding in known if not is_closed)
                    self.set_aside |= {account for is_closed, _ in known if is_closed}
                    if len(found) > MOST:
                        return list(found)
        except AwsError as error:
            self.stopped[account] = recommended_states.hub_refused(error, account, self.hub.region)
        return list(found)

    def begin(self, finding: HubFinding) -> bool:
        """Reads what is there, and has one made where none is or it may be about former policies: making it again discards
        what AWS keeps for 90 days. Whether it is to be read again."""

        def attempt() -> bool:
            try:
                pages = self._pages(finding)
            except NotFound:
                pages = []
            if pages and self._believed(finding, pages):
                return self._take(finding, pages)
            self.sessions.call(
                _SERVICE,
                "GenerateRecommendedPolicyV2",
                account=finding.account,
                region=self.hub.region,
                MetadataUid=finding.uid,
            )
            self.started.add(finding)
            principal = self._meant(finding, pages[0]) if pages else None
            if principal is not None:
                self.made.add(principal.arn)
            return True

        return self._attempted(finding, attempt)

    def read(self, finding: HubFinding) -> bool:
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
        for _, (role, steps) in sorted(self.answers.items(), key=_by_id):
            if not found.get(role):
                found[role] = steps
        return found

    def failed(self) -> dict[str, str]:
        """By role, unless another finding about it has an answer, or will have one."""
        left = self.steps().keys() | set(self.running.values())
        return {arn: said for _, (arn, said) in sorted(self.failures.items(), key=_by_id) if arn not in left}

    def outdated(self) -> set[str]:
        return self.former - self.steps().keys()

    def state(self, account: str) -> SourceState:
        """All that is missing, of each kind the first."""
        if account in self.stopped:
            return self.stopped[account]
        found: dict[str, SourceState] = {}
        for finding, state in sorted(self.broken.items(), key=_by_id):
            if finding.account == account:
                found.setdefault(state.reason, state)
        states = list(found.values())
        former = sorted(arn for arn in self.outdated() if self.hub.asked_about(self.principals[arn]) == account)
        states += [recommended_states.outdated(arn) for arn in former[:1]]
        if account in self.unfinished:
            states.append(_UNFINISHED)
        if account in self.silent and not states:
            states.append(recommended_states.SET_ASIDE if account in self.set_aside else recommended_states.SILENT)
        return recommended_states.together(states)

    def _attempted(self, finding: HubFinding, attempt: Callable[[], bool]) -> bool:
        if finding.account in self.stopped:
            return False
        try:
            with whole(_SERVICE, "GetRecommendedPolicyV2", finding.account):
                return attempt()
        except (Invalid, NotFound):
            return False  # it is of another kind, or resolved meanwhile
        except (Denied, Throttled) as error:
            self.stopped[finding.account] = recommended_states.of_error(State.UNAVAILABLE, error)
        except AwsError as error:
            self.broken[finding] = recommended_states.of_error(State.PARTIAL, error)
        return False

    def _take(self, finding: HubFinding, pages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether there is nothing to take yet."""
        first = pages[0]
        principal = self._meant(finding, first)
        if principal is not None and finding in self.started:
            self.made.add(principal.arn)
        self.running.pop(finding, None)
        match first["Status"]:
            case "IN_PROGRESS":
                if principal is not None:
                    self.running[finding] = principal.arn
                return True
            case "SUCCEEDED":
                if any("RecommendationSteps" not in page for page in pages):
                    raise ValueError("RecommendationSteps is missing")
                role, steps = first["ResourceArn"], steps_of(pages)
            case "FAILED":
                self._fails(finding, first, principal)
                return False
            case other:
                raise ValueError(f"status {other}")
        if principal is None:
            return False
        if about(steps, principal) is About.FORMER:
            self.former.add(role)
        else:
            self.answers[finding] = role, steps
        return False

    def _fails(self, finding: HubFinding, page: Mapping[str, Any], principal: Principal | None) -> None:
        said = failure(page.get("Error"), "Code", "Message")
        if principal is None:
            if not page.get("ResourceArn"):
                self.broken[finding] = recommended_states.failed("a role that it does not name", said)
        elif finding in self.started or principal.arn in self.asked:
            self.failures[finding] = principal.arn, said
        else:  # Somebody asked about former policies, perhaps; the next pass asks anew.
            self.unfinished.add(finding.account)

    def _meant(self, finding: HubFinding, page: Mapping[str, Any]) -> Principal | None:
        """The principal that an answer is about. An account is believed about what it was asked, and about nothing else; a
        finding of before its creation is about a former one of the same name."""
        principal = self.principals.get(page.get("ResourceArn", ""))
        if principal is None or self.hub.asked_about(principal) != finding.account:
            return None
        if finding.created is not None and finding.created < principal.created_at:
            self.set_aside.add(finding.account)
            return None
        return principal

    def _believed(self, finding: HubFinding, pages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether what is there, whoever asked for it, is about the policies as they are."""
        first = pages[0]
        principal = self._meant(finding, first)
        if principal is None:  # One that failed and does not name its role may be about any.
            return first["Status"] != "FAILED" or bool(first.get("ResourceArn"))
        if first["Status"] == "FAILED":
            return principal.arn in self.asked
        if first["Status"] != "SUCCEEDED":
            return True
        which = about(steps_of(pages), principal)
        return which is About.PRESENT or (which is About.UNKNOWN and principal.arn in self.asked)

    def _findings(self, account: str, arns: Sequence[str]) -> Iterator[dict[str, Any]]:
        return self.sessions.pages(
            _SERVICE, "GetFindingsV2", account=account, region=self.hub.region, Filters=about_roles(arns)
        )

    def _pages(self, finding: HubFinding) -> list[dict[str, Any]]:
        return list(
            self.sessions.pages(
                _SERVICE,
                "GetRecommendedPolicyV2",
                account=finding.account,
                region=self.hub.region,
                MetadataUid=finding.uid,
            )
        )


def _by_id(item: tuple[HubFinding, Any]) -> tuple[str, str]:
    return item[0].account, item[0].uid
