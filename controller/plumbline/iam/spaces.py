"""Contexts as a finite space: the worlds that a set of conditions can tell apart, and sets of them as bits.

Knows conditions and values of keys; not statements. Keys that variables link are in one component, whose worlds are
joint values; components are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

from plumbline.iam import links, values
from plumbline.iam.conditions import Clause, Context, Values
from plumbline.iam.links import Truth
from plumbline.iam.strings import TooComplexError

_MOST_WORLDS = 2000  # of keys that variables link, whose values are looked at
State = dict[int, int]  # component -> the worlds still possible, as bits
World = Mapping[str, Values]


class Space:
    """All contexts in which `fixed` keys have their values. Raises TooComplexError when linked keys have too many."""

    def __init__(self, clauses: Iterable[Clause], fixed: Mapping[str, Values]) -> None:
        known = tuple(dict.fromkeys(clauses))
        self._fixed = dict(fixed)
        keys = sorted({k for c in known for k in (c.key, *c.variable_keys)} - fixed.keys())
        self._worlds: list[list[World | None]] = []  # None: no values are known that make it so
        self._real: State = {}
        self._truth: dict[Clause, tuple[int | None, int]] = {}
        for group, asked in _groups(keys, known):
            self._link(group, asked)
        for clause in known:
            if clause not in self._truth:
                self._truth[clause] = None, int(bool(clause.holds(Context(self._fixed))))

    def _link(self, group: Sequence[str], asked: Sequence[Clause]) -> None:
        try:
            self._add(_worlds(group, asked, self._fixed), asked)
        except TooComplexError:
            if len(group) == 1:
                raise
        else:
            return
        # Key by key, as if each of them were alone with its variables: more may be possible then, never less.
        for owner in dict.fromkeys(c.key for c in asked):
            own = [c for c in asked if c.key == owner]
            named = frozenset[str]().union(*(c.variable_keys for c in own))
            self._add(_worlds([key for key in group if key == owner or key in named], own, self._fixed), own)

    def _add(self, found: Mapping[Truth, World | None], asked: Sequence[Clause]) -> None:
        component = len(self._worlds)
        self._worlds.append(list(found.values()))
        for at, clause in enumerate(asked):
            self._truth[clause] = component, _bits(truth[at] for truth in found)
        real = _bits(world is not None for world in found.values())
        if real != (1 << len(found)) - 1:
            self._real[component] = real

    @property
    def exact(self) -> bool:
        """Are there values for every world?"""
        return not self._real

    def everything(self, *, real: bool) -> State:
        """All worlds; `real`: only those that values are known for."""
        return dict(self._real) if real else {}

    def restrict(self, state: State, clause: Clause, wanted: bool) -> State | None:
        """The part of the state where the clause holds, or does not; None when there is none."""
        component, bits = self._truth[clause]
        if component is None:
            return state if bool(bits) == wanted else None
        possible = state.get(component)
        if possible is None:
            possible = (1 << len(self._worlds[component])) - 1
        left = possible & bits if wanted else possible & ~bits
        return {**state, component: left} if left else None

    def example(self, state: State) -> dict[str, Values] | None:
        """One context of the state, with as few keys as possible; `()` for keys that must be absent. None when no
        values are known that are in it."""
        result: dict[str, Values] = {}
        for component, bits in state.items():
            worlds = [w for at, w in enumerate(self._worlds[component]) if w is not None and bits >> at & 1]
            if not worlds:
                return None
            smallest: World = min(worlds, key=_size)
            result.update(smallest)
        return result


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << at for at, flag in enumerate(flags) if flag)


def _size(world: World) -> int:
    return sum(len(given) for given in world.values())


def _worlds(keys: Sequence[str], clauses: Sequence[Clause], fixed: World) -> dict[Truth, World | None]:
    """Each truth that the clauses may have together, with values that make it so."""
    result: dict[Truth, World | None] = {}
    tied = len(keys) > 1 or any(c.key == keys[0] and keys[0] in c.variable_keys for c in clauses)
    for world in _tried(keys, clauses, fixed, partly=tied):
        context = Context({**fixed, **world})
        truth = tuple(bool(c.holds(context)) for c in clauses)
        kept = result.setdefault(truth, world)
        if kept is not None and _size(world) < _size(kept):
            result[truth] = world
    for truth in links.truths(keys, clauses, fixed) if tied else ():
        result.setdefault(truth, None)
    return result


def _tried(keys: Sequence[str], clauses: Sequence[Clause], fixed: World, *, partly: bool) -> Iterator[World]:
    """`partly`: some from everywhere among them, when there are too many."""
    try:
        tried = values.candidates(clauses, keys, Context(fixed, complete=False))
    except TooComplexError:
        if partly:
            return
        raise
    total = prod(len(tried[key]) for key in keys)
    for number in range(0, total, total // _MOST_WORLDS + 1 if partly else 1):
        world: dict[str, Values] = {}
        rest = number
        for key in keys:
            rest, at = divmod(rest, len(tried[key]))
            world[key] = tried[key][at]
        yield world


def _groups(keys: Sequence[str], clauses: Sequence[Clause]) -> Iterator[tuple[list[str], list[Clause]]]:
    """The keys that variables link, with the conditions that depend on them."""
    groups: dict[str, list[str]] = {key: [key] for key in keys}
    for clause in clauses:
        first, *others = [groups[key] for key in sorted({clause.key, *clause.variable_keys}) if key in groups] or [[]]
        for other in others:
            if other is not first:
                first += other
                groups.update(dict.fromkeys(other, first))
    asked: dict[int, list[Clause]] = {}
    for clause in clauses:
        key = next((k for k in (clause.key, *clause.variable_keys) if k in groups), None)
        if key is not None:
            asked.setdefault(id(groups[key]), []).append(clause)
    for group in {id(group): group for group in groups.values()}.values():
        yield group, asked.get(id(group), [])
