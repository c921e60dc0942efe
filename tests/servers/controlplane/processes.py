"""Server processes that never outlive the tests, and free ports for them.

Knows nothing of Kubernetes.
"""

import contextlib
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_TAIL_LINES = 25
_LINE_LENGTH = 1000  # a server may log whole objects in one line
_POLL_SECONDS = 0.05


class StartError(Exception):
    """A server did not start, or did not become ready in time; the message has the end of its log."""


class Server:
    """One started program and its log."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Returns as soon as `ready()`; an error when the program ends before, or after this many seconds."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running():
                raise StartError(
                    f"{self.name} ended with code {self._process.returncode} while waiting for {what}. {self._log_end()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"{self.name} runs, but {what} took more than {seconds:.0f} s: a busy machine, or see the log. "
                    f"{self._log_end()}"
                )
            time.sleep(_POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, also when it is stopped by SIGSTOP: what it keeps is thrown away anyway."""
        self._process.kill()
        self._process.wait()

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")

    def resident_mib(self) -> int:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) // 1024
        return 0

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return f"The end of {self.log}:\n  " + "\n  ".join(line[:_LINE_LENGTH] for line in lines)


class Group:
    """A process group whose members end with the tests, however these end.

    Its leader is a shell that waits for the end of a pipe from this process. The system closes the pipe when this
    process ends, even by SIGKILL; then the shell kills its group. (Linux's parent-death signal would not do: it also
    comes when only the thread ends that started the program.) The members are no part of the terminal's foreground
    group, so Ctrl-C does not reach them before the tests have cleaned up.
    """

    def __init__(self) -> None:
        self._members: list[subprocess.Popen[bytes]] = []
        self._leader = subprocess.Popen(
            ["/bin/sh", "-c", "trap '' HUP INT TERM; read -r _; kill -KILL 0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def start(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], **more: Any
    ) -> Server:
        """Starts a program as a member; what it prints is added to the log. `more`: of Popen, such as another user."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                process_group=self._leader.pid,
                **more,
            )
        self._members.append(process)
        return Server(name, process, log)

    def close(self) -> None:
        """Ends all members; returns when they are gone."""
        with contextlib.suppress(BrokenPipeError):
            self._leader.__exit__(None, None, None)  # closes the pipe and waits
        for process in self._members:
            process.wait()


def free_port() -> int:
    """A port that nothing listens on now.

    It lies below the ports that the system gives to outgoing connections: one of those could be taken by anyone's
    connection while a server that is to come back on its port is down.
    """
    lowest_ephemeral = 32768
    with contextlib.suppress(OSError, ValueError):
        lowest_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    choose = random.SystemRandom()  # tests seed the module's own generator, and parallel runs would collide
    for _ in range(100):
        port = choose.randrange(min(10_000, lowest_ephemeral - 1000), lowest_ephemeral)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise StartError(f"no free port on 127.0.0.1 between 10000 and {lowest_ephemeral}: end servers that are left over")
