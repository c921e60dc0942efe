"""Sets of strings that patterns describe: a string in some and outside of others, and one string for every combination.

Knows tokens and strings; what they name is the caller's. All answers are over all strings, never over known names.
Containment of two patterns alone is in `patterns`, which is faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import lru_cache
from heapq import heappop, heappush

_FRESH_FIRST = "x0aqzj1_-kwvbcdefghilmnoprstuy23456789"
_FRESH_AFTER = 0xE000  # private use: no name in AWS has such a character
_MANY = 8  # patterns, with which a string is guessed before it is searched
MAX_WORK = 200_000  # steps of single patterns in one question


class TooComplexError(Exception):
    """More combinations than are looked at; nothing is known then."""


class Wild(Enum):
    """What is no literal character. The segment ones match no colon, as in ARN operators."""

    ANY = "*"
    ONE = "?"
    SEGMENT = "segment*"
    SEGMENT_ONE = "segment?"


Token = str | Wild  # a literal character, or a wildcard
Tokens = tuple[Token, ...]
_WILD = {"*": Wild.ANY, "?": Wild.ONE}
_REGEX = {Wild.ONE: ".", Wild.SEGMENT_ONE: "[^:]"}


class Pattern:
    """A pattern as tokens. `fold`: letters match in either case.

    `literal`: the only string it matches, when there is only one. `beginning`: the literal characters that it starts
    with. Patterns are compared and hashed often, so what that needs is kept.
    """

    __slots__ = ("_hash", "beginning", "fold", "literal", "tokens")

    def __init__(self, tokens: Tokens, fold: bool = False) -> None:
        self.tokens = tokens
        self.fold = fold
        plain: list[str] = []
        for token in tokens:
            if isinstance(token, Wild):
                break
            plain.append(token)
        self.beginning = "".join(plain)
        self.literal = self.beginning if len(plain) == len(tokens) and not fold else None
        self._hash = hash((tokens, fold))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Pattern) or self._hash != other._hash:
            return False
        return self.tokens == other.tokens and self.fold == other.fold

    def __repr__(self) -> str:
        return f"Pattern({self.text!r}, {self.fold})"

    @property
    def everything(self) -> bool:
        return self.tokens == (Wild.ANY,)

    @property
    def text(self) -> str:
        """As it is written in a policy; literal wildcard characters look like wildcards."""
        return "".join(t.value[-1] if isinstance(t, Wild) else t for t in self.tokens)


@lru_cache(maxsize=65536)
def glob(text: str, fold: bool = False) -> Pattern:
    """`*` and `?` are wildcards, everything else is literal."""
    return Pattern(tuple(_WILD.get(c, c) for c in text), fold)


@lru_cache(maxsize=65536)
def literal(text: str, fold: bool = False) -> Pattern:
    return Pattern(tuple(text), fold)


def matcher(patterns: Iterable[Pattern]) -> Callable[[str], bool]:
    """Does any of the patterns match the whole text?"""
    given = tuple(patterns)
    if any(p.everything for p in given):
        return lambda _: True
    plain = frozenset(p.literal for p in given if p.literal is not None)
    rest = [p for p in given if p.literal is None]
    if not rest:
        return plain.__contains__
    if all(p.fold and len(p.beginning) == len(p.tokens) for p in rest):
        return lambda text: text in plain or any(_same_but_case(p.beginning, text) for p in rest)
    match = re.compile("|".join(_source(p) for p in rest), re.DOTALL).fullmatch
    return lambda text: text in plain or match(text) is not None


def _same_but_case(written: str, text: str) -> bool:
    if len(written) != len(text):
        return False
    return all(a == b or b in _cases(a) for a, b in zip(written, text, strict=True))


@lru_cache(maxsize=65536)
def _regex(pattern: Pattern) -> re.Pattern[str]:
    return re.compile(_source(pattern), re.DOTALL)


def matches(pattern: Pattern, text: str) -> bool:
    """Does the pattern match the whole text?"""
    return _regex(pattern).fullmatch(text) is not None


def _source(pattern: Pattern) -> str:
    # Split at the stars: the leftmost match of each part between two of them is always the best one, so that atomic
    # groups keep matching linear. That holds for stars within a segment too: no star over colons comes before one.
    parts: list[tuple[str, list[str]]] = [("", [])]
    for token in pattern.tokens:
        if token in (Wild.ANY, Wild.SEGMENT):
            parts.append(("." if token is Wild.ANY else "[^:]", []))
        else:
            parts[-1][1].append(_REGEX[token] if isinstance(token, Wild) else _character(token, pattern.fold))
    (_, first), *middle = parts
    body = "".join(first)
    if middle:
        star, last = middle.pop()
        body += "".join(f"(?>{wild}*?{''.join(part)})" for wild, part in middle if part or wild != star)
        body += f"{star}*{''.join(last)}"
    return f"(?:{body})"


def _character(char: str, fold: bool) -> str:
    # Not the flag for any case: with it a few letters are more than the automata take them for.
    cases = _cases(char) if fold else (char,)
    return re.escape(char) if len(cases) == 1 else f"[{''.join(map(re.escape, cases))}]"


class _Automaton:
    """A pattern whose set of positions is one integer."""

    __slots__ = ("accept", "at", "fold", "forever", "literal", "named", "one", "segment", "segment_one", "star")

    def __init__(self, pattern: Pattern) -> None:
        self.fold = pattern.fold
        self.star = self.segment = self.one = self.segment_one = 0
        self.named: dict[str, int] = {}
        self.at: dict[int, tuple[str, ...]] = {}  # position -> the characters that lead on from it
        at = 0
        for token in pattern.tokens:
            bit = 1 << at
            if token is Wild.ANY:
                self.star |= bit
                continue
            if token is Wild.SEGMENT:
                self.segment |= bit
                continue
            if token is Wild.ONE:
                self.one |= bit
            elif token is Wild.SEGMENT_ONE:
                self.segment_one |= bit
            elif isinstance(token, str):
                self.at[bit] = _cases(token) if self.fold else (token,)
                for char in self.at[bit]:
                    self.named[char] = self.named.get(char, 0) | bit
            at += 1
        self.literal = sum(self.at)
        self.accept = 1 << at
        self.forever = self.accept & self.star  # once here, whatever follows is matched

    def names(self, positions: int) -> Iterator[str]:
        """The characters that lead on from here in another way than any that the pattern does not name."""
        left = positions & self.literal
        while left:
            bit = left & -left
            yield from self.at[bit]
            left ^= bit
        if positions & (self.segment | self.segment_one):
            yield ":"

    def open(self, positions: int) -> bool:
        """Does any character lead on from here?"""
        return bool(positions & (self.star | self.one | self.segment | self.segment_one))

    def accepts(self, text: str) -> bool:
        positions = 1
        for char in text:
            positions = self.step(positions, char)
            if not positions:
                return False
        return bool(positions & self.accept)

    def step(self, positions: int, char: str) -> int:
        stay, go = self.star, self.one | self.named.get(char, 0)
        if char != ":":
            stay |= self.segment
            go |= self.segment_one
        return positions & stay | (positions & go) << 1


@lru_cache(maxsize=65536)
def _automaton(pattern: Pattern) -> _Automaton:
    return _Automaton(pattern)


@lru_cache(maxsize=4096)
def _cases(char: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c for c in (char, char.lower(), char.upper()) if len(c) == 1))


def _fresh(automata: Sequence[_Automaton]) -> str:
    """A character that no pattern names."""
    named = {char for a in automata for char in a.named}
    return next((c for c in _FRESH_FIRST if c not in named), None) or chr(
        next(n for n in range(_FRESH_AFTER, _FRESH_AFTER + 6400) if chr(n) not in named)
    )


def _options(automata: Sequence[_Automaton], needed: int, state: Sequence[int], fresh: str) -> Sequence[str]:
    """One character for each way to go on; all that no pattern names here are as good as the fresh one."""
    for a, positions in zip(automata[:needed], state, strict=False):
        if not a.open(positions):
            return list(dict.fromkeys(a.names(positions)))
    named = {char for a, positions in zip(automata, state, strict=True) for char in a.names(positions)}
    return [fresh, *sorted(named)]


def _explore(
    automata: Sequence[_Automaton], needed: int, work: _Work, *, avoid: bool
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Shortest text and positions of every joint state from which the first `needed` patterns may still match, those
    from which they are soonest matched first. `avoid`: none from which another pattern matches whatever follows.
    """
    fresh = _fresh(automata)
    start = (1,) * len(automata)
    seen = {start}
    order = 0
    queue: list[tuple[int, int, str, tuple[int, ...]]] = [(0, order, "", start)]
    while queue:
        _, _, text, state = heappop(queue)
        yield text, state
        for char in _options(automata, needed, state, fresh):
            work.spend(len(automata))
            following = tuple(a.step(s, char) for a, s in zip(automata, state, strict=True))
            if following in seen:
                continue
            seen.add(following)
            if not all(following[:needed]):
                continue
            if avoid and any(s & a.forever for a, s in zip(automata[needed:], following[needed:], strict=True)):
                continue
            order += 1
            ahead = max(
                (a.accept.bit_length() - s.bit_length() for a, s in zip(automata[:needed], following, strict=False)),
                default=0,
            )
            heappush(queue, (len(text) + 1 + ahead, order, text + char, following))


