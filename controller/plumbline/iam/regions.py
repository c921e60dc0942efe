"""Regions of requests: actions, resources and contexts as sets, and the part of one region that lies outside others.

Knows sets of strings and of contexts; not documents or effects. Never takes a part for empty that is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plumbline.iam.conditions import Clause
from plumbline.iam.spaces import Space, State
from plumbline.iam.strings import Pattern, TooComplexError, Wild, witness


@dataclass(frozen=True, slots=True)
class Strings:
    """The strings that any of the patterns matches; `negated`: all others."""

    patterns: tuple[Pattern, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The strings that all of `inside` match and none of `outside`."""

    inside: tuple[Pattern, ...]
    outside: tuple[Pattern, ...] = ()

    def example(self) -> str | None:
        return witness(self.inside, self.outside)

    def meets(self, strings: Strings) -> bool:
        """Is any string of this part among them?"""
        return self._outside(strings.patterns) if strings.negated else self._inside(strings.patterns)

    def within(self, strings: Strings) -> bool:
        """Are all strings of this part among them?"""
        return not (self._inside(strings.patterns) if strings.negated else self._outside(strings.patterns))

    def beyond(self, strings: Strings) -> Iterator[Part]:
        """The non-empty parts that are not among them; together they are all of it."""
        if not strings.negated:
            rest = self._and_outside(self._meeting(strings.patterns))
            if rest.example() is not None:
                yield rest
            return
        for pattern in self._meeting(strings.patterns):
            yield self.and_inside(pattern)

    def and_inside(self, pattern: Pattern) -> Part:
        if pattern in self.inside or pattern.tokens == (Wild.ANY,):
            return self
        inside = [p for p in self.inside if p.tokens != (Wild.ANY,)]
        return Part(tuple(sorted([*inside, pattern], key=repr)), self.outside)

    def _and_outside(self, patterns: Sequence[Pattern]) -> Part:
        return Part(self.inside, tuple(sorted({*self.outside, *patterns}, key=repr)))

    def _meeting(self, patterns: Sequence[Pattern]) -> list[Pattern]:
        return [p for p in patterns if self._may_meet(p) and self.and_inside(p).example() is not None]

    def _inside(self, patterns: Sequence[Pattern]) -> bool:
        return any(self._may_meet(p) and self.and_inside(p).example() is not None for p in patterns)

    def _outside(self, patterns: Sequence[Pattern]) -> bool:
        if any(p in self.inside or p.tokens == (Wild.ANY,) for p in patterns):
            return False
        return self._and_outside(self._meeting(patterns)).example() is not None

    def _may_meet(self, pattern: Pattern) -> bool:
        """False only where the literal beginnings already differ; a cheap look before the exact one."""
        return all(_same_beginning(pattern, p) for p in self.inside)


def _same_beginning(left: Pattern, right: Pattern) -> bool:
    for one, other in zip(left.tokens, right.tokens, strict=False):
        if isinstance(one, Wild) or isinstance(other, Wild):
            return True
        if one != other:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Block:
    """What one statement speaks about: every request whose action and resource are among them and whose context meets
    all clauses. `resources` None: all. `label` names it; `source` is the caller's."""

    actions: Strings
    resources: Strings | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """Requests of one caller."""

    actions: Part
    resources: Part
    contexts: State

    def meets(self, block: Block, space: Space) -> bool:
        """May the block hold a request of this region? Conditions are looked at one by one."""
        return (
            all(space.restrict(self.contexts, c, wanted=True) is not None for c in block.clauses)
            and self.actions.meets(block.actions)
            and (block.resources is None or self.resources.meets(block.resources))
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
    budget.spend()
    near = [b for b in blocks if region.meets(b, space)]
    if any(region.within(b, space) for b in near):
        return None
    if not near:
        return region
    first, *rest = near
    for part in region.beyond(first, space):
        found = outside(part, rest, space, budget)
        if found is not None:
            return found
    return None
