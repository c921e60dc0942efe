"""Other ways to count what nodes reach: `python -m benchmarks.graph_peers NAME RESULT FILE HOW_MANY`.

Each searches from one node after another, as none of the libraries counts for all nodes at once. `plain` is the reference.
Imports neither plumbline nor what the lock names.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.graph_files import Pairs, edges_of, read, sample
from benchmarks.timer import Timer, run

Result = tuple[Timer, Mapping[str, Any]]
Search = Callable[[int], int]


def _measured(prepare: Callable[[int, Pairs], Search], path: str, how_many: str) -> Result:
    """From the first nodes of the sample, or from all nodes where that is asked for."""
    count, pairs = read(Path(path))
    nodes: Sequence[int] = range(count) if how_many == "all" else sample(count)[: int(how_many)]
    with Timer() as build:
        search = prepare(count, pairs)
    with Timer() as timer:
        found = [search(node) for node in nodes]
    return timer, {"sample": found, "searches": len(found), "build": build.cpu}


def plain(path: str, how_many: str) -> Result:
    def prepare(count: int, pairs: Pairs) -> Search:
        edges = edges_of(count, pairs)

        def search(node: int) -> int:
            seen, rest = {node}, [node]
            while rest:
                rest = list({other for here in rest for other in edges[here]} - seen)
                seen.update(rest)
            return len(seen) - 1

        return search

    return _measured(prepare, path, how_many)


def networkx(path: str, how_many: str) -> Result:
    import networkx as nx

    def prepare(count: int, pairs: Pairs) -> Search:
        graph = nx.DiGraph()
        graph.add_nodes_from(range(count))
        graph.add_edges_from(zip(*pairs, strict=True))
        return lambda node: len(nx.descendants(graph, node))

    return _measured(prepare, path, how_many)


def rustworkx(path: str, how_many: str) -> Result:
    import rustworkx as rx

    def prepare(count: int, pairs: Pairs) -> Search:
        graph = rx.PyDiGraph()
        graph.add_nodes_from(range(count))
        graph.add_edges_from_no_data(list(zip(*pairs, strict=True)))
        return lambda node: len(rx.descendants(graph, node))

    return _measured(prepare, path, how_many)


def scipy(path: str, how_many: str) -> Result:
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    def prepare(count: int, pairs: Pairs) -> Search:
        sources, targets = map(np.array, pairs)
        graph = coo_array((np.ones(len(sources)), (sources, targets)), shape=(count, count)).tocsr()
        return lambda node: len(breadth_first_order(graph, node, return_predecessors=False)) - 1

    return _measured(prepare, path, how_many)


if __name__ == "__main__":
    run({"plain": plain, "networkx": networkx, "rustworkx": rustworkx, "scipy": scipy}, *sys.argv[1:])
