"""Proves that a changed document grants no more than before and still all that is used. Checks, never assumes.

Knows the old and the new text and which statement is claimed to come from which. Shares nothing with the planner but
the policy language: each claim is recomputed from the two texts.
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
    policy: str, before: str, after: str | None, origins: Sequence[int], *, used: int, actions: Iterable[str]
) -> tuple[StatementProof, ...]:
    """(used & old) <= new <= old for one document, statement by statement, over all strings.

    `origins`: for each new statement the index of the old one; `used`: used actions as bits; `actions`: the recorded
    uses by name, each replayed: a use that an old Allow statement granted, its successor must grant.
    One proof for each old Allow statement. Raises ProofError when anything cannot be shown.
    """
    try:
        old, new = parse_identity(before), parse_identity(after) if after is not None else None
    except PolicyError as error:
        raise ProofError(policy, f"not a legal policy: {error}") from error
    successors = _successors(policy, old, new, origins)
    recorded = frozenset(actions)
    proofs = []
    for statement in old.statements:
        successor = successors.get(statement.index)
        _contained(policy, statement, successor)
        if statement.effect == "Allow":
            proofs.append(_keeps_used(policy, statement, successor, used, recorded))
    return tuple(proofs)


def _successors(policy: str, old: Document, new: Document | None, origins: Sequence[int]) -> dict[int, Statement]:
    if new is None:
        if origins:
            raise ProofError(policy, "a deleted document has no statements")
        return {}
    if (old.version, old.id) != (new.version, new.id):
        raise ProofError(policy, "Version or Id changed")
    in_order = all(a < b for a, b in pairwise(origins))
    if len(origins) != len(new.statements) or not in_order or not set(origins) <= set(range(len(old.statements))):
        raise ProofError(policy, "the new statements do not follow from the old ones in their order")
    return dict(zip(origins, new.statements, strict=True))


def _contained(policy: str, old: Statement, new: Statement | None) -> None:
    if new is not None and new.raw == old.raw:
        return
    if old.effect != "Allow" or old.actions is None or old.resources is None:
        raise ProofError(policy, f"{old.label} must stay verbatim")
    if new is None:
        return
    if new.actions is None or _without_action(old) != _without_action(new):
        raise ProofError(policy, f"{old.label} changed in more than its Action")
    for pattern in new.actions:
        if not any(covers(outer, pattern) for outer in old.actions):
            raise ProofError(policy, f"{old.label} did not grant {pattern}")


def _keeps_used(
    policy: str, old: Statement, new: Statement | None, used: int, recorded: frozenset[str]
) -> StatementProof:
    before, after = statement_bits(old), statement_bits(new) if new is not None else 0
    lost = used & before & ~after
    if lost:
        raise ProofError(policy, f"{old.label} would lose {', '.join(catalogue().names_of(lost)[:5])}, which are used")
    for action in sorted(recorded) if new is None or new.raw != old.raw else ():
        if grants(old, action) and not (new is not None and grants(new, action)):
            raise ProofError(policy, f"{old.label} would lose {action}, of which a use is recorded")
    return StatementProof(policy, old.label, before.bit_count(), after.bit_count(), (used & before).bit_count())


def _without_action(statement: Statement) -> str:
    data: dict[str, Any] = json.loads(statement.raw)
    data.pop("Action", None)
    return json.dumps(data, sort_keys=True)
