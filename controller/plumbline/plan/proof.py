"""Proves that a changed document grants no more than before and still all that is used. Checks, never assumes.

Knows the old and the new texts and which statement is claimed to come from which. Shares nothing with the planner but
the policy language: each claim is recomputed from the texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import Document, PolicyError, Statement, parse_identity
from plumbline.iam.granted import grants, statement_bits
from plumbline.iam.patterns import covers
from plumbline.model.plan import StatementProof


class ProofError(Exception):
    """The new document is not proven: `policy` and what could not be shown. Such a plan must not be used."""

    def __init__(self, policy: str, message: str) -> None:
        super().__init__(f"{policy}: {message}")
        self.policy = policy


def verify(
    policy: str,
    before: str,
    after: Sequence[str],
    origins: Sequence[Sequence[int]],
    *,
    used: int,
    actions: Iterable[str],
) -> tuple[StatementProof, ...]:
    """(used & old) <= new <= old for one document, statement by statement, over all strings.

    `after`: the documents that take its place together, none when it goes. `origins`: for each of them, and for each of
    its statements, the index of the old statement; `used`: used actions as bits; `actions`: the recorded uses by name,
    each replayed: a use that an old Allow statement granted, its successors must grant.
    One proof for each old Allow statement. Raises ProofError when anything cannot be shown.
    """
    try:
        old, new = parse_identity(before), [parse_identity(text) for text in after]
    except PolicyError as error:
        raise ProofError(policy, f"not a legal policy: {error}") from error
    successors = _successors(policy, old, new, origins)
    recorded = frozenset(actions)
    proofs = []
    for statement in old.statements:
        found = successors.get(statement.index, [])
        _contained(policy, statement, found)
        if statement.effect == "Allow":
            proofs.append(_keeps_used(policy, statement, found, used, recorded))
    return tuple(proofs)


def _successors(
    policy: str, old: Document, new: Sequence[Document], origins: Sequence[Sequence[int]]
) -> dict[int, list[Statement]]:
    if len(new) != len(origins):
        raise ProofError(policy, "it is not said where the statements of each document come from")
    result: dict[int, list[Statement]] = {}
    for document, places in zip(new, origins, strict=True):
        if (old.version, old.id) != (document.version, document.id):
            raise ProofError(policy, "Version or Id changed")
        in_order = all(a < b for a, b in pairwise(places))
        known = set(places) <= set(range(len(old.statements)))
        if len(places) != len(document.statements) or not in_order or not known:
            raise ProofError(policy, "the new statements do not follow from the old ones in their order")
        for place, statement in zip(places, document.statements, strict=True):
            result.setdefault(place, []).append(statement)
    return result


def _contained(policy: str, old: Statement, successors: Sequence[Statement]) -> None:
    """Each successor grants no more than the old statement; what is never edited stays, verbatim and once."""
    changed = [new for new in successors if new.raw != old.raw]
    if old.effect != "Allow" or old.actions is None or old.resources is None:
        if changed or len(successors) != 1:
            raise ProofError(policy, f"{old.label} must stay verbatim")
        return
    for new in changed:
        if new.actions is None or _without_action(old) != _without_action(new):
            raise ProofError(policy, f"{old.label} changed in more than its Action")
        beyond = _first_beyond(new.actions, old.actions)
        if beyond is not None:
            raise ProofError(policy, f"{old.label} did not grant {beyond}")


def _first_beyond(new: Iterable[str], old: Iterable[str]) -> str | None:
    """A pattern that no old one covers. Policies have thousands: an exact name covers itself alone, and so do patterns
    of another service."""
    same = {pattern.lower() for pattern in old}
    wide: dict[str, list[str]] = {}
    for pattern in same:
        if _has_wildcard(pattern):
            service = pattern.partition(":")[0]
            wide.setdefault("" if _has_wildcard(service) else service, []).append(pattern)
    for pattern in new:
        low = pattern.lower()
        outer = [*wide.get("", ()), *wide.get(low.partition(":")[0], ())]
        if low not in same and not any(covers(o, low) for o in outer):
            return pattern
    return None


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _keeps_used(
    policy: str, old: Statement, successors: Sequence[Statement], used: int, recorded: frozenset[str]
) -> StatementProof:
    before, after = statement_bits(old), 0
    for new in successors:
        after |= statement_bits(new)
    lost = used & before & ~after
    if lost:
        raise ProofError(policy, f"{old.label} would lose {', '.join(catalogue().names_of(lost)[:5])}, which are used")
    for action in sorted(recorded) if all(new.raw != old.raw for new in successors) else ():
        if grants(old, action) and not any(grants(new, action) for new in successors):
            raise ProofError(policy, f"{old.label} would lose {action}, of which a use is recorded")
    return StatementProof(policy, old.label, before.bit_count(), after.bit_count(), (used & before).bit_count())


def _without_action(statement: Statement) -> str:
    data: dict[str, Any] = json.loads(statement.raw)
    data.pop("Action", None)
    return json.dumps(data, sort_keys=True)
