"""`plumbline run`: the operator's job without a cluster, once, over a folder of YAML. Decides nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from plumbline.cli.output import print_json

if TYPE_CHECKING:
    import sqlalchemy as sa

    from plumbline.reconcile.folder import FolderStore
    from plumbline.reconcile.run import PassReport

EXIT_OUT_OF_LINE = 1
EXIT_NOT_ALL_ASSESSED = 2

_log = structlog.get_logger()


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(run)


def run(
    *,
    baselines: Annotated[
        Path, typer.Option(help="Folder of YAML: IAMLandscape, LeastPrivilegeBaseline, decisions.", show_default=False)
    ],
    state: Annotated[Path, typer.Option(help="Folder that gets status, proposals, documents and metrics.")] = Path(
        "plumbline-state"
    ),
    store: Annotated[
        str | None,
        typer.Option(help="URL of the database. Default: SQLite in the state folder.", show_default=False),
    ] = None,
    verdicts: Annotated[
        bool,
        typer.Option(
            "--verdicts",
            help="Also write the verdict of every action, and the activity of every user and role, to the state folder.",
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Also write each landscape as one HTML file, report/NAME.html in the state folder."
        ),
    ] = False,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with 1 when a role is out of line.")
    ] = False,
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Compare live IAM with its usage for every baseline of a folder, and write what changed.

    Uses the AWS credentials of the environment, only to read. Ends with 2 when a resource, an account, a required
    source, a target or a baseline could not be assessed; everything else is assessed all the same.
    """
    from plumbline.cli.run_report import problems, warnings
    from plumbline.export.metrics import render
    from plumbline.reconcile.figures import figures_of
    from plumbline.reconcile.folder import FolderStore
    from plumbline.reconcile.run import reconcile_all

    if not baselines.is_dir():
        raise typer.BadParameter(f"there is no folder {str(baselines)!r}", param_hint="--baselines")
    engine = _opened(state, store)
    folder = FolderStore(baselines, state)
    with _failures(state, store):
        done = reconcile_all(folder, engine, datetime.now(UTC), progress=_progress)
        folder.write_metrics(render(figures_of(done)))
        if verdicts:
            _write_verdicts(folder, done)
        if report:
            _write_reports(folder, done)
    found = problems(done, baselines)
    _print(done, baselines, state, output or (Format.TABLE if sys.stdout.isatty() else Format.JSON))
    for text in (*warnings(done), *found):
        _say(text)
    raise typer.Exit(_status(done, found, fail_on_drift))


def _opened(state: Path, store: str | None) -> sa.Engine:
    """The database, with its schema up to date. Ends the command when it cannot be opened."""
    import sqlalchemy.exc

    from plumbline.store.database import open_store

    try:
        with _failures(state, store):
            state.mkdir(parents=True, exist_ok=True)
            return open_store(f"sqlite:///{(state / 'plumbline.db').resolve()}" if store is None else store)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise typer.BadParameter(
            f"this is no URL of a database: {_first_line(error)}; write it as sqlite:////folder/plumbline.db or "
            "postgresql+psycopg://user@host/name",
            param_hint="--store",
        ) from error
    except ModuleNotFoundError as error:
        _say(
            f"the database of --store needs the Python package {error.name}, which is not installed; install it beside "
            "plumbline, or use SQLite"
        )
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error


@contextmanager
def _failures(state: Path, store: str | None) -> Iterator[None]:
    """Ends the command with a line that names what cannot be used and what to do, where folder or database fail."""
    import sqlalchemy.exc

    from plumbline.store.database import NewerStoreError

    if store is None:
        what, remedy = str(state / "plumbline.db"), "that --state can be written, has space left and no other such file"
    else:
        what, remedy = "of --store", "the URL, and that it can be reached and written"
    try:
        yield
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError):
        raise
    except NewerStoreError as error:
        _say(f"the database {what} cannot be used: {error}")
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        _say(f"the database {what} cannot be used: {_first_line(error)}; check {remedy}")
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error
    except OSError as error:
        _say(f"the state folder cannot be used: {error}; check --state and its permissions")
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error


def _write_verdicts(folder: FolderStore, report: PassReport) -> None:
    from plumbline.reconcile.details import inactivity_json, verdicts_json

    for name, done in report.landscapes.items():
        if done.judgements is not None:
            folder.write_inactivity(name, inactivity_json(done.judgements))
    for one in report.baselines.values():
        if one.result is not None:
            metadata = one.baseline.metadata
            folder.write_verdicts(metadata.namespace or "", metadata.name, verdicts_json(one.result.assessments))


def _write_reports(folder: FolderStore, report: PassReport) -> None:
    from plumbline.dashboard.pages import one_file
    from plumbline.dashboard.passes import picture_of, report_of

    for name, done in report.landscapes.items():
        passes = [one for one in report.baselines.values() if one.baseline.spec.landscape_ref.name == name]
        baselines = [
            one.baseline if one.status is None else one.baseline.model_copy(update={"status": one.status})
            for one in passes
        ]
        proposals = [proposed.proposal for one in passes for proposed in one.proposed]
        _progress(f"report of {name}")
        folder.write_report(name, one_file(picture_of(done, report_of(done, baselines), baselines, proposals)))


def _status(report: PassReport, problems: list[str], fail_on_drift: bool) -> int:
    if problems:
        return EXIT_NOT_ALL_ASSESSED
    drift = any(one.status is not None and one.status.roles_out_of_line for one in report.baselines.values())
    return EXIT_OUT_OF_LINE if fail_on_drift and drift else 0


def _print(report: PassReport, baselines: Path, state: Path, output: Format) -> None:
    from plumbline.cli.run_report import as_json, tables

    if output is Format.JSON:
        print_json(as_json(report, baselines, state))
        return
    from rich.console import Console

    console = Console()
    for part in tables(report, state):
        console.print(part, highlight=False, markup=False)


def _progress(text: str) -> None:
    """A line for a person at a terminal; a log line, for who asks for it, elsewhere."""
    if sys.stderr.isatty():
        _say(text)
    else:
        _log.info("progress", text=text)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
