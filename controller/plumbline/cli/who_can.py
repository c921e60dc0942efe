"""`plumbline who-can`: which principals of a file can do something. Prints; computes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plumbline.cli.account_files import (
    ACCOUNT_DETAILS,
    POD_IDENTITY,
    Organization,
    read,
    read_accounts,
    read_pod_identity,
)
from plumbline.cli.output import print_json

if TYPE_CHECKING:
    from plumbline.inventory.who_can import Ground, WhoCan

SCHEMA_VERSION = "1"
EXIT_UNKNOWN = 2


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="who-can")(who_can)


def who_can(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Such as s3:GetObject.")],
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="ARN, or * for actions without resources.")],
    account_details: Annotated[list[Path], ACCOUNT_DETAILS],
    organization: Organization = None,
    pod_identity: Annotated[list[Path], POD_IDENTITY] = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Show which roles and users can do an action on a resource; who may, under which conditions; and what is unknown.

    Needs no AWS credentials and no network. Ends with 2 when it is unknown of somebody.
    """
    from plumbline.inventory import who_can as engine

    service, colon, name = action.partition(":")
    if not (service and colon and name) or "*" in action or "?" in action:
        raise typer.BadParameter(f"{action!r} must name one action, such as s3:GetObject", param_hint="ACTION")
    principals = read(account_details)
    accounts, associated = read_accounts(organization, principals.values()), read_pod_identity(pod_identity)
    found = engine.who_can(action, resource, principals, accounts, associated)
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        print_json(as_json(action, resource, found))
    else:
        sys.stdout.write("\n".join(_lines(action, resource, found)) + "\n")
    unknown = [answer for answer in found.answers if answer.kind == "unknown"]
    if unknown:
        why = sorted({text for answer in unknown for text in answer.why})
        sys.stderr.write(f"unknown of {len(unknown):,}: {'; '.join(why)}\n")
        raise typer.Exit(EXIT_UNKNOWN)


def as_json(action: str, resource: str, found: WhoCan) -> dict[str, Any]:
    """The result as docs/schemas/who-can.schema.json describes it."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "action": action,
        "resource": resource,
        "allowed": [{"principal": a.principal, "by": _by(a.by)} for a in found.answers if a.kind == "allowed"],
        "conditional": [
            {"principal": a.principal, "by": _by(a.by), "dependsOn": list(a.why)}
            for a in found.answers
            if a.kind == "conditional"
        ],
        "unknown": [{"principal": a.principal, "because": list(a.why)} for a in found.answers if a.kind == "unknown"],
        "assumes": list(found.assumes),
    }


def _by(grounds: tuple[Ground, ...]) -> list[dict[str, Any]]:
    return [{"layer": g.layer, "policy": g.policy, "statement": g.statement, "sid": g.sid} for g in grounds]


def _lines(action: str, resource: str, found: WhoCan) -> Iterator[str]:
    """The result for people."""
    for kind, title in (("allowed", "can"), ("conditional", "can, depending on"), ("unknown", "unknown")):
        answers = [a for a in found.answers if a.kind == kind]
        if answers:
            yield f"{title} ({len(answers)})"
        for answer in answers:
            yield f"  {answer.principal}" + (f": {', '.join(answer.why)}" if answer.why else "")
    if not found.answers:
        yield f"nobody in the files can {action} on {resource}"
    yield from (f"assumed: {text}" for text in found.assumes)
