"""Policy generation with IAM Access Analyzer for the roles that baselines name. It only ever adds use.

Spends a scarce quota: one job at a time and a budget a day for each account and Region. Nothing here waits: each call
of `advance` does what can be done now, and the store remembers the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa

from plumbline.api.sources import PolicyGeneration
from plumbline.aws.errors import AwsError, Invalid, NotFound
from plumbline.aws.generation import (
    REMEDIES,
    JobAnswer,
    Source,
    client_token,
    list_jobs,
    read_job,
    start_job,
    window,
)
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import GeneratedPolicy
from plumbline.model.snapshot import Principal
from plumbline.store.jobs import GenerationJob, Status, delete_job, jobs_started, load_jobs, save_job
from plumbline.usage.sources.generated import difference, parse_policies

__all__ = ["SOURCE", "Advanced", "Wanted", "advance", "difference", "parse_policies"]

SOURCE: Final = "policy-generation"
CONCURRENT_ACCOUNTS: Final = 8
# A result is good for as long as AWS lists its job; then a new one is due.
REFRESH: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A principal that a baseline names for policy generation, with the longest lookback of those baselines."""

    principal: Principal
    lookback: timedelta


@dataclass
class Advanced:
    """`policies` and `states` by principal ARN. `open`: how many principals have a job that is still to come."""

    policies: dict[str, GeneratedPolicy] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    open: int = 0


def advance(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    spec: PolicyGeneration,
    wanted: Iterable[Wanted],
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Advanced:
    """Polls what runs, starts the next job of each account, and says where each principal stands. Never raises AwsError."""
    jobs = load_jobs(engine, landscape)
    ordered = sorted(wanted, key=lambda one: (one.principal.account, one.principal.arn))
    runs = [
        _Account(
            sessions, engine, landscape, spec, now, account, list(group), [j for j in jobs if j.account == account]
        )
        for account, group in groupby(ordered, key=lambda one: one.principal.account)
    ]
    result = Advanced()
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="generation") as pool:
        for run in pool.map(_Account.advanced, runs):
            run.report(result)
            progress(f"policy generation: account {run.account}, {len(run.wanted)} roles named, {result.open} open")
    return result


