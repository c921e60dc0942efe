"""Policy documents as AWS hands them out, as canonical JSON text. Knows no policy language."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import unquote


def canonical(document: Any) -> str | None:
    """Canonical JSON (sorted keys, no spaces) of a document: decoded, as JSON text, or as URL-encoded JSON text.

    None when it is no JSON object: then the access that it gives is unknown.
    Equal texts are one object in memory, because thousands of principals share AWS managed policies.
    """
    if isinstance(document, str):
        document = _parse(document)
    if not isinstance(document, dict):
        return None
    return sys.intern(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _parse(text: str) -> Any:
    # Text is tried first: a literal "%" in a plain document must not be decoded.
    for candidate in (text, unquote(text)):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return None
