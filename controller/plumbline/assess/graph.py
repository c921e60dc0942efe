"""Strongly connected components of a directed graph, and for each what it reaches, as sets of bits.

Knows numbers only; must not know principals. No recursion, and memory is bounded whatever the shape of the graph:
bits are united a block at a time, and a set is given up after the last component that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

Edges = Sequence[Sequence[int]]  # node -> the nodes to which its edges lead

MEMORY = 64 << 20  # bytes of sets that are held at a time
_LEAST_BLOCK = 1024  # bits


@dataclass(frozen=True, slots=True)
class Condensation:
    """`component`: node -> its component. `members`: component -> its nodes. `following`: component -> other components to
    which an edge leads; they have lower numbers, so that going up the numbers meets each after all it reaches."""

    component: Sequence[int]
    members: Sequence[Sequence[int]]
    following: Edges


def condensed(edges: Edges) -> Condensation:
    """The strongly connected components, by Tarjan's algorithm: a component is closed after all that it reaches."""
    component, members = _components(edges)
    of, to = component.__getitem__, edges.__getitem__
    following: list[Sequence[int]] = []
    for at, nodes in enumerate(members):
        found = {*map(of, chain.from_iterable(map(to, nodes)))} if len(nodes) > 1 else {*map(of, to(nodes[0]))}
        found.discard(at)
        following.append(tuple(found))
    return Condensation(component, members, following)


def reversed_edges(edges: Edges) -> Edges:
    result: list[list[int]] = [[] for _ in edges]
    for node, following in enumerate(edges):
        for other in following:
            result[other].append(node)
    return result


def unions(
    graph: Condensation, own: Callable[[int, int, int], int], width: int, memory: int = MEMORY
) -> Iterator[tuple[int, int, int]]:
    """For every component its own bits united with those of all that it reaches: (component, low, bits from `low` on).

    `own(component, low, high)`: its own of the bits from `low` until `high`, shifted down by `low`; `width`: how many
    bits there are. Where the sets that are needed at a time do not all fit into `memory` bytes, they are united in blocks
    of bits: then a component comes, and is asked for its own, once for each block.
    """
    done, most = _lives(graph)
    block = min(width, max(_LEAST_BLOCK, memory * 8 // max(most, 1)))
    kept = bytearray(len(graph.members))
    for components in done:
        for component in components:
            kept[component] = True
    for low in range(0, width, max(block, 1)):
        high = min(low + block, width)
        held = [0] * len(graph.members)
        for component, following in enumerate(graph.following):
            bits = own(component, low, high)
            for other in following:
                bits |= held[other]
            for other in done[component]:
                held[other] = 0
            if kept[component]:
                held[component] = bits
            yield component, low, bits


def _components(edges: Edges) -> tuple[list[int], list[list[int]]]:
    """Nodes that are on the stack have their place there, plus one; those of closed components are beyond all places."""
    count = len(edges)
    closed = count + 1
    lowest = [0] * count
    component = [0] * count
    members: list[list[int]] = []
    stack: list[int] = []
    for root in range(count):
        if lowest[root]:
            continue
        stack.append(root)
        node, place = root, len(stack)
        lowest[root] = least = place
        rest = iter(edges[root])
        above: list[tuple[int, int, int, Iterator[int]]] = []
        while True:
            for other in rest:
                seen = lowest[other]
                if not seen:
                    above.append((node, place, least, rest))
                    stack.append(other)
                    node = other
                    lowest[node] = place = least = len(stack)
                    rest = iter(edges[node])
                    break
                least = min(least, seen)
            else:
                if least == place:
                    nodes = stack[place - 1 :]
                    del stack[place - 1 :]
                    for one in nodes:
                        lowest[one] = closed
                        component[one] = len(members)
                    members.append(nodes)
                else:
                    lowest[node] = least
                if not above:
                    break
                found = least
                node, place, least, rest = above.pop()
                least = min(least, found)
    return component, members


def _lives(graph: Condensation) -> tuple[Edges, int]:
    """Component -> those that nobody needs after it, and how many are needed at most at a time."""
    last: dict[int, int] = {}
    for component, following in enumerate(graph.following):
        for other in following:
            last[other] = component
    done: list[list[int]] = [[] for _ in graph.following]
    for other, component in last.items():
        done[component].append(other)
    changes = ((component in last) - len(others) for component, others in enumerate(done))
    return done, max(accumulate(changes), default=0) + 1
