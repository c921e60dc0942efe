"""Inventory from files: the output of GetAccountAuthorizationDetails as AWS prints it, without AWS.

Knows file formats. Must not know AWS clients; what a file lacks is unknown, never empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plumbline.garbage import uncollected
from plumbline.inventory.authorization_details import AuthorizationDetails, Fetch
from plumbline.json_files import JsonFileError, read_json
from plumbline.model.snapshot import Group, Identities, Principal


def read_account_details(paths: Iterable[Path], fetch: Fetch = lambda _arn: None) -> Identities:
    """All roles, users and groups of the files. A file is one account; pages of one account may be a JSON array.

    `fetch`: a managed policy whose document the file lacks, or None. Raises JsonFileError.
    """
    principals: dict[str, Principal] = {}
    groups: dict[str, Group] = {}
    for path in paths:
        with uncollected():
            found = _read(path, fetch)
        principals.update(found.principals)
        groups.update(found.groups)
    return Identities(dict(sorted(principals.items())), dict(sorted(groups.items())))


def _read(path: Path, fetch: Fetch) -> Identities:
    data = read_json(path)
    details = AuthorizationDetails(whole=False)
    pages = data if isinstance(data, list) else [data]
    for page in pages or [None]:
        _add(details, page, path)
    if all(page.get("IsTruncated") or page.get("NextToken") for page in pages):
        raise JsonFileError(f"{path}: ends before the last page; save the output without --max-items")
    try:
        return details.identities({}, fetch)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JsonFileError(f"{path}: {_wrong(error)}") from error


def _add(details: AuthorizationDetails, page: Any, path: Path) -> None:
    if not isinstance(page, dict) or not page.keys() & {"RoleDetailList", "UserDetailList", "Policies"}:
        raise JsonFileError(
            f"{path}: holds no RoleDetailList, UserDetailList or Policies; save the output of "
            "aws iam get-account-authorization-details"
        )
    try:
        details.add(page)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JsonFileError(f"{path}: {_wrong(error)}") from error


def _wrong(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else f"has not the shape of the answer: {error}"
