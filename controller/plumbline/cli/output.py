"""How commands print JSON: for people too, and the same bytes for the same data."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec


def print_json(data: Any) -> None:
    # Without an indent json writes in C, which is faster by some times; the bytes are those that it gives with one.
    sys.stdout.write(msgspec.json.format(json.dumps(data, sort_keys=True), indent=2) + "\n")
