"""A keyed queue: each key stands in it once, one worker has a key at a time, and what changes meanwhile runs once more.

The contract of client-go's workqueue, for asyncio. Knows keys and times; the clock and the jitter are passed in. All
methods belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_BACKOFF = 1.0  # seconds
LONGEST_BACKOFF = 300.0


def backoff(failures: int, jitter: float) -> float:
    """Seconds to wait after the n-th failure in a row: doubling, capped; `jitter` in [0, 1) takes off up to half."""
    return min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 30), LONGEST_BACKOFF) * (1 - jitter / 2)


class KeyedQueue(Generic[Key]):
    """First in, first out, so that no key starves. `retries` counts failures in a row by key."""

    def __init__(self, clock: Callable[[], float] | None = None, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._jitter = jitter
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()  # what stands in _ready
        self._added_at: dict[Key, float] = {}
        self._due: dict[Key, float] = {}  # the earliest time at which a key is wanted
        self._timers: list[tuple[float, int, Key]] = []
        self._order = 0
        self._running: set[Key] = set()
        self._dirty: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}  # the server asked for it
        self._wake = asyncio.Event()
        self.retries_total = 0

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Wants the key after `delay` seconds. Of several wishes the earliest counts; a running key runs once more."""
        now = self._clock()
        due = max(now + delay, self._not_before.get(key, 0.0))
        if due > now:
            if key not in self._due or due < self._due[key]:
                self._due[key] = due
                self._order += 1
                heapq.heappush(self._timers, (due, self._order, key))
                self._wake.set()
            return
        self._due.pop(key, None)
        if key in self._running:
            self._dirty.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._added_at[key] = self._clock()
            self._ready.append(key)
            self._wake.set()

    async def get(self) -> Key:
        """The next key; it is the caller's until `done`."""
        while True:
            self._promote()
            if self._ready:
                key = self._ready.popleft()
                self._waiting.discard(key)
                self._added_at.pop(key, None)
                self._running.add(key)
                return key
            self._wake.clear()
            pause = self._timers[0][0] - self._clock() if self._timers else None
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes when it has just been woken.
            with suppress(TimeoutError):
                async with asyncio.timeout(None if pause is None else max(pause, 0.0)):
                    await self._wake.wait()

    def done(self, key: Key, again: float | None = None) -> None:
        """The key was reconciled; it is wanted again after `again` seconds, or when somebody adds it."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        self._finished(key, again)

    def failed(self, key: Key, at_least: float = 0.0) -> float:
        """The key is to be tried again, for ever, with backoff; the seconds until then. `at_least`: nothing that anybody
        wishes comes sooner."""
        self._failures[key] = self._failures.get(key, 0) + 1
        self.retries_total += 1
        pause = max(backoff(self._failures[key], self._jitter()), at_least)
        if at_least > 0:
            self._not_before[key] = self._clock() + at_least
        self._finished(key, pause)
        return pause

    def _finished(self, key: Key, again: float | None) -> None:
        self._running.discard(key)
        if again is not None:
            self.add(key, again)
        if key in self._dirty:
            self._dirty.discard(key)
            # What failed waits for its backoff, whatever happened meanwhile; else a busy object would be hammered.
            if key not in self._failures:
                self.add(key)

    def _promote(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                self.add(key)

    @property
    def depth(self) -> int:
        return len(self._ready)

    @property
    def failing(self) -> int:
        """How many keys failed the last time."""
        return len(self._failures)

    def oldest_age(self) -> float:
        """Seconds for which the first key has been waiting for a worker."""
        return self._clock() - self._added_at[self._ready[0]] if self._ready else 0.0
