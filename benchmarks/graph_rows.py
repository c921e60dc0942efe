"""The rows of blast radius over generated hops. Knows what to run; every figure stands behind a search from a sample of nodes.

The peers search from one node after another. From all nodes that takes hours, so that they do so only in a small graph; in
the large one they search from some nodes, and what they would take for all is extrapolated.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import installed
from benchmarks.child import Measured, measure
from benchmarks.rows import Rows, least

OWN, PEERS = "benchmarks.graph", "benchmarks.graph_peers"
LIBRARIES = ("networkx==3.6.1", "rustworkx==0.18.1", "scipy==1.17.1", "numpy==2.4.6")
SECONDS, MEMORY = 2, 300
_SCIPY_TARGET = 200
_DEGREE = 5
_SMALL = 2000
_SEARCHES = {"networkx": 20, "rustworkx": 50, "scipy": 50}
_RUNS = 2


def graph(rows: Rows, work: Path, sizes: tuple[int, ...] = (100_000,)) -> None:
    python, problem = installed.python(LIBRARIES)
    if python is None:
        print(f"networkx, rustworkx and scipy are not measured: {problem}", flush=True)
    for size in sorted({_SMALL, *sizes}):
        for shape in ("uniform", "organization") if size > _SMALL else ("organization",):
            path = str(work / f"{shape}-{size}")
            measure(OWN, "write", path, shape, str(size), str(_DEGREE * size))
            title = f"blast radius, {shape}, {size:,} nodes, {_DEGREE * size:,} edges"
            everything = size == _SMALL
            searched = measure(PEERS, "plain", path, "all" if everything else "20").facts
            found = [measure(OWN, "own", path) for _ in range(_RUNS)]
            facts = found[0].facts
            answers = facts["all" if everything else "sample"]
            if answers[: len(searched["sample"])] != searched["sample"]:
                print(f"{title} is not what a search finds: no figures", flush=True)
                return
            for one in found:  # what is compared is no figure
                one.facts.pop("all", None)
                one.facts.pop("sample")
            rows.add(title, found)
            rows.note(_own(size, found, searched["searches"]))
            if python is not None:
                for name, searches in _SEARCHES.items():
                    _peer(rows, name, path, str(python), "all" if everything else str(searches), size, found, answers)
            if shape == "organization" and not everything:
                _judged(rows, path, size, facts["digest"])


def _own(size: int, found: list[Measured], searched: int) -> str:
    facts = found[0].facts
    seconds, peak = least(found), max(one.peak for one in found)
    over = f"CPU {seconds:.2f} s, target {SECONDS} s{', missed' if seconds > SECONDS else ''}"
    much = f"target {MEMORY} MiB{', missed' if peak > MEMORY else ''}"
    return f"{facts['pairs'] / size:,.0f} reached on average, equal to {searched:,} searches; {over}; {much}"


def _peer(
    rows: Rows, name: str, path: str, python: str, how_many: str, size: int, own: list[Measured], answers: Sequence[int]
) -> None:
    found = measure(PEERS, name, path, how_many, python=python)
    answer = found.facts.pop("sample")
    same = "same counts" if answer == answers[: len(answer)] else "OTHER COUNTS"
    rows.add(f"  peer: {name}, {'all nodes' if how_many == 'all' else f'from {how_many} nodes'}", [found])
    searches = found.facts["searches"]
    every = found.cpu / searches * size
    ratio = every / least(own)
    wanted = (
        f" (target {_SCIPY_TARGET}{'' if ratio >= _SCIPY_TARGET else ', missed'})"
        if name == "scipy" and how_many != "all"
        else ""
    )
    extrapolated = "" if how_many == "all" else f", {every:,.0f} s for all, extrapolated"
    rows.note(f"{same}; built in {found.facts['build']:.2f} s{extrapolated}: {ratio:,.0f} times the CPU{wanted}")


def _judged(rows: Rows, path: str, size: int, digest: str) -> None:
    """From principals and hops, with what is granted, over all hops and over those that are confirmed."""
    found = rows.add("  with actions and accounts, confirmed and at most", [measure(OWN, "radii", path)])
    same = "same counts" if found.facts["digest"] == digest else "OTHER COUNTS"
    rows.note(f"{same}; {found.facts['less']:,} of {size:,} reach less for certain")
    found = rows.add("  exposure, confirmed and at most, with chains", [measure(OWN, "exposures", path)])
    rows.note(f"longest chain {found.facts['longest']} hops")
