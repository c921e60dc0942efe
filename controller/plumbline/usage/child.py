"""A reading process and the pipes to it. Knows no order and no answer."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import BinaryIO, cast

from plumbline.usage.worker import send

_KILLED = -signal.SIGKILL, 128 + signal.SIGKILL


class ReaderEndedError(OSError):
    """A reading process ended before its time; what it had counted is lost. `remedy`: what a person can do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Child:
    """One process."""

    def __init__(self, module: str, env: Mapping[str, str] | None = None) -> None:
        # -P: what lies in the current folder is not for the process to import.
        command = [sys.executable, "-P", "-m", module]
        # In a group of its own: an interrupt from a terminal reaches the one who waits, who then ends the others.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, process_group=0
        )
        self._orders = cast("BinaryIO", self._process.stdin)
        self.answers = cast("BinaryIO", self._process.stdout)

    def send(self, order: object) -> bool:
        """Whether it is still there to take the order."""
        try:
            send(self._orders, order)
        except BrokenPipeError:
            return False
        return True

    def ended(self) -> ReaderEndedError:
        """Why there is no answer. Waits for the process, which has closed its end of the pipe."""
        status = self._process.wait()
        if status in _KILLED:
            return ReaderEndedError(
                "a reading process was killed, perhaps for want of memory",
                "give the program more memory; it is tried again in the next pass",
            )
        return ReaderEndedError(
            f"a reading process ended with status {status}",
            "its message is in the log; it is tried again in the next pass",
        )

    def kill(self) -> None:
        """Ends the process at once; whoever waits for it hears of that."""
        self._process.kill()

    def end(self) -> None:
        """Ends the process at once; one that has handed over has nothing more to do."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._orders, self.answers):
            try:
                pipe.close()
            except OSError:  # an order that was not read
                continue
