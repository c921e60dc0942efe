"""When to look again at an account after a change was announced in it. Pure; thread-safe.

IAM is eventually consistent: what changed a moment ago may not be visible yet. So each account is looked at at once and
twice more, and never more often than every few seconds, however many changes come.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from plumbline.model.evidence import GrantChange

PAUSES = (timedelta(0), timedelta(seconds=10), timedelta(seconds=45))  # after the last announcement
_AT_LEAST = timedelta(seconds=2)  # between two looks; each failure doubles it
_AT_MOST = timedelta(minutes=5)
_KEPT = 500  # announcements of one landscape


@dataclass(slots=True)
class _Account:
    announced: datetime
    looks: int = 0
    looked: datetime | None = None
    failures: int = 0  # in a row

    @property
    def due(self) -> datetime:
        wanted = self.announced + PAUSES[self.looks]
        pause = min(_AT_LEAST * 2**self.failures, _AT_MOST)
        return wanted if self.looked is None else max(wanted, self.looked + pause)


class Refreshes:
    """Of one landscape. `problem`: why its queue cannot be read, empty when it can; None before it was read."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._announced: deque[GrantChange] = deque(maxlen=_KEPT)
        self._changed: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self.problem: str | None = None
        self.messages = 0

    def announce(self, changes: Iterable[GrantChange], now: datetime) -> None:
        with self._lock:
            for change in changes:
                if change not in self._announced:
                    self._announced.append(change)
                known = self._accounts.setdefault(change.account, _Account(now))
                known.announced, known.looks = now, 0
                self._changed[change.account] = now

    @property
    def announced(self) -> tuple[GrantChange, ...]:
        with self._lock:
            return tuple(self._announced)

    @property
    def changed(self) -> dict[str, datetime]:
        """Account -> when a change in it was last announced."""
        with self._lock:
            return dict(self._changed)

    def due(self, now: datetime) -> frozenset[str]:
        """The accounts to look at now; they count as looked at."""
        with self._lock:
            found = frozenset(key for key, account in self._accounts.items() if account.due <= now)
            for key in found:
                account = self._accounts[key]
                account.looked, account.looks = now, account.looks + 1
                if account.looks == len(PAUSES):
                    del self._accounts[key]
            return found

    def again(self, accounts: Iterable[str], now: datetime) -> None:
        """These could not be seen: the look does not count."""
        with self._lock:
            for key in accounts:
                account = self._accounts.setdefault(key, _Account(now, looks=len(PAUSES)))
                account.looks, account.looked = max(account.looks - 1, 0), now
                account.failures = min(account.failures + 1, 20)

    def next(self) -> datetime | None:
        """When the next account is due."""
        with self._lock:
            return min((account.due for account in self._accounts.values()), default=None)