class _Work:
    """Steps of single patterns; `left`: how many more there may be."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Raises TooComplexError when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise TooComplexError


_work: ContextVar[_Work | None] = ContextVar("work", default=None)


@contextmanager
def limited(steps: int) -> Iterator[None]:
    """All questions asked herein may take so many steps together, those that are answered from memory too."""
    token = _work.set(_Work(steps))
    try:
        yield
    finally:
        _work.reset(token)


def witness(inside: tuple[Pattern, ...], outside: tuple[Pattern, ...], limit: int = MAX_WORK) -> str | None:
    """The shortest string that every pattern of `inside` matches and none of `outside`; None when there is none.

    Raises TooComplexError.
    """
    fixed = next((p.literal for p in inside if p.literal is not None), None)
    if fixed is not None:
        right = all(matches(p, fixed) for p in inside) and not any(matches(p, fixed) for p in outside)
        return fixed if right else None
    known, found, steps = _witness(inside, outside, limit)
    work = _work.get()
    if work is not None:
        work.spend(steps)
    if not known:
        raise TooComplexError
    return found


def _guessed(inside: Sequence[Pattern], automata: Sequence[_Automaton]) -> str | None:
    """A string with wildcards as what no pattern names, which is the hardest for others to match."""
    fresh = _fresh(automata)
    for pattern in inside:
        for stars in (fresh, "", fresh * 3):
            tokens = (
                stars if t in (Wild.ANY, Wild.SEGMENT) else fresh if isinstance(t, Wild) else t for t in pattern.tokens
            )
            text = "".join(tokens)
            if all(a.accepts(text) == (at < len(inside)) for at, a in enumerate(automata)):
                return text
    return None


@lru_cache(maxsize=65536)
def _witness(inside: tuple[Pattern, ...], outside: tuple[Pattern, ...], limit: int) -> tuple[bool, str | None, int]:
    """(is it known, the string, steps)."""
    work = _Work(limit)
    automata = [_automaton(p) for p in (*inside, *outside)]
    count = len(inside)
    accepts = [a.accept for a in automata]
    try:
        if len(outside) > _MANY:
            work.spend(len(automata))
            quick = _guessed(inside, automata)
            if quick is not None:
                return True, quick, limit - work.left
        for text, state in _explore(automata, count, work, avoid=True):
            hits = [s & a for s, a in zip(state, accepts, strict=True)]
            if all(hits[:count]) and not any(hits[count:]):
                return True, text, limit - work.left
    except TooComplexError:
        return False, None, limit
    return True, None, limit - work.left


@lru_cache(maxsize=4096)
def representatives(patterns: tuple[Pattern, ...], limit: int = MAX_WORK, inside: int = 0) -> tuple[str, ...]:
    """For each combination of patterns that some string matches together, and no other, one such string; only strings
    that the first `inside` patterns match.

    Whatever only asks which of the patterns match cannot tell a string from its representative. The empty string is
    left out where another one stands for it. Raises TooComplexError.
    """
    automata = [_automaton(p) for p in patterns]
    accepts = [a.accept for a in automata]
    found: dict[tuple[bool, ...], str] = {}
    for text, state in _explore(automata, inside, _Work(limit), avoid=False):
        vector = tuple(bool(s & a) for s, a in zip(state, accepts, strict=True))
        if all(vector[:inside]) and not found.get(vector):
            found[vector] = text
    return tuple(found.values())
