"""`plumbline analyze`: everything that files say about all accounts at once. Reads options, prints; judges nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.account_files import WAYS, read_own_ways
from plumbline.cli.facts_options import Given, with_facts
from plumbline.cli.output import print_json
from plumbline.cli.progress import progress

if TYPE_CHECKING:
    from plumbline.assess.analysis import Analysis
    from plumbline.export.analysis import Report

EXIT_FAILED_ON, EXIT_INCOMPLETE = 1, 2
_RISK = re.compile(r"risk=([0-9]{1,3})")
_CONDITIONS: dict[str, Callable[[Analysis], bool]] = {
    "escalations": lambda found: any(p.escalations.escalations for p in found.principals),
    "external": lambda found: any(one.external for p in found.principals for one in p.trust or ()),
    "unused": lambda found: any(p.counts.unused for p in found.principals),
    "undetermined": lambda found: any(p.counts.undetermined for p in found.principals),
}


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"
    HTML = "html"
    SARIF = "sarif"


class Detail(StrEnum):
    COUNTS = "counts"
    ACTIONS = "actions"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(analyze)


@with_facts
def analyze(
    read: Callable[[], Given],
    detail: Annotated[Detail, typer.Option(help="With `actions`, JSON has the verdict of each action.")] = (
        Detail.COUNTS
    ),
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help=f"End with 1 when there is any of {', '.join(_CONDITIONS)}, risk=N; several with commas.",
            show_default=False,
        ),
    ] = None,
    ways: Annotated[list[Path], WAYS] = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Analyse all principals of account files: verdicts, risk, ways to gain privileges, trust and paths.

    Needs no AWS credentials and no network. Without a statement of coverage no action becomes unused because of logs.
    Ends with 2 when some input could not be analysed; the rest is still printed.
    """
    from plumbline.assess.analysis import analyse
    from plumbline.export.analysis import Report

    failing = _failing(fail_on)
    known = read_own_ways(ways)
    given = read()
    facts = replace(given.facts, ways=known)
    with progress() as say:
        found = analyse(facts, progress=say)
    report = Report(found, facts, given.as_of, given.warnings, actions=detail is Detail.ACTIONS)
    _print(report, output or (Format.TABLE if sys.stdout.isatty() else Format.JSON))
    sys.stderr.writelines(f"{text}\n" for text in given.warnings)
    if given.incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)
    if any(condition(found) for condition in failing):
        raise typer.Exit(EXIT_FAILED_ON)


def _failing(text: str | None) -> list[Callable[[Analysis], bool]]:
    found: list[Callable[[Analysis], bool]] = []
    for name in text.split(",") if text else ():
        risk = _RISK.fullmatch(name)
        if risk is not None:
            found.append(lambda analysis, least=int(risk[1]): any(p.risk.score >= least for p in analysis.principals))  # type: ignore[misc]
        elif name in _CONDITIONS:
            found.append(_CONDITIONS[name])
        else:
            raise typer.BadParameter(
                f"{name!r} is not known; there are {', '.join(_CONDITIONS)} and risk=N, such as risk=70",
                param_hint="--fail-on",
            )
    return found


def _print(report: Report, output: Format) -> None:
    if output is Format.TABLE:
        from plumbline.cli.analyze_table import print_table

        print_table(report)
    elif output is Format.HTML:
        from plumbline.dashboard.pages import one_file
        from plumbline.dashboard.picture import Picture

        sys.stdout.write(one_file(Picture("files", report)))
    elif output is Format.SARIF:
        from plumbline.export.sarif import as_sarif

        print_json(as_sarif(report))
    else:
        print_json(report.as_json())
