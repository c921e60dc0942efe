"""The options --account-details, --organization, --pod-identity and --ways, which several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plumbline.assess.escalation_ways import Way
    from plumbline.model.pod_identity import PodIdentity
    from plumbline.model.snapshot import Account, Principal

ACCOUNT_DETAILS = typer.Option(
    "--account-details",
    metavar="FILE",
    help="Output of aws iam get-account-authorization-details; several times.",
)

Organization = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Accounts with OUs, SCPs and RCPs.", show_default=False)
]


POD_IDENTITY = typer.Option(
    "--pod-identity",
    metavar="FILE",
    help="Output of aws eks describe-pod-identity-association; several times.",
)

WAYS = typer.Option(
    "--ways",
    metavar="FILE",
    help="Ways to gain privileges beside the known ones, as YAML or JSON; several times.",
)


def read(paths: Iterable[Path]) -> Mapping[str, Principal]:
    """All principals of the files by ARN. Raises typer.BadParameter, which is wrong usage."""
    from plumbline.inventory.files import read_account_details
    from plumbline.json_files import JsonFileError

    try:
        return read_account_details(paths).principals
    except JsonFileError as error:
        raise typer.BadParameter(str(error), param_hint="--account-details") from error


def read_accounts(path: Path | None, principals: Iterable[Principal]) -> dict[str, Account] | None:
    """The accounts of an organization's file; None without one. Of an account that it does not have, SCPs and RCPs are
    unknown. Raises typer.BadParameter, which is wrong usage."""
    from plumbline.inventory.organization_file import read_organization, with_unlisted
    from plumbline.json_files import JsonFileError

    if path is None:
        return None
    try:
        return with_unlisted(read_organization(path), principals)
    except JsonFileError as error:
        raise typer.BadParameter(str(error), param_hint="--organization") from error


def read_pod_identity(paths: Iterable[Path]) -> dict[str, PodIdentity]:
    """By account. Raises typer.BadParameter, which is wrong usage."""
    from plumbline.inventory.associations import by_account, read_associations
    from plumbline.json_files import JsonFileError

    try:
        return by_account(one for path in paths for one in read_associations(path))
    except JsonFileError as error:
        raise typer.BadParameter(str(error), param_hint="--pod-identity") from error


def read_own_ways(paths: Iterable[Path]) -> tuple[Way, ...]:
    """The known ways with those of the files. Raises typer.BadParameter, which is wrong usage."""
    from plumbline.assess.escalation_ways import WayError, known_ways, read_ways

    ways = known_ways()
    for path in paths:
        try:
            ways = read_ways(path.read_text("utf-8"), str(path), known=ways)
        except WayError as error:
            raise typer.BadParameter(str(error), param_hint="--ways") from error
        except OSError as error:
            raise typer.BadParameter(f"{path}: cannot be read: {error.strerror}", param_hint="--ways") from error
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"{path}: is no text in UTF-8: {error}", param_hint="--ways") from error
    return ways


def assumed_of_pods(roles: Iterable[str], associated: Iterable[str]) -> list[str]:
    """What is assumed of Pod Identity. `roles`: that it may assume for unknown service accounts; `associated`: accounts."""
    accounts = sorted({arn.split(":")[4] for arn in roles})
    found = [f"the files hold all Pod Identity associations of account {account}" for account in sorted(associated)]
    return found + [
        f"the Pod Identity associations of account {account} are not in the files; roles that trust "
        "pods.eks.amazonaws.com may be reached by service accounts that are not shown"
        for account in accounts
    ]
