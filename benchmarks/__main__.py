"""`python -m benchmarks`: every station and peer in a child process of its own, the best of some runs; one table at the end.

`python -m benchmarks engine granted` measures only those parts; `--help` lists them, and the sizes that can be chosen.
Says what is slow, and passes no judgement: the exit status is 0 whatever the figures are.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.child import Measured, measure
from benchmarks.decisions_rows import decisions
from benchmarks.engine_rows import engine
from benchmarks.granted_rows import granted
from benchmarks.graph_rows import graph
from benchmarks.landscape_rows import landscape
from benchmarks.operator import operator
from benchmarks.organization_rows import organization
from benchmarks.peers import PEERS, missing
from benchmarks.trail_rows import trail
from sandbox.launch import Sandbox, running

RUNS = 3
# A station that took longer than this is not repeated, so that the whole stays within minutes.
LONG = 15.0
AS_OF = "2026-06-30"
STATIONS, OTHERS = "benchmarks.stations", "benchmarks.peers"
# Settings of a shell that would lead past the sandbox.
_FOREIGN = ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "HTTP_PROXY", "http_proxy")
Row = tuple[str, Measured, str]
Part = Callable[["Rows", Path, argparse.Namespace], None]


class Rows:
    """The rows of the table so far, over all parts of a run."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, title: str, found: list[Measured]) -> Measured:
        best = min(found, key=lambda one: one.seconds)
        spread = " ".join(f"{one.seconds:.3g}" for one in found)
        print(
            f"{title}: {spread} s, CPU {best.cpu:.3g} s, {best.peak:.0f} MiB {best.facts}", file=sys.stderr, flush=True
        )
        self.rows.append((title, best, ""))
        return best

    def note(self, text: str) -> None:
        title, best, _ = self.rows[-1]
        self.rows[-1] = (title, best, text)


class Bench(Rows):
    """One run over the sandbox, with a folder to work in."""

    def __init__(self, sandbox: Sandbox, work: Path) -> None:
        super().__init__()
        self.sandbox, self.work = sandbox, work
        nothing = str(work / "none")
        self.env = {
            **sandbox.env,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
        }

    def station(
        self, title: str, name: str, base: Path | None, keep: Path, *more: str, runs: int = RUNS, reset: bool = True
    ) -> Measured:
        """The best of some runs, each from a copy of the state `base`; the last one's state stays as `keep`."""
        found = []
        for _ in range(runs):
            state = self.work / "state"
            shutil.rmtree(state, ignore_errors=True)
            shutil.copytree(base, state) if base else state.mkdir()
            if reset:
                self.sandbox.reset()
            found.append(measure(STATIONS, name, str(state), *more, env=self.env))
            if found[-1].seconds > LONG:
                break
        shutil.rmtree(keep, ignore_errors=True)
        state.rename(keep)
        return self.add(title, found)


