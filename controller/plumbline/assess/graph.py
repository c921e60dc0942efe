"""What nodes of a directed graph lead to; its strongly connected components, and for each what it reaches, as sets of bits.

Knows nodes only, which are numbers but where they are few; must not know principals. No recursion, and memory is bounded whatever the shape of the graph:
bits are united a block at a time, and a set is given up after the last component that needs it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TypeVar

Node = TypeVar("Node")
Edges = Sequence[Sequence[int]]  # node -> the nodes to which its edges lead
Own = Callable[[int, int, int], int]
_Unite = Callable[[Own, range, int], Iterator[tuple[int, range, int]]]

MEMORY = 64 << 20  # bytes of sets that are held at a time
_LEAST_BLOCK = 1024  # bits


@dataclass(frozen=True, slots=True)
class Condensation:
    """`component`: node -> its component. `members`: component -> its nodes. `following`: component -> other components to
    which an edge leads; they have lower numbers, so that going up the numbers meets each after all it reaches."""

    component: Sequence[int]
    members: Sequence[Sequence[int]]
    following: Edges


def closure(starts: Iterable[Node], following: Callable[[Node], Iterable[Node]]) -> set[Node]:
    """These and all that they lead to."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = set(following(waiting.pop())) - found
        found |= new
        waiting += new
    return found


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


def descendants(graph: Condensation, memory: int = MEMORY) -> Iterator[tuple[int, range, int]]:
    """For every component the nodes that it reaches and its own, a bit for each: (component, block, bits of the block),
    as `unions` gives them. Bits are in the order of `members`, so that what reaches little is a small number."""
    ends = list(accumulate(map(len, graph.members)))
    begins = [0, *ends[:-1]]

    def own(component: int, low: int, high: int) -> int:
        begin, end = max(begins[component], low), min(ends[component], high)
        return (1 << end - low) - (1 << begin - low) if begin < end else 0

    return unions(graph, own, ends[-1] if ends else 0, memory, begins)


def unions(
    graph: Condensation,
    own: Own,
    width: int,
    memory: int = MEMORY,
    begins: Sequence[int] | None = None,
) -> Iterator[tuple[int, range, int]]:
    """For every component its own bits united with those of all that it reaches: (component, block, bits of the block).

    `own(component, low, high)`: its own of the bits from `low` until `high`, shifted down by `low`; `width`: how many
    bits there are; `begins`: component -> its lowest bit, where the bits go up with the components. Where the sets that
    are needed at a time do not all fit into `memory` bytes, they are united in blocks of bits: then a component comes once
    for each block in which it has any.
    """
    last, pulling = _until_last(graph)
    pushing = _from_first(graph)
    step = max(_LEAST_BLOCK, memory * 8 // max(min(pulling, pushing), 1))
    unite: _Unite = _Pulled(graph, last) if pulling <= pushing else _Pushed(graph)
    for low in range(0, width, step):
        block = range(low, min(low + step, width))
        first = 0 if begins is None else bisect_right(begins, low) - 1
        yield from unite(own, block, first)


class _Pulled:
    """Each component takes the sets of those that it leads to; a set is held until the last that needs it."""

    def __init__(self, graph: Condensation, last: Mapping[int, int]) -> None:
        self._following = graph.following
        self._needed = bytearray(len(graph.members))
        self._done: list[list[int]] = [[] for _ in graph.members]
        for other, component in last.items():
            self._needed[other] = True
            self._done[component].append(other)

    def __call__(self, own: Own, block: range, first: int) -> Iterator[tuple[int, range, int]]:
        held = [0] * len(self._following)
        for component in range(first, len(held)):
            bits = own(component, block.start, block.stop)
            for other in self._following[component]:
                found = held[other]
                if found:
                    bits = bits | found if bits else found  # to unite with nothing would be a copy
            for other in self._done[component]:
                held[other] = 0
            if bits:
                if self._needed[component]:
                    held[component] = bits
                yield component, block, bits


class _Pushed:
    """Each component adds its set to those of all that lead to it; a set is held from the first that is added on. Better
    where few lead to many."""

    def __init__(self, graph: Condensation) -> None:
        self._preceding = reversed_edges(graph.following)

    def __call__(self, own: Own, block: range, first: int) -> Iterator[tuple[int, range, int]]:
        held = [0] * len(self._preceding)
        for component in range(first, len(held)):
            bits = own(component, block.start, block.stop)
            found = held[component]
            if found:
                bits = bits | found if bits else found
                held[component] = 0
            if bits:
                for other in self._preceding[component]:
                    there = held[other]
                    held[other] = there | bits if there else bits
                yield component, block, bits


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


def _until_last(graph: Condensation) -> tuple[Mapping[int, int], int]:
    """Component -> the last that leads to it, and how many sets are held at most if each is held until then."""
    last: dict[int, int] = {}
    for component, following in enumerate(graph.following):
        for other in following:
            last[other] = component
    changes = [int(component in last) for component in range(len(graph.following))]
    for component in last.values():
        changes[component] -= 1
    return last, max(accumulate(changes), default=0) + 1


def _from_first(graph: Condensation) -> int:
    """How many sets are held at most if each is held from the first on to which its component leads."""
    changes = [0] * len(graph.following)
    for component, following in enumerate(graph.following):
        if following:
            changes[min(following)] += 1
            changes[component] -= 1
    return max(accumulate(changes), default=0) + 1
