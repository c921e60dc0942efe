"""Patterns of the policy language: `*` stands for any characters, also none, `?` for exactly one.

Knows strings only; whether they name actions or resources is the caller's. Policy variables count only on request.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# A set of positions beyond this many variants is given up; only patterns made for it come near.
_MAX_VARIANTS = 4096
_ANY, _ONE, _FRESH = "*", "?", "\0fresh"
_TOKEN = re.compile(r"\$\{[^}]*\}|.", re.DOTALL)


@lru_cache(maxsize=65536)
def regex(pattern: str, case_sensitive: bool) -> re.Pattern[str]:
    """The pattern as a compiled regular expression, for `fullmatch`."""
    # The leftmost match of each part between two stars is always the best one; atomic groups keep matching linear.
    parts = ["".join("." if c == _ONE else re.escape(c) for c in part) for part in pattern.split(_ANY)]
    source = parts[0]
    if len(parts) > 1:
        source += "".join(f"(?>.*?{part})" for part in parts[1:-1] if part) + f".*{parts[-1]}"
    return re.compile(source, re.DOTALL if case_sensitive else re.DOTALL | re.IGNORECASE)


def matches(pattern: str, text: str, case_sensitive: bool = False) -> bool:
    """Does the pattern match this very text? Every character of `text` is literal."""
    return regex(pattern, case_sensitive).fullmatch(text) is not None


@lru_cache(maxsize=65536)
def covers(outer: str, inner: str, case_sensitive: bool = False, variables: bool = False) -> bool:
    """Does every string that `inner` matches also match `outer`? Exact over all strings, not over known names.

    With `variables`, `${name}` is an unknown text that only the same variable or `*` is sure to cover, and `${*}`,
    `${?}`, `${$}` are the literal characters, as in documents of version 2012-10-17:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    Patterns built to explode (thousands of position sets) are answered False: not proven.
    """
    if outer in (inner, _ANY):
        return True
    if not case_sensitive:
        outer, inner = outer.lower(), inner.lower()
    return _Positions(outer, variables).accept_all(tuple(_tokens(inner, variables)))


def overlaps(left: str, right: str, case_sensitive: bool = False) -> bool:
    """Is there a string that both patterns match?"""
    if not case_sensitive:
        left, right = left.lower(), right.lower()
    # Row by row over `right`: the set of prefixes of `left` with which the prefix of `right` read so far overlaps.
    row = _skip_stars(left, {0})
    for char in right:
        if char == _ANY:
            row = set(range(min(row), len(left) + 1)) if row else row
        else:
            row = _skip_stars(left, _advance(left, row, char))
    return len(left) in row


def _advance(left: str, row: set[int], char: str) -> set[int]:
    result = set()
    for at in row:
        if at < len(left):
            if left[at] == _ANY:
                result.add(at)
            elif _ONE in (left[at], char) or left[at] == char:
                result.add(at + 1)
    return result


def _skip_stars(left: str, row: set[int]) -> set[int]:
    result = set(row)
    for at in sorted(row):
        end = at
        while end < len(left) and left[end] == _ANY:
            end += 1
            result.add(end)
    return result


def _tokens(pattern: str, variables: bool) -> Iterator[tuple[str, bool]]:
    """(text, is wildcard): characters, and with `variables` whole variables."""
    if not variables:
        yield from ((c, c in (_ANY, _ONE)) for c in pattern)
        return
    for token in _TOKEN.findall(pattern):
        if token in ("${*}", "${?}", "${$}"):
            yield token[2], False
        else:
            yield token, token in (_ANY, _ONE)


class _Positions:
    """A pattern as an automaton whose set of positions is one integer.

    Two facts make containment small. A character that `outer` does not name is the hardest that a wildcard of `inner`
    can stand for (only wildcards match it), so `?` is one such "fresh" character and `*` any number of them. And of
    two position sets reached at the same place, the smaller one decides.
    """

    def __init__(self, pattern: str, variables: bool) -> None:
        self.star = 0  # positions that may consume any character and stay
        self.one = 0  # positions that advance on any single character
        self.named: dict[str, int] = {}
        at = 0
        for token, wildcard in _tokens(pattern, variables):
            if wildcard and token == _ANY:
                self.star |= 1 << at
                continue
            if wildcard:
                self.one |= 1 << at
            else:
                self.named[token] = self.named.get(token, 0) | 1 << at
            at += 1
        self.accept = 1 << at

    def step(self, positions: int, token: str) -> int:
        # A whole variable has an unknown length: no single-character wildcard is sure to match it.
        one = 0 if len(token) > 1 and token != _FRESH else self.one
        return positions & self.star | (positions & (one | self.named.get(token, 0))) << 1

    def accept_all(self, inner: tuple[tuple[str, bool], ...]) -> bool:
        sets = {1}
        for token, wildcard in inner:
            if not wildcard:
                sets = {self.step(s, token) for s in sets}
            elif token == _ONE:
                sets = {self.step(s, _FRESH) for s in sets}
            else:
                sets = {more for s in sets for more in self._repeated(s)}
            sets = _smallest(sets)
            if 0 in sets or len(sets) > _MAX_VARIANTS:
                return False
        return all(s & self.accept for s in sets)

    def _repeated(self, positions: int) -> set[int]:
        seen = set()
        while positions not in seen:
            seen.add(positions)
            positions = self.step(positions, _FRESH)
        return seen


def _smallest(sets: set[int]) -> set[int]:
    if len(sets) == 1:
        return sets
    result: list[int] = []
    for s in sorted(sets, key=int.bit_count):
        if not any(small & s == small for small in result):
            result.append(s)
    return set(result)
