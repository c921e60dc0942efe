"""Which records were delivered before: CloudTrail may deliver one more than once. Knows how events are identified."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from plumbline.usage.records import Record

# Generations of marks that are kept besides the recent one, each of at least so many: Python's sets take twice the memory
# for one more. CloudTrail repeats an event in the same file or a near one, and a file holds some ten thousand; a
# repetition further off counts again.
_OLDER, _REMEMBERED = 2, 39_000
NO_MARK = 0


def marks_of(records: Iterable[Record]) -> list[int]:
    """A mark for each record, the same for the same event. Four bits less make Python's numbers a third smaller."""
    return [NO_MARK if r.eventID is None else hash((r.eventID, r.eventName, r.eventSource)) >> 4 for r in records]


class Memory:
    """Remembers marks, at least the last 78,000, in memory that does not grow."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._older: deque[set[int]] = deque(maxlen=_OLDER)

    def seen(self, marks: Sequence[int]) -> list[int]:
        """The places of marks that were there before, in this batch or an earlier one; all are remembered.

        NO_MARK stands for a record that cannot be recognised. Generations change between batches, so that the answer
        hangs on the batches alone.
        """
        fresh = set(marks)
        found: list[int] = []
        if len(fresh) != len(marks) or not all(one.isdisjoint(fresh) for one in (self._recent, *self._older)):
            found = self._one_by_one(marks)
        self._recent |= fresh
        if len(self._recent) >= _REMEMBERED:
            self._older.append(self._recent)
            self._recent = set()
        return found

    def _one_by_one(self, marks: Sequence[int]) -> list[int]:
        before: set[int] = set()
        found: list[int] = []
        for place, mark in enumerate(marks):
            if mark == NO_MARK:
                continue
            if mark in before or any(mark in one for one in (self._recent, *self._older)):
                found.append(place)
            before.add(mark)
        return found
