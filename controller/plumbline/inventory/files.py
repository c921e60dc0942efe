"""Inventory from files: the output of GetAccountAuthorizationDetails as AWS prints it, without AWS.

Knows file formats. Must not know AWS clients; what a file lacks is unknown, never empty.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from plumbline.inventory.authorization_details import AuthorizationDetails
from plumbline.model.snapshot import Principal


class AccountDetailsError(Exception):
    """A file that does not hold authorization details; the message names the file and what is wrong."""


def read_account_details(paths: Iterable[Path]) -> dict[str, Principal]:
    """All roles and users of the files by ARN, sorted. A file is one account; pages of one account may be a JSON array.

    Raises AccountDetailsError.
    """
    found: dict[str, Principal] = {}
    for path in paths:
        with _uncollected():
            found.update(_read(path))
    return dict(sorted(found.items()))


@contextmanager
def _uncollected() -> Iterator[None]:
    """A file becomes very many objects at once and no cycles: looking for those meanwhile takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(path: Path) -> dict[str, Principal]:
    try:
        data = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise AccountDetailsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AccountDetailsError(f"{path}: is not JSON: {error}") from error
    details = AuthorizationDetails()
    pages = data if isinstance(data, list) else [data]
    for page in pages or [None]:
        _add(details, page, path)
    if all(page.get("IsTruncated") or page.get("NextToken") for page in pages):
        raise AccountDetailsError(f"{path}: ends before the last page; save the output without --max-items")
    try:
        return details.principals({}, lambda _arn: None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AccountDetailsError(f"{path}: {_wrong(error)}") from error


def _add(details: AuthorizationDetails, page: Any, path: Path) -> None:
    if not isinstance(page, dict) or not page.keys() & {"RoleDetailList", "UserDetailList", "Policies"}:
        raise AccountDetailsError(
            f"{path}: holds no RoleDetailList, UserDetailList or Policies; save the output of "
            "aws iam get-account-authorization-details"
        )
    try:
        details.add(page)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AccountDetailsError(f"{path}: {_wrong(error)}") from error


def _wrong(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else f"has not the shape of the answer: {error}"
