"""Policy documents as AWS hands them out, in the one form in which they are compared. Knows no policy language."""

from __future__ import annotations

import sys
from typing import Any

from plumbline.iam import documents


def canonical(document: Any) -> str | None:
    """Canonical JSON of a document: decoded, as JSON text, or as URL-encoded JSON text.

    None when it is no JSON object: then the access that it gives is unknown.
    Equal texts are one object in memory, because thousands of principals share AWS managed policies.
    """
    if not isinstance(document, str | dict):
        return None
    try:
        return sys.intern(documents.canonical(document))
    except documents.PolicyError:
        return None
