"""The rows of granted minus used. Knows what to run. Every figure stands behind the comparison of all roles."""

from functools import partial
from pathlib import Path

from benchmarks import installed
from benchmarks.child import measure
from benchmarks.rows import Rows, interleaved, least, target

OWN, SETS, APE = "benchmarks.granted", "benchmarks.plain_sets", "benchmarks.granted_peers"
MEMORY = 300
_APE_ROLES = 100


def granted(rows: Rows, work: Path, sizes: tuple[int, ...] = (1000, 10_000)) -> None:
    fastest = 0.0
    for size in sizes:
        given, own, sets, simple = (str(work / f"{name}-{size}") for name in ("roles", "own", "sets", "simple"))
        measure(OWN, "draw", given, str(size))
        found = interleaved(
            {
                "own": partial(measure, OWN, "own", given, own),
                "simple": partial(measure, SETS, "simple", given, simple),
                "sets": partial(measure, SETS, "sets", given, sets),
                "own again": partial(measure, OWN, "again", given),
                "sets again": partial(measure, SETS, "again", given),
            }
        )
        if len({Path(answer).read_bytes() for answer in (own, sets, simple)}) > 1:
            print(f"granted minus used of {size:,} roles is not that of the plain sets: no figures", flush=True)
            return
        for kind, title in (("own", "documents are new"), ("own again", "next pass")):
            rows.add(f"granted minus used, {size:,} roles, {title}", found[kind])
            peak = max(one.peak for one in found[kind])
            over = f"; over the {MEMORY} MiB wanted" if peak > MEMORY else ""
            equal = "all equal to plain sets; " if kind == "own" else ""
            rows.note(f"{equal}{size / least(found[kind]):,.0f} roles/s of CPU{over}")
            peer = kind.replace("own", "sets")
            rows.add("  peer: plain sets of names, documents kept too", found[peer])
            rows.note(f"the engine is {least(found[peer]) / least(found[kind]):.1f} times as fast")
            fastest = size / least(found[kind])
        rows.add(f"  peer: plain sets of names, {size:,} roles", found["simple"])
        new, known = (least(found["simple"]) / least(found[kind]) for kind in ("own", "own again"))
        rows.note(f"the engine is faster {target(new, 10)} with new documents, {target(known, 10)} in the next pass")
    _ape(rows, work, fastest)


def _ape(rows: Rows, work: Path, fastest: float) -> None:
    python, problem = installed.python(installed.APE)
    if python is None:
        print(f"iam-ape is not measured: {problem}", flush=True)
        return
    given = str(work / "ape.json")
    measure(OWN, "details", given, str(_APE_ROLES))
    best = rows.add("  peer: iam-ape, boundary but no SCP", [measure(APE, "iam-ape", given, python=str(python))])
    rate = best.facts["roles"] / best.cpu
    failed = f", {best.facts['failed']} failed" if best.facts["failed"] else ""
    rows.note(f"{rate:,.1f} roles/s{failed}; the engine's last figure is faster {target(fastest / rate, 100)}")
