"""Reads log objects in this process, or in another beside it once there is enough to read that it is worth one.

Several threads read at once, each with a process of its own. Knows objects and usage; no day folder and no ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self

import msgspec

from plumbline.iam.overlay import Overlay, overlay
from plumbline.usage.aggregate import Aggregator, Usage
from plumbline.usage.child import Child, ReaderEndedError
from plumbline.usage.day_worker import Forget, Object, Sum
from plumbline.usage.event_kinds import Events
from plumbline.usage.fetching import opened, unfetched
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Folder, Listed
from plumbline.usage.pool import WORTH
from plumbline.usage.records import Problem
from plumbline.usage.worker import received

_USAGE = msgspec.msgpack.Decoder(Usage)


@dataclass(slots=True)
class Volume:
    """How many bytes a pass has read so far, as they lie there."""

    read: int = 0


def _started() -> Child | None:
    """None where there is no room for another process."""
    try:
        return Child("plumbline.usage.day_worker")
    except OSError:
        return None


class LogReader:
    """One at a time reads with it. `with` ends its process."""

    def __init__(
        self, source: LogSource, known: Overlay, pool: ThreadPoolExecutor, volume: Volume, *, alone: bool = True
    ) -> None:
        """`alone`: without a process beside."""
        self.source, self.overlay, self.pool, self._volume = source, known, pool, volume
        # The process has the overlay of the package.
        self._alone = alone or known is not overlay()
        self._events = Events(known)
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def kill(self) -> None:
        """From another thread: whoever reads with it gets ReaderEndedError."""
        child = self._child
        if child is not None:
            child.kill()

    def forget(self) -> None:
        """Another account or Region follows."""
        self._events = Events(self.overlay)
        if self._child is not None and not self._child.send(Forget()):
            self._end()

    def read(self, logs: Sequence[Listed]) -> Usage:
        """What the logs say together. Raises ReaderEndedError; the next call has a new process."""
        if self._alone or not logs or (self._child is None and self._volume.read < WORTH):
            return self._here(logs)
        try:
            return self._beside(logs)
        except ReaderEndedError:
            self._end()
            raise

    def _here(self, logs: Sequence[Listed]) -> Usage:
        aggregator = Aggregator(self.overlay, self.source.name, events=self._events)
        for item, stream in opened(self.source.store, self.pool, logs, aggregator.problems):
            try:
                aggregator.feed(item.key, stream)
                self._volume.read += stream.tell()
            except OSError as error:
                aggregator.problems.append(unfetched(item, error))
        return aggregator.result()

    def _beside(self, logs: Sequence[Listed]) -> Usage:
        child = self._child = self._child or _started()
        if child is None:
            return self._here(logs)
        problems: list[Problem] = []
        store = self.source.store
        if isinstance(store, Folder):
            orders = (Object(item.key, path=store.path(item.key)) for item in logs)
        else:
            orders = (Object(item.key, stream.read()) for item, stream in opened(store, self.pool, logs, problems))
        for order in orders:
            if not child.send(order):
                raise child.ended()
        usage = received(child.answers, _USAGE) if child.send(Sum(self.source.name)) else None
        if usage is None:
            raise child.ended()
        return replace(usage, problems=(*problems, *usage.problems))
