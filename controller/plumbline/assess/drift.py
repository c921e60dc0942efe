"""Grant drift: live access compared with accepted access, as patterns, resources and conditions.

Knows policies of one principal at two times. Must not know usage, nor today's catalogue when it compares: a newer
catalogue alone is never drift. Access is a set of atoms, each one action pattern on one resource pattern.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from plumbline.iam import compare as engine
from plumbline.iam.catalogue import Catalogue, catalogue
from plumbline.iam.documents import (
    VERSIONS,
    Condition,
    Document,
    PolicyError,
    Statement,
    canonical,
    parse_identity,
)
from plumbline.iam.patterns import covers, overlaps
from plumbline.model.snapshot import Policy, Principal, digest_of

Json = dict[str, Any]
AtomKind = Literal["identity", "boundary"]
_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One piece of access. `not_action`: the actions are all but `actions`; otherwise `actions` has one pattern.
    `resources` likewise. Actions are lower-case; `condition` is canonical JSON, empty when there is none."""

    kind: AtomKind
    effect: Literal["Allow", "Deny"]
    not_action: bool
    actions: tuple[str, ...]
    not_resource: bool
    resources: tuple[str, ...]
    condition: str = ""

    def __str__(self) -> str:
        actions = _listed([catalogue().spelling(a) or a for a in self.actions], self.not_action)
        layer = "permissions boundary: " if self.kind == "boundary" else ""
        condition = f" if {self.condition}" if self.condition else ""
        return f"{layer}{self.effect} {actions} on {_listed(self.resources, self.not_resource)}{condition}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "effect": self.effect,
            "notAction" if self.not_action else "action": list(self.actions),
            "notResource" if self.not_resource else "resource": list(self.resources),
            "condition": self.condition,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Atom:
        """Raises KeyError when an element is missing."""
        not_action, not_resource = "notAction" in data, "notResource" in data
        return cls(
            kind=data["kind"],
            effect=data["effect"],
            not_action=not_action,
            actions=tuple(data["notAction" if not_action else "action"]),
            not_resource=not_resource,
            resources=tuple(data["notResource" if not_resource else "resource"]),
            condition=data["condition"],
        )

    def covers(self, other: Atom) -> bool:
        """Is all that `other` speaks about also in this atom? False when that cannot be shown."""
        return (
            (self.kind, self.effect) == (other.kind, other.effect)
            and self.condition in ("", other.condition)
            and _contains(self.not_action, self.actions, other.not_action, other.actions, resources=False)
            and _contains(self.not_resource, self.resources, other.not_resource, other.resources, resources=True)
        )


# Without a boundary everything is inside it; so removing one is access added, and adding one is not.
NO_BOUNDARY = Atom("boundary", "Allow", False, ("*",), False, ("*",))


@dataclass(frozen=True, slots=True, order=True)
class Addition:
    """One way in which live access goes beyond the accepted: an Allow that is new, or a Deny that is gone."""

    atom: Atom
    lost: bool = False

    def __str__(self) -> str:
        return f"no longer {self.atom}" if self.lost else str(self.atom)


def atoms_of(principal: Principal) -> tuple[Atom, ...]:
    """The live access of a principal, sorted; independent of the order and spelling of its documents.

    Raises PolicyError when a document is missing or illegal: then live access is unknown and nothing can be compared.
    """
    atoms: set[Atom] = set()
    for policy in principal.policies:
        atoms.update(_policy_atoms(policy, "identity"))
    atoms.update(_policy_atoms(principal.boundary, "boundary") if principal.boundary else (NO_BOUNDARY,))
    return tuple(sorted(atoms))


def compare(accepted: Iterable[Atom], live: Iterable[Atom]) -> tuple[Addition, ...]:
    """Where live access goes beyond the accepted, sorted: Allow atoms that give new access, and accepted Deny atoms
    whose loss does. What cannot be decided counts as drift. Identity-based policies and boundary are each compared with
    their own."""
    accepted, live = set(accepted), set(live)
    kinds: tuple[AtomKind, ...] = ("identity", "boundary")
    return tuple(sorted(a for kind in kinds for a in _beyond(_of_kind(accepted, kind), _of_kind(live, kind))))


