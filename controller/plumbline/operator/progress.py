"""What a pass of a landscape is doing, for those who wait for it. Knows the log and the time, not what is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

EVERY: Final = 30.0  # seconds

_log = structlog.get_logger()


class Progress:
    """Each step goes to the debug log, and one in half a minute to the log that everybody reads: short passes add nothing
    to it."""

    def __init__(self, landscape: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._landscape, self._clock = landscape, clock
        self._began = self._told = clock()

    def __call__(self, text: str) -> None:
        now = self._clock()
        if now - self._told < EVERY:
            _log.debug("progress", landscape=self._landscape, text=text)
            return
        self._told = now
        _log.info("collecting", landscape=self._landscape, seconds=round(now - self._began), text=text)
