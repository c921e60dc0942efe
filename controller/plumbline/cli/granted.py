"""`plumbline granted`: what a principal of a file is granted. Prints; computes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plumbline.cli.account_files import ACCOUNT_DETAILS, Organization, read, read_accounts
from plumbline.cli.output import print_json

if TYPE_CHECKING:
    from plumbline.iam.access import Access, AccessGroup, Source
    from plumbline.model.snapshot import Principal

SCHEMA_VERSION = "1"
EXIT_UNKNOWN = 2
NO_ORGANIZATION = "no SCPs are known, so this is an upper bound"


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(granted)


def granted(
    arn: Annotated[str, typer.Argument(metavar="ARN", help="A role or user of the file.")],
    account_details: Annotated[list[Path], ACCOUNT_DETAILS],
    organization: Organization = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Show which actions a role or user is granted, on what, when, and by which statements.

    Needs no AWS credentials and no network. Ends with 2 when a policy could not be read: then it may be granted more,
    or less.
    """
    from plumbline.assess.guardrails import spared
    from plumbline.iam.access import access_of

    principals = read(account_details)
    principal = principals.get(arn)
    if principal is None:
        raise typer.BadParameter(f"{arn} is not in the files", param_hint="ARN")
    accounts = read_accounts(organization, [principal])
    account = None if accounts is None else accounts[principal.account]
    found = access_of(principal, account.scp_levels if account else (), scp_exempt=spared(principal, account))
    assumes = [NO_ORGANIZATION] if account is None else []
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        print_json(as_json(principal, found, assumes))
    else:
        sys.stdout.write("\n".join(_lines(principal, found, assumes)) + "\n")
    if not found.granted.known:
        sys.stderr.write(f"unknown: {found.granted.unknown_reason}\n")
        raise typer.Exit(EXIT_UNKNOWN)


def as_json(principal: Principal, found: Access, assumes: list[str]) -> dict[str, Any]:
    """The result as docs/schemas/granted.schema.json describes it."""
    from plumbline.iam.access import names_of
    from plumbline.iam.catalogue import catalogue

    total, known = found.granted, catalogue()
    return {
        "schemaVersion": SCHEMA_VERSION,
        "principal": principal.arn,
        "type": principal.kind,
        "catalogue": known.version,
        "granted": total.granted.bit_count() + len(total.granted_unknown),
        "masked": sorted([*known.names_of(total.masked), *total.masked_unknown], key=str.lower),
        "known": total.known,
        "unknownBecause": total.unknown_reason or None,
        "assumes": assumes,
        "access": [
            {
                "kind": group.kind,
                "actions": list(names_of(group)),
                "grants": [_source(s) for s in group.grants],
                "limits": [_source(s) for s in group.limits],
            }
            for group in found.groups
        ],
    }


def _source(source: Source) -> dict[str, Any]:
    raw = json.loads(source.statement.raw)
    wanted = ("Effect", "Resource", "NotResource", "Condition")
    said = {name[0].lower() + name[1:]: raw[name] for name in wanted if name in raw}
    where = {"layer": source.layer, "level": source.level, "policy": source.policy}
    return {**where, "statement": source.statement.index, "sid": source.statement.sid, **said}


def _lines(principal: Principal, found: Access, assumes: list[str]) -> Iterator[str]:
    """The result for people: services instead of all names."""
    total = found.granted
    yield f"{principal.arn}: {total.granted.bit_count() + len(total.granted_unknown):,} actions granted"
    if total.masked:
        yield f"{total.masked.bit_count():,} more are masked by a Deny, the boundary or SCPs"
    for group in found.groups:
        yield f"\n{group.kind}: {_actions(group)}"
        for source in group.grants:
            yield f"  by {source.policy} {source.statement.label} on {_resources(source)}{_condition(source)}"
        for source in group.limits:
            what = "not" if source.statement.effect == "Deny" else "only"
            yield f"  {what} {source.layer} {source.policy} {source.statement.label} on {_resources(source)}{_condition(source)}"
    yield from (f"\nassumed: {text}" for text in assumes)


def _actions(group: AccessGroup) -> str:
    from plumbline.iam.access import names_of

    names = names_of(group)
    if len(names) <= 12:
        return ", ".join(names)
    services: dict[str, int] = {}
    for name in names:
        service = name.partition(":")[0]
        services[service] = services.get(service, 0) + 1
    most = sorted(services.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{service} {count:,}" for service, count in most[:12])
    more = f", and {len(most) - 12} more services" if len(most) > 12 else ""
    return f"{len(names):,} actions: {shown}{more}"


def _resources(source: Source) -> str:
    if source.statement.resources is not None:
        return ", ".join(source.statement.resources)
    return f"all but {', '.join(source.statement.not_resources or ())}"


def _condition(source: Source) -> str:
    conditions = source.statement.conditions
    return "".join(f" if {c.operator} {c.key} {', '.join(c.values)}" for c in conditions)
