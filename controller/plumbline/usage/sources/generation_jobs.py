"""The policy generation jobs of one account, in memory as in the store. Knows principals and windows; starts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.aws.errors import Malformed
from plumbline.aws.generation import JobAnswer
from plumbline.model.coverage import Interval
from plumbline.model.snapshot import Principal
from plumbline.store.jobs import GenerationJob, delete_job, save_job
from plumbline.usage.sources.generated import parse_policies
from plumbline.usage.sources.generation_windows import is_over_quota


class Jobs:
    """What is put here is in the store before the call returns."""

    def __init__(self, engine: sa.Engine, jobs: Iterable[GenerationJob]) -> None:
        self._engine = engine
        self._by_principal: dict[str, dict[str, GenerationJob]] = {}
        # These are asked for once for each role, and they are few.
        self._running: dict[tuple[str, str], GenerationJob] = {}
        self._over_quota: dict[tuple[str, str], GenerationJob] = {}
        for job in jobs:
            self._keep(job)

    def __iter__(self) -> Iterator[GenerationJob]:
        for jobs in self._by_principal.values():
            yield from jobs.values()

    def of(self, principal: Principal) -> list[GenerationJob]:
        """Those of this principal, not of one that had its name before."""
        jobs = self._by_principal.get(principal.arn, {}).values()
        return [job for job in jobs if job.unique_id == principal.unique_id]

    def running(self) -> list[GenerationJob]:
        return list(self._running.values())

    def over_quota(self, scope: str) -> frozenset[Interval]:
        """The windows whose logs were more than one job reads: they are the account's, whichever role was asked about. Of
        a row that does not tell its logs, nobody knows whose they are."""
        return frozenset(job.window for job in self._over_quota.values() if job.scope == scope)

    def put(self, job: GenerationJob) -> None:
        save_job(self._engine, job)
        self._drop(job)
        self._keep(job)

    def remove(self, job: GenerationJob) -> None:
        delete_job(self._engine, job)
        self._drop(job)

    def forget(self, before: datetime) -> None:
        """What has ended and is about a window that was over then; the last result of each principal stays."""
        for jobs in self._by_principal.values():
            done = [job for job in jobs.values() if job.status == "SUCCEEDED"]
            last = max(done, key=lambda job: job.window_end, default=None)
            for job in list(jobs.values()):
                if job.window_end < before and job is not last and job.status not in {"PENDING", "IN_PROGRESS"}:
                    self.remove(job)

    def _keep(self, job: GenerationJob) -> None:
        self._by_principal.setdefault(job.principal, {})[job.client_token] = job
        if job.status == "IN_PROGRESS":
            self._running[job.principal, job.client_token] = job
        if is_over_quota(job):
            self._over_quota[job.principal, job.client_token] = job

    def _drop(self, job: GenerationJob) -> None:
        self._by_principal.get(job.principal, {}).pop(job.client_token, None)
        self._running.pop((job.principal, job.client_token), None)
        self._over_quota.pop((job.principal, job.client_token), None)


def with_answer(job: GenerationJob, answer: JobAnswer) -> GenerationJob:
    """The job as AWS tells it now."""
    result: dict[str, Any] | None = None
    if answer.status == "SUCCEEDED":
        try:
            actions, templates = parse_policies(answer.policies)
        except Malformed as error:
            answer = replace(answer, status="FAILED", error_code=error.code, error_message=error.message)
        else:
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
        scope=job.scope or answer.scope,
    )
