"""Runs one measurement in a process of its own and reads what that process took.

Knows processes and clocks, not what is measured. Must stay small and import nothing of plumbline: on Linux a child's
`ru_maxrss` starts at what its parent holds.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Measured:
    """`seconds`: wall time of the timed section, without the start of Python and imports. `cpu`: user and system time
    of that section, in the child alone. `peak`: highest resident memory in MiB of the whole child process."""

    name: str
    seconds: float
    cpu: float
    peak: float
    facts: dict[str, Any] = field(default_factory=dict)


def measure(
    module: str, name: str, *arguments: str, env: Mapping[str, str] | None = None, python: str = sys.executable
) -> Measured:
    """`python -m MODULE NAME RESULT ARGUMENTS...` in a child. Raises RuntimeError when it fails."""
    return measure_command(name, [python, "-m", module, name], arguments, env)


def measure_command(
    name: str, begin: Sequence[str], arguments: Sequence[str], env: Mapping[str, str] | None = None
) -> Measured:
    """Any program that takes the file for its result after `begin`, and writes there what `benchmarks.timer` does."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        result = Path(folder) / "result.json"
        process = subprocess.Popen(
            [*begin, str(result), *arguments], cwd=ROOT, env={**os.environ, **(env or {})}, stdout=sys.stderr
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"the station {name!r} ended with status {process.returncode}; what it said is above")
        said = json.loads(result.read_text())
    # A station that starts a process reports that one's peak itself.
    peak = said["facts"].pop("peak", None) or usage.ru_maxrss / 1024
    return Measured(name, said["seconds"], said["cpu"], peak, said["facts"])
