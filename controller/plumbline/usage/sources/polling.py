"""Waits for a query that runs in AWS, and ends it when it takes too long or costs too much.

What botocore does not do: neither CloudTrail Lake nor Athena has a waiter. Knows time and bytes, no service.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from plumbline.aws.errors import AwsError, Invalid, NotFound, Transient
from plumbline.usage.sources.days import OverLimit

# CloudTrail Lake and Athena end queries themselves, Athena after 30 minutes.
# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
LONGEST: Final = 1_800.0
_FIRST, _MOST = 0.5, 10.0
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """What AWS says of a query. `ended`: it is not running any more; `failure`: why it is of no use, when it ended so."""

    scanned: int
    ended: bool = False
    failure: AwsError | None = None


class Jobs(Protocol):
    """What is remembered of queries that were started, by what they ask."""

    def running(self, statement: str) -> str | None: ...
    def started(self, statement: str, query_id: str) -> None: ...
    def forget(self) -> None: ...


def run(
    jobs: Jobs | None,
    statement: str,
    start: Callable[[], str],
    follow: Callable[[str], int],
) -> tuple[str, int]:
    """(id, bytes scanned) of a finished query: one that was started before with this statement, or a new one. `follow`
    waits for it, and raises the AwsError that says how it ended. One that AWS does not know any more is started anew."""
    before = jobs.running(statement) if jobs is not None else None
    if before is not None:
        with contextlib.suppress(NotFound, Invalid):
            return before, follow(before)
    query = start()
    if jobs is not None:
        jobs.started(statement, query)
    return query, follow(query)


def wait(
    look: Callable[[], Progress],
    cancel: Callable[[], object],
    limit: int,
    sleep: Sleep,
    ended: Callable[[], object] = lambda: None,
) -> int:
    """The bytes that a finished query scanned. Raises OverLimit, or the AwsError that says how it ended otherwise. `ended`
    is called when nothing more is to be had of the query; not when it cannot be looked at, because it runs on."""
    waited, step = 0.0, _FIRST
    while True:
        progress = look()
        if not progress.ended and progress.scanned > limit:
            _cancelled(cancel)
            ended()
            raise over_limit(progress.scanned, limit)
        if progress.failure is not None:
            ended()
            raise progress.failure
        if progress.ended:
            return progress.scanned
        if waited >= LONGEST:
            _cancelled(cancel)
            ended()
            raise Transient(
                f"the query did not end within {LONGEST / 60:.0f} minutes and was cancelled",
                reason="QueryTimedOut",
                remedy="It is tried again in the next pass",
            )
        sleep(step)
        waited, step = waited + step, min(step * 1.5, _MOST)


def over_limit(scanned: int, limit: int) -> OverLimit:
    error = OverLimit(
        f"a query was cancelled after {scanned:,} bytes; the limit is {limit:,}",
        remedy="raise maxGigabytesPerQuery of the source, or read the log files instead",
    )
    error.scanned = scanned
    return error


def _cancelled(cancel: Callable[[], object]) -> None:
    # It may have ended meanwhile; what is raised next says more.
    with contextlib.suppress(AwsError):
        cancel()
