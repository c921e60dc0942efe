"""Service-last-accessed data of IAM: for each role which services and actions it tried, and when.

Knows the jobs of IAM and keeps whole answers in the store. Judges nothing: a principal without a whole, fresh answer
has a state that says why, and never an empty answer.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa

from plumbline.api.common import parse_duration
from plumbline.api.sources import LastAccessed as LastAccessedSpec
from plumbline.aws.errors import AwsError, Denied, Throttled, Transient, whole
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import LastAccessed, ServiceAccess
from plumbline.model.snapshot import Principal
from plumbline.store.access import load_answers, save_answers
from plumbline.usage.access_answers import SOURCE, services_of

CONCURRENT_ACCOUNTS: Final = 8
BATCH: Final = 25  # jobs of one account that run at a time
DEADLINE: Final = 90.0  # seconds for one batch
PATIENCE: Final = 3  # failures of AWS in a row after which an account is left alone until the next pass
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0
_PAGE = 1000

Progress = Callable[[str], None]


_DAY, _EVER = timedelta(days=1), datetime.min.replace(tzinfo=UTC)


@dataclass
class Collected:
    """`answers`: principal ARN -> the newest whole answer for its present unique id, also when it is old.
    `states`: principal ARN -> complete only where that answer is fresh."""

    answers: dict[str, LastAccessed] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)


def collect(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    spec: LastAccessedSpec,
    principals: Iterable[Principal],
    *,
    now: datetime,
    needed: datetime | None = None,
    progress: Progress = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Answers and states for all of `principals`. What is in the store, of the same unique id, granularity and younger
    than refreshInterval, is not asked again; but what is from before `needed` is, unless the interval is more than a day.
    Never raises AwsError.
    """
    result = Collected()
    due: list[Principal] = []
    known = load_answers(engine, landscape)
    interval = parse_duration(spec.refresh_interval)
    youngest = max(now - interval, needed if needed is not None and interval <= _DAY else _EVER)
    for principal in sorted(principals, key=lambda p: (p.account, p.arn)):
        answer = known.get(principal.arn)
        if answer is not None and answer.unique_id == principal.unique_id:
            result.answers[principal.arn] = answer
            if answer.collected_at > youngest and (answer.action_level or not spec.action_level):
                result.states[principal.arn] = SourceState(SOURCE, State.COMPLETE)
                continue
        due.append(principal)
    runs = [
        _Run(sessions, engine, landscape, spec.action_level, now, account, list(group), sleep, clock)
        for account, group in groupby(due, key=lambda p: p.account)
    ]
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="last-accessed") as pool:
        for run in pool.map(_Run.finished, runs):
            result.answers.update(run.answers)
            result.states.update({arn: _with_old(state, result.answers.get(arn)) for arn, state in run.states.items()})
            progress(f"last-accessed: account {run.account}, {len(run.answers)} of {len(run.principals)} roles read")
    return result


def _with_old(state: SourceState, answer: LastAccessed | None) -> SourceState:
    """An old answer still proves use; that is less than complete and more than nothing."""
    if answer is None or state.state is not State.UNAVAILABLE:
        return state
    message = f"{state.message.rstrip('.')}. The answer of {answer.collected_at:%Y-%m-%d %H:%M} UTC is used meanwhile"
    return SourceState(SOURCE, State.PARTIAL, state.reason, message, state.remedy)


