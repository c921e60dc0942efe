"""Reads files with several processes; the sum is the one of a single process over the same files in the same order.

Each process counts for itself and hands over its tally once. Records delivered again are found here, batch by batch in
the order of files. Knows processes and their orders; must not know what a record means.
"""

from __future__ import annotations

import os
import secrets
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from math import ceil
from queue import SimpleQueue

from plumbline.usage.attribution import Caller
from plumbline.usage.child import Child, ReaderEndedError
from plumbline.usage.repeats import Memory
from plumbline.usage.tally import Tally
from plumbline.usage.worker import Done, Give, Groups, Order, Read, Rest, group_of, key_of, receive_answer

# Files that are read with one order: so many bytes as they lie there, or so many files.
_BYTES, _FILES = 2 << 20, 500
# Orders that follow one another, often of one account, go to one process, so that few groups are in several tallies.
_RUN = 4
# How far reading may run ahead of the oldest order that is not done, so that what waits to be merged stays small.
_AHEAD = 2 * _RUN
# Below it a second process would take longer to start than it saves.
WORTH = 24 << 20


def portions(files: Sequence[tuple[str, int]]) -> Iterator[tuple[str, ...]]:
    """Files with their sizes, in order, divided into orders."""
    some, size = list[str](), 0
    for path, length in files:
        some.append(path)
        size += length
        if size >= _BYTES or len(some) >= _FILES:
            yield tuple(some)
            some, size = [], 0
    if some:
        yield tuple(some)


def read_files(
    files: Sequence[tuple[str, int]],
    processes: int,
    progress: Callable[[str], None] | None,
    until: datetime | None = None,
) -> Tally:
    """The tally of files, given with their sizes, without what was recorded after `until`. Raises ReaderEndedError."""
    return _Run([Read(paths, until) for paths in portions(files)], processes, progress).tally()


class _Run:
    def __init__(self, orders: list[Read], processes: int, progress: Callable[[str], None] | None) -> None:
        self._orders, self._progress = orders, progress
        # The same seed for all, so that their marks can be compared; another for each run, so that nobody can choose
        # names that collide.
        env = {**os.environ, "PYTHONHASHSEED": str(secrets.randbelow(1 << 32))}
        self._workers = [_Worker(env) for _ in range(min(processes, len(orders)))]
        self._next, self._lock = 0, threading.Lock()
        self._ahead = threading.Semaphore(len(self._workers) * _RUN + _AHEAD)
        self._over = False
        self._found: SimpleQueue[tuple[int, int, Done | BaseException]] = SimpleQueue()

    def tally(self) -> Tally:
        try:
            for number in range(len(self._workers)):
                threading.Thread(target=self._drive, args=(number,), name=f"logs-{number}", daemon=True).start()
            result = Tally()
            repeats = self._merged(result)
            for worker, found in zip(self._workers, repeats, strict=True):
                worker.hand_over(found, result)
            return result
        finally:
            self._over = True
            for worker in self._workers:
                worker.end()
                self._ahead.release(_RUN)

    def _drive(self, number: int) -> None:
        """Gives one worker order after order."""
        try:
            while run := self._taken():
                for place in run:
                    self._found.put((place, number, self._workers[number].read(self._orders[place])))
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            self._found.put((-1, number, error))

    def _taken(self) -> range:
        """The next orders for one worker, fewer towards the end, so that all end together. Empty when there are none."""
        with self._lock:
            left = len(self._orders) - self._next
            run = min(_RUN, ceil(left / (2 * len(self._workers))))
            for _ in range(run):
                self._ahead.acquire()  # in the order of orders: the oldest never waits for later ones
            self._next += run
            return range(0) if self._over else range(self._next - run, self._next)

    def _merged(self, result: Tally) -> list[Counter[int]]:
        """Takes in what is done, in the order of files. For each worker: place -> records that were repetitions."""
        memory = Memory()
        repeats: list[Counter[int]] = [Counter() for _ in self._workers]
        waiting: dict[int, tuple[int, Done]] = {}
        for place, order in enumerate(self._orders):
            while place not in waiting:
                number, worker, done = self._found.get()
                if isinstance(done, BaseException):
                    raise done
                waiting[number] = (worker, done)
            worker, done = waiting.pop(place)
            self._ahead.release()
            for batch in done.batches:
                again = memory.seen(array("q", batch.marks))
                if again:
                    places = array("q", batch.places)
                    repeats[worker].update(places[one] for one in again)
            result.problems.extend(done.problems)
            if self._progress is not None:
                self._progress(order.paths[-1])
        return repeats


class _Worker(Child):
    """One process, and the pipes to it."""

    def __init__(self, env: dict[str, str]) -> None:
        super().__init__("plumbline.usage.worker", env)

    def read(self, order: Read) -> Done:
        answer = self._ask(order)
        if not isinstance(answer, Done):
            raise self._lost()
        return answer

    def hand_over(self, repeats: Counter[int], result: Tally) -> None:
        """Adds the worker's tally to the result."""
        callers: dict[Caller, Caller] = {}
        answer = self._ask(Give(dict(repeats)))
        while isinstance(answer, Groups):
            for key, row in answer.groups:
                result.join_group(key_of(key, callers), group_of(row))
            answer = receive_answer(self.answers)
        if not isinstance(answer, Rest):
            raise self._lost()
        result.callers.frombytes(answer.callers)
        result.malformed += answer.malformed
        result.grants.update(answer.grants)
        result.trails.update(answer.trails)

    def _ask(self, order: Order) -> Done | Groups | Rest | None:
        return receive_answer(self.answers) if self.send(order) else None

    def _lost(self) -> ReaderEndedError:
        return ReaderEndedError(f"{self.ended()}; read with one process instead")
