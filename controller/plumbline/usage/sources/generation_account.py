"""Advances the policy generation of one account: polls what runs, and starts the next job that is due.

One job at a time, within the budget of the day, and nothing twice: what AWS knows is merged in before anything is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from plumbline.api.sources import PolicyGeneration
from plumbline.aws.errors import AwsError, Invalid, Malformed, NotFound
from plumbline.aws.generation import (
    LONGEST_WINDOW,
    REMEDIES,
    UNAUTHORIZED,
    UNTOLD_SCOPE,
    JobRef,
    Source,
    client_token,
    daily_quota,
    list_jobs,
    read_job,
    start_job,
    window,
)
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import Interval, SourceState
from plumbline.model.snapshot import Principal
from plumbline.model.times import midnight
from plumbline.store.jobs import GenerationJob, jobs_started
from plumbline.usage.sources.generation_jobs import Jobs, with_answer
from plumbline.usage.sources.generation_state import unavailable
from plumbline.usage.sources.generation_windows import REFRESH, Windows, ended_badly, is_about, windows_of

# The access role is the account's, so no other job fares better. One such job may be somebody else's, with another role.
_UNAUTHORIZED_JOBS: Final = 2
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A principal that a baseline names for policy generation, with the longest lookback of those baselines."""

    principal: Principal
    lookback: timedelta


