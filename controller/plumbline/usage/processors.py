"""How many processes can work at once: the processors, and what the container may use of them and of memory.

Knows Linux's files only. https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, memory.max); of version 1
https://docs.kernel.org/scheduler/sched-bwc.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

_CGROUPS = "sys/fs/cgroup"
# More readers wait for the one who writes what they read. Each needs 100 MB, beside what the program itself needs.
_MOST_READERS, _MEMORY = 4, 512 << 20


def processors(root: Path = Path("/")) -> int:
    """At least one. A part of a processor counts as a whole one. `root`: where `proc` and `sys` lie."""
    return max(1, min([len(os.sched_getaffinity(0)), *map(ceil, _processors(root))]))


def readers(root: Path = Path("/")) -> int:
    """How many processes can read for one that writes."""
    return max(1, min([_MOST_READERS, processors(root), *(size // _MEMORY for size in _memory(root))]))


def _processors(root: Path) -> Iterator[float]:
    """Processors that the control groups allow."""
    for version, group in _groups(root, "cpu"):
        if version == 2:
            yield from _ratio(_text(group / "cpu.max").split())
        else:
            yield from _ratio([_text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")])


def _memory(root: Path) -> Iterator[int]:
    """Bytes that the control groups allow."""
    for version, group in _groups(root, "memory"):
        text = _text(group / ("memory.max" if version == 2 else "memory.limit_in_bytes")).strip()
        if text.isdecimal():
            yield int(text)


def _groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """This process's own control group and those around it, which bind it as well, each with the version."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        # In a container the path may be the host's, while the container's group lies where the mount begins.
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            if not controllers:
                yield 2, root / _CGROUPS / group
            elif controller in controllers.split(","):
                yield 1, root / _CGROUPS / controller / group


def _ratio(words: list[str]) -> Iterator[float]:
    """Quota by period. Without a limit the quota is `max` or -1, and where there is no such file there is none."""
    if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):
        yield int(words[0]) / int(words[1])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
