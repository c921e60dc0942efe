"""What the modules of rows share: the best of some interleaved runs, and how a ratio is told."""

from collections.abc import Callable, Mapping
from typing import Protocol

from benchmarks.child import Measured

RUNS = 3
LONG = 10.0  # seconds of CPU; what takes longer is run once


class Rows(Protocol):
    def add(self, title: str, found: list[Measured]) -> Measured: ...
    def note(self, text: str) -> None: ...


def interleaved(commands: Mapping[str, Callable[[], Measured]], runs: int = RUNS) -> dict[str, list[Measured]]:
    """Runs all in turn, so that what else the machine does slows none of them alone."""
    found: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            if all(one.cpu <= LONG for one in found[name]):
                found[name].append(command())
    return found


def least(found: list[Measured]) -> float:
    """CPU seconds of the run that was disturbed least."""
    return min(one.cpu for one in found)


def target(ratio: float, wanted: float) -> str:
    return f"{ratio:.1f} times (target {wanted:g}{'' if ratio >= wanted else ', missed'})"
