"""Which records were delivered before: CloudTrail may deliver one more than once. Knows marks, no records."""

from __future__ import annotations

from collections.abc import Sequence

# Marks kept: two generations of at least so many. A repetition further off counts again.
_REMEMBERED = 250_000
NO_MARK = 0


class Memory:
    """Remembers marks, at least the last 250,000, in memory that does not grow."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def seen(self, marks: Sequence[int]) -> list[int]:
        """The places of marks that were there before, in this batch or an earlier one; all are remembered.

        NO_MARK stands for a record that cannot be recognised. Generations change between batches, so that the answer
        hangs on the batches alone.
        """
        fresh = set(marks)
        found: list[int] = []
        if len(fresh) != len(marks) or not (self._recent.isdisjoint(fresh) and self._older.isdisjoint(fresh)):
            found = self._one_by_one(marks)
        self._recent |= fresh
        if len(self._recent) >= _REMEMBERED:
            self._older, self._recent = self._recent, set()
        return found

    def _one_by_one(self, marks: Sequence[int]) -> list[int]:
        before: set[int] = set()
        found: list[int] = []
        for place, mark in enumerate(marks):
            if mark == NO_MARK:
                continue
            if mark in before or mark in self._recent or mark in self._older:
                found.append(place)
            before.add(mark)
        return found
