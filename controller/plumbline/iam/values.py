"""Values of condition keys that stand for all others: one for each way in which conditions can tell values apart.

Knows conditions; not requests or decisions. Whoever asks only which conditions hold needs to try no other value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product

from plumbline.iam import variables
from plumbline.iam.conditions import Clause, Context, Values
from plumbline.iam.operators import instant, network, number
from plumbline.iam.strings import Pattern, TooComplexError, Wild, literal, representatives
from plumbline.iam.variables import Part, Parts

_FRESH = "x"
_MOST_WORK = 200_000  # for the combinations of the patterns of one key
_MOST_SETS = 2048  # of values of one multivalued key
_MOST_SUBSTITUTES = 16  # values of a variable that are put into the patterns of another key


def candidates(
    clauses: Iterable[Clause], keys: Sequence[str], known: Context, resources: Mapping[Parts, str] | None = None
) -> dict[str, tuple[Values, ...]]:
    """For each key the values to try, `()` (absent) first. `known`: what the other keys are. `resources`: patterns
    with variables, and the text that each is compared with. Raises TooComplexError."""
    clauses = tuple(dict.fromkeys(clauses))
    by_key: dict[str, list[Clause]] = {key: [] for key in keys}
    for clause in clauses:
        if clause.key in by_key:
            by_key[clause.key].append(clause)
    extra: dict[str, list[Pattern]] = {key: [] for key in keys}
    compared = [*(resources or {}).items(), *_known_texts(clauses, known)]
    for parts, text in compared:
        for key, value in fitting(parts, text):
            if key in extra:
                extra[key].append(literal(value))
    base = {key: _texts(found, extra[key], known, {}) for key, found in by_key.items()}
    linked = any(clause.variable_keys & by_key.keys() for found in by_key.values() for clause in found)
    if linked:
        _exchange(by_key, base, extra)
        base = {key: _texts(found, extra[key], known, base) for key, found in by_key.items()}
    return {key: ((), *_sets(base[key], by_key[key])) for key in keys}


def _known_texts(clauses: Iterable[Clause], known: Context) -> Iterator[tuple[Parts, str]]:
    """Patterns with variables, and the known values that they are compared with."""
    for clause in clauses:
        for parts in clause.parts if clause.variables else ():
            yield from ((parts, text) for text in known.get(clause.key) or ())


def _exchange(
    by_key: Mapping[str, list[Clause]], base: Mapping[str, list[str]], extra: dict[str, list[Pattern]]
) -> None:
    """A key whose values are compared with a variable: the variable's key must be able to equal them, and differ."""
    for key, found in by_key.items():
        for clause in found:
            for other in clause.variable_keys & by_key.keys():
                extra[other] += [literal(text) for text in base[key]]
                extra[other].append(literal(_FRESH + _FRESH))


def _texts(
    clauses: Sequence[Clause], extra: Sequence[Pattern], known: Context, others: Mapping[str, Sequence[str]]
) -> list[str]:
    """Single values of one key."""
    patterns = list(extra)
    found = [text for clause in clauses for text in _constants(clause)] + _numbers(clauses)
    for clause in clauses:
        if clause.operator.takes_variables:
            patterns += _patterns(clause, known, others)
    if found and not patterns:
        return list(dict.fromkeys(found))  # the key is a number, a date, an address or a boolean
    chosen = representatives(tuple(dict.fromkeys(patterns)), _MOST_WORK)
    return list(dict.fromkeys([*(text or _FRESH for text in chosen), *found]))


def _patterns(clause: Clause, known: Context, others: Mapping[str, Sequence[str]]) -> list[Pattern]:
    result: dict[Pattern, None] = {}
    names = sorted(clause.variable_keys)
    options: list[list[str | None]] = []
    for name in names:
        given = known.get(name)
        if given is not None:
            options.append([given[0] if len(given) == 1 else None])
        else:
            options.append([None, *others.get(name, ())])
        if len(options[-1]) > _MOST_SUBSTITUTES + 1:
            raise TooComplexError
    for choice in product(*options):
        result.update(dict.fromkeys(clause.patterns(dict(zip(names, choice, strict=True)))))
    return list(result)


def _constants(clause: Clause) -> list[str]:
    kind = clause.operator.kind
    if kind == "bool":
        return ["true", "false"]
    if kind == "ip":
        return _addresses(clause.values)
    return [*clause.values, _FRESH] if kind == "binary" else []


def _numbers(clauses: Iterable[Clause]) -> list[str]:
    """Every number or date that a value is compared with, and one between and around them."""
    parse = {"number": number, "date": instant}
    found = (parse[c.operator.kind](v) for c in clauses if c.operator.kind in parse for v in c.values)
    bounds = sorted({b for b in found if b is not None})
    between = [(low + high) / 2 for low, high in pairwise(bounds)]
    around = [bounds[0] - 1, bounds[-1] + 1] if bounds else []
    return [format(b, "f") for b in (*bounds, *between, *around)]


def _addresses(ranges: Iterable[str]) -> list[str]:
    """The first and last address of each range, their neighbours outside, and one of each version."""
    result = ["0.0.0.0", "::"]  # noqa: S104 - nothing is bound
    for found in map(network, ranges):
        if found is None:
            continue
        first, last = found.network_address, found.broadcast_address
        result += [str(first), str(last)]
        if int(first) > 0:
            result.append(str(first - 1))
        if int(last) < 2**first.max_prefixlen - 1:
            result.append(str(last + 1))
    return result


def _sets(texts: Sequence[str], clauses: Sequence[Clause]) -> list[Values]:
    """The values as a request gives them: one, or several where a set operator asks for the key.

    Conditions that hold or fail for a set do so because of one value each, so sets of as many values as there are
    such conditions are enough.
    """
    quantified = sum(bool(clause.operator.quantifier) for clause in clauses)
    most = max(quantified, 2) if quantified else 1
    result: list[Values] = []
    for size in range(1, min(most, len(texts)) + 1):
        for some in combinations(texts, size):
            if len(result) >= _MOST_SETS:
                raise TooComplexError
            result.append(some)
    return result


def fitting(parts: Parts, text: str) -> list[tuple[str, str]]:
    """(key, value) with which the pattern would match the text."""
    variable = sorted(variables.named(parts), key=lambda v: v.name)
    groups = {v: f"v{at}" for at, v in enumerate(variable)}
    seen: set[str] = set()
    source = "".join(_source(part, groups, seen) for part in parts)
    found = re.fullmatch(source, text, re.DOTALL)
    return [] if found is None else [(v.key, found[name]) for v, name in groups.items()]


def _source(part: Part, groups: Mapping[variables.Variable, str], seen: set[str]) -> str:
    if isinstance(part, variables.Variable):
        name = groups[part]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>.+)"
    if isinstance(part, Wild):
        return ".*" if part is Wild.ANY else "."
    return re.escape(part)
