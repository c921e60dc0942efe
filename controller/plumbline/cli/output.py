"""How commands print JSON: for people too, and the same bytes for the same data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

# Down to here objects are written member by member, so that the text of all is never held at once.
_APART = 2


def print_json(data: Any) -> None:
    """The bytes that `json` gives with sorted keys and an indent of two."""
    for piece in _pieces(data, 0):
        sys.stdout.write(piece)
    sys.stdout.write("\n")


def _pieces(value: Any, depth: int) -> Iterator[str]:
    indent = "\n" + "  " * depth
    if depth == _APART or not isinstance(value, dict) or not value or not all(isinstance(key, str) for key in value):
        # No text holds a line break, which JSON escapes.
        yield _text(value).replace("\n", indent)
        return
    before = "{"
    for key in sorted(value):
        yield f"{before}{indent}  {json.dumps(key)}: "
        yield from _pieces(value[key], depth + 1)
        before = ","
    yield indent + "}"


def _text(value: Any) -> str:
    # Without an indent json writes in C, which is faster by some times; the bytes are those that it gives with one.
    try:
        return msgspec.json.format(json.dumps(value, sort_keys=True), indent=2)
    except msgspec.DecodeError:  # such as the name of a file that is no text
        return json.dumps(value, indent=2, sort_keys=True)
