"""Narrows one policy document: Action elements of Allow statements lose actions, or statements go.

Knows documents and sets of actions. Must not know verdicts, attachments or limits. Everything else stays verbatim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import Statement, parse_identity, render, with_actions
from plumbline.iam.granted import statement_bits
from plumbline.iam.patterns import matches


@dataclass(frozen=True, slots=True)
class Leftover:
    """Removable actions that a statement which is never edited goes on granting. `reason`: notAction, notResource."""

    reason: str
    statement: str
    bits: int


@dataclass(frozen=True, slots=True)
class Edit:
    """`document`: the narrowed text, None when no statement is left. `origins`: for each statement of it, the index of
    the old one it comes from. `before` and `after`: all actions that the document allows."""

    document: str | None
    origins: tuple[int, ...]
    changed: bool
    before: int
    after: int
    leftovers: tuple[Leftover, ...]


def narrow(document: str, removable: int, kept_names: Iterable[str] = ()) -> Edit:
    """Takes `removable` out of every editable statement. `kept_names`: used actions that the catalogue does not know;
    a pattern that grants one keeps it by name. Raises PolicyError when the document is not legal."""
    names = tuple(kept_names)
    kept: list[tuple[int, str]] = []
    leftovers: list[Leftover] = []
    changed, before, after = False, 0, 0
    for statement in parse_identity(document).statements:
        bits = statement_bits(statement) if statement.effect == "Allow" else 0
        before |= bits
        if not bits & removable:
            kept.append((statement.index, statement.raw))
            after |= bits
        elif not editable(statement):
            kept.append((statement.index, statement.raw))
            after |= bits
            reason = "notAction" if statement.not_actions is not None else "notResource"
            leftovers.append(Leftover(reason, statement.label, bits & removable))
        else:
            changed = True
            actions = _narrowed(statement.actions or (), removable, names)
            after |= catalogue().expand_all(actions)
            if actions:
                kept.append((statement.index, with_actions(statement, actions)))
    text = render(document, [raw for _, raw in kept]) if kept else None
    return Edit(text, tuple(i for i, _ in kept), changed, before, after, tuple(leftovers))


def editable(statement: Statement) -> bool:
    """Only Allow statements with Action and Resource are ever edited."""
    return statement.effect == "Allow" and statement.actions is not None and statement.resources is not None


def _narrowed(actions: Sequence[str], removable: int, kept_names: Sequence[str]) -> list[str]:
    """Patterns without a removable action as they are; in place of each other one the names that it keeps. In the old
    order, so that the difference shows only what goes."""
    known = catalogue()
    verbatim = [a for a in actions if not known.expand(a) & removable]
    left = known.all & ~removable & ~known.expand_all(verbatim)
    names = [n for n in kept_names if not _any(verbatim, n)]
    result: dict[str, None] = {}
    for action in actions:
        bits = known.expand(action)
        if not bits & removable:
            result[action] = None
            continue
        kept = [*known.names_of(bits & left), *(n for n in names if matches(action, n))]
        result.update(dict.fromkeys(sorted(kept, key=lambda a: (a.lower(), a))))
        left &= ~bits
    return list(result)


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)
