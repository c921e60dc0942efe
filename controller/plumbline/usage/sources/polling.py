"""Waits for a query that runs in AWS, and ends it when it takes too long or costs too much.

What botocore does not do: neither CloudTrail Lake nor Athena has a waiter. Knows time and bytes, no service.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from plumbline.aws.errors import AwsError, Transient
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


def wait(look: Callable[[], Progress], cancel: Callable[[], object], limit: int, sleep: Sleep) -> int:
    """The bytes that a finished query scanned. Raises OverLimit, or the AwsError that says how it ended otherwise."""
    waited, step = 0.0, _FIRST
    while True:
        progress = look()
        if not progress.ended and progress.scanned > limit:
            _cancelled(cancel)
            raise over_limit(progress.scanned, limit)
        if progress.failure is not None:
            raise progress.failure
        if progress.ended:
            return progress.scanned
        if waited >= LONGEST:
            _cancelled(cancel)
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