@dataclass
class _Account:
    """The jobs of one account. `refused` is why no job can be started or read now."""

    sessions: AwsSessions
    engine: sa.Engine
    landscape: str
    spec: PolicyGeneration
    now: datetime
    account: str
    wanted: Sequence[Wanted]
    jobs: list[GenerationJob]
    refused: SourceState | None = None

    def advanced(self) -> _Account:
        for job in [job for job in self.jobs if job.status == "IN_PROGRESS"]:
            if self.refused is None:
                self._poll(job)
        self._forget_unwanted()
        for one in self.wanted:
            if self.refused is not None or self._is_busy():
                break
            if self._fitting(one) is None or self._fitting(one, "PENDING") is not None:
                self._start(one)
        return self

    def _is_busy(self) -> bool:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-quotas.html: one job at a time.
        return any(job.status == "IN_PROGRESS" and job.region == self.spec.region for job in self.jobs)

    def _poll(self, job: GenerationJob) -> None:
        try:
            self._put(_with_answer(job, read_job(self.sessions, self._source(job.region), job.job_id or "")))
        except (NotFound, Invalid) as error:
            self._put(replace(job, status="FAILED", error_code=error.code, error_message=error.message))
        except AwsError as error:
            self.refused = _unavailable(error.reason, error.summary, error.remedy)

    def _start(self, one: Wanted) -> None:
        """Adopts a job that AWS knows, or starts one. The row is written first: an answer that is lost, or a process
        that is killed, leaves a row whose token finds the job again."""
        job = self._fitting(one, "PENDING") or self._new(one)
        try:
            if self._adopted(one) or self._budget_is_spent():
                return
            self._put(job)
            job_id = start_job(
                self.sessions,
                self._source(job.region),
                job.principal,
                start=job.window_start,
                end=job.window_end,
                token=job.client_token,
            )
        except Invalid as error:
            self._put(replace(job, status="FAILED", error_code=error.code, error_message=error.message))
        except AwsError as error:
            self.refused = _unavailable(error.reason, error.summary, error.remedy)
        else:
            self._put(replace(job, status="IN_PROGRESS", job_id=job_id, started_at=self.now))

    def _adopted(self, one: Wanted) -> bool:
        """Takes over the newest job for this principal that AWS knows and the store does not, if it serves."""
        known = {job.job_id for job in self.jobs}
        source = self._source(self.spec.region)
        for found in list_jobs(self.sessions, source, one.principal.arn):
            unusable = found.status not in {"IN_PROGRESS", "SUCCEEDED"} or found.started_at < one.principal.created_at
            if found.job_id in known or unusable:
                continue
            try:
                answer = read_job(self.sessions, source, found.job_id)
            except NotFound:
                continue  # its week is over
            start, end = window(found.started_at, one.lookback)
            start, end = answer.start or start, answer.end or end
            token = client_token(one.principal.unique_id, start, end)
            job = replace(self._new(one), client_token=token, window_start=start, window_end=end)
            self._put(_with_answer(job, answer))
            serving = self._fitting(one)
            return serving is not None and serving.job_id == found.job_id
        return False

    def _budget_is_spent(self) -> bool:
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        started = jobs_started(self.engine, self.account, self.spec.region, midnight)
        if started >= self.spec.daily_jobs:
            text = f"{started} policy generations were started today in account {self.account}, {self.spec.region}"
            self.refused = _unavailable("DailyBudgetSpent", text, "It goes on tomorrow; see dailyJobs")
            return True
        return False

    def _new(self, one: Wanted) -> GenerationJob:
        start, end = window(self.now, one.lookback)
        return GenerationJob(
            landscape=self.landscape,
            principal=one.principal.arn,
            client_token=client_token(one.principal.unique_id, start, end),
            unique_id=one.principal.unique_id,
            account=self.account,
            region=self.spec.region,
            window_start=start,
            window_end=end,
        )

    def _fitting(self, one: Wanted, status: Status | None = None) -> GenerationJob | None:
        """The best job for this principal and about this window. A failed one counts for its day only: then it is
        tried again."""
        start, end = window(self.now, one.lookback)
        rank = {"SUCCEEDED": 0, "IN_PROGRESS": 1, "PENDING": 2, "FAILED": 3, "CANCELED": 3}
        fitting = [
            job
            for job in self._of(one)
            if job.window_end >= end - REFRESH
            and job.window_start <= start + REFRESH
            and (rank[job.status] < 3 or job.window_end == end)
        ]
        best = max(fitting, key=lambda job: (-rank[job.status], *_order(job)), default=None)
        return best if best is None or status in {None, best.status} else None

    def _of(self, one: Wanted) -> list[GenerationJob]:
        principal = one.principal
        return [job for job in self.jobs if (job.principal, job.unique_id) == (principal.arn, principal.unique_id)]

    def _forget_unwanted(self) -> None:
        """Rows that were never started and that nobody wants any more, or whose window is over."""
        alive = {id(job) for one in self.wanted if (job := self._fitting(one, "PENDING")) is not None}
        for job in [job for job in self.jobs if job.status == "PENDING" and id(job) not in alive]:
            delete_job(self.engine, job)
            self.jobs.remove(job)

    def _put(self, job: GenerationJob) -> None:
        save_job(self.engine, job)
        key = (job.principal, job.client_token)
        self.jobs = [old for old in self.jobs if (old.principal, old.client_token) != key] + [job]

    def _source(self, region: str) -> Source:
        return Source(
            trail_arn=self.spec.trail_arn,
            access_role_arn=f"arn:{self.sessions.partition}:iam::{self.account}:role/{self.spec.access_role_name.strip('/')}",
            region=region,
            all_regions=self.spec.all_regions,
            account=self.account,
        )

    def report(self, result: Advanced) -> None:
        for one in self.wanted:
            arn = one.principal.arn
            done = [job for job in self._of(one) if job.status == "SUCCEEDED" and job.result is not None]
            fitting = self._fitting(one)
            if done:
                # A newer one may be about less than the lookback.
                newest = max(done, key=_order)
                result.policies[arn] = _policy(fitting if fitting in done else newest)
            state = self._state(fitting)
            if state.reason in {"Queued", "InProgress"} or (self.refused is not None and state == self.refused):
                result.open += 1
            if state.state is State.UNAVAILABLE and done:
                state = replace(
                    state, state=State.PARTIAL, message=f"{state.message}; an older result is used meanwhile"
                )
            result.states[arn] = state

    def _state(self, job: GenerationJob | None) -> SourceState:
        if job is None or job.status == "PENDING":
            return self.refused or _unavailable(
                "Queued", "another policy generation of this account is running", "It is started after that"
            )
        if job.status == "IN_PROGRESS":
            return self.refused or _unavailable("InProgress", f"policy generation {job.job_id} is running", "")
        if job.status == "SUCCEEDED":
            return _finished(job)
        code = job.error_code or job.status
        text = f"policy generation for {job.principal} failed with {code}: {job.error_message or 'no message'}"
        reason = "JobCanceled" if job.status == "CANCELED" else "JobFailed"
        return _unavailable(reason, text, REMEDIES.get(code, "It is tried again the next day"))


def _order(job: GenerationJob) -> tuple[datetime, timedelta]:
    """By the end of the window, then by its length."""
    return job.window_end, job.window_end - job.window_start


def _with_answer(job: GenerationJob, answer: JobAnswer) -> GenerationJob:
    result: dict[str, Any] | None = None
    if answer.status == "SUCCEEDED":
        actions, templates = parse_policies(answer.policies)
        result = {"actions": list(actions), "serviceTemplates": list(templates), "isComplete": answer.is_complete}
    return replace(
        job,
        status=answer.status,  # type: ignore[arg-type]  # the states of AWS are ours
        job_id=answer.job_id,
        started_at=answer.started_at,
        completed_at=answer.completed_at,
        error_code=answer.error_code,
        error_message=answer.error_message,
        result=result,
    )


def _policy(job: GenerationJob) -> GeneratedPolicy:
    result = job.result or {}
    return GeneratedPolicy(
        principal=job.principal,
        job_id=job.job_id or "",
        start=job.window_start,
        end=job.window_end,
        actions=tuple(result["actions"]),
        service_templates=tuple(result["serviceTemplates"]),
        is_complete=bool(result["isComplete"]),
    )


def _finished(job: GenerationJob) -> SourceState:
    result = job.result or {}
    if result.get("isComplete"):
        return SourceState(SOURCE, State.COMPLETE)
    templates = ", ".join(result.get("serviceTemplates", ())) or "none"
    text = f"Access Analyzer marks the generated policy as incomplete; services without actions: {templates}"
    return SourceState(SOURCE, State.PARTIAL, "Incomplete", text)


def _unavailable(reason: str, message: str, remedy: str) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)
