"""Callers that stand for all others: one for each way in which statements can tell callers apart.

Knows principals and the conditions on keys that follow from the caller; not what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import count

from plumbline.iam.conditions import Clause, Context
from plumbline.iam.principals import Caller, CallerKind, caller
from plumbline.iam.statements import CompiledStatement
from plumbline.iam.strings import Pattern, TooComplexError, Wild, glob, literal, representatives
from plumbline.iam.variables import Variable, resolve

CALLER_KEYS = frozenset(caller("111111111111").keys())
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
_FRESH_NAME = "x"
_DIGITS = re.compile(r"(?:^|(?<=[*?])|:)\d+(?:$|(?=[*?])|:)")
_ACCOUNT_BETWEEN = len(":111111111111:")


def callers(
    statements: Sequence[CompiledStatement],
    resource_keys: Mapping[str, Sequence[str]],
    kinds: Container[CallerKind] | None = None,
) -> tuple[Caller, ...]:
    """Callers that these statements, with their conditions on the caller's keys, cannot tell from any other.

    `resource_keys`: keys of the caller that variables of Resource elements name, and values to be among theirs.
    `kinds`: the only ones that are of interest. Raises TooComplexError.
    """
    clauses = list(dict.fromkeys(c for s in statements for c in s.clauses))
    asked = [c for c in clauses if c.key in CALLER_KEYS and c.variable_keys <= CALLER_KEYS]
    tied = bool(resource_keys) or any((c.variable_keys | {c.key}) & CALLER_KEYS for c in clauses if c not in asked)
    chosen: dict[tuple[object, ...], Caller] = {}
    for who in dict.fromkeys(_candidates(statements, clauses, resource_keys)):
        if kinds is None or who.kind in kinds:
            named = tuple(s.naming(who) for s in statements)
            context = Context(who.keys())
            held = tuple(c.holds(context) for c in asked)
            chosen.setdefault((named, held, who if tied else None), who)
    return tuple(chosen.values())


def _candidates(
    statements: Sequence[CompiledStatement], clauses: Sequence[Clause], resource_keys: Mapping[str, Sequence[str]]
) -> Iterator[Caller]:
    arns, accounts = set(resource_keys.get("aws:principalarn", ())), set[str]()
    services, others = {"fresh.amazonaws.com"}, list[Caller]()
    for statement in statements:
        found = statement.principals
        if found is None:
            continue
        arns |= found.arns
        accounts |= found.accounts
        services |= found.services
        others += [Caller("provider", name) for name in sorted(found.providers)]
        others += [Caller("canonicalUser", name) for name in sorted(found.canonical)]
        others += [Caller("gone", name) for name in sorted(found.gone)]
    patterns = _patterns("aws:principalarn", clauses)
    accounts |= {t for t in _accounts(clauses, resource_keys) if _is_account(t)}
    accounts |= {a for a in map(_account_of, patterns) if a}
    named = [who for arn in sorted(arns) if (who := _caller(arn)) is not None]
    accounts |= {who.account for who in named if who.account}
    names = (*_patterns("aws:username", clauses), *map(literal, resource_keys.get("aws:username", ())))
    fresh = next(a for n in count(1) if (a := str(10**12 - n)) not in accounts)
    for partition in _partitions(named, patterns):
        for account in (fresh, *sorted(accounts)):
            yield from _of_account(partition, account, patterns, names)
    yield from named
    yield caller("*")
    yield from (Caller("service", name) for name in sorted(services))
    yield from (*others, Caller("provider", "fresh.example.com"))


def _patterns(key: str, clauses: Iterable[Clause]) -> tuple[Pattern, ...]:
    """What the values of a key are compared with, variables standing for any text."""
    found: dict[Pattern, None] = {}
    for clause in clauses:
        if clause.key == key and clause.operator.takes_variables:
            arn, fold = clause.operator.kind == "arn", clause.operator.fold
            for parts in clause.parts:
                opened = tuple(Wild.ANY if isinstance(p, Variable) else p for p in parts)
                pattern = resolve(opened, {}, fold=fold, arn=arn)
                found |= {} if pattern is None else {pattern: None}
    return tuple(found)


def _accounts(clauses: Iterable[Clause], resource_keys: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Raises TooComplexError for a pattern of a part of an account id."""
    for pattern in _patterns("aws:principalaccount", clauses):
        if any(isinstance(t, Wild) for t in pattern.tokens) and any(isinstance(t, str) for t in pattern.tokens):
            raise TooComplexError
        yield pattern.text
    yield from resource_keys.get("aws:principalaccount", ())


def _partitions(named: Iterable[Caller], patterns: Iterable[Pattern]) -> Sequence[str]:
    """Those of the principals that are named; all where a pattern may tell them apart."""
    found = {who.partition for who in named}
    segments = {_segment(p, 1) for p in patterns if not p.everything and not p.text.startswith("arn:*:")} - {"aws"}
    if segments:
        found |= {*_PARTITIONS, *(s for s in segments if not _wild(s))}
    return sorted(found) or ["aws"]


def _of_account(
    partition: str, account: str, patterns: tuple[Pattern, ...], names: tuple[Pattern, ...]
) -> Iterator[Caller]:
    """A role, a user and a federated user for each combination of patterns of aws:PrincipalArn, and of aws:username,
    that match any there."""
    iam, sts = f"arn:{partition}:iam::{account}:", f"arn:{partition}:sts::{account}:"
    fixed = [p for p in names if p.literal]
    others = tuple(_of_names(f"{iam}user/", (p for p in names if not p.literal)))
    for prefix in (f"{iam}role/", f"{iam}user/", f"{sts}federated-user/"):
        yield caller(f"{prefix}{_FRESH_NAME}")
        yield from _matching(glob(f"{prefix}?*"), (*patterns, *others) if prefix.endswith(":user/") else patterns)
    for name in fixed:
        for shape in _of_names(f"{iam}user/", (name,)):
            yield from _matching(shape, patterns)
    yield caller(f"{iam}root")


def _matching(shape: Pattern, patterns: tuple[Pattern, ...]) -> Iterator[Caller]:
    """A caller of this shape for each combination of patterns that match any."""
    for arn in representatives((shape, *patterns), inside=1) if patterns or shape.literal else ():
        who = _caller(arn)
        if who is not None:
            yield who


def _of_names(prefix: str, names: Iterable[Pattern]) -> Iterator[Pattern]:
    """Patterns of names as patterns of the ARNs of users, without and with a path."""
    for name in names:
        yield Pattern((*prefix, *name.tokens), name.fold)
        yield Pattern((*prefix, Wild.ANY, "/", *name.tokens), name.fold)


def _is_account(text: str) -> bool:
    return len(text) == 12 and text.isdigit()


def _wild(text: str) -> bool:
    return "*" in text or "?" in text


def _segment(pattern: Pattern, at: int) -> str:
    parts = pattern.text.split(":", 5)
    return parts[at] if len(parts) > at else "*"


def _account_of(pattern: Pattern) -> str:
    """The account that a pattern of ARNs names; empty for all, or none. Raises TooComplexError for a part of one."""
    text = pattern.text
    if Wild.ANY not in pattern.tokens[: len(":".join(text.split(":", 5)[:5]))]:
        text = f":{_segment(pattern, 4)}:"
    # What may meet the account: digits between colons or wildcards.
    for found in _DIGITS.findall(text):
        if not _is_account(found.strip(":")) or len(found) != _ACCOUNT_BETWEEN:
            raise TooComplexError
        return str(found).strip(":")
    return ""


def _caller(arn: str) -> Caller | None:
    try:
        return caller(arn)
    except ValueError:
        return None
