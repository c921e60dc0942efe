"""`plumbline usage`: what principals did, from CloudTrail log files. Prints; computes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.output import print_json
from plumbline.cli.progress import progress, reading

if TYPE_CHECKING:
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
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes read. Default: one for each processor, where it is worth it."),
    ] = None,
) -> None:
    """Show who used which actions, from CloudTrail log files.

    Needs no AWS credentials and no network. Ends with 2 when something could not be read; the rest is printed.
    """
    from plumbline.usage.child import ReaderEndedError
    from plumbline.usage.summary import NoSuchPathError, as_json, read_paths

    try:
        with progress() as say:
            summary = read_paths(paths, lambda path: say(reading(path)), processes=processes)
    except NoSuchPathError as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from error
    except ReaderEndedError as error:
        sys.stderr.write(f"{error}: --processes 1\n")
        raise typer.Exit(EXIT_NOT_ALL_READ) from error
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        print_json(as_json(summary))
    else:
        _print(summary)
    if summary.problems:
        for problem in summary.problems:
            sys.stderr.write(f"{problem.object}: {problem.reason}: {problem.message}\n")
        raise typer.Exit(EXIT_NOT_ALL_READ)


def _print(summary: UsageSummary) -> None:
    from rich.console import Console

    console, found = Console(), summary.usage
    bins = ", ".join(f"{name} {count:,}" for name, count in found.bins.items() if count)
    console.print(f"{found.records:,} events in {summary.files:,} files: {bins or 'none'}", highlight=False)
    for line in _lines(found.evidence):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for event in found.unmapped:
        console.print(
            f"no known action: {event.event_source} {event.event_name} by {event.principal}, {event.count:,} times",
            highlight=False,
            markup=False,
        )


def _lines(evidence: Sequence[Evidence]) -> Iterator[str]:
    """Each principal on a line of its own, and below it what it did."""
    names = [item.action + (" (perhaps)" if item.ambiguous else "") for item in evidence]
    width = max(map(len, names), default=0)
    previous = ""
    for name, item in zip(names, evidence, strict=True):
        if item.principal != previous:
            yield f"\n{item.principal}"
            previous = item.principal
        line = f"  {name:<{width}}  {item.outcome:<9} {item.count:>9,}  {item.last:%Y-%m-%d}"
        yield f"{line}  {_number_of(item)}" if item.resources else line


def _number_of(item: Evidence) -> str:
    if item.resources_truncated:
        return f"{len(item.resources)} or more resources"
    return "1 resource" if len(item.resources) == 1 else f"{len(item.resources)} resources"
