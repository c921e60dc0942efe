"""`plumbline usage`: what principals did, from CloudTrail log files. Prints; computes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from plumbline.model.evidence import Evidence
    from plumbline.usage.summary import UsageSummary

EXIT_NOT_ALL_READ = 2


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(usage)


def usage(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files or folders of .json, .json.gz, .jsonl or .jsonl.gz."),
    ],
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Show who used which actions, from CloudTrail log files.

    Needs no AWS credentials and no network. Ends with 2 when something could not be read; the rest is printed.
    """
    from plumbline.usage.summary import NoSuchPathError, as_json, read_paths

    try:
        summary = read_paths(paths, _progress if sys.stderr.isatty() else None)
    except NoSuchPathError as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from error
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        sys.stdout.write(json.dumps(as_json(summary), indent=2, sort_keys=True) + "\n")
    else:
        _print(summary)
    if summary.problems:
        for problem in summary.problems:
            sys.stderr.write(f"{problem.object}: {problem.reason}: {problem.message}\n")
        raise typer.Exit(EXIT_NOT_ALL_READ)


def _progress(path: Path) -> None:
    sys.stderr.write(f"\r\x1b[Kreading {path.name[:70]}")


def _print(summary: UsageSummary) -> None:
    from rich.console import Console

    console, found = Console(), summary.usage
    bins = ", ".join(f"{name} {count:,}" for name, count in found.bins.items() if count)
    console.print(f"{found.records:,} events in {summary.files:,} files: {bins or 'none'}", highlight=False)
    if found.evidence:
        console.print(_table(found.evidence))
    for event in found.unmapped:
        console.print(
            f"no known action: {event.event_source} {event.event_name} by {event.principal}, {event.count:,} times",
            highlight=False,
            markup=False,
        )


def _table(evidence: Iterable[Evidence]) -> Table:
    from rich.table import Table

    table = Table("Principal", "Action", "Outcome", "Count", "Last", "Resources")
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    table.columns[3].justify = "right"
    previous = ""
    for item in evidence:
        more = "..." if item.resources_truncated else ""
        table.add_row(
            "" if item.principal == previous else item.principal,
            item.action + (" (perhaps)" if item.ambiguous else ""),
            item.outcome,
            f"{item.count:,}",
            f"{item.last:%Y-%m-%d}",
            f"{len(item.resources)}{more}" if item.resources else "",
        )
        previous = item.principal
    return table
