"""How many processes can work at once: the processors, and what the container may use of them. Knows Linux's files only.

https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), https://docs.kernel.org/scheduler/sched-bwc.html (version 1)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

_CGROUPS = "sys/fs/cgroup"


def processors(root: Path = Path("/")) -> int:
    """At least one. A part of a processor counts as a whole one. `root`: where `proc` and `sys` lie."""
    return max(1, min([len(os.sched_getaffinity(0)), *map(ceil, _limits(root))]))


def _limits(root: Path) -> Iterator[float]:
    """Processors that this process's control groups allow: its own, and those around it, which bind it as well."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        # In a container the path may be the host's, while the container's group lies where the mount begins.
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            if not controllers:
                yield from _ratio(_text(root / _CGROUPS / group / "cpu.max").split())
            elif "cpu" in controllers.split(","):
                folder = root / _CGROUPS / "cpu" / group
                yield from _ratio([_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")])


def _ratio(words: list[str]) -> Iterator[float]:
    """Quota by period. Without a limit the quota is `max` or -1, and where there is no such file there is none."""
    if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):
        yield int(words[0]) / int(words[1])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
