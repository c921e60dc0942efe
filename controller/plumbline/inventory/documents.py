"""Policy documents as AWS hands them out, in the one form in which they are compared. Knows no policy language."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import msgspec

from plumbline.iam import documents


def canonical(document: Any) -> str | None:
    """Canonical JSON of a document: decoded, as JSON text, or as URL-encoded JSON text.

    None when it is no JSON object: then the access that it gives is unknown.
    Equal texts are one object in memory, because thousands of principals share AWS managed policies.
    """
    if isinstance(document, str):
        return _of_text(document)
    if not isinstance(document, dict):
        return None
    # Putting a document in order costs several times as much as printing it, and every account lists the same ones.
    try:
        return _of_text(msgspec.json.encode(document).decode())
    except (TypeError, ValueError):  # lone surrogates and the like, which only json prints
        return sys.intern(documents.canonical(document))


@lru_cache(maxsize=8192)
def _of_text(text: str) -> str | None:
    try:
        return sys.intern(documents.canonical(text))
    except documents.PolicyError:
        return None
