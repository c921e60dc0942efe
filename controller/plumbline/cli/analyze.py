"""`plumbline analyze`: everything that files say about all accounts at once. Reads options, prints; judges nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.account_files import ACCOUNT_DETAILS

if TYPE_CHECKING:
    from plumbline.assess.analysis import Analysis
    from plumbline.export.analysis import Report
    from plumbline.usage.coverage_file import Statement

EXIT_FAILED_ON, EXIT_INCOMPLETE = 1, 2
MEMORY = timedelta(days=400)
_CLASS = re.compile(r"management|data:AWS::[A-Za-z0-9]+::[A-Za-z0-9]+")
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


def analyze(
    account_details: Annotated[list[Path], ACCOUNT_DETAILS],
    logs: Annotated[
        list[Path], typer.Option(metavar="PATH", help="CloudTrail log files or folders; several times.")
    ] = [],  # noqa: B006 - typer copies it
    coverage: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The trails that wrote the logs, with their selectors.", show_default=False),
    ] = None,
    assume_complete: Annotated[
        str | None,
        typer.Option(
            metavar="CLASSES",
            help="State that the logs hold all events of these classes: management[,data:TYPE...].",
            show_default=False,
        ),
    ] = None,
    last_accessed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Last-accessed details by ARN of the principal.", show_default=False),
    ] = None,
    organization: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accounts with OUs, SCPs and RCPs.", show_default=False)
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Day or time; what is later is ignored. Default: now.", show_default=False),
    ] = None,
    lookback: Annotated[str, typer.Option(help="For how long access must have been silent to be unused.")] = "90d",
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
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Analyse all principals of account files: verdicts, risk, ways to gain privileges, trust and paths.

    Needs no AWS credentials and no network. Without a statement of coverage no action becomes unused because of logs.
    Ends with 2 when some input could not be analysed; the rest is still printed.
    """
    from plumbline.assess.analysis import analyse
    from plumbline.assess.window import Window
    from plumbline.cli.analyze_inputs import Inputs
    from plumbline.export.analysis import Report
    from plumbline.usage.summary import NoSuchPathError

    label, until = _as_of(as_of)
    failing = _failing(fail_on)
    window = Window.of(until.date(), _days(lookback), MEMORY)
    inputs = Inputs(until)
    statement = _statement(logs, coverage, assume_complete)
    inputs.read_accounts(account_details)
    inputs.read_organization(organization)
    try:
        inputs.read_logs(logs, statement)
    except NoSuchPathError as error:
        raise typer.BadParameter(str(error), param_hint="--logs") from error
    inputs.read_last_accessed(last_accessed)
    facts = inputs.facts(window)
    found = analyse(facts)
    report = Report(found, facts, label, tuple(inputs.warnings), actions=detail is Detail.ACTIONS)
    _print(report, output or (Format.TABLE if sys.stdout.isatty() else Format.JSON))
    sys.stderr.writelines(f"{text}\n" for text in inputs.warnings)
    if inputs.incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)
    if any(condition(found) for condition in failing):
        raise typer.Exit(EXIT_FAILED_ON)


def _as_of(text: str | None) -> tuple[str, datetime]:
    """How it is told, and the time after which nothing counts: the end of a day."""
    now = datetime.now(UTC)
    if text is None:
        return f"{now:%Y-%m-%dT%H:%M:%SZ}", now
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither a day such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z",
            param_hint="--as-of",
        ) from error
    if len(text) <= len("2026-01-31"):
        return text, datetime.combine(when.date(), time.max, UTC)
    when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{when:%Y-%m-%dT%H:%M:%SZ}", when


def _days(text: str) -> int:
    from plumbline.api.common import parse_duration

    try:
        days = parse_duration(text) // timedelta(days=1)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--lookback") from error
    if days < 1:
        raise typer.BadParameter(f"{text!r} is less than a day", param_hint="--lookback")
    return days


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


def _statement(logs: list[Path], coverage: Path | None, classes: str | None) -> Statement:
    from plumbline.json_files import JsonFileError
    from plumbline.usage.coverage_file import Statement, read_statement

    for option, given in (("--coverage", coverage), ("--assume-complete", classes)):
        if given is not None and not logs:
            raise typer.BadParameter("it states what logs cover; give --logs", param_hint=option)
    if coverage is not None and classes is not None:
        raise typer.BadParameter("give either --coverage or --assume-complete", param_hint="--assume-complete")
    if coverage is not None:
        try:
            return read_statement(coverage)
        except JsonFileError as error:
            raise typer.BadParameter(str(error), param_hint="--coverage") from error
    named = tuple(classes.split(",")) if classes is not None else ()
    for name in named:
        if not _CLASS.fullmatch(name):
            raise typer.BadParameter(
                f"{name!r} is no class of events; use management, or data: and a type such as data:AWS::S3::Object",
                param_hint="--assume-complete",
            )
    return Statement(assumed=named)


def _print(report: Report, output: Format) -> None:
    if output is Format.TABLE:
        from plumbline.cli.analyze_table import print_table

        print_table(report)
    elif output is Format.HTML:
        from plumbline.export.html import page

        sys.stdout.write(page(report))
    elif output is Format.SARIF:
        from plumbline.export.sarif import as_sarif

        sys.stdout.write(json.dumps(as_sarif(report), indent=2, sort_keys=True) + "\n")
    else:
        sys.stdout.write(json.dumps(report.as_json(), indent=2, sort_keys=True) + "\n")
