"""The rows of whole landscapes, and cloudsplaining over the same account files. Knows what to run and how to compare."""

import json
from pathlib import Path

from benchmarks import installed
from benchmarks.child import Measured, measure
from benchmarks.rows import Rows, interleaved, least, target

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
        alone = rows.add("  assume-role edges alone", [measure(OWN, "edges", str(folder))])
        rows.note(f"{alone.facts['edges']:,} edges in {alone.facts['accounts']:,} accounts")
        if size == _COMPARED:
            _peer(rows, work, folder, one)


def _peer(rows: Rows, work: Path, folder: Path, one: Measured) -> None:
    python, problem = installed.python(CLOUDSPLAINING)
    if python is None:
        print(f"cloudsplaining is not measured: {problem}", flush=True)
        return
    found = interleaved(
        {
            "scan": lambda: measure(OWN, "scan", str(folder), str(work / "scan")),
            "peer": lambda: measure(PEER, "scan", str(folder), str(work / "peer"), python=str(python)),
        }
    )
    peer = least(found["peer"])
    rows.add("  what policies hold, as the peer asks", found["scan"])
    rows.note(f"1; {_lacking(work, 'scan')}")
    rows.add("  peer: cloudsplaining", found["peer"])
    rows.note(
        f"{target(peer / least(found['scan']), _TARGET)} the CPU of the row above; {peer / one.cpu:.1f} times that of the "
        f"whole landscape; there {_lacking(work, 'own')}"
    )


def _lacking(work: Path, name: str) -> str:
    own, other = (json.loads((work / file).read_text()) for file in (name, "peer"))
    every = [(role, way) for role, ways in other.items() for way in ways]
    # A way that needs less is the same finding, and says more.
    lacking = sum(not any(set(mine) <= set(way) for mine in own[role]) for role, way in every)
    return f"of its {len(every):,} privilege escalations of roles {lacking:,} are not among ours"
