"""Secrets of sources: files that are mounted into one folder. Nothing outside it is ever read or sent.

Knows the folder, not what a secret is for.
"""

from __future__ import annotations

import os
from pathlib import Path

from plumbline.aws.errors import Invalid

_FOLDER = "/etc/plumbline/secrets"
_MOST = 64 * 1024


def secret_path(name: str) -> Path:
    """The file of this name, which the model has checked to have no way out of the folder."""
    return Path(os.environ.get("PLUMBLINE_SECRETS") or _FOLDER) / name


def secret(name: str) -> str:
    """What the file holds, without the line break at its end. Read anew each time, because secrets are rotated."""
    path = secret_path(name)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST).strip("\r\n")
    except (OSError, ValueError) as error:
        raise Invalid(
            f"the secret {path} cannot be read: {error}",
            reason="SecretUnreadable",
            remedy="mount the secret there, or set PLUMBLINE_SECRETS to the folder that has it",
        ) from error
    if not text:
        raise Invalid(f"the secret {path} is empty", reason="SecretUnreadable", remedy="write the secret into the file")
    return text