@dataclass
class _Run:
    """All due principals of one account, in batches.

    Denial, throttling or repeated failure of AWS ends it: the rest would fare the same. Jobs that run by then are still
    read, because an account that is throttled after some starts would otherwise never get any further.
    """

    sessions: AwsSessions
    engine: sa.Engine
    landscape: str
    action_level: bool
    now: datetime
    account: str
    principals: Sequence[Principal]
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    answers: dict[str, LastAccessed] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    stopped: AwsError | None = None
    failures: int = 0

    def finished(self) -> _Run:
        for at in range(0, len(self.principals), BATCH):
            self._batch(self.principals[at : at + BATCH])
        return self

    def _batch(self, principals: Sequence[Principal]) -> None:
        deadline = self.clock() + DEADLINE
        running = {principal.arn: (principal, job) for principal in principals if (job := self._start(principal))}
        wait = _FIRST_WAIT
        while running:
            throttled: Throttled | None = None
            for arn, (principal, job) in list(running.items()):
                if self.clock() > deadline:
                    break
                try:
                    if self._settled(principal, job):
                        del running[arn]
                except Throttled as error:
                    throttled = error  # the job goes on: it is read after the wait
                    break
            if not running:
                break
            if self.clock() + wait > deadline:
                self._time_out(running, throttled)
                break
            self.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        # Kept batch by batch: a pass that is killed asks only for the rest again.
        save_answers(self.engine, self.landscape, [self.answers[p.arn] for p in principals if p.arn in self.answers])

    def _start(self, principal: Principal) -> str | None:
        if self.stopped is not None:
            self._fail(principal, self.stopped)
            return None
        try:
            answer = self.sessions.call(
                "iam",
                "GenerateServiceLastAccessedDetails",
                account=self.account,
                Arn=principal.arn,
                Granularity="ACTION_LEVEL" if self.action_level else "SERVICE_LEVEL",
            )
            with whole("iam", "GenerateServiceLastAccessedDetails", self.account):
                job = str(answer["JobId"])
                if not job:
                    raise ValueError("JobId is empty")
        except AwsError as error:
            self._fail(principal, error)
            return None
        self.failures = 0
        return str(job)

    def _settled(self, principal: Principal, job: str) -> bool:
        """Whether the job needs no more polling: it has an answer or a state. Raises Throttled."""
        if isinstance(self.stopped, Denied):
            self._fail(principal, self.stopped)
            return True
        try:
            page = self._page(job)
            with whole("iam", "GetServiceLastAccessedDetails", self.account):
                if page["JobStatus"] == "IN_PROGRESS":
                    return False
                if page["JobStatus"] != "COMPLETED":
                    self._job_failed(principal, page.get("Error") or {})
                    return True
                services = self._services(job, page)
        except Throttled:
            raise
        except AwsError as error:
            self._fail(principal, error)
            return True
        self.answers[principal.arn] = LastAccessed(
            principal=principal.arn,
            unique_id=principal.unique_id,
            collected_at=self.now,
            services=services,
            action_level=self.action_level,
        )
        self.states[principal.arn] = SourceState(SOURCE, State.COMPLETE)
        return True

    def _page(self, job: str, marker: str | None = None) -> dict[str, Any]:
        # Only the session that started a job may read it: the same member role session is used for all of it.
        more = {"Marker": marker} if marker else {}
        return self.sessions.call(
            "iam", "GetServiceLastAccessedDetails", account=self.account, JobId=job, MaxItems=_PAGE, **more
        )

    def _services(self, job: str, page: Mapping[str, Any]) -> dict[str, ServiceAccess]:
        """All pages. Raises AwsError when one is missing, and what `services_of` raises."""
        pages, seen = [page], set[str]()
        while page.get("IsTruncated"):
            marker = str(page.get("Marker") or "")
            if not marker or marker in seen:
                raise ValueError("it says that there is more, but not where")
            seen.add(marker)
            page = self._page(job, marker)
            pages.append(page)
        return services_of(pages)

    def _fail(self, principal: Principal, error: AwsError) -> None:
        self.failures += isinstance(error, Transient)
        if isinstance(error, Denied | Throttled) or self.failures >= PATIENCE:
            self.stopped = error
        self._unavailable(principal, error.reason, error.summary, error.remedy)

    def _job_failed(self, principal: Principal, error: Mapping[str, Any]) -> None:
        code, message = error.get("Code") or "no code", error.get("Message") or "no message"
        text = f"IAM could not make the last-accessed report of {principal.arn}: {code}: {message}"
        self._unavailable(principal, "JobFailed", text, "It is asked for again in the next pass")

    def _time_out(self, running: Mapping[str, tuple[Principal, str]], throttled: Throttled | None) -> None:
        for principal, _ in running.values():
            if throttled is not None:
                self._fail(principal, throttled)
                continue
            text = f"the last-accessed report of {principal.arn} was not ready after {DEADLINE:.0f} seconds"
            self._unavailable(principal, "TimedOut", text, "It is asked for again in the next pass")

    def _unavailable(self, principal: Principal, reason: str, message: str, remedy: str) -> None:
        self.states[principal.arn] = SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)