def main(arguments: Sequence[str]) -> int:
    parts: dict[str, Part] = {
        "engine": lambda rows, work, _: engine(rows, work),
        "granted": lambda rows, work, chosen: granted(rows, work, tuple(chosen.roles)),
        "decisions": lambda rows, work, chosen: decisions(rows, work, requests=chosen.requests),
        "operator": lambda rows, work, chosen: operator(rows, work, tuple(chosen.baselines)),
        "organization": lambda rows, work, chosen: organization(rows, work, tuple(chosen.organization)),
        "graph": lambda rows, work, chosen: graph(rows, work, tuple(chosen.nodes)),
        "landscape": lambda rows, work, chosen: landscape(rows, work, tuple(chosen.landscape)),
        "trail": lambda rows, work, chosen: trail(rows, work, tuple(chosen.events)),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measures, and judges nothing")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"some of {', '.join((*parts, 'sandbox'))}; all without"
    )
    parser.add_argument("--roles", type=int, nargs="+", default=[1000, 10_000], help="sizes of granted")
    parser.add_argument("--requests", type=int, default=10_000, help="size of decisions")
    parser.add_argument(
        "--organization", type=int, nargs="+", default=[1000, 10_000, 100_000], help="sizes of organization, in roles"
    )
    parser.add_argument("--landscape", type=int, nargs="+", default=[1000, 10_000], help="sizes of landscape, in roles")
    parser.add_argument("--nodes", type=int, nargs="+", default=[100_000], help="sizes of graph")
    parser.add_argument("--baselines", type=int, nargs="+", default=[1000], help="sizes of operator")
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000], help="sizes of trail")
    chosen = parser.parse_args(arguments)
    unknown = sorted({*chosen.parts} - {*parts, "sandbox"})
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}")
    print(_machine(), flush=True)
    for name in _FOREIGN:
        os.environ.pop(name, None)
    for name, part in parts.items():
        if not chosen.parts or name in chosen.parts:
            print(f"==> {name}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
                rows = Rows()
                part(rows, Path(folder), chosen)
                _print(rows.rows)
    if not chosen.parts or "sandbox" in chosen.parts:
        _sandbox()
    print(_machine(), flush=True)
    return 0


def _sandbox() -> None:
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        started = [measure(STATIONS, "start") for _ in range(2)]
        with running(AS_OF) as sandbox:
            bench = Bench(sandbox, Path(folder))
            best = bench.add("sandbox start and truth", started)
            bench.note(f"{best.facts['roles']} roles; time and memory of the server")
            _stations(bench)
        _print(bench.rows)


def _stations(bench: Bench) -> None:
    work = bench.work
    files, ledger, answers, spare = work / "files", work / "ledger", work / "answers", work / "spare"
    best = bench.station("inventory", "inventory", None, spare)
    bench.note("{accounts} accounts, {principals} users and roles".format(**best.facts))
    from_s3 = bench.station("logs from S3 into the ledger", "logs", None, ledger)
    measure("benchmarks.download", "all", str(files), env=bench.env)
    each = _readers(bench, files, from_s3, spare)
    at = next(index for index, row in enumerate(bench.rows) if row[1] is from_s3)
    bench.rows[at] = (bench.rows[at][0], from_s3, _rate(from_s3, each))
    best = bench.station("last-accessed data", "access", ledger, answers)
    bench.note("{answers} answers for {roles} roles; one account is throttled on purpose".format(**best.facts))
    best = bench.station("assess and plan", "judge", answers, spare)
    bench.note("{roles} roles, {proposals} proposals; assess {assess:.2f} s, plan {plan:.2f} s".format(**best.facts))
    best = bench.station("whole first pass", "whole", None, spare)
    bench.note("{written} resources written".format(**best.facts))
    # The next pass still starts or awaits the pending policy generation; the one after it has nothing to do.
    settled = work / "settled"
    bench.station("settling pass", "whole", spare, settled, runs=1, reset=False)
    bench.rows.pop()
    best = bench.station("second, quiet pass", "whole", settled, spare, reset=False)
    bench.note("{written} resources written".format(**best.facts))


def _readers(bench: Bench, files: Path, from_s3: Measured, spare: Path) -> float:
    """The log reader and its peers over the same files. The bytes of JSON for each record."""
    floor = bench.add("  gunzip alone (Python's gzip)", [measure(OTHERS, "gunzip", str(files)) for _ in range(RUNS)])
    size = int(floor.facts["bytes"])
    bench.note(f"{size / 1e6:.0f} MB of JSON; {floor.facts['problems']} damaged files")
    own = bench.add(
        "log reader over the folder, grouped", [measure(STATIONS, "reader", str(files)) for _ in range(RUNS)]
    )
    each = size / own.facts["records"]
    bench.note(_rate(own, each))
    bench.station("log reader over the folder, into the ledger", "folder", None, spare, str(files))
    bench.note(_rate(bench.rows[-1][1], each))
    for peer in PEERS:
        if peer == "gunzip":
            continue
        lacking = missing(peer)
        if lacking:
            print(f"peer {peer} is not measured: {lacking} is not installed (it is not in the lock)", flush=True)
            continue
        found = bench.add(f"  peer: {peer}", [measure(OTHERS, peer, str(files)) for _ in range(RUNS)])
        text = f"{_rate(found, each)}; {found.seconds / own.seconds:.1f} x the time of the grouped reader"
        if found.facts["records"] != own.facts["records"]:
            text += f"; counts {found.facts['records']:,} records, the reader {own.facts['records']:,}"
        bench.note(text)
    if from_s3.facts["records"] > own.facts["records"]:
        print("the bucket gave more records than the folder: the comparison is not of the same files", flush=True)
    return each


def _rate(one: Measured, record_size: float) -> str:
    """`record_size`: bytes of decompressed JSON for each record, over all files."""
    records = one.facts["records"]
    size = records * record_size
    return f"{records:,} records; {records / one.seconds:,.0f} records/s, {size / 1e6 / one.seconds:.0f} MB/s"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{when}; {cores} cores, Python {platform.python_version()}, load {load}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3g}"


def _print(rows: list[Row]) -> None:
    if not rows:
        return
    width = max(len(title) for title, _, _ in rows)
    print(f"\n{'station':{width}}  {'wall s':>7}  {'CPU s':>7}  {'MiB':>5}  figures")
    for title, best, text in rows:
        print(f"{title:{width}}  {_time(best.seconds):>7}  {_time(best.cpu):>7}  {best.peak:5.0f}  {text}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
