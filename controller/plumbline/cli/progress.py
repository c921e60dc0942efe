"""What a command is doing, on one line of stderr that is gone in the end. Knows the terminal; must not know the work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 78  # a line that wraps could not be taken back
_GONE = "\r\x1b[K"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Each text takes the place of the one before. Says nothing where no person looks on: stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield _say
    finally:
        sys.stderr.write(_GONE)
        sys.stderr.flush()


def reading(path: Path | str) -> str:
    """How it is said that a file is read."""
    return f"reading {Path(path).name}"


def _say(text: str) -> None:
    sys.stderr.write(f"{_GONE}{text[:_LONGEST]}")
    sys.stderr.flush()
