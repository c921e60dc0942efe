"""The options with which commands are given files of IAM and of evidence, and the facts that these hold."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from plumbline.cli.account_files import ACCOUNT_DETAILS, POD_IDENTITY, Organization
from plumbline.cli.progress import progress

if TYPE_CHECKING:
    from plumbline.assess.analysis import Facts
    from plumbline.usage.coverage_file import Statement

P = ParamSpec("P")
MEMORY = timedelta(days=400)
_CLASS = re.compile(r"management|data:AWS::[A-Za-z0-9]+::[A-Za-z0-9]+")

LOGS = typer.Option("--logs", metavar="PATH", help="CloudTrail log files or folders; several times.")
Coverage = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The trails that wrote the logs, with their selectors.", show_default=False),
]
AssumeComplete = Annotated[
    str | None,
    typer.Option(
        metavar="CLASSES",
        help="State that the logs hold all events of these classes: management[,data:TYPE...].",
        show_default=False,
    ),
]
LastAccessed = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Last-accessed details by ARN of the principal.", show_default=False),
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Day or time; what is later is ignored. Default: now.", show_default=False),
]
Lookback = Annotated[str, typer.Option(help="For how long access must have been silent to be unused.")]


@dataclass(frozen=True, slots=True)
class Given:
    """`as_of`: as it is told. `incomplete`: something could not be used; a warning says what."""

    facts: Facts
    as_of: str
    warnings: tuple[str, ...]
    incomplete: bool


def with_facts(command: Callable[Concatenate[Callable[[], Given], P], None]) -> Callable[P, None]:
    """The command with the options of `read_facts` beside its own. Its first parameter is called to read the files, so that
    it can look at its own options first."""
    options = inspect.signature(read_facts, eval_str=True).parameters
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    @functools.wraps(command)
    def typed(**given: Any) -> None:
        files = {name: given.pop(name) for name in options}
        command(lambda: read_facts(**files), **given)  # type: ignore[call-arg]  # what typer gives by name

    # Arguments first, then the options of the files; typer reads names, types and defaults from here.
    merged = [*own, *options.values()]
    typed.__signature__ = inspect.Signature([one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in merged])  # type: ignore[attr-defined]
    typed.__annotations__ = {one.name: one.annotation for one in merged}
    return typed  # type: ignore[return-value]  # its signature is the merged one


def read_facts(
    account_details: Annotated[list[Path], ACCOUNT_DETAILS],
    logs: Annotated[list[Path], LOGS] = [],  # noqa: B006 - typer copies it
    coverage: Coverage = None,
    assume_complete: AssumeComplete = None,
    last_accessed: LastAccessed = None,
    organization: Organization = None,
    as_of: AsOf = None,
    lookback: Lookback = "90d",
    pod_identity: Annotated[list[Path], POD_IDENTITY] = [],  # noqa: B006 - typer copies it
) -> Given:
    """Reads all that is given. Raises typer.BadParameter for wrong usage."""
    from plumbline.assess.window import Window
    from plumbline.cli.analyze_inputs import Inputs
    from plumbline.usage.summary import NoSuchPathError

    label, until = _as_of(as_of)
    window = Window.of(until.date(), _days(lookback), MEMORY)
    statement = _statement(logs, coverage, assume_complete)
    with progress() as say:
        inputs = Inputs(until, say)
        inputs.read_accounts(account_details)
        inputs.read_organization(organization)
        inputs.read_pod_identity(pod_identity)
        try:
            inputs.read_logs(logs, statement)
        except NoSuchPathError as error:
            raise typer.BadParameter(str(error), param_hint="--logs") from error
        inputs.read_last_accessed(last_accessed)
    return Given(inputs.facts(window), label, tuple(inputs.warnings), inputs.incomplete)


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
