"""JSON files that people hand over: read, and wrong ones told by file, place and remedy. Knows no form of any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class JsonFileError(Exception):
    """A file that cannot be used; the message names it, the place in it and what is wrong."""


class PlaceError(ValueError):
    """What is wrong at one place of a file."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where} {what}")


def read_json(path: Path) -> Any:
    """Raises JsonFileError."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise JsonFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise JsonFileError(f"{path}: is not JSON: {error}") from error


def object_of(node: Any, known: frozenset[str], where: str) -> dict[str, Any]:
    """The node, if it is an object with no other members than these. Raises PlaceError."""
    if not isinstance(node, dict):
        raise PlaceError(where, "is no JSON object")
    for name in node:
        if name not in known:
            raise PlaceError(f"{where}.{name}", f"is not known; there are {', '.join(sorted(known))}")
    return node
