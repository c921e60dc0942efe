"""Regions of requests: actions, resources and contexts as sets, and the part of one region that lies outside others.

Knows sets of strings and of contexts; not documents or effects. Never takes a part for empty that is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from plumbline.iam.conditions import Clause, Test
from plumbline.iam.spaces import Space, State
from plumbline.iam.strings import Pattern, TooComplexError, matcher, witness

_BEGINNING = 6  # characters by which patterns are filed


class Strings:
    """The strings that any of the patterns matches; `negated`: all others."""

    def __init__(self, patterns: Sequence[Pattern], *, negated: bool = False) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self.negated = negated
        self.everything = any(p.everything for p in self.patterns)

    @cached_property
    def test(self) -> Test:
        return matcher(self.patterns)

    @cached_property
    def complement(self) -> Strings:
        return Strings(self.patterns, negated=not self.negated)

    @cached_property
    def _known(self) -> frozenset[Pattern]:
        return frozenset(self.patterns)

    @cached_property
    def _by_beginning(self) -> Mapping[str, list[Pattern]]:
        """Patterns filed by how they begin; only those, and ones with a short beginning, can meet one that begins so."""
        found: dict[str, list[Pattern]] = {"": []}
        for pattern in self.patterns:
            filed = pattern.beginning[:_BEGINNING] if len(pattern.beginning) >= _BEGINNING else ""
            found.setdefault(filed, []).append(pattern)
        return found

    def __contains__(self, pattern: Pattern) -> bool:
        return pattern in self._known

    def near(self, beginning: str) -> Sequence[Pattern]:
        """The patterns that may match a string that begins so."""
        if len(beginning) < _BEGINNING:
            return self.patterns
        return [*self._by_beginning.get(beginning[:_BEGINNING], ()), *self._by_beginning[""]]


class Part:
    """The strings that all of `inside` match and none of `outside`; never without any.

    `fixed`: the only such string, where `inside` says so.
    """

    __slots__ = ("_beginning", "fixed", "inside", "outside")

    def __init__(self, inside: Sequence[Pattern], outside: Sequence[Pattern] = ()) -> None:
        self.inside = tuple(inside)
        self.outside = tuple(outside)
        self.fixed = next((p.literal for p in self.inside if p.literal is not None), None)
        self._beginning = max((p.beginning for p in self.inside), key=len)

    @classmethod
    def of(cls, inside: Sequence[Pattern], outside: Sequence[Pattern]) -> Part | None:
        """None when there is no such string. Raises TooComplexError."""
        ordered = tuple(sorted(dict.fromkeys(inside), key=hash)), tuple(sorted(dict.fromkeys(outside), key=hash))
        return None if witness(*ordered) is None else cls(*ordered)

    def example(self) -> str:
        return witness(self.inside, self.outside) or ""

    def surely_within(self, strings: Strings) -> bool:
        """A quick look: are all strings of this part among them? False when that needs an exact one."""
        if self.fixed is not None:
            return strings.test(self.fixed) != strings.negated
        if strings.negated:
            return all(p in self.outside for p in strings.patterns)
        return strings.everything or any(p in strings for p in self.inside)

    def meets(self, strings: Strings) -> bool:
        """Is any string of this part among them?"""
        if self.fixed is not None:
            return strings.test(self.fixed) != strings.negated
        return self._outside(strings) if strings.negated else self._inside(strings)

    def within(self, strings: Strings) -> bool:
        """Are all strings of this part among them?"""
        if self.fixed is not None:
            return strings.test(self.fixed) != strings.negated
        return not (self._inside(strings) if strings.negated else self._outside(strings))

    def beyond(self, strings: Strings) -> Iterator[Part]:
        """The non-empty parts that are not among them; together they are all of it."""
        if self.fixed is not None:
            if strings.test(self.fixed) == strings.negated:
                yield self
            return
        if not strings.negated:
            rest = Part.of(self.inside, (*self.outside, *self._meeting(strings)))
            if rest is not None:
                yield rest
            return
        for pattern in strings.near(self._beginning):
            part = self._and_inside(pattern)
            if part is not None:
                yield part

    def _and_inside(self, pattern: Pattern) -> Part | None:
        if pattern in self.inside or pattern.everything:
            return self
        if not _same_beginning(pattern.beginning, self._beginning):
            return None
        return Part.of((*(p for p in self.inside if not p.everything), pattern), self.outside)

    def _meeting(self, strings: Strings) -> list[Pattern]:
        return [p for p in strings.near(self._beginning) if self._and_inside(p) is not None]

    def _inside(self, strings: Strings) -> bool:
        return any(self._and_inside(p) is not None for p in strings.near(self._beginning))

    def _outside(self, strings: Strings) -> bool:
        if strings.everything or any(p in strings for p in self.inside):
            return False
        return Part.of(self.inside, (*self.outside, *self._meeting(strings))) is not None


def _same_beginning(left: str, right: str) -> bool:
    return left.startswith(right) or right.startswith(left)


@dataclass(frozen=True, slots=True)
class Block:
    """What one statement speaks about: every request whose action and resource are among them and whose context meets
    all clauses. `resources` None: all."""

    actions: Strings
    resources: Strings | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """Requests of one caller."""

    actions: Part
    resources: Part
    contexts: State

    def surely_within(self, block: Block, space: Space) -> bool:
        """A quick look: does the block hold every request of this region?"""
        return (
            self.actions.surely_within(block.actions)
            and (block.resources is None or self.resources.surely_within(block.resources))
            and all(space.restrict(self.contexts, c, wanted=False) is None for c in block.clauses)
        )

    def meets(self, block: Block, space: Space) -> bool:
        """May the block hold a request of this region? Conditions are looked at one by one."""
        return (
            all(space.restrict(self.contexts, c, wanted=True) is not None for c in block.clauses)
            and (block.resources is None or self.resources.meets(block.resources))
            and self.actions.meets(block.actions)
        )

    def within(self, block: Block, space: Space) -> bool:
        """Does the block hold every request of this region?"""
        return (
            all(space.restrict(self.contexts, c, wanted=False) is None for c in block.clauses)
            and self.actions.within(block.actions)
            and (block.resources is None or self.resources.within(block.resources))
        )

    def beyond(self, block: Block, space: Space) -> Iterator[Region]:
        """The non-empty parts of this region that the block does not hold; together they are all of it."""
        for actions in self.actions.beyond(block.actions):
            yield replace(self, actions=actions)
        if block.resources is not None:
            for resources in self.resources.beyond(block.resources):
                yield replace(self, resources=resources)
        for clause in block.clauses:
            contexts = space.restrict(self.contexts, clause, wanted=False)
            if contexts is not None:
                yield replace(self, contexts=contexts)


class Budget:
    """How many regions are looked at before a question is given up."""

    def __init__(self, regions: int) -> None:
        self._left = regions

    def spend(self) -> None:
        """Raises TooComplexError when nothing is left."""
        self._left -= 1
        if self._left < 0:
            raise TooComplexError


def outside(region: Region, blocks: Sequence[Block], space: Space, budget: Budget) -> Region | None:
    """A non-empty part of the region that none of the blocks holds; None when they hold all of it.

    Raises TooComplexError.
    """
    # The parts of a region that are still to be looked at, with the blocks that may hold them, as nested iterators: as
    # many as there are blocks, which is more than calls may nest.
    todo: list[tuple[Iterator[Region], Sequence[Block]]] = [(iter((region,)), blocks)]
    while todo:
        parts, left = todo[-1]
        part = next(parts, None)
        if part is None:
            todo.pop()
            continue
        if any(part.surely_within(b, space) for b in left):
            continue
        budget.spend()
        near = [b for b in left if part.meets(b, space)]
        if any(part.within(b, space) for b in near):
            continue
        if not near:
            return part
        first, *rest = near
        todo.append((part.beyond(first, space), rest))
    return None
