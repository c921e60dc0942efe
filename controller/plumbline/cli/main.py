"""`plumbline`: puts the commands together, logs to stderr, and turns every outcome into an exit status."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated

import structlog
import typer
from typer import Exit

from plumbline import __version__
from plumbline.cli import (
    analyze,
    compare,
    explain,
    generate,
    granted,
    operator,
    paths,
    report,
    run,
    serve,
    simulate,
    usage,
    who_can,
)

# Wrong usage is 64 everywhere, so that 2 always means: could not be decided or checked; and a mistake of ours is 70, so
# that 1 always means what the command says of it. Both as in sysexits.h.
EXIT_USAGE = 64
EXIT_SOFTWARE = 70
EXIT_ABORTED = 130
EXIT_BROKEN_PIPE = 141

app = typer.Typer(
    name="plumbline",
    help="Keeps AWS IAM roles at the access they really use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    run,
    operator,
    usage,
    generate,
    analyze,
    report,
    serve,
    explain,
    simulate,
    compare,
    granted,
    who_can,
    paths,
):
    command.register(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"plumbline {__version__}")
        raise Exit


@app.callback()
def options(
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,  # noqa: ARG001 - its callback acts
) -> None:
    configure_logging(log_level)


def configure_logging(level: str) -> None:
    """JSON lines with stable keys on stderr: timestamp, level, event, and what the event is about."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(
            f"{level!r} is not a log level; use debug, info, warning or error", param_hint="--log-level"
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """Entry point. click exits with 2 for wrong usage; here it is 64."""
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # typer ends by itself only where nobody reads the output any more
        # What is still buffered has no reader either; the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - click's errors have no public base that typer keeps
        status = _failure(error)
    sys.exit(status if isinstance(status, int) else 0)


def _failure(error: Exception) -> int:
    show = getattr(error, "show", None)
    if callable(show):  # click's own errors: usage, missing parameters, bad values
        show(file=sys.stderr)
        return EXIT_USAGE
    if type(error).__name__ == "Abort":
        sys.stderr.write("aborted\n")
        return EXIT_ABORTED
    traceback.print_exception(error)
    sys.stderr.write("this is a mistake in plumbline; please report it with the lines above\n")
    return EXIT_SOFTWARE
