"""`plumbline paths`: which roles a principal can reach, through roles in turn. Prints; computes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.account_files import (
    ACCOUNT_DETAILS,
    POD_IDENTITY,
    Organization,
    assumed_of_pods,
    read,
    read_accounts,
    read_pod_identity,
)
from plumbline.cli.output import print_json

if TYPE_CHECKING:
    from plumbline.assess.path_gaps import Gaps
    from plumbline.assess.reach import Path as Way

SCHEMA_VERSION = "1"
EXIT_UNKNOWN = 2
NO_ORGANIZATION = "no SCPs and RCPs are known, so this is an upper bound"


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(paths)


def paths(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM", help="A role, user, account root, service, identity provider, EKS service account, or *."
        ),
    ],
    target: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="The role to reach; without it, all.", show_default=False)
    ] = None,
    account_details: Annotated[list[Path], ACCOUNT_DETAILS] = [],  # noqa: B006 - typer copies it
    organization: Organization = None,
    pod_identity: Annotated[list[Path], POD_IDENTITY] = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Show the shortest path to every role that a principal can assume, through other roles and across accounts.

    Trust policies and identity-based policies are evaluated together. Needs no AWS credentials and no network.
    """
    from plumbline.assess.hop_nodes import unassociated
    from plumbline.assess.path_gaps import gaps
    from plumbline.assess.reach import hops
    from plumbline.assess.reach import paths as ways
    from plumbline.assess.service_accounts import of_cluster
    from plumbline.assess.unseen import unseen
    from plumbline.export.analysis import path_json

    if not account_details:
        raise typer.BadParameter("give at least one file", param_hint="--account-details")
    principals = read(account_details)
    accounts = read_accounts(organization, principals.values())
    associated = read_pod_identity(pod_identity)
    beyond = unseen(principals, accounts or {})
    found = hops(principals, accounts or {}, associated, asked=source, beyond=beyond)
    assumes = [NO_ORGANIZATION] if accounts is None else []
    assumes += assumed_of_pods(unassociated(principals, found, associated), associated)
    known = {*principals, *(hop.source for hop in found)}
    sources = [source] if source in known else sorted(of_cluster(source, known))
    if not sources:
        raise typer.BadParameter(
            f"{source} is neither in the files nor named by a trust policy in them", param_hint="FROM"
        )
    if target is not None and target not in principals and not any(hop.target == target for hop in found):
        raise typer.BadParameter(f"{target} is not in the files, and no policy in them names it", param_hint="TO")
    missing = list(_missing(gaps(sources, target, principals, found, beyond)))
    assumes += missing
    chosen = [way for one in sources for way in ways(found, one) if target in (None, way.target)]
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        data = {
            "schemaVersion": SCHEMA_VERSION,
            "from": source,
            "to": target,
            "paths": [path_json(way) for way in chosen],
            "assumes": assumes,
        }
        print_json(data)
    else:
        sys.stdout.write("\n".join(_lines(source, target, chosen, assumes, complete=not missing)) + "\n")
    if missing and (target is None or not chosen):
        raise typer.Exit(EXIT_UNKNOWN)


def _missing(found: Gaps) -> Iterator[str]:
    """Why there may be more paths."""
    for arn in found.unread:
        yield f"the trust policy of {arn} could not be read; who can assume it is not shown"
    for arn in found.outside:
        yield f"nothing is known of {arn}; where it leads is not shown"
    for arn in found.unnamed:
        yield f"{arn} may assume other roles of accounts that are not in the files; they are not shown"


def _lines(
    source: str, target: str | None, chosen: Sequence[Way], assumes: Sequence[str], *, complete: bool
) -> Iterator[str]:
    """The paths for people. `complete`: there are no others."""
    if not chosen and complete:
        yield f"{source} reaches no role" if target is None else f"{source} does not reach {target}"
    elif not chosen:
        yield f"whether {source} reaches {'any role' if target is None else target} is not known"
    for way in chosen:
        yield way.source
        for at, hop in enumerate(way.hops, 1):
            conditions = f" if {', '.join(hop.conditions)}" if hop.conditions else ""
            yield f"{'  ' * at}-> {hop.target} ({hop.basis}, {hop.status}{conditions})"
    yield from (f"assumed: {text}" for text in assumes)