@dataclass
class AccountRun:
    """The jobs of one account. `refused` is why no job can be started or read now; `problems` the same for one principal.
    `listed`: the jobs that AWS knows, once they were asked for."""

    sessions: AwsSessions
    engine: sa.Engine
    landscape: str
    spec: PolicyGeneration
    now: datetime
    account: str
    wanted: Sequence[Wanted]
    jobs: Jobs
    refused: SourceState | None = None
    problems: dict[str, SourceState] = field(default_factory=dict)
    listed: list[JobRef] | None = None

    def advanced(self) -> AccountRun:
        for job in self.jobs.running():
            if self.refused is None:
                self._poll(job)
        self._forget()
        for one in self._by_turn():
            if self.refused is not None or self._is_busy:
                break
            if self._next(one) is not None and self._know_all() and not self._is_busy:
                self._start(one)
        return self

    def _by_turn(self) -> list[Wanted]:
        """A role whose logs are divided shares the budget of the day with the others. Of those with as many jobs, the one
        that had none for longest: so all get their turn, also where a result grows old before the last has its first."""

        def turn(one: Wanted) -> tuple[int, datetime, str]:
            started = [job.started_at for job in self.jobs.of(one.principal) if job.started_at is not None]
            return sum(at >= self._midnight for at in started), max(started, default=_NEVER), one.principal.arn

        return sorted(self.wanted, key=turn)

    @property
    def is_soon_free(self) -> bool:
        """Whether somebody's job runs, so that AWS refuses another only until it has ended."""
        return any(job.status == "IN_PROGRESS" for job in self.listed or ())

    @property
    def _is_busy(self) -> bool:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-quotas.html: one job at a time. Of one whose
        # answer cannot be read nobody knows; AWS refuses while it runs.
        return any(job.region == self.spec.region and job.principal not in self.problems for job in self.jobs.running())

    def _poll(self, job: GenerationJob) -> None:
        try:
            self.jobs.put(with_answer(job, read_job(self.sessions, self._source(job.region), job.job_id or "")))
        except (NotFound, Invalid) as error:
            self.jobs.put(replace(job, status="FAILED", error_code=error.code, error_message=error.message))
        except Malformed as error:
            self._hinder(job.principal, error)
        except AwsError as error:
            self._refuse(error)

    def _know_all(self) -> bool:
        """Merges what AWS knows, so that even after a lost store nothing is started twice. False when it cannot be had."""
        if self.listed is None:
            try:
                self.listed = list_jobs(self.sessions, self._source(self.spec.region))
                self._adopt(self.listed)
            except AwsError as error:
                self._refuse(error)
        return self.refused is None

    def _adopt(self, listed: Sequence[JobRef]) -> None:
        """Takes over the jobs for wanted principals that the store does not know, each with its own window."""
        known = {job.job_id for job in self.jobs}
        of = {one.principal.arn: one for one in self.wanted}
        for found in listed:
            one = of.get(found.principal)
            if one is None or found.job_id in known or found.started_at < one.principal.created_at:
                continue
            try:
                answer = read_job(self.sessions, self._source(self.spec.region), found.job_id)
                if answer.start is not None and answer.end is not None and answer.start < answer.end:
                    job = self._job(one, (answer.start, answer.end), answer.scope or UNTOLD_SCOPE)
                    self.jobs.put(with_answer(job, answer))
            except NotFound:
                continue  # its week is over
            except Malformed as error:
                self._hinder(found.principal, error)

    def _start(self, one: Wanted) -> None:
        """The row is written first: an answer that is lost, or a process that is killed, leaves a row whose token finds
        the job again."""
        job = self._next(one)
        if job is None or self._is_unauthorized() or self._budget_is_spent():
            return
        source = self._source(job.region)
        job = replace(job, access_role=source.access_role_arn)
        self.jobs.put(job)
        try:
            job_id = start_job(
                self.sessions,
                source,
                job.principal,
                start=job.window_start,
                end=job.window_end,
                token=job.client_token,
            )
        except Invalid as error:
            failed = replace(job, status="FAILED", error_code=error.code, error_message=error.message)
            self.jobs.put(replace(failed, completed_at=self.now))
        except Malformed as error:
            self._hinder(job.principal, error)
        except AwsError as error:
            self._refuse(error)
        else:
            self.jobs.put(replace(job, status="IN_PROGRESS", job_id=job_id, started_at=self.now))

    def _next(self, one: Wanted) -> GenerationJob | None:
        """The job to start for this principal: one whose start may have been lost, else one for the next window."""
        windows = self.windows(one)
        if one.principal.arn in self.problems or self.failed_today(one) is not None or not windows.waiting:
            return None
        return windows.pending[0] if windows.pending else self._job(one, windows.waiting[0], self._scope)

    def _is_unauthorized(self) -> bool:
        failed = [job for job in self._failed_today(self.jobs) if job.error_code == UNAUTHORIZED]
        if len(failed) < _UNAUTHORIZED_JOBS:
            return False
        text = f"{len(failed)} policy generations failed today in account {self.account} with {UNAUTHORIZED}"
        message = f"{text}: {failed[-1].error_message or 'no message'}; no other is started before tomorrow"
        self.refused = unavailable("JobFailed", message, REMEDIES[UNAUTHORIZED])
        return True

    def _budget_is_spent(self) -> bool:
        ids = {job.job_id for job in self.listed or () if job.started_at >= self._midnight}
        started = len(ids | jobs_started(self.engine, self.account, self.spec.region, self._midnight))
        quota = daily_quota(self.spec.region)
        if started < min(self.spec.daily_jobs, quota):
            return False
        text = f"{started} policy generations were started today in account {self.account}, {self.spec.region}"
        remedy = f"It goes on tomorrow; see dailyJobs. AWS allows {quota} a day"
        self.refused = unavailable("DailyBudgetSpent", text, remedy)
        return True

    def _job(self, one: Wanted, of: Interval, scope: str) -> GenerationJob:
        before = [
            j
            for j in self.jobs.of(one.principal)
            if j.window == of and j.scope in {None, scope} and j.status != "PENDING"
        ]
        return GenerationJob(
            landscape=self.landscape,
            principal=one.principal.arn,
            client_token=client_token(one.principal.unique_id, scope, *of, attempt=len(before)),
            unique_id=one.principal.unique_id,
            account=self.account,
            region=self.spec.region,
            window_start=of[0],
            window_end=of[1],
            scope=scope,
        )

    def windows(self, one: Wanted) -> Windows:
        today, over = window(self.now, one.lookback), self.jobs.over_quota(self._scope)
        return windows_of(self.jobs.of(one.principal), self._scope, today, over)

    def failed_today(self, one: Wanted) -> GenerationJob | None:
        """The last job that failed for another reason than its size: then nothing is started for the role until tomorrow,
        unless the spec has changed what it asked for."""
        failed = self._failed_today(self.jobs.of(one.principal))
        return failed[-1] if failed else None

    def _failed_today(self, jobs: Iterable[GenerationJob]) -> list[GenerationJob]:
        failed = [
            (at, job.client_token, job)
            for job in jobs
            if ended_badly(job) and self._is_as_asked(job)
            for at in [job.completed_at or job.started_at]
            if at is not None and at >= self._midnight
        ]
        return [job for _, _, job in sorted(failed, key=lambda one: one[:2])]

    def _is_as_asked(self, job: GenerationJob) -> bool:
        """Whether the spec would ask the same again. Of a job whose access role nobody knows it may be the same."""
        source = self._source(self.spec.region)
        same_role = job.access_role in {None, source.access_role_arn}
        return is_about(job, source.scope) and job.region == source.region and same_role

    def _forget(self) -> None:
        """Rows that say nothing any more, and such as were never started and nobody wants or whose window is read."""
        self.jobs.forget(self._midnight - LONGEST_WINDOW - REFRESH)
        wanted = {job.client_token for one in self.wanted for job in self.windows(one).pending}
        for job in [job for job in self.jobs if job.status == "PENDING" and job.client_token not in wanted]:
            self.jobs.remove(job)

    def _refuse(self, error: AwsError) -> None:
        self.refused = unavailable(error.reason, error.summary, error.remedy)

    def _hinder(self, principal: str, error: Malformed) -> None:
        """An answer that is not whole hinders its principal; it says nothing of the job, which stays as it was."""
        self.problems[principal] = unavailable(error.reason, error.summary, error.remedy)

    @property
    def _midnight(self) -> datetime:
        return midnight(self.now)

    @property
    def _scope(self) -> str:
        return self._source(self.spec.region).scope

    def _source(self, region: str) -> Source:
        return Source(
            trail_arn=self.spec.trail_arn,
            access_role_arn=f"arn:{self.sessions.partition}:iam::{self.account}:role/{self.spec.access_role_name.strip('/')}",
            region=region,
            all_regions=self.spec.all_regions,
            account=self.account,
        )
