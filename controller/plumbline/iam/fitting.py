"""Statements fitted into policies of limited size: exact names while they fit, then wildcards, then several policies.

Knows statements as texts and their sizes. Must not know what they are for: the caller says what was granted before.
Sizes are in characters of canonical JSON, since AWS does not count white space.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from json.encoder import encode_basestring

from plumbline.iam.catalogue import catalogue, positions
from plumbline.iam.documents import canonical
from plumbline.iam.minimise import wildcards
from plumbline.iam.patterns import covers

# The inline limit is for all inline policies of a role together.
MANAGED_LIMIT = 6144
INLINE_LIMIT = 10240


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement of a policy that is being written. `raw`: its canonical JSON. `actions`: its Action, which may be
    written shorter and divided among policies; None for a statement that stays as it is. `allowed`: the patterns that
    were granted under its resources and conditions. `used`: the wildcards that stand for names by now."""

    raw: str
    actions: tuple[str, ...] | None = None
    allowed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        if self.actions is None:
            return self.raw
        statement = json.loads(self.raw)
        if statement["Action"] in (list(self.actions), self.actions[0] if len(self.actions) == 1 else None):
            return self.raw
        return canonical({**statement, "Action": list(self.actions)})


# One policy: its pieces, each with its place among those that were given. A place occurs once in it.
Part = tuple[tuple[int, Piece], ...]


@dataclass(frozen=True, slots=True)
class _Offer:
    """A wildcard that could stand for some actions of a piece, and how many characters shorter that is."""

    pattern: str
    actions: tuple[str, ...]
    saved: int


def choose(pieces: Sequence[Piece], fits: Callable[[Sequence[Piece]], bool]) -> tuple[Piece, ...] | None:
    """The pieces with as few wildcards as make them fit, those first that save most; None when no wildcards do."""
    if fits(pieces):
        return tuple(pieces)
    offers = sorted(_all_offers(pieces), key=lambda one: (-one[1].saved, one[1].pattern, one[0]))
    if not fits(_with(pieces, offers)):
        return None
    count = bisect_left(range(len(offers)), True, key=lambda count: fits(_with(pieces, offers[:count])))
    return _with(pieces, offers[:count])


def shortest(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces with every wildcard that saves something."""
    return _with(pieces, _all_offers(pieces))


def fit(pieces: Sequence[Piece], *, empty: int, limit: int = MANAGED_LIMIT, most: int = 1) -> tuple[Part, ...] | None:
    """The pieces in few policies, with as few wildcards as so many policies need; None for more than `most`.

    `empty`: the size that a policy has besides its statements. A wildcard is preferred to one more policy.
    """
    count = 1 if _packed(pieces, empty, limit, 1) else len(_packed(shortest(pieces), empty, limit, most))
    chosen = choose(pieces, lambda given: bool(_packed(given, empty, limit, count))) if count else None
    return _packed(chosen, empty, limit, count) if chosen is not None else None


def _all_offers(pieces: Sequence[Piece]) -> list[tuple[int, _Offer]]:
    return [(place, offer) for place, piece in enumerate(pieces) for offer in _offers(piece)]


@lru_cache(maxsize=256)
def _offers(piece: Piece) -> tuple[_Offer, ...]:
    if piece.actions is None:
        return ()
    known = catalogue()
    found = wildcards(known.expand_all(piece.actions), allowed=piece.allowed)
    by_position = {at: wildcard.pattern for wildcard in found for at in positions(wildcard.bits)}
    by_service: dict[str, list[str]] = {}
    for wildcard in found:
        by_service.setdefault(_service(wildcard.pattern), []).append(wildcard.pattern)
    stands_for: dict[str, list[str]] = {}
    for action in piece.actions:
        at = known.bit(action)
        pattern = by_position.get(at) if at is not None else _covering(by_service.get(_service(action), ()), action)
        if pattern is not None:
            stands_for.setdefault(pattern, []).append(action)
    offers = []
    for pattern, actions in stands_for.items():
        saved = sum(_size(action) for action in actions) - _size(pattern)
        if saved > 0:
            offers.append(_Offer(pattern, tuple(actions), saved))
    return tuple(offers)


def _service(pattern: str) -> str:
    return pattern.partition(":")[0].lower()


def _covering(patterns: Iterable[str], action: str) -> str | None:
    return next((pattern for pattern in patterns if covers(pattern, action)), None)


def _with(pieces: Sequence[Piece], offers: Iterable[tuple[int, _Offer]]) -> tuple[Piece, ...]:
    """The pieces with these wildcards, each where the first name was for which it stands."""
    patterns: dict[int, dict[str, str]] = {}
    for place, offer in offers:
        patterns.setdefault(place, {}).update(dict.fromkeys(offer.actions, offer.pattern))
    result = list(pieces)
    for place, pattern_of in patterns.items():
        piece = result[place]
        actions = tuple(dict.fromkeys(pattern_of.get(action, action) for action in piece.actions or ()))
        used = tuple(sorted({*piece.used, *pattern_of.values()}, key=lambda p: (p.lower(), p)))
        result[place] = replace(piece, actions=actions, used=used)
    return tuple(result)


def _packed(pieces: Sequence[Piece], empty: int, limit: int, most: int) -> tuple[Part, ...]:
    """The pieces in policies; nothing when `most` of them are too few."""
    policies = _Policies(limit - empty, most)
    # What is never divided comes first: a Deny then stands in the policy that takes the old one's place.
    given = sorted(enumerate(pieces), key=lambda one: one[1].actions is not None)
    fits = all(policies.add(place, piece) for place, piece in given)
    return tuple(tuple(sorted(part, key=lambda one: one[0])) for part in policies.parts) if fits else ()


class _Policies:
    """Each piece goes into the first policy that has room for it, and is divided only if it needs more than one."""

    def __init__(self, space: int, most: int) -> None:
        self._most = most
        self.parts: list[list[tuple[int, Piece]]] = []
        self._space = space + 1  # every statement is counted with a comma; one of them is not there
        self._room: list[int] = []

    def add(self, place: int, piece: Piece) -> bool:
        """Whether it could be added at all."""
        size = len(piece.text) + 1
        if size > self._space:
            return piece.actions is not None and self._divide(place, piece, piece.actions)
        at = next((at for at, room in enumerate(self._room) if size <= room), len(self.parts))
        return self._put(at, place, piece, size)

    def _divide(self, place: int, piece: Piece, actions: Sequence[str]) -> bool:
        bare = len(replace(piece, actions=()).text)
        at, begin = max(len(self.parts) - 1, 0), 0
        while begin < len(actions):
            size, end = bare, begin
            room = self._room[at] if at < len(self.parts) else self._space
            while end < len(actions) and size + _size(actions[end]) <= room:
                size += _size(actions[end])
                end += 1
            if end > begin:
                chunk = tuple(actions[begin:end])
                used = tuple(pattern for pattern in piece.used if pattern in chunk)
                if not self._put(at, place, replace(piece, actions=chunk, used=used), size):
                    return False
            elif at == len(self.parts):
                return False
            at, begin = len(self.parts), end
        return True

    def _put(self, at: int, place: int, piece: Piece, size: int) -> bool:
        if at == self._most:
            return False
        if at == len(self.parts):
            self.parts.append([])
            self._room.append(self._space)
        self.parts[at].append((place, piece))
        self._room[at] -= size
        return True


def _size(action: str) -> int:
    """With the comma that follows it."""
    return len(encode_basestring(action)) + 1
