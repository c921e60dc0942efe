"""How commands print JSON: for people too, and the same bytes for the same data."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec


def print_json(data: Any) -> None:
    # Without an indent json writes in C, which is faster by some times; the bytes are those that it gives with one.
    try:
        text = msgspec.json.format(json.dumps(data, sort_keys=True), indent=2)
    except msgspec.DecodeError:  # such as the name of a file that is no text
        text = json.dumps(data, indent=2, sort_keys=True)
    sys.stdout.write(text + "\n")
