"""The policy generation jobs: which are to be started, run or have ended, so that a restart repeats nothing.

No AWS, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from plumbline.model.coverage import Interval
from plumbline.store.schema import generation_job

Status = Literal["PENDING", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED"]


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """A job of one principal over one window. PENDING: written before the start, which may or may not have happened.

    `scope`: which logs it reads, as plumbline.aws.generation tells them; None in rows of a store that did not know it yet.
    `access_role`: the ARN of the role with which it reads them; None in such rows too, and of jobs of somebody else.
    `result`, of a job that succeeded: {"actions": [...], "serviceTemplates": [...], "isComplete": bool}.
    """

    landscape: str
    principal: str
    client_token: str
    unique_id: str
    account: str
    region: str
    window_start: datetime
    window_end: datetime
    status: Status = "PENDING"
    job_id: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    result: Mapping[str, Any] | None = field(default=None, hash=False)
    scope: str | None = None
    access_role: str | None = None

    @property
    def window(self) -> Interval:
        return self.window_start, self.window_end


def load_jobs(engine: sa.Engine, landscape: str) -> list[GenerationJob]:
    """All jobs of a landscape, by principal and window."""
    order = (generation_job.c.principal, generation_job.c.window_end, generation_job.c.client_token)
    with engine.connect() as connection:
        rows = connection.execute(
            generation_job.select().where(generation_job.c.landscape == landscape).order_by(*order)
        )
        return [GenerationJob(**row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public mapping


def save_job(engine: sa.Engine, job: GenerationJob) -> None:
    """Writes or replaces one job."""
    with engine.begin() as connection:
        connection.execute(generation_job.delete().where(*_is(job)))
        connection.execute(generation_job.insert(), asdict(job))


def delete_job(engine: sa.Engine, job: GenerationJob) -> None:
    with engine.begin() as connection:
        connection.execute(generation_job.delete().where(*_is(job)))


def jobs_started(engine: sa.Engine, account: str, region: str, since: datetime) -> frozenset[str]:
    """The ids of jobs that were started in an account and Region since then, by all landscapes; canceled ones too."""
    jobs = generation_job.c
    ids = sa.select(jobs.job_id).where(
        jobs.account == account, jobs.region == region, jobs.started_at >= since, jobs.job_id.is_not(None)
    )
    with engine.connect() as connection:
        return frozenset(connection.execute(ids).scalars())


def _is(job: GenerationJob) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        generation_job.c.landscape == job.landscape,
        generation_job.c.principal == job.principal,
        generation_job.c.client_token == job.client_token,
    )
