"""The lookback as times. The clock enters the assessment here, as a whole UTC day, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

# Log files and last-accessed data arrive hours late, so silence is judged up to one day before the day of assessment.
# What is seen after that still counts as use.
DELIVERY_ALLOWANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) must have been silent for `unused`; uses from `start` on count; older ones count since `memory`."""

    as_of: date
    start: datetime
    end: datetime
    memory: datetime

    @classmethod
    def of(cls, as_of: date, lookback_days: int, memory: timedelta) -> Window:
        midnight = datetime.combine(as_of, time(), UTC)
        end = midnight - DELIVERY_ALLOWANCE
        start = end - timedelta(days=lookback_days)
        return cls(as_of, start, end, min(midnight - memory, start))

    def decided_from(self, since: datetime) -> date:
        """The first day for which a lookback of this length starts at or after `since`."""
        earliest = since.astimezone(UTC) + (self.end - self.start) + DELIVERY_ALLOWANCE
        midnight = datetime.combine(earliest.date(), time(), UTC)
        return midnight.date() if midnight == earliest else midnight.date() + timedelta(days=1)
