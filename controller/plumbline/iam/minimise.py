"""A set of actions as few Action patterns: exact names, and wildcards that were granted before.

Knows the catalogue and patterns. Must not know documents or their sizes: what it is given stands under the same
resources and conditions. A wildcard is over all strings, so it is used only where an old pattern covers it entirely,
and where it matches no known action outside of the set.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plumbline.iam.catalogue import Catalogue, catalogue, positions
from plumbline.iam.patterns import covers


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A pattern that stands for two or more names. `bits`: exactly the known actions that it matches."""

    pattern: str
    bits: int


def shrink(kept: int, *, allowed: Iterable[str], known: Catalogue | None = None) -> tuple[str, ...]:
    """The fewest names and wildcards of the form `service:Prefix*` that match exactly `kept`, in catalogue order.

    `allowed`: the patterns that were granted. Each wildcard lies within one of them. A single action keeps its name.
    """
    known = known or catalogue()
    granted = tuple(allowed)
    if kept == known.all and "*" in granted:
        return ("*",)
    found: list[str] = []
    for first, past, pattern in _groups(kept, granted, known):
        if pattern:
            found.append(pattern)
        else:
            found += known.names[first:past]
    return tuple(found)


def wildcards(kept: int, *, allowed: Iterable[str], known: Catalogue | None = None) -> tuple[Wildcard, ...]:
    """The wildcards alone that `shrink` would use: each may stand for its names, or not, without the others."""
    known = known or catalogue()
    return tuple(
        Wildcard(pattern, (1 << past) - (1 << first))
        for first, past, pattern in _groups(kept, tuple(allowed), known)
        if pattern
    )


def _groups(kept: int, allowed: tuple[str, ...], known: Catalogue) -> Iterator[tuple[int, int, str]]:
    """(first, past the last, pattern) over all positions of `kept`; the pattern is empty where the names must stay.

    The catalogue is sorted, so a prefix matches a stretch of it. A prefix of a name in a maximal stretch of kept names
    stays within the stretch exactly when neither of the two names beside it begins so. Whatever begins with a prefix
    that may be used may be used, so that taking the shortest from left to right gives the fewest.
    """
    before = _Granted(allowed)
    lower, names = known.lower, known.names
    for first, past in _stretches(positions(kept)):
        left = lower[first - 1] if first else ""
        right = lower[past] if past < len(lower) else ""
        at = first
        while at < past:
            name = lower[at]
            least = max(_common(left, name) + 1, _common(right, name) + 1, before.least(name))
            end = at + 1
            if least <= len(name):
                prefix = name[:least]
                while end < past and lower[end].startswith(prefix):
                    end += 1
            # What they have in common is the longest, and so the narrowest, prefix of all.
            pattern = f"{names[at][: _common(name, lower[end - 1])]}*" if end > at + 1 else ""
            yield at, end, pattern
            at = end


def _stretches(members: list[int]) -> Iterator[tuple[int, int]]:
    if not members:
        return
    first = last = members[0]
    for at in members:
        if at > last + 1:
            yield first, last + 1
            first = at
        last = at
    yield first, last + 1


def _common(one: str, other: str) -> int:
    """The length of what both begin with."""
    length = min(len(one), len(other))
    for at in range(length):
        if one[at] != other[at]:
            return at
    return length


class _Granted:
    """The granted patterns, by what they ask of a prefix."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._all = False
        self._prefixes: dict[str, list[str]] = {}
        self._others: list[str] = []
        for pattern in dict.fromkeys(p.lower() for p in patterns if "*" in p):
            plain = pattern.rstrip("*")
            service, colon, _ = plain.partition(":")
            if not plain:
                self._all = True
            elif colon and plain != pattern and not ("*" in plain or "?" in plain):
                self._prefixes.setdefault(service, []).append(plain)
            else:
                self._others.append(pattern)

    def least(self, name: str) -> int:
        """How long a beginning of this name must at least be for everything that begins so to have been granted; more
        than the name's own length where it never was."""
        service = name.index(":") + 1  # a wildcard never stands for services
        if self._all:
            return service
        least = len(name) + 1
        for prefix in self._prefixes.get(name[: service - 1], ()):
            if name.startswith(prefix):
                least = min(least, len(prefix))
        lengths = range(service, least)
        for pattern in self._others:
            at = bisect_left(lengths, True, key=lambda n, outer=pattern: covers(outer, f"{name[:n]}*"))  # type: ignore[misc]
            least = min(least, service + at)
        return least
