"""The rows of the log reader beside others, over made-up trails. Knows what to run, and that all must find the same."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import installed
from benchmarks.child import Measured, measure
from benchmarks.rows import Rows, target

OWN, PEERS, FILES = "benchmarks.trail", "benchmarks.trail_peers", "benchmarks.trail_files"
LARGE, SMALL = 10_000, 20  # events in a file
_SMALL_TOTAL, _SCRAPED = 200_000, 50_000
_TARGETS = {"json": 4.0, "orjson, collector off": 2.5, "orjson + isal, collector off": 2.5}
_SCRAPER_TARGET = 15.0
MEMORY = 95  # MiB, which are 100 MB


def trail(rows: Rows, work: Path, sizes: Sequence[int] = (1_000_000, 5_000_000)) -> None:
    """Rows for each number of events in large files, for small files, and for a second pass of the ledger."""
    both = None
    for events in sorted(sizes):
        both = _beside(rows, _written(work, events, LARGE), f"{events:,} events")
    _beside(rows, _written(work, _SMALL_TOTAL, SMALL), f"{_SMALL_TOTAL:,} events, {SMALL} in a file")
    _ledger(rows, work, min(sizes))
    if both is not None:
        _scraper(rows, _written(work, _SCRAPED, LARGE), *both)


def _written(work: Path, events: int, per_file: int) -> Path:
    folder = work / f"{events}-{per_file}"
    made = measure(FILES, "write", str(folder), str(events), str(per_file)).facts
    print("{events:,} events in {files:,} files, {size:,.0f} MB".format(**made, size=made["bytes"] / 1e6), flush=True)
    return folder


def _beside(rows: Rows, folder: Path, title: str) -> tuple[Measured, Measured]:
    """(the whole reader, its records alone)"""
    one = rows.add(f"log reader, {title}, one process", [measure(OWN, "read", str(folder), "1")])
    rows.note(_own(one, one))
    cores = len(os.sched_getaffinity(0))
    several = rows.add(f"log reader, {title}, {cores} processes", [measure(OWN, "read", str(folder), str(cores))])
    rows.note(_own(several, one))
    keys = measure(OWN, "keys", str(folder)).facts
    alike = rows.add("  its records, grouped as the peers do", [measure(OWN, "grouped", str(folder))])
    rows.note(f"{_same(alike, keys)}; {alike.facts['records'] / alike.seconds:,.0f} events/s")
    for peer, wanted in _TARGETS.items():
        best = rows.add(f"  peer: {peer}", [measure(PEERS, peer, str(folder))])
        rows.note(
            f"{_same(best, keys)}; CPU {target(best.cpu / alike.cpu, wanted)} where the same is asked, "
            f"{best.cpu / one.cpu:.1f} to evidence; wall {best.seconds / several.seconds:.1f} times {cores} processes"
        )
    return one, alike


def _same(found: Measured, keys: Mapping[str, Any]) -> str:
    same = "same keys and counts" if found.facts["keys"] == keys["keys"] else "OTHER KEYS OR COUNTS"
    return f"{same}, {found.facts['groups']:,}"


def _own(found: Measured, one: Measured) -> str:
    records = found.facts["records"]
    over = "" if found.peak < MEMORY else f", over {MEMORY} MiB"
    faster = f"; wall {one.seconds / found.seconds:.1f} times as fast" if found is not one else ""
    return (
        f"{records / found.seconds:,.0f} events/s, {records / found.cpu:,.0f} for a second of CPU; "
        f"{found.facts['evidence']:,} rows of evidence; main process {found.facts['main']:.0f} MiB{over}{faster}"
    )


def _ledger(rows: Rows, work: Path, events: int) -> None:
    for processes in ("1", "2"):
        state = _store(work / f"ledger-{processes}")
        title = f"log reader into the ledger, {events:,} events, {processes} reading"
        found = rows.add(title, [measure(OWN, "ledger", str(work / f"{events}-{LARGE}"), str(state), processes)])
        rows.note(f"{_read(found)}; main process {found.facts['main']:.1f} s of CPU")
    folder, state = work / f"{_SMALL_TOTAL}-{SMALL}", _store(work / "ledger")
    for title in ("log reader into the ledger, small files", "  the same again"):
        found = rows.add(title, [measure(OWN, "ledger", str(folder), str(state), "1")])
        rows.note(_read(found))
    day, one = work / "day", _store(work / "further")
    measure(FILES, "day", str(day), "200", str(LARGE // 10))
    found = rows.add("  a day of 200 files, one of them new", [measure(OWN, "further", str(day), str(one))])
    rows.note(_read(found))


def _store(state: Path) -> Path:
    state.mkdir()
    measure(OWN, "store", str(state))
    return state


def _read(found: Measured) -> str:
    return f"{found.facts['records']:,} records read in {found.facts['objects']:,} objects"


def _scraper(rows: Rows, folder: Path, one: Measured, alike: Measured) -> None:
    python, problem = installed.python((*installed.PYTHON_PEERS, "trailscraper==0.10.0"))
    if python is None:
        print(f"trailscraper is not measured: {problem}", flush=True)
        return
    best = rows.add("  peer: trailscraper", [measure(PEERS, "trailscraper", str(folder), python=str(python))])
    evidence, each = (best.cpu / best.facts["records"] / (own.cpu / own.facts["records"]) for own in (one, alike))
    events = f"{best.facts['records']:,} events"
    rows.note(f"{events}; CPU for each {target(each, _SCRAPER_TARGET)} its records alone, {evidence:.1f} to evidence")
