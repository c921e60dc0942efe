"""Which windows of logs policy generation still has to read for a role, and what those that it has read say together.

A window with more logs than one job reads is halved, down to a day. Pure: no AWS, no store, no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from plumbline.aws.generation import OVER_QUOTA, JobAnswer
from plumbline.model.coverage import Interval, merge_intervals
from plumbline.model.evidence import GeneratedPolicy
from plumbline.model.times import midnight
from plumbline.store.jobs import GenerationJob

# A result is good for as long as AWS lists its job; then a new one is due.
REFRESH: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Windows:
    """Where a role stands. `asked`: what has to be read in all.

    `read`: the jobs that count for it. `seen`: those about other logs of the time; they complete nothing. `older`: those that
    have to do until it is read, because they say something of it.
    `running` and `pending`: jobs that are under way, or may be. `missing`: what no job has read. `waiting`: what of it can
    be started, in turn; `beyond`: days of it with more logs than one job reads.
    """

    asked: Interval
    read: tuple[GenerationJob, ...] = ()
    seen: tuple[GenerationJob, ...] = ()
    older: tuple[GenerationJob, ...] = ()
    running: tuple[GenerationJob, ...] = ()
    pending: tuple[GenerationJob, ...] = ()
    missing: tuple[Interval, ...] = ()
    waiting: tuple[Interval, ...] = ()
    beyond: tuple[Interval, ...] = ()

    @property
    def answers(self) -> tuple[GenerationJob, ...]:
        return self.read + self.seen + (self.older if self.missing else ())


def is_over_quota(job: GenerationJob | JobAnswer) -> bool:
    return job.status == "FAILED" and job.error_code == OVER_QUOTA


def ended_badly(job: GenerationJob | JobAnswer) -> bool:
    """For another reason than the quota of logs, so that the same may be tried again."""
    return job.status in {"FAILED", "CANCELED"} and not is_over_quota(job)


def is_about(job: GenerationJob, scope: str) -> bool:
    """Whether it reads these logs; one that was made before they were written down does."""
    return job.scope in {None, scope}


def windows_of(known: Sequence[GenerationJob], scope: str, today: Interval, over: Collection[Interval]) -> Windows:
    """`known`: the jobs of one role; those about other logs than `scope` only have seen what they have seen. `today`: what
    would be asked for if nothing were known; `over`: windows, of whichever role of the account, that had more logs than one
    job reads. What contains one of them has too."""
    jobs = [job for job in known if is_about(job, scope)]
    asked = _asked(jobs, today, over)
    done = [job for job in known if job.status == "SUCCEEDED" and job.result is not None]
    counting = [job for job in done if _counts(job, asked, today[1])]
    read = [job for job in counting if is_about(job, scope)]
    older = [job for job in done if job not in counting and _meet(job.window, asked)]
    if not counting and not older:
        older = sorted(done, key=_order)[-1:]
    running = [job for job in jobs if job.status == "IN_PROGRESS"]
    missing = without(asked, [job.window for job in read])
    taken = [job.window for job in read + running]
    # The whole is divided, not what is left of it: beside what was read, a rest of both halves may be too large again.
    parts = [_whole_days(gap) for piece in divided(asked, over) for gap in without(piece, taken)]
    waiting = [part for part in parts if not _too_large(part, over)]
    pending = [
        job
        for job in jobs
        if job.status == "PENDING" and any(_meet(job.window, part) for part in waiting)
        if _counts(job, asked, today[1]) and not _too_large(job.window, over)
    ]
    return Windows(
        asked=asked,
        read=tuple(sorted(read, key=_order)),
        seen=tuple(sorted([job for job in counting if job not in read], key=_order)),
        older=tuple(sorted(older, key=_order)),
        running=tuple(running),
        pending=tuple(sorted(pending, key=_order, reverse=True)),
        missing=missing,
        waiting=tuple(sorted(waiting, key=lambda part: _turn(part, jobs))),
        beyond=tuple(part for part in parts if part not in waiting),
    )


def without(window: Interval, others: Sequence[Interval]) -> tuple[Interval, ...]:
    """What of the window lies in none of the others."""
    at, end = window
    left: list[Interval] = []
    for low, high in merge_intervals(others):
        if low >= end:
            break
        if low > at:
            left.append((at, low))
        at = max(at, high)
    return (*left, (at, end)) if at < end else tuple(left)


def divided(window: Interval, over: Collection[Interval]) -> Iterator[Interval]:
    """The window, or its halves in whole days as often as it takes until none contains one that is over the quota."""
    inside = [one for one in over if _contains(window, one)]
    start, end = window
    if not inside or end - start <= DAY:
        yield window
        return
    middle = start + (end - start) // DAY // 2 * DAY
    yield from divided((start, middle), inside)
    yield from divided((middle, end), inside)


def union(principal: str, windows: Windows) -> GeneratedPolicy | None:
    """What the jobs say together; None when none has said anything."""
    jobs = windows.answers
    if not jobs:
        return None
    results = [job.result or {} for job in jobs]
    return GeneratedPolicy(
        principal=principal,
        job_ids=tuple(job.job_id or "" for job in jobs),
        start=min(job.window_start for job in jobs),
        end=max(job.window_end for job in jobs),
        actions=tuple(sorted({action for result in results for action in result["actions"]})),
        service_templates=tuple(sorted({service for result in results for service in result["serviceTemplates"]})),
        is_complete=not windows.missing and all((job.result or {})["isComplete"] for job in windows.read),
    )


def _asked(jobs: Sequence[GenerationJob], today: Interval, over: Collection[Interval]) -> Interval:
    """As long as today's, and ending where the newest window does while that is fresh: so its halves stay halves of the
    same from day to day, and what was read is not read again each day. For a role without jobs it ends where the windows do
    that were divided for others: of the same halves it is known which are too large."""
    start, end = today
    ends = [job.window_end for job in jobs if not ended_badly(job)] or [window[1] for window in over]
    ends = [midnight(min(at, end)) for at in ends]
    newest = max((at for at in ends if at >= end - REFRESH), default=end)
    return newest - (end - start), newest


def _counts(job: GenerationJob, asked: Interval, today: datetime) -> bool:
    """An old window counts only if it does not begin long before what is asked: of its actions nothing tells when they
    were used."""
    fresh = job.window_end >= today - REFRESH
    return _meet(job.window, asked) and (fresh or job.window_start >= asked[0] - REFRESH)


def _turn(part: Interval, jobs: Sequence[GenerationJob]) -> tuple[float, timedelta]:
    """What has failed last comes last, so that it holds up nothing; else the newest is first."""
    failed = [job.started_at for job in jobs if job.window == part and ended_badly(job) and job.started_at is not None]
    last = max(failed).timestamp() if failed else 0.0
    return last, datetime.max.replace(tzinfo=UTC) - part[1]


def _too_large(window: Interval, over: Collection[Interval]) -> bool:
    return any(_contains(window, one) for one in over)


def _contains(window: Interval, other: Interval) -> bool:
    return window[0] <= other[0] and other[1] <= window[1]


def _meet(one: Interval, other: Interval) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _order(job: GenerationJob) -> tuple[datetime, timedelta, str]:
    """By the end of the window, then by its length."""
    return job.window_end, job.window_end - job.window_start, job.client_token


def _whole_days(window: Interval) -> Interval:
    start, end = midnight(window[0]), midnight(window[1])
    return start, end if end == window[1] else end + DAY
