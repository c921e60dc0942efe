"""Contexts as a finite space: the worlds that a set of conditions can tell apart, and sets of them as bits.

Knows conditions and values of keys; not statements. Keys that variables link are in one component, whose worlds are
joint values; components are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

from plumbline.iam import values
from plumbline.iam.conditions import Clause, Context, Values
from plumbline.iam.strings import TooComplexError

_MOST_WORLDS = 20000
State = dict[int, int]  # component -> the worlds still possible, as bits


class Space:
    """All contexts in which `fixed` keys have their values. Raises TooComplexError when linked keys have too many."""

    def __init__(self, clauses: Iterable[Clause], fixed: Mapping[str, Values]) -> None:
        known = tuple(dict.fromkeys(clauses))
        self._fixed = dict(fixed)
        self.names = {c.key: c.name for c in known} | {v.key: v.name for c in known for v in c.variables}
        keys = sorted(self.names.keys() - fixed.keys())
        tried = values.candidates(known, keys, Context(fixed, complete=False))
        self._component: dict[str, int] = {}
        self._worlds: list[list[dict[str, Values]]] = []
        for group in _linked(keys, known):
            count = 1
            for key in group:
                count *= len(tried[key])
            if count > _MOST_WORLDS:
                raise TooComplexError
            self._component.update(dict.fromkeys(group, len(self._worlds)))
            options = product(*(tried[key] for key in group))
            self._worlds.append([dict(zip(group, world, strict=True)) for world in options])
        self._truth: dict[Clause, tuple[int | None, int]] = {}

    def everything(self) -> State:
        return {}

    def holding(self, clause: Clause) -> tuple[int | None, int]:
        """(component, worlds in which the clause holds); the component is None where fixed keys decide: then 1 or 0."""
        found = self._truth.get(clause)
        if found is None:
            found = self._truth[clause] = self._evaluate(clause)
        return found

    def _evaluate(self, clause: Clause) -> tuple[int | None, int]:
        free = [key for key in (clause.key, *sorted(clause.variable_keys)) if key in self._component]
        if not free:
            return None, int(bool(clause.holds(Context(self._fixed))))
        component = self._component[free[0]]
        bits = 0
        for at, world in enumerate(self._worlds[component]):
            if clause.holds(Context({**self._fixed, **world})):
                bits |= 1 << at
        return component, bits

    def restrict(self, state: State, clause: Clause, wanted: bool) -> State | None:
        """The part of the state where the clause holds, or does not; None when there is none."""
        component, bits = self.holding(clause)
        if component is None:
            return state if bool(bits) == wanted else None
        possible = state.get(component, (1 << len(self._worlds[component])) - 1)
        left = possible & bits if wanted else possible & ~bits
        return {**state, component: left} if left else None

    def example(self, state: State) -> dict[str, Values]:
        """One context of the state, with as few keys as possible; `()` for keys that must be absent."""
        result: dict[str, Values] = {}
        for component, bits in state.items():
            worlds = [w for at, w in enumerate(self._worlds[component]) if bits >> at & 1]
            smallest: dict[str, Values] = min(worlds, key=_size)
            result |= smallest
        return result


def _size(world: Mapping[str, Values]) -> int:
    return sum(len(given) for given in world.values())


def _linked(keys: Iterable[str], clauses: Iterable[Clause]) -> list[list[str]]:
    groups: dict[str, list[str]] = {key: [key] for key in keys}
    for clause in clauses:
        for other in clause.variable_keys:
            left, right = groups.get(clause.key), groups.get(other)
            if left is None or right is None or left is right:
                continue
            left += right
            for key in right:
                groups[key] = left
    return list({id(group): group for group in groups.values()}.values())
