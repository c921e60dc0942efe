"""Narrows one policy document: Action elements of Allow statements lose actions, or statements go.

Knows documents and sets of actions. Must not know verdicts or attachments; the limits are the caller's. Everything else
stays verbatim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import Statement, parse_identity, render, with_actions
from plumbline.iam.fitting import Piece, fit
from plumbline.iam.granted import statement_bits
from plumbline.iam.patterns import matches


@dataclass(frozen=True, slots=True)
class Leftover:
    """Removable actions that a statement which is never edited goes on granting. `reason`: notAction, notResource."""

    reason: str
    statement: str
    bits: int


@dataclass(frozen=True, slots=True)
class NewDocument:
    """`origins`: for each statement, the index of the old one it comes from. `wildcards`: what was granted before and
    stands for names now, so that the document fits."""

    text: str
    origins: tuple[int, ...]
    wildcards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one document. `pieces`: the statements that are left, with the index of the old one in `origins`.
    `documents`: the narrowed text; none when no statement is left, several when it is divided. `before` and `after`:
    all actions that the old one and the new ones allow."""

    old: str
    pieces: tuple[Piece, ...]
    origins: tuple[int, ...]
    documents: tuple[NewDocument, ...]
    changed: bool
    before: int
    after: int
    leftovers: tuple[Leftover, ...]

    @property
    def size(self) -> int:
        """Of all new documents together."""
        return sum(len(document.text) for document in self.documents)


def narrow(document: str, removable: int, kept_names: Iterable[str] = ()) -> Edit:
    """Takes `removable` out of every editable statement. `kept_names`: used actions that the catalogue does not know;
    a pattern that grants one keeps it by name. Raises PolicyError when the document is not legal."""
    names = tuple(kept_names)
    pieces: list[Piece] = []
    origins: list[int] = []
    leftovers: list[Leftover] = []
    changed, before, after = False, 0, 0
    for statement in parse_identity(document).statements:
        bits = statement_bits(statement) if statement.effect == "Allow" else 0
        before |= bits
        piece = Piece(statement.raw, statement.actions if editable(statement) else None)
        if bits & removable and piece.actions is None:
            reason = "notAction" if statement.not_actions is not None else "notResource"
            leftovers.append(Leftover(reason, statement.label, bits & removable))
        elif bits & removable:
            changed = True
            actions = tuple(_narrowed(statement.actions or (), removable, names))
            bits = catalogue().expand_all(actions)
            piece = Piece(with_actions(statement, actions), actions, statement.actions or ())
        after |= bits
        if piece.actions != ():
            pieces.append(piece)
            origins.append(statement.index)
    edit = Edit(document, tuple(pieces), tuple(origins), (), changed, before, after, tuple(leftovers))
    return rewritten(edit, pieces)


def fitted(edit: Edit, limit: int, most: int) -> Edit | None:
    """The edit in at most `most` documents within the limit; wildcards that were granted before stand for names where
    they must. None when nothing fits."""
    if edit.size <= limit:
        return edit
    parts = fit(edit.pieces, empty=empty_size(edit), limit=limit, most=most)
    if parts is None:
        return None
    written = (_written(edit, [place for place, _ in part], [piece for _, piece in part]) for part in parts)
    return replace(edit, documents=tuple(written))


def rewritten(edit: Edit, pieces: Sequence[Piece]) -> Edit:
    """The edit with other pieces in their places."""
    return replace(edit, documents=(_written(edit, range(len(pieces)), pieces),) if pieces else ())


def empty_size(edit: Edit) -> int:
    """Of the document without its statements."""
    return len(render(edit.old, ()))


def _written(edit: Edit, places: Iterable[int], pieces: Sequence[Piece]) -> NewDocument:
    wildcards = {pattern for piece in pieces for pattern in piece.used}
    return NewDocument(
        render(edit.old, [piece.text for piece in pieces]),
        tuple(edit.origins[place] for place in places),
        tuple(sorted(wildcards, key=lambda pattern: (pattern.lower(), pattern))),
    )


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
