"""Blast radius and exposure over generated hops: `python -m benchmarks.graph NAME RESULT FILE ...`.

`write` draws a graph, always the same for a shape and a size. `own` counts what every node reaches, from edges in memory;
`radii` and `exposures` judge the same graph as principals and hops, of which a tenth is conditional.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from sys import intern
from typing import Any

from benchmarks.graph_files import Pairs, edges_of, read, sample
from benchmarks.graph_files import write as written
from benchmarks.timer import Timer, run, settle
from plumbline.assess.blast_radius import blast_radii, data_actions
from plumbline.assess.exposure import exposures as exposures_of
from plumbline.assess.graph import condensed, descendants
from plumbline.assess.reach import Hop
from plumbline.garbage import uncollected
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import Granted
from plumbline.model.snapshot import Principal

Result = tuple[Timer, Mapping[str, Any]]
PER_ACCOUNT, PER_UNIT = 200, 10_000
_ALL = 10_000  # nodes; of larger graphs only a sample is told
_HUBS = 5  # accounts from which others are administered
_CREATED = datetime(2025, 11, 3, tzinfo=UTC)
_TRUST = '{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"*"}}],"Version":"2012-10-17"}'
_PATTERNS = ("s3:*", "ec2:*", "dynamodb:*", "sqs:*", "lambda:*", "kms:*", "iam:Get*", "iam:*", "logs:*", "*")


def write(path: str, shape: str, nodes: str, edges: str) -> Result:
    count = int(nodes)
    drawn = {"uniform": _uniform, "organization": _organization, "acyclic": _acyclic}[shape]
    written(Path(path), count, list(drawn(count, int(edges), Random(f"{shape} {nodes} {edges}"))))
    return Timer(), {}


def own(path: str) -> Result:
    edges = edges_of(*read(Path(path)))
    settle()
    with Timer() as timer, uncollected():
        found = _reached(edges)
    count = len(edges)
    every = {"all": found} if count <= _ALL else {}
    return timer, {**_facts(found), "sample": [found[node] for node in sample(count)], **every}


def radii(path: str) -> Result:
    count, pairs = read(Path(path))
    principals, hops, access = _judged(count, pairs)
    data_actions()
    settle()
    with Timer() as timer:
        found = blast_radii(principals, hops, {}, lambda principal: access[int(principal.unique_id)]).of
    counts = [found[arn].at_most.roles for arn in principals]
    less = sum(one.confirmed != one.at_most for one in found.values())
    return timer, {**_facts(counts), "less": less}


def exposures(path: str) -> Result:
    count, pairs = read(Path(path))
    principals, hops, _ = _judged(count, pairs)
    settle()
    with Timer() as timer:
        found = exposures_of(principals, hops, {})
        longest = max(len(found.witness(arn)) for arn in found.of)
    reaching = sum(
        one.at_most.transitive.same_account + one.at_most.transitive.other_accounts for one in found.of.values()
    )
    return timer, {"pairs": reaching, "longest": longest}


def _reached(edges: Sequence[Sequence[int]]) -> list[int]:
    """How many others every node reaches."""
    graph = condensed(edges)
    counts = [-1] * len(graph.members)
    for component, _, bits in descendants(graph):
        counts[component] += bits.bit_count()
    return [counts[component] for component in graph.component]


def _facts(counts: Sequence[int]) -> Mapping[str, Any]:
    return {"pairs": sum(counts), "digest": sha256(repr(list(counts)).encode()).hexdigest()}


def _judged(count: int, pairs: Pairs) -> tuple[dict[str, Principal], list[Hop], list[Granted]]:
    draw = Random(count)
    names = [f"arn:aws:iam::{node // PER_ACCOUNT:012}:role/r{node}" for node in range(count)]
    principals = {
        arn: Principal(arn, str(node), "role", intern(arn[13:25]), f"r{node}", "/", _CREATED, trust=_TRUST)
        for node, arn in enumerate(names)
    }
    hops = [
        Hop(names[a], names[b], "trust", *((("Bool aws:MultiFactorAuthPresent",), "conditional") if draw.random() < 0.1 else ((), "confirmed")))
        for a, b in zip(*pairs, strict=True)
        if a != b
    ]  # fmt: skip
    known = catalogue()
    sets = [Granted(known.expand_all(draw.sample(_PATTERNS[:-1], 2)) if at else known.all, 0) for at in range(200)]
    return principals, hops, [draw.choice(sets) for _ in range(count)]


# Shapes


def _uniform(count: int, edges: int, draw: Random) -> Iterator[tuple[int, int]]:
    """Nearly all nodes reach each other."""
    for _ in range(edges):
        yield draw.randrange(count), draw.randrange(count)


def _organization(count: int, edges: int, draw: Random) -> Iterator[tuple[int, int]]:
    """Most hops stay in the account and lead down, some to other accounts of the same unit; a few accounts lead everywhere."""
    hubs = min(_HUBS * PER_ACCOUNT, count)
    for _ in range(edges):
        kind, node = draw.random(), draw.randrange(count)
        if kind < 0.1:
            yield draw.randrange(hubs), node
            continue
        size = PER_ACCOUNT if kind < 0.95 else PER_UNIT
        begin = node // size * size
        other = begin + draw.randrange(min(size, count - begin))
        yield (min(node, other), max(node, other)) if kind < 0.11 else (max(node, other), min(node, other))


def _acyclic(count: int, edges: int, draw: Random) -> Iterator[tuple[int, int]]:
    """The worst case: no two nodes reach the same, and most sets are needed to the end."""
    for _ in range(edges):
        a, b = draw.randrange(count), draw.randrange(count)
        yield min(a, b), max(a, b)


STATIONS = {"write": write, "own": own, "radii": radii, "exposures": exposures}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
