"""The option --account-details, which several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from plumbline.model.snapshot import Principal

ACCOUNT_DETAILS = typer.Option(
    "--account-details",
    metavar="FILE",
    help="Output of aws iam get-account-authorization-details; several times.",
)


def read(paths: Iterable[Path]) -> dict[str, Principal]:
    """All principals of the files by ARN. Raises typer.BadParameter, which is wrong usage."""
    from plumbline.inventory.files import read_account_details
    from plumbline.json_files import JsonFileError

    try:
        return read_account_details(paths)
    except JsonFileError as error:
        raise typer.BadParameter(str(error), param_hint="--account-details") from error
