"""Conditions of a statement against the context of a request, in three-valued logic.

Knows operators, keys and values; not statements. True and False are certain; None: some value of a key that is not
known would decide. Absent keys, set operators and IfExists:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import Any

from plumbline.iam import variables
from plumbline.iam.documents import Condition
from plumbline.iam.operators import COMPARE, Operator, instant, network, number, operator, within
from plumbline.iam.strings import Pattern, matcher
from plumbline.iam.variables import Parts, Variable

Values = tuple[str, ...]  # of one key in a request; empty: the key is absent
Test = Callable[[str], bool]


class Context:
    """The condition keys of one request. `complete`: a key that is not given is absent; otherwise it is unknown, unless
    it is one of those that are `absent` all the same. `impossible`: a value that an unknown key does not have."""

    __slots__ = ("absent", "complete", "impossible", "values")

    def __init__(
        self,
        values: Mapping[str, Values],
        *,
        complete: bool = True,
        absent: Callable[[str], bool] | None = None,
        impossible: Callable[[str, str], bool] | None = None,
    ) -> None:
        """`values`: lower-case key -> values."""
        self.values = values
        self.complete = complete
        self.absent = absent
        self.impossible = impossible

    def get(self, key: str) -> Values | None:
        """The values of a lower-case key, `()` when it is absent, None when that is unknown."""
        found = self.values.get(key)
        if found is not None:
            return found
        # A name without a service prefix is no condition key, so no request ever has it.
        if self.complete or ":" not in key or (self.absent is not None and self.absent(key)):
            return ()
        return None

    def possible(self, key: str, values: Iterable[Values]) -> tuple[Values, ...]:
        """Of what an unknown key could have, what it can have here."""
        impossible = self.impossible
        if impossible is None:
            return tuple(values)
        return tuple(some for some in values if not any(impossible(key, one) for one in some))

    def single(self, keys: Iterable[str]) -> dict[str, str | None] | None:
        """The values of keys that variables name, None for an absent key, and for one of several values, which cannot
        be used in a variable. None altogether when one of them is unknown."""
        result: dict[str, str | None] = {}
        for key in keys:
            found = self.get(key)
            if found is None:
                return None
            result[key] = found[0] if len(found) == 1 else None
        return result

    def with_values(self, more: Mapping[str, Values]) -> Context:
        """The same request, with the unknown keys filled in."""
        values = {**self.values, **more}
        return Context(values, complete=self.complete, absent=self.absent, impossible=self.impossible)


def context_values(value: Any) -> Values:
    """A JSON value of a context key as texts. Raises TypeError when it is no text, number, boolean, or list of them, and
    ValueError for a number that cannot be written."""
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in items)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value
    raise TypeError(type(value).__name__)


@dataclass(frozen=True, slots=True)
class Clause:
    """One operator and key, ready to be tested. `test` is None where values name variables: then `parts` decide."""

    operator: Operator
    name: str  # of the key, as written
    values: Values
    parts: tuple[Parts, ...] = ()
    variables: frozenset[Variable] = frozenset()
    key: str = ""  # the name in lower case
    variable_keys: frozenset[str] = frozenset()
    test: Test | None = None

    def holds(self, context: Context) -> bool | None:
        """Does the condition hold?"""
        op = self.operator
        given = context.get(self.key)
        if given is None:
            return None
        if op.kind == "null":
            return any((v.lower() == "true") == (not given) for v in self.values if v.lower() in ("true", "false"))
        if op.quantifier == "all" and not any(given):
            return True  # no value, or nothing but empty ones
        if not given:
            return op.if_exists or (op.negated and op.quantifier != "any")
        test = self.test or self._resolved(context)
        if test is None:
            return None
        if op.quantifier == "all":
            return all(test(v) != op.negated for v in given)
        if op.quantifier == "any":
            return any(test(v) != op.negated for v in given)
        return any(map(test, given)) != op.negated

    def _resolved(self, context: Context) -> Test | None:
        known = context.single(self.variable_keys)
        return None if known is None else matcher(self.patterns(known))

    def patterns(self, known: Mapping[str, str | None]) -> tuple[Pattern, ...]:
        """The values as patterns, of an operator that compares texts; those whose variables have no value are left
        out, because they match nothing."""
        op = self.operator
        found = (variables.resolve(p, known, fold=op.fold, arn=op.kind == "arn") for p in self.parts)
        return tuple(p for p in found if p is not None)


@lru_cache(maxsize=65536)
def clause(condition: Condition, with_variables: bool) -> Clause:
    """A parsed condition, ready to be tested; `with_variables` as the document's version says."""
    op = operator(condition.operator)
    if op is None:
        raise ValueError(condition.operator)  # the parser has refused it
    parts: tuple[Parts, ...] = ()
    named: frozenset[Variable] = frozenset()
    if op.takes_variables:
        wildcards = op.kind != "string"
        parts = tuple(variables.parse(v, variables=with_variables, wildcards=wildcards) for v in condition.values)
        named = frozenset[Variable]().union(*map(variables.named, parts))
    found = Clause(
        operator=op,
        name=condition.key,
        values=condition.values,
        parts=parts,
        variables=named,
        key=condition.key.lower(),
        variable_keys=frozenset(v.key for v in named),
    )
    if named:
        return found
    return replace(found, test=matcher(found.patterns({})) if op.takes_variables else _test(op, condition.values))


def _test(op: Operator, values: Values) -> Test:
    if op.kind == "bool":
        wanted = {v.lower() for v in values}
        return lambda text: text.lower() in wanted
    if op.kind == "ip":
        ranges = tuple(r for r in map(network, values) if r is not None)
        return lambda text: within(text, ranges)
    if op.kind in ("number", "date"):
        parse = number if op.kind == "number" else instant
        compare = COMPARE[op.comparison]
        bounds = tuple(b for b in map(parse, values) if b is not None)

        def ordered(text: str) -> bool:
            found = parse(text)
            return found is not None and any(compare(found, bound) for bound in bounds)

        return ordered
    return frozenset(values).__contains__  # binary values are compared as base64, as they stand
