"""`plumbline report`: what `plumbline analyze` finds, as one HTML file. Reads options, writes; judges nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from plumbline.cli.account_files import WAYS, read_own_ways
from plumbline.cli.facts_options import Given, with_facts
from plumbline.cli.progress import progress

EXIT_INCOMPLETE = 2


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(report)


@with_facts
def report(
    read: Callable[[], Given],
    output: Annotated[Path, typer.Option(help="The file to write; - for stdout.")] = Path("plumbline-report.html"),
    details: Annotated[
        int, typer.Option(min=0, help="Roles and users that are shown in full, the highest risk first.")
    ] = 50,
    ways: Annotated[list[Path], WAYS] = [],  # noqa: B006 - typer copies it
) -> None:
    """Write the landscape as one HTML file that needs nothing else: accounts, risk, roles, evidence, policies, paths.

    Takes the files of plumbline analyze. Needs no AWS credentials and no network. Ends with 2 when some input could not
    be used; the file says which.
    """
    from plumbline.assess.analysis import analyse
    from plumbline.dashboard.pages import one_file
    from plumbline.dashboard.picture import Picture
    from plumbline.export.analysis import Report

    known = read_own_ways(ways)
    given = read()
    facts = replace(given.facts, ways=known)
    with progress() as say:
        found = analyse(facts, progress=say)
        say("making the page")
        text = one_file(Picture("files", Report(found, facts, given.as_of, given.warnings)), details)
    if str(output) == "-":
        sys.stdout.write(text)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"{error}; name another file", param_hint="--output") from error
    sys.stderr.writelines(f"{line}\n" for line in given.warnings)
    if str(output) != "-":
        sys.stderr.write(f"written to {output}\n")
    if given.incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)
