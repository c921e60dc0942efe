"""The timed section of a child process, and the file in which it hands over what it found."""

import gc
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self


class Timer:
    """`with Timer() as timer` measures wall time and the CPU time of this process, all threads together."""

    seconds = cpu = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._began = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._began, time.process_time() - self._cpu

    def add(self, part: "Timer") -> None:
        """What is measured in parts."""
        self.seconds += part.seconds
        self.cpu += part.cpu


def settle() -> None:
    """Leaves what was loaded out of Python's cyclic collection, so that the timed section does not pay for its size."""
    gc.collect()
    gc.freeze()


Station = Callable[..., tuple[Timer, Mapping[str, Any]]]


def run(stations: Mapping[str, Station], name: str, result: str, *arguments: str) -> None:
    """Calls one station with its arguments and writes time and facts to the file `result`."""
    timer, facts = stations[name](*arguments)
    Path(result).write_text(json.dumps({"seconds": timer.seconds, "cpu": timer.cpu, "facts": dict(facts)}))
