"""`plumbline serve`: what `plumbline analyze` finds, as pages on this machine. Reads options, serves; judges nothing."""

from __future__ import annotations

import ipaddress
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.account_files import WAYS, read_own_ways
from plumbline.cli.facts_options import Given, with_facts
from plumbline.cli.progress import progress

if TYPE_CHECKING:
    from plumbline.dashboard.picture import Picture
    from plumbline.dashboard.server import Server

_NAME = "files"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(serve)


@with_facts
def serve(
    read: Callable[[], Given],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="Allow other addresses: a proxy in front says who may see the pages."),
    ] = False,
    ways: Annotated[list[Path], WAYS] = [],  # noqa: B006 - typer copies it
) -> None:
    """Serve the landscape as pages on this machine, until it is interrupted.

    Takes the files of plumbline analyze and reads them once. Asks nobody who they are: it listens at 127.0.0.1 only,
    unless a proxy in front does that.
    """
    from plumbline.assess.analysis import analyse
    from plumbline.dashboard.picture import Picture
    from plumbline.export.analysis import Report

    _check(host, behind_proxy=behind_proxy)
    known = read_own_ways(ways)
    pages = _One()
    # Before the work, which can take minutes: a port that is taken would make it in vain.
    with _listening(pages, host, port, behind_proxy=behind_proxy) as server:
        sys.stderr.write("reads the files and analyses them once; the address follows when the pages are ready\n")
        given = read()
        facts = replace(given.facts, ways=known)
        with progress() as say:
            found = analyse(facts, progress=say)
        pages.only = Picture(_NAME, Report(found, facts, given.as_of, given.warnings))
        sys.stderr.writelines(f"{line}\n" for line in given.warnings)
        sys.stderr.write(f"http://{host}:{server.port}/ shows the landscape until you press Ctrl-C\n")
        with suppress(KeyboardInterrupt):
            # As Ctrl-C; who is started in the background does not hear that.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            server.run()


def _listening(pages: _One, host: str, port: int, *, behind_proxy: bool) -> Server:
    """Who asks before it runs waits for the pages. Raises typer.BadParameter when it cannot listen there."""
    from plumbline.dashboard.access import Everybody
    from plumbline.dashboard.server import Server
    from plumbline.dashboard.site import Site

    hosts = None if behind_proxy else frozenset({"127.0.0.1", "localhost", host})
    try:
        return Server(Site(pages, Everybody(), hosts=hosts), host, port)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot listen at {host}, port {port}: {error}; choose another, or 0 for a free one", param_hint="--port"
        ) from error


def _check(host: str, *, behind_proxy: bool) -> None:
    """Raises typer.BadParameter for an address that others can reach, unless that is meant."""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not behind_proxy:
        raise typer.BadParameter(
            f"at {host} everybody who reaches this machine could read the pages; use 127.0.0.1, or put a proxy in front "
            "that authenticates, and say so with --behind-proxy",
            param_hint="--host",
        )


@dataclass(slots=True)
class _One:
    """The one picture that there is, once it is made."""

    only: Picture | None = None

    def names(self) -> Sequence[str]:
        return [_NAME]

    def picture(self, name: str) -> Picture | None:  # noqa: ARG002
        return self.only
