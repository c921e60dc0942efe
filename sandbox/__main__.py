"""`python -m sandbox serve`: the organization behind one URL. `python -m sandbox demo`: Plumbline's whole line on it."""

import argparse
import gc
import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.world import World


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until stopped")
    serve.add_argument("--port", type=int, default=0, help="0 takes a free port")
    serve.add_argument("--as-of", type=date.fromisoformat, required=True, help="the day on which the logs end")
    serve.add_argument("--seed", type=int, default=1)
    serve.add_argument(
        "--organization",
        choices=("grown", "planted"),
        default="grown",
        help="as it grows over the years, with its logs; or one full of hops and ways to gain privileges",
    )
    serve.add_argument("--port-file", type=Path, help="write the port here when ready")
    serve.add_argument("--truth", type=Path, help="write the truth here before being ready")
    serve.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    shown = commands.add_parser("demo", help="run Plumbline on the organization, and end")
    shown.add_argument("--folder", type=Path, default=Path("demo"), help="where the state goes")
    shown.add_argument("--picture", type=Path, help="also write what is shown, as SVG")
    options = parser.parse_args(arguments)
    return _serve(options) if options.command == "serve" else _demo(options)


def _demo(options: argparse.Namespace) -> int:
    from rich.console import Console

    from sandbox.demo import demo, picture

    console = Console(record=bool(options.picture))
    if options.picture or not console.is_terminal:
        console.width = 100  # a log has no width of its own
    status = demo(options.folder, console)
    if options.picture:
        options.picture.write_text(picture(console))
    return status


def _stop_with_input() -> None:
    """Ends the process when its input does: whoever started it is gone, however that happened."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _world(options: argparse.Namespace) -> "World":
    # moto reads this when it is first imported. Nobody in the planted organization has a policy of AWS.
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", str(options.organization == "grown").lower())
    from sandbox.behaviour import Behaviour, behave
    from sandbox.inventory import install
    from sandbox.planted.install import install as plant
    from sandbox.trail import deliver
    from sandbox.world import World

    if options.organization == "planted":
        return plant(Behaviour(options.as_of, options.seed, ()))
    behaviour = behave(options.as_of, options.seed)
    install(behaviour)
    return World(behaviour, deliver(behaviour))


def _serve(options: argparse.Namespace) -> int:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if options.until_eof:
        threading.Thread(target=_stop_with_input, daemon=True).start()
    gc.disable()  # what is made here lives as long as the process
    world = _world(options)
    if options.truth:
        options.truth.write_text(json.dumps(world.truth, indent=1, sort_keys=True) + "\n")
    gc.freeze()
    gc.enable()
    from sandbox.server import serve as bind  # after moto was told what to load

    server = bind(world, options.port)
    if options.port_file:
        options.port_file.write_text(f"{server.port}\n")
    print(f"http://127.0.0.1:{server.port}", flush=True)

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
