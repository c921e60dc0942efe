"""The operator with many baselines on a real API server, and kopf timers that write the same statuses.

Both find all baselines when they start. Time is from the start of the process until every baseline has been assessed; the
quiet pass is one sweep, or one interval of the timers, after which nothing is left to say.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.child import ROOT, Measured
from benchmarks.cluster import Json, Writes, cluster, cpu_of, missing, peak_of, statuses
from benchmarks.rows import Rows
from sandbox.launch import Sandbox
from sandbox.launch import running as sandbox_running
from tests.servers.controlplane.server import ControlPlane

_ACCOUNT = ("plumbline-system", "plumbline-operator")
_USER = "system:serviceaccount:" + ":".join(_ACCOUNT)
_PATIENCE = 120.0  # seconds without a new status, after which nothing more is expected
_STILL = 5.0  # seconds without a write, after which all is said


def operator(rows: Rows, work: Path, sizes: tuple[int, ...] = (1000,)) -> None:
    why = missing()
    if why:
        print(f"the operator is not measured: {why}", flush=True)
        return
    with sandbox_running(datetime.now(UTC).date()) as sandbox:
        for size in sizes:
            sweep = max(30.0, size * 0.03)
            print(f"{size:,} baselines; a sweep, or the interval of the timers, is {sweep:.0f} s", flush=True)
            with cluster(work / f"operator-{size}", size) as made:
                own = _measured(rows, "operator", size, sweep, _own(made, sandbox, work / f"own-{size}", sweep))
                said = statuses(made)
            with cluster(work / f"kopf-{size}", size) as made:
                peer = _measured(
                    rows, "  peer: kopf timers", size, sweep, _kopf(made, said, work / f"timers-{size}", sweep)
                )
            _compare(own, peer)


class _Started:
    """A process, and the writes of its user."""

    def __init__(self, process: "subprocess.Popen[str]", writes: Writes) -> None:
        self.process, self.writes = process, writes


def _measured(rows: Rows, title: str, size: int, every: float, start: AbstractContextManager[_Started]) -> Measured:
    with start as one:
        pid = one.process.pid
        seconds, cpu = _assessed(title, one, size), cpu_of(pid)
        lacking = size - len(one.writes.assessed)
        _still(one.writes, every)
        first = dict(one.writes.counts)
        facts = {"writes": sum(first.values()), "refused": one.writes.refused.total(), "lacking": lacking}
        found = Measured(title, seconds, cpu, peak_of(pid), facts)
        rows.add(f"{title}, {size:,} baselines, until all have a status", [found])
        without = f"; {lacking:,} still without one, after which it was given up" if lacking else ""
        codes = _listed({f"with {code}": count for code, count in one.writes.refused.items()})
        refused = f"; more that the API server did not take: {codes}" if codes else ""
        rows.note(f"{facts['writes']:,} writes ({_listed(first)}){refused}{without}")
        # Once in this time everything is looked at, wherever in it the window begins.
        before, used = one.writes.read(), cpu_of(pid)
        time.sleep(every)
        quiet = Measured(title, every, cpu_of(pid) - used, peak_of(pid), {"writes": one.writes.read() - before})
        rows.add(f"{title}, {size:,} baselines, a quiet pass", [quiet])
        rows.note(f"{quiet.facts['writes']:,} writes; the time is that from one pass to the next")
        found.facts["quiet"] = quiet
    return found


def _compare(own: Measured, peer: Measured) -> None:
    quiet, timers = own.facts["quiet"], peer.facts["quiet"]
    print(
        f"kopf timers beside the operator: {peer.seconds / own.seconds:.1f} x the time, {peer.cpu / own.cpu:.1f} x the "
        f"CPU, {peer.peak / own.peak:.1f} x the memory, {peer.facts['writes']:,} writes and {own.facts['writes']:,}; "
        f"in a quiet pass {timers.cpu / max(quiet.cpu, 0.01):.1f} x the CPU, {timers.facts['writes']:,} writes and "
        f"{quiet.facts['writes']:,}",
        flush=True,
    )


def _own(made: ControlPlane, sandbox: Sandbox, folder: Path, sweep: float) -> AbstractContextManager[_Started]:
    folder.mkdir()
    config = made.kubeconfig_for(*_ACCOUNT)
    writes = Writes(made, _USER)
    command = [
        str(Path(sys.executable).with_name("plumbline")),
        "operator",
        f"--kubeconfig={config}",
        f"--store=sqlite:///{folder / 'plumbline.db'}",
        "--port=0",
        "--spread=1",
        f"--sweep={sweep}",
    ]
    return _running(command, sandbox.env, folder, writes)


def _kopf(
    made: ControlPlane, said: Mapping[str, Json], folder: Path, interval: float
) -> AbstractContextManager[_Started]:
    folder.mkdir()
    (folder / "statuses.json").write_text(json.dumps(said))
    more = {
        "BENCH_STATUSES": str(folder / "statuses.json"),
        "BENCH_INTERVAL": str(interval),
        "KUBECONFIG": str(made.kubeconfig),
    }
    writes = Writes(made, "admin")
    module = str(ROOT / "benchmarks" / "kopf_timers.py")
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", "--quiet", module]
    return _running(command, more, folder, writes)


@contextmanager
def _running(command: list[str], more: Mapping[str, str], folder: Path, writes: Writes) -> Iterator[_Started]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **more}, stdout=log, stderr=log, text=True)
        try:
            yield _Started(process, writes)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _assessed(title: str, one: _Started, size: int) -> float:
    """Until all baselines have a status, or no new one has got one for long. After how many seconds the last one had."""
    began = since = time.monotonic()
    count = 0
    while count < size and time.monotonic() - since < _PATIENCE:
        if one.process.poll() is not None:
            raise RuntimeError(f"{title.strip()} ended with status {one.process.returncode}")
        time.sleep(0.25)
        one.writes.read()
        if len(one.writes.assessed) > count:
            count, since = len(one.writes.assessed), time.monotonic()
    return since - began


def _still(writes: Writes, most: float) -> None:
    """Until nothing was written for a while; timers are never still."""
    began = since = time.monotonic()
    count = writes.read()
    while time.monotonic() - since < _STILL and time.monotonic() - began < most:
        time.sleep(0.5)
        if writes.read() != count:
            count, since = writes.read(), time.monotonic()


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
