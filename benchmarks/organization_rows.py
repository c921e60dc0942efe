"""The rows of a whole organization. Knows what to run, and that one process and two must answer the same.

Sizes are parts of the same files, so that the cost of a role can be compared with that of a document.
"""

from pathlib import Path

from benchmarks.child import Measured, measure
from benchmarks.rows import Rows
from benchmarks.workload import PER_ACCOUNT

OWN = "benchmarks.organization"
SECONDS, MEMORY = 45, 256
_SHARED, _ALONE = "0.2", "1"


def organization(rows: Rows, work: Path, sizes: tuple[int, ...] = (1000, 10_000, 100_000)) -> None:
    largest = max(sizes)
    folder = work / "accounts"
    folder.mkdir()
    made = measure(OWN, "write", str(folder), str(largest), _SHARED)
    print(
        f"{largest:,} roles in {largest // PER_ACCOUNT:,} files, {made.facts['bytes'] / 1e6:,.0f} MB; "
        f"drawing and writing them took {made.seconds:.0f} s",
        flush=True,
    )
    one: Measured | None = None
    for size in sorted(sizes):
        one = rows.add(f"organization, {size:,} roles", [_stream(folder, work / "one", 1, size)])
        over = _over(one) if size == largest else ""
        each = f"{one.cpu / size * 1e6:,.0f} us of CPU for each role"
        rows.note(f"{each}, {_documents(folder, one)}{over}")
    assert one is not None
    two = rows.add(f"organization, {largest:,} roles, two processes", [_stream(folder, work / "two", 2, largest)])
    same = (work / "one").read_bytes() == (work / "two").read_bytes()
    rows.note(f"{'the same bytes' if same else 'OTHER BYTES'}; wall {one.seconds / two.seconds:.1f} times as fast")
    _alone(rows, work, min(10_000, largest))


def _alone(rows: Rows, work: Path, size: int) -> None:
    """The worst case: every role has a document that nobody else has."""
    folder = work / "alone"
    folder.mkdir()
    made = measure(OWN, "write", str(folder), str(size), _ALONE)
    best = rows.add(
        f"organization, {size:,} roles, all inline policies distinct", [_stream(folder, work / "out", 1, size)]
    )
    rows.note(f"{made.facts['documents']:,} distinct documents; {best.cpu / size * 1e6:,.0f} us of CPU for each role")


def _stream(folder: Path, to: Path, processes: int, size: int) -> Measured:
    return measure(OWN, "stream", str(folder), str(to), str(processes), str(-(-size // PER_ACCOUNT)))


def _documents(folder: Path, found: Measured) -> str:
    facts = measure(OWN, "distinct", str(folder), str(found.facts["accounts"])).facts
    return f"{facts['documents']:,} distinct documents"


def _over(found: Measured) -> str:
    said = [f"{found.cpu:.0f} s of CPU, target {SECONDS} s{', missed' if found.cpu > SECONDS else ''}"]
    said.append(f"{found.peak:.0f} MiB, target {MEMORY} MiB{', missed' if found.peak > MEMORY else ''}")
    return "; " + "; ".join(said)
