"""The rows of whole landscapes, and cloudsplaining over the same account files. Knows what to run and how to compare."""

import json
from pathlib import Path

from benchmarks import installed
from benchmarks.child import Measured, measure
from benchmarks.rows import Rows, target

OWN, PEER = "benchmarks.landscape", "benchmarks.landscape_peer"
CLOUDSPLAINING = ("cloudsplaining==0.9.1",)
_TARGET = 25
_COMPARED = 1000


def landscape(rows: Rows, work: Path, sizes: tuple[int, ...] = (1000, 10_000)) -> None:
    for size in sorted(sizes):
        folder = work / f"landscape-{size}"
        folder.mkdir()
        measure(OWN, "write", str(folder), str(size))
        one = rows.add(
            f"landscape, {size:,} roles, from files to risks", [measure(OWN, "own", str(folder), str(work / "own"))]
        )
        rows.note(f"{one.cpu / size * 1e3:.1f} ms of CPU and {one.peak / size * 1024:.0f} KiB for each role")
        again = rows.add("  again, after a change in one account", [measure(OWN, "refresh", str(folder))])
        rows.note(f"{again.cpu / one.cpu:.2f} of the CPU; ways to gain privileges in {again.facts['judged']:,} account")
        if size == _COMPARED:
            _peer(rows, work, folder, one)


def _peer(rows: Rows, work: Path, folder: Path, one: Measured) -> None:
    python, problem = installed.python(CLOUDSPLAINING)
    if python is None:
        print(f"cloudsplaining is not measured: {problem}", flush=True)
        return
    peer = rows.add(
        "  peer: cloudsplaining", [measure(PEER, "scan", str(folder), str(work / "peer"), python=str(python))]
    )
    own, other = (json.loads((work / name).read_text()) for name in ("own", "peer"))
    found, lacking = 0, 0
    for role, ways in other.items():
        for way in ways:
            found += 1
            # A way that needs less is the same finding, and says more.
            lacking += not any(set(mine) <= set(way) for mine in own[role])
    rows.note(
        f"{target(peer.cpu / one.cpu, _TARGET)} the CPU; of its {found:,} privilege escalations of roles {lacking:,} are "
        "not among ours"
    )