def _of_kind(atoms: set[Atom], kind: AtomKind) -> set[Atom]:
    return {a for a in atoms if a.kind == kind}


def _beyond(accepted: set[Atom], live: set[Atom]) -> list[Addition]:
    """Equal and plainly covered atoms, nearly all of them, need no comparison of whole policies."""
    added = sorted(_uncovered(_effect(live, "Allow"), _effect(accepted, "Allow")))
    lost = sorted(_uncovered(_effect(accepted, "Deny"), _effect(live, "Deny")))
    if added:
        denied = statements_of(_effect(live, "Deny"))
        found = engine.compare(
            "identity", documents(statements_of(accepted)), documents([*map(_statement, added), *denied])
        )
        giving = {reason.statement for reason in found.reasons} | {statement for _, statement in found.undecided}
        added = [atom for at, atom in enumerate(added) if at in giving]
    if lost:
        left = statements_of(live)
        lost = [atom for atom in lost if _matters(left, _statement(atom))]
    return [Addition(a) for a in added] + [Addition(a, lost=True) for a in lost]


def _matters(left: list[Json], deny: Json) -> bool:
    return bool(left) and engine.compare("identity", documents([*left, deny]), documents(left)).result != "noNewAccess"


def statements_of(atoms: Iterable[Atom]) -> list[Json]:
    """The atoms as statements, those on the same resources under the same condition together."""
    groups: dict[tuple[Any, ...], list[Atom]] = {}
    for atom in sorted(atoms):
        alone = atom if atom.not_action else None
        groups.setdefault((atom.effect, alone, atom.not_resource, atom.resources, atom.condition), []).append(atom)
    result = []
    for group in groups.values():
        statement = _statement(group[0])
        if not group[0].not_action:
            statement["Action"] = [action for atom in group for action in atom.actions]
        result.append(statement)
    return result


def _statement(atom: Atom) -> Json:
    return {
        "Effect": atom.effect,
        "NotAction" if atom.not_action else "Action": list(atom.actions),
        "NotResource" if atom.not_resource else "Resource": list(atom.resources),
        **({"Condition": json.loads(atom.condition)} if atom.condition else {}),
    }


def documents(statements: list[Json]) -> list[str]:
    """One document of these statements; none without any."""
    return [canonical({"Version": VERSIONS[0], "Statement": statements})] if statements else []


def shrink(accepted: Iterable[Atom], live: Iterable[Atom]) -> tuple[Atom, ...]:
    """Accepted access after a reduction was seen live, so that adding back is drift. It never grows: what drifted in
    stays outside, a Deny that drifted away is still expected, a new Deny is expected from now on."""
    accepted, live = set(accepted), set(live)
    old, new = _effect(accepted, "Allow"), _effect(live, "Allow")
    kept = old - _uncovered(old, new) | new - {a.atom for a in compare(accepted, live)}
    return tuple(sorted(kept | _effect(accepted, "Deny") | _effect(live, "Deny")))


def drift_bits(additions: Iterable[Addition], known: Catalogue) -> tuple[int, frozenset[str]]:
    """The actions of the additions: known ones as bits, and the patterns that the catalogue does not know."""
    bits, unknown = 0, set[str]()
    for addition in additions:
        atom = addition.atom
        found = known.expand_all(atom.actions)
        bits |= known.all ^ found if atom.not_action else found
        if not atom.not_action and not found:
            unknown.update(atom.actions)
    return bits, frozenset(unknown)


def policies_of(principal: Principal, additions: Iterable[Addition]) -> tuple[str, ...]:
    """Policy.key of the live policies that bring the additions in; a lost Deny has none."""
    added = {a.atom for a in additions if not a.lost}
    keys = [p.key for p in principal.policies if added & _policy_atoms(p, "identity")]
    if principal.boundary and added & _policy_atoms(principal.boundary, "boundary"):
        keys.append(principal.boundary.key)
    return tuple(sorted(set(keys)))


def accepted_digest(atoms: Iterable[Atom]) -> str:
    """Names accepted access: equal for equal sets of atoms."""
    return digest_of(json.dumps(a.to_json(), sort_keys=True) for a in sorted(set(atoms)))


