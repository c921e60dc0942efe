"""Callers that stand for all others: one for each way in which statements can tell callers apart.

Knows principals and the conditions on keys that follow from the caller; not what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from plumbline.iam.conditions import Clause
from plumbline.iam.principals import Caller, caller
from plumbline.iam.statements import CompiledStatement
from plumbline.iam.strings import Pattern, TooComplexError, glob, representatives

CALLER_KEYS = frozenset(caller("111111111111").keys())
_FRESH_ACCOUNTS = ("999999999999", "999999999998", "999999999997")
_FRESH_NAME = "x"


def callers(statements: Sequence[CompiledStatement], resource_keys: Mapping[str, Sequence[str]]) -> tuple[Caller, ...]:
    """Callers that these statements, with their conditions on the caller's keys, cannot tell from any other.

    `resource_keys`: keys of the caller that variables of Resource elements name, and values to be among theirs.
    Raises TooComplexError.
    """
    clauses = [c for s in statements for c in s.clauses]
    tied = bool(resource_keys) or any((c.variable_keys | {c.key}) & CALLER_KEYS for c in clauses)
    chosen: dict[tuple[object, ...], Caller] = {}
    for who in dict.fromkeys(_candidates(statements, clauses, resource_keys)):
        named = tuple(s.naming(who) for s in statements)
        chosen.setdefault((named, who if tied else None), who)
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
    patterns = tuple(dict.fromkeys(p for c in clauses if c.key == "aws:principalarn" for p in c.patterns({})))
    accounts |= {t for t in _values("aws:principalaccount", clauses, resource_keys) if _is_account(t)}
    accounts |= {a for a in map(_account_of, patterns) if a}
    named = [who for arn in sorted(arns) if (who := _caller(arn)) is not None]
    accounts |= {who.account for who in named if who.account}
    partitions = sorted({who.partition for who in named} | {_partition_of(p) for p in patterns}) or ["aws"]
    names = _values("aws:username", clauses, resource_keys)
    fresh = next(a for a in _FRESH_ACCOUNTS if a not in accounts)
    for partition in partitions:
        for account in (fresh, *sorted(accounts)):
            yield from _of_account(f"arn:{partition}:iam::{account}:", patterns, names)
            yield caller(f"arn:{partition}:sts::{account}:federated-user/{_FRESH_NAME}")
    yield from named
    yield caller("*")
    yield from (Caller("service", name) for name in sorted(services))
    yield from (*others, Caller("provider", "fresh.example.com"))


def _values(key: str, clauses: Iterable[Clause], resource_keys: Mapping[str, Sequence[str]]) -> set[str]:
    return {text for c in clauses if c.key == key for text in c.values} | set(resource_keys.get(key, ()))


def _of_account(prefix: str, patterns: tuple[Pattern, ...], user_names: Iterable[str]) -> Iterator[Caller]:
    """A role and a user for each combination of patterns of aws:PrincipalArn that match any there."""
    for kind in ("role", "user"):
        yield caller(f"{prefix}{kind}/{_FRESH_NAME}")
        shape = glob(f"{prefix}{kind}/?*")
        for arn in representatives((shape, *patterns), inside=1) if patterns else ():
            who = _caller(arn)
            if who is not None:
                yield who
    yield caller(f"{prefix}root")
    for name in sorted(user_names):
        made = _caller(f"{prefix}user/{name}")
        if made is not None:
            yield made


def _is_account(text: str) -> bool:
    return len(text) == 12 and text.isdigit()


def _segment(pattern: Pattern, at: int) -> str:
    parts = pattern.text.split(":", 5)
    return parts[at] if len(parts) > at else "*"


def _account_of(pattern: Pattern) -> str:
    """The account that a pattern of ARNs names; empty for all. Raises TooComplexError for a part of one."""
    text = _segment(pattern, 4)
    if text == "*" or _is_account(text):
        return text.strip("*")
    if "*" in text or "?" in text:
        raise TooComplexError
    return ""


def _partition_of(pattern: Pattern) -> str:
    text = _segment(pattern, 1)
    return "aws" if "*" in text or "?" in text or not text else text


def _caller(arn: str) -> Caller | None:
    try:
        return caller(arn)
    except ValueError:
        return None
