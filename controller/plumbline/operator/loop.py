"""The workers and the sweep: take a key, reconcile it in a thread, put it back as its outcome says.

Knows the queue and outcomes, not what reconciling means. Watches are only hints; the sweep lists everything from time to
time, so nothing that a watch missed stays missed. What is as the last sweep found it is left to its own interval.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import structlog

from plumbline.kube.errors import KubeError
from plumbline.operator.keys import Done, Key, Outcome, Retry, Stalled
from plumbline.operator.queue import KeyedQueue

HEARTBEAT: Final = 1.0
STUCK_AFTER: Final = 60.0  # seconds without a heartbeat
_log = structlog.get_logger()


def changed(before: Mapping[Key, Hashable], now: Mapping[Key, Hashable]) -> set[Key]:
    """The keys that are new, differ or are gone: those were perhaps deleted while no watch looked."""
    return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}


class Loop:
    """Owns the queue. `reconcile` runs in a thread and never raises for what fails outside. `lister`: all keys that
    exist now with what tells their versions apart, also in a thread."""

    def __init__(
        self,
        reconcile: Callable[[Key], Outcome],
        lister: Callable[[], Mapping[Key, Hashable]],
        *,
        workers: int = 4,
        sweep_every: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconcile = reconcile
        self._lister = lister
        self._workers = workers
        self._sweep_every = sweep_every
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.queue: KeyedQueue[Key] = KeyedQueue()
        # Apart from kopf's executor: a slow AWS call must never hold up its watches.
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="worker")
        self._tasks: list[asyncio.Task[None]] = []
        self._known: Mapping[Key, Hashable] = {}
        self._stopping = False
        self.heartbeat = clock()
        self.last_sweep: float | None = None  # time.time()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.seconds: Counter[str] = Counter()

    def start(self) -> None:
        jobs = [self._worker() for _ in range(self._workers)]
        self._tasks = [asyncio.create_task(job) for job in (*jobs, self._sweep(), self._beat())]

    async def stop(self, within: float) -> bool:
        """No new key is taken; what runs may end, for `within` seconds. Whether all has ended: the thread of what has not
        goes on, and Python would wait for it at its exit. What is cut off is repeated after a restart."""
        self._stopping = True
        busy = [task for task in self._tasks if task.get_name().startswith("busy")]
        late = (await asyncio.wait(busy, timeout=within))[1] if busy else set[asyncio.Task[None]]()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not late

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Thread-safe."""
        with suppress(RuntimeError):  # the loop is closed: the next start lists everything
            self._loop.call_soon_threadsafe(self.queue.add, key, delay)

    def live(self) -> str:
        age = self._clock() - self.heartbeat
        return f"the event loop has not turned for {age:.0f} seconds" if age > STUCK_AFTER else ""

    def ready(self) -> str:
        return "" if self.last_sweep is not None else "the first sweep has not finished"

    async def _worker(self) -> None:
        task = asyncio.current_task()
        while not self._stopping and task is not None:
            task.set_name("idle")
            key = await self.queue.get()
            task.set_name(f"busy {key}")
            began = self._clock()
            outcome = await self._outcome(key)
            self.outcomes[key.resource.kind, type(outcome).__name__] += 1
            self.seconds[key.resource.kind] += self._clock() - began  # type: ignore[assignment]  # a Counter may hold floats
            self._settle(key, outcome)

    async def _outcome(self, key: Key) -> Outcome:
        try:
            return await self._loop.run_in_executor(self._pool, self._reconcile, key)
        except Exception as error:  # noqa: BLE001
            # A mistake of ours with one object must not end the worker: it is told, seen in a metric, and tried again.
            _log.exception("reconcile failed", key=str(key))
            return Retry(f"{type(error).__name__}: {error}")

    def _settle(self, key: Key, outcome: Outcome) -> None:
        if isinstance(outcome, Retry):
            pause = self.queue.failed(key, outcome.after)
            _log.warning("retry", key=str(key), reason=outcome.reason, seconds=round(pause, 1))
            return
        if isinstance(outcome, Stalled):
            _log.info("stalled", key=str(key), reason=outcome.reason)
        self.queue.done(key, outcome.again if isinstance(outcome, Done) else None)

    async def _sweep(self) -> None:
        pause = 1.0
        while True:
            try:
                found = await self._loop.run_in_executor(self._pool, self._lister)
            except Exception as error:  # noqa: BLE001
                # Whatever it is, without the sweep what no watch told would stay unseen for ever.
                told = _log.warning if isinstance(error, KubeError) else _log.exception
                told("sweep failed", error=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)
                continue
            for key in sorted(changed(self._known, found), key=str):
                self.queue.add(key)
            self._known = found
            self.last_sweep = time.time()
            pause = 1.0
            await asyncio.sleep(self._sweep_every)

    async def _beat(self) -> None:
        while True:
            self.heartbeat = self._clock()
            await asyncio.sleep(HEARTBEAT)