def _listed(patterns: Sequence[str], complement: bool) -> str:
    return f"all but {', '.join(patterns)}" if complement else patterns[0]


def _effect(atoms: set[Atom], effect: str) -> set[Atom]:
    return {a for a in atoms if a.effect == effect}


def _uncovered(inner: set[Atom], outer: set[Atom]) -> set[Atom]:
    """Equal atoms, nearly all of them, are settled by hash; the rest meets only atoms that could cover its action."""
    rest = inner - outer
    if not rest:
        return rest
    by_action: dict[str | None, list[Atom]] = {}
    for atom in outer:
        by_action.setdefault(_exact_action(atom), []).append(atom)
    patterns = by_action.get(None, [])
    return {
        atom
        for atom in rest
        if not any(o.covers(atom) for o in (*by_action.get(_exact_action(atom) or "", ()), *patterns))
    }


def _exact_action(atom: Atom) -> str | None:
    """The action of an atom that names exactly one; such an atom covers no other action."""
    return None if atom.not_action or "*" in atom.actions[0] or "?" in atom.actions[0] else atom.actions[0]


def _policy_atoms(policy: Policy, kind: AtomKind) -> frozenset[Atom]:
    if policy.document is None:
        raise PolicyError(policy.key, "the document could not be read")
    return _document_atoms(policy.document, kind)


@lru_cache(maxsize=512)
def _document_atoms(text: str, kind: AtomKind) -> frozenset[Atom]:
    document = parse_identity(text)
    return frozenset(atom for s in document.statements for atom in _statement_atoms(document, s, kind))


def _statement_atoms(document: Document, statement: Statement, kind: AtomKind) -> Iterator[Atom]:
    condition = _canonical_condition(document, statement.conditions)
    actions = _sets(statement.actions, statement.not_actions, str.lower)
    resources = _sets(statement.resources, statement.not_resources, lambda r: _literal_variables(document, r))
    for not_action, action in actions:
        for not_resource, resource in resources:
            yield Atom(kind, statement.effect, not_action, action, not_resource, resource, condition)


def _sets(plain: Sequence[str] | None, negated: Sequence[str] | None, spell: Any) -> list[tuple[bool, tuple[str, ...]]]:
    """An element as (is complement, patterns): one for each pattern, or one for a whole Not-element."""
    if plain is not None:
        return [(False, (spell(p),)) for p in plain]
    return [(True, tuple(sorted({spell(p) for p in negated or ()})))]


def _literal_variables(document: Document, text: str) -> str:
    # In the older version `${` is no variable; spelled so that it reads as literal in the current one.
    return text if document.variables else text.replace("${", "${$}{")


def _canonical_condition(document: Document, conditions: Sequence[Condition]) -> str:
    merged: dict[str, dict[str, list[str]]] = {}
    for c in conditions:  # condition keys are case-insensitive, values of one key are alternatives
        keys = merged.setdefault(c.operator, {})
        key = c.key if c.key.lower() in keys else c.key.lower()
        keys[key] = sorted({_literal_variables(document, v) for v in c.values})
    if not merged:
        return ""
    return json.dumps(merged, sort_keys=True, ensure_ascii=False)


def _contains(not_outer: bool, outer: Sequence[str], not_inner: bool, inner: Sequence[str], *, resources: bool) -> bool:
    """Containment of pattern sets and of their complements, over all strings."""

    def within(o: str, i: str) -> bool:
        return covers(o, i, case_sensitive=resources, variables=resources)

    if not_outer and not_inner:
        return all(any(within(i, o) for i in inner) for o in outer)
    if not_outer:
        return not any(overlaps(_open(o, resources), _open(i, resources), resources) for o in outer for i in inner)
    if not_inner:
        return any(o.strip("*") == "" for o in outer)
    return all(any(within(o, i) for o in outer) for i in inner)


def _open(pattern: str, resources: bool) -> str:
    """For asking whether two resources can meet, a variable may be any text."""
    return _VARIABLE.sub("*", pattern) if resources else pattern
