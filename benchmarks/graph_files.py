"""Graphs in files, for Plumbline's stations and the peers alike. Imports neither plumbline nor what the lock names."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from random import Random

Pairs = tuple[Sequence[int], Sequence[int]]
SAMPLE = 50


def write(path: Path, count: int, pairs: Sequence[tuple[int, int]]) -> None:
    columns = [count, *(a for a, _ in pairs), *(b for _, b in pairs)]
    path.write_bytes(array("i", columns).tobytes())


def read(path: Path) -> tuple[int, Pairs]:
    """How many nodes, and the edges as sources and targets. Equal numbers are one object, as names would be."""
    found = array("i", path.read_bytes())
    numbers = list(range(found[0]))
    half = len(found) // 2
    sources, targets = ([numbers[at] for at in part] for part in (found[1 : half + 1], found[half + 1 :]))
    return found[0], (sources, targets)


def edges_of(count: int, pairs: Pairs) -> list[list[int]]:
    edges: list[list[int]] = [[] for _ in range(count)]
    for source, target in zip(*pairs, strict=True):
        edges[source].append(target)
    return edges


def sample(count: int, size: int = SAMPLE) -> list[int]:
    return Random(count).sample(range(count), min(size, count))
