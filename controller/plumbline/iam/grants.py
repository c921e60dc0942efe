"""From grants to policy documents: the fewest readable statements that are equal to them, within the limits of size.

Knows effects, actions, resources and conditions of single grants. Must not know where they come from. Nothing is
widened: the documents allow and deny exactly what the grants do, over all strings but for wildcards to meet a limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.iam.catalogue import catalogue, positions
from plumbline.iam.documents import VERSIONS, Effect, canonical
from plumbline.iam.fitting import MANAGED_LIMIT, Piece, fit
from plumbline.iam.patterns import covers

_EMPTY: Mapping[str, Any] = {"Version": VERSIONS[0], "Statement": []}


class TooLargeError(Exception):
    """The grants do not fit into so many policies of that size, not even with every wildcard that may be used."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions (names or patterns, also unknown ones) on resources under one condition (JSON of the element)."""

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str = "{}"


def documents(
    grants: Iterable[Grant], *, old: Iterable[Grant] = (), limit: int = MANAGED_LIMIT, most: int = 1
) -> tuple[str, ...]:
    """At most `most` documents, as canonical texts, that together are equal to the grants; none for no grants.

    Actions with the same resources and condition share a statement. Exact names stay as long as they fit; then a
    wildcard may stand for names if an `old` grant under the same condition, on resources that cover these, granted it
    entirely. Order and spelling of what is given never matter. Raises TooLargeError.
    """
    before = tuple(old)
    pieces = [_piece(*group, before) for group in _grouped(grants)]
    if not pieces:
        return ()
    parts = fit(pieces, empty=len(canonical(_EMPTY)), limit=limit, most=most)
    if parts is None:
        raise TooLargeError(f"{len(pieces)} statements do not fit into {most} policies of {limit} characters")
    return tuple(canonical({**_EMPTY, "Statement": [json.loads(piece.text) for _, piece in part]}) for part in parts)


_Group = tuple[Effect, tuple[str, ...], str, tuple[str, ...]]  # effect, resources, condition, actions


def _grouped(grants: Iterable[Grant]) -> Iterable[_Group]:
    """One group for each set of resources that some actions have under one condition, sorted."""
    resources: dict[tuple[Effect, str], dict[str, set[str]]] = {}
    for grant in grants:
        of_action = resources.setdefault((grant.effect, _condition(grant.condition)), {})
        for action in grant.actions:
            of_action.setdefault(_spelling(action), set()).update(grant.resources)
    for (effect, condition), of_action in sorted(resources.items(), key=_first_without_condition):
        plain = {action: _outermost(found) for action, found in of_action.items()}
        groups: dict[tuple[str, ...], list[str]] = {}
        for action in sorted(plain, key=lambda a: (a.lower(), a)):
            if not any(_within(action, plain[action], other, plain[other]) for other in plain if "*" in other):
                groups.setdefault(plain[action], []).append(action)
        for found in sorted(groups):
            yield effect, found, condition, tuple(groups[found])


def _first_without_condition(one: tuple[tuple[Effect, str], object]) -> tuple[str, bool, str]:
    (effect, condition), _ = one
    return effect, condition != "{}", condition


def _piece(
    effect: Effect, resources: tuple[str, ...], condition: str, actions: tuple[str, ...], old: Iterable[Grant]
) -> Piece:
    statement: dict[str, Any] = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    if condition != "{}":
        statement["Condition"] = json.loads(condition)
    allowed = {
        action
        for grant in old
        if grant.effect == effect
        and _condition(grant.condition) == condition
        and _all_within(resources, grant.resources)
        for action in grant.actions
    }
    return Piece(canonical(statement), actions, tuple(sorted(allowed)))


def _condition(text: str) -> str:
    """Equal for equal conditions: the values of a key are a set."""
    operators = json.loads(text)
    return canonical({o: {key: _values(value) for key, value in keys.items()} for o, keys in operators.items()})


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return sorted({v if isinstance(v, str) else json.dumps(v) for v in values})


def _spelling(action: str) -> str:
    """One for all spellings of an action, since they match in any case: the catalogue's, also for a prefix."""
    known, low = catalogue(), action.lower()
    prefix = low.rstrip("*")
    if prefix != low and "*" not in prefix and "?" not in prefix:
        first = next(iter(positions(known.expand(low))), None)
        return f"{known.names[first][: len(prefix)]}*" if first is not None and prefix else f"{prefix}*"
    return known.spelling(action) or low


def _outermost(resources: Iterable[str]) -> tuple[str, ...]:
    """Without those that another one covers."""
    found = sorted(set(resources))
    return tuple(r for r in found if not any(_beats(o, r, _resource_covers) for o in found))


def _within(action: str, resources: tuple[str, ...], other: str, others: tuple[str, ...]) -> bool:
    if not _all_within(resources, others):
        return False
    return _beats(other, action, covers) if _all_within(others, resources) else covers(other, action)


def _beats(one: str, other: str, wider: Callable[[str, str], bool]) -> bool:
    """Of two that match the same, the first in order stays."""
    return one != other and wider(one, other) and (one < other or not wider(other, one))


def _all_within(resources: Iterable[str], outer: Iterable[str]) -> bool:
    found = tuple(outer)
    return all(any(_resource_covers(o, r) for o in found) for r in resources)


def _resource_covers(outer: str, inner: str) -> bool:
    if outer == inner or not any(c in outer for c in "*?$"):
        return outer == inner
    return covers(outer, inner, case_sensitive=True, variables=True)
