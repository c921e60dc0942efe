"""Values of condition keys that stand for all others: one for each way in which conditions can tell values apart.

Knows conditions; not requests or decisions. Whoever asks only which conditions hold needs to try no other value. Where
policy variables compare keys with each other, the values are those that equal, or fit, each other's: see `links`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise, product

from plumbline.iam.conditions import Clause, Context, Test, Values
from plumbline.iam.operators import instant, network, number
from plumbline.iam.strings import Pattern, TooComplexError, Wild, literal, matcher, matches, representatives
from plumbline.iam.variables import Part, Parts, Variable

_FRESH = "x"
_MOST_WORK = 200_000  # for the combinations of the patterns of one key
_MOST_SETS = 2048  # of values of one multivalued key
_MOST_SUBSTITUTES = 16  # values of a variable that are put into the patterns of another key
_MOST_FITS = 4096  # ways in which a pattern with variables may match one text, while they are looked for
_MOST_VALUES = 64  # of one variable with which a pattern matches one text
_MOST_BOUNDS = 2000  # of the ranges of one key
_DIGITS = 5000  # more than any sum of two numbers of a policy that is no joke
_ORDERED = frozenset({"number", "date", "ip"})


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
    extra: dict[str, dict[str, None]] = {key: {} for key in keys}
    for parts, text, fold in [*((p, t, False) for p, t in (resources or {}).items()), *_known_texts(clauses, known)]:
        _meet(parts, text, known, extra, fold=fold)
    base = {key: texts(found, known, extra[key]) for key, found in by_key.items()}
    tied = {key for key, found in by_key.items() if any(c.variable_keys & by_key.keys() for c in found)}
    if tied:
        _exchange(by_key, base, known, extra)
        base = {key: texts(found, known, extra[key], base) for key, found in by_key.items()}
    return {
        key: ((), *_options(base[key], _questions(found, known, extra[key], base), several=multivalued(found)))
        for key, found in by_key.items()
    }


def multivalued(clauses: Iterable[Clause]) -> bool:
    """May a request give several values of the key that these conditions are on? Only where a set operator asks."""
    return any(clause.operator.quantifier for clause in clauses)


def _known_texts(clauses: Iterable[Clause], known: Context) -> Iterator[tuple[Parts, str, bool]]:
    """Patterns with variables, and the known values that they are compared with."""
    for clause in clauses:
        for parts in clause.parts if clause.variables else ():
            yield from ((parts, text, clause.operator.fold) for text in known.get(clause.key) or ())


def _meet(parts: Parts, text: str, known: Context, extra: Mapping[str, dict[str, None]], *, fold: bool = False) -> None:
    """Adds the values of keys with which the pattern matches the text."""
    for fit in fits(parts, text, known, fold=fold):
        for variable, value in fit.items():
            if variable.key in extra:
                extra[variable.key][value] = None
    if any(len(found) > _MOST_VALUES for found in extra.values()):
        raise TooComplexError


def _exchange(
    by_key: Mapping[str, list[Clause]],
    base: Mapping[str, list[str]],
    known: Context,
    extra: Mapping[str, dict[str, None]],
) -> None:
    """A key whose values are compared with a variable: the variable's key must be able to equal them, and differ."""
    for key, found in by_key.items():
        for clause in found:
            for parts in clause.parts if clause.variable_keys & by_key.keys() else ():
                for text in base[key]:
                    _meet(parts, text, known, extra, fold=clause.operator.fold)
            for other in clause.variable_keys & by_key.keys():
                extra[other] |= dict.fromkeys((*base[key], _FRESH + _FRESH))


def texts(
    clauses: Sequence[Clause],
    known: Context,
    literals: Iterable[str] = (),
    others: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Single values of one key. `literals`: values that are to be told apart too; `others`: values of keys that
    variables name. Raises TooComplexError."""
    patterns = dict.fromkeys(map(literal, literals))
    for clause in clauses:
        patterns |= dict.fromkeys(_patterns(clause, known, others or {}))
    kinds = {clause.operator.kind for clause in clauses}
    if not kinds & _ORDERED:
        found = _spelled(tuple(patterns))
        return [t for t in found if _is_boolean(t, clauses, patterns)] if "bool" in kinds else found
    if len(kinds & _ORDERED) > 1:
        raise TooComplexError
    if not patterns:
        return list(dict.fromkeys(_constants(clauses)))
    if any(not p.everything and any(isinstance(t, Wild) for t in p.tokens) for p in patterns):
        raise TooComplexError  # which numbers or addresses a pattern matches is not looked at
    taken = {p.text.lower() for p in patterns}
    constants = [c for c in _constants(clauses, len(taken) + 1) if c.lower() not in taken]
    return list(dict.fromkeys([*_spelled(tuple(patterns)), *constants]))


def _spelled(patterns: tuple[Pattern, ...]) -> list[str]:
    """One text for each combination of patterns that match it together; the empty one only where no other will do."""
    if not patterns:
        return [_FRESH]
    found = representatives(patterns, _MOST_WORK)
    same = all(matches(p, "") == matches(p, _FRESH) for p in patterns)
    return [_FRESH if text == "" and same else text for text in found]


def _is_boolean(text: str, clauses: Sequence[Clause], patterns: Iterable[Pattern]) -> bool:
    """A key that is tested as a boolean has no other values than those that it is compared with."""
    if text.lower() in ("true", "false"):
        return True
    return any(c.operator.kind != "bool" for c in clauses) and any(matches(p, text) for p in patterns)


def _patterns(clause: Clause, known: Context, others: Mapping[str, Sequence[str]]) -> list[Pattern]:
    kind = clause.operator.kind
    if kind == "bool":
        return [literal(v, fold=True) for v in ("true", "false", *clause.values)]
    if kind == "binary":
        return [literal(v) for v in clause.values]
    if not clause.operator.takes_variables:
        return []
    options: list[Sequence[str | None]] = []
    names = sorted(clause.variable_keys)
    for name in names:
        given = known.get(name)
        options.append([None, *others.get(name, ())] if given is None else [given[0] if len(given) == 1 else None])
        if len(options[-1]) > _MOST_SUBSTITUTES + 1:
            raise TooComplexError
    found = (clause.patterns(dict(zip(names, choice, strict=True))) for choice in product(*options))
    return [pattern for patterns in found for pattern in patterns]


def _constants(clauses: Sequence[Clause], each: int = 1) -> list[str]:
    """Values of a key that is a number, a date or an address; `each`: so many that mean the same, where there are."""
    ranges = [v for c in clauses if c.operator.kind == "ip" for v in c.values]
    if any(c.operator.kind == "ip" for c in clauses):
        return _addresses(ranges, each)
    return [spelled for value in _numbers(clauses) for spelled in _spellings(format(value, "f"), each)]


def _spellings(text: str, each: int) -> Iterator[str]:
    yield text
    point = "" if "." in text else "."
    yield from (text + point + "0" * n for n in range(1, each))


def _numbers(clauses: Iterable[Clause]) -> list[Decimal]:
    """Every number or date that a value is compared with, and one between and around them."""
    parse = {"number": number, "date": instant}
    found = (parse[c.operator.kind](v) for c in clauses if c.operator.kind in parse for v in c.values)
    bounds = sorted({b for b in found if b is not None})
    if not bounds:
        return [Decimal(0)]
    if len(bounds) > _MOST_BOUNDS:
        raise TooComplexError
    with localcontext(prec=_DIGITS):
        between = [(low + high) / 2 for low, high in pairwise(bounds)]
        around = [bounds[0] - 1, bounds[-1] + 1]
    ordered = sorted([*bounds, *between, *around])
    if len(set(ordered)) < 2 * len(bounds) + 1:
        raise TooComplexError
    return [*bounds, *between, *around]


def _addresses(ranges: Iterable[str], each: int) -> list[str]:
    """The first and last addresses of each range, their neighbours outside, and some of each version."""
    spans = {4: (0, 2**32 - 1), 6: (0, 2**128 - 1)}
    edges: dict[int, set[int]] = {4: {0}, 6: {0}}
    for found in map(network, ranges):
        if found is not None:
            edges[found.version] |= {int(found.network_address), int(found.broadcast_address) + 1}
    if sum(map(len, edges.values())) > _MOST_BOUNDS:
        raise TooComplexError
    result: list[str] = []
    for version, starts in edges.items():
        make: Callable[[int], object] = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        bounds = sorted(s for s in starts if s <= spans[version][1])
        for start, end in pairwise([*bounds, spans[version][1] + 1]):
            result += [str(make(at)) for at in range(start, min(end, start + each))]
    return result


@dataclass(frozen=True, slots=True)
class _Question:
    """Something that is asked of each value. `yes`: it matters whether one is among the values for which it is so;
    `no`: for which it is not."""

    test: Test
    yes: bool = True
    no: bool = True


def _questions(
    clauses: Sequence[Clause], known: Context, literals: Iterable[str], others: Mapping[str, Sequence[str]]
) -> list[_Question]:
    """What values of the key are asked. Where a variable is unknown, each pattern that it may make is one question."""
    result = [_Question(text.__eq__) for text in literals]
    for clause in clauses:
        yes, no = matters(clause)
        names = known.single(clause.variable_keys)
        if clause.test is not None:
            result.append(_Question(clause.test, yes=yes, no=no))
        elif names is None:
            result += [_Question(matcher((p,))) for p in dict.fromkeys(_patterns(clause, known, others))]
        elif clause.operator.kind != "null":
            result.append(_Question(matcher(clause.patterns(names)), yes=yes, no=no))
    return result


def matters(clause: Clause) -> tuple[bool, bool]:
    """Of several values: does it matter whether one of them is met, and whether one of them is not?"""
    unmet = (clause.operator.quantifier == "all") != (clause.operator.negated and clause.operator.quantifier != "")
    return not unmet, unmet


def _options(found: Sequence[str], questions: Sequence[_Question], *, several: bool) -> list[Values]:
    """The values as a request gives them: one, or several. Conditions hold or fail for several values because of what
    one of them is or is not, so only such sets are told apart."""
    letters: dict[tuple[bool, ...], str] = {}
    for text in (*found, "") if several else found:
        letters.setdefault((text != "", *(q.test(text) for q in questions)), text)
    singles: list[Values] = [(text,) for text in letters.values()]
    if not several:
        return singles
    asked = (_Question(bool, no=False), *questions)
    masks = {text: _mask(vector, asked) for vector, text in letters.items()}
    sets: dict[int, Values] = {}
    queue: list[tuple[int, Values]] = [(masks[text], (text,)) for text in letters.values()]
    for mask, values in queue:
        for text, more in masks.items():
            both = mask | more
            if text in values or both in sets:
                continue
            sets[both] = (*values, text)
            queue.append((both, sets[both]))
            if len(sets) > _MOST_SETS:
                raise TooComplexError
    return [*singles, *sets.values()]


def _mask(vector: Sequence[bool], questions: Sequence[_Question]) -> int:
    result = 0
    for at, (hit, question) in enumerate(zip(vector, questions, strict=True)):
        if question.yes if hit else question.no:
            result |= 1 << 2 * at + int(hit)
    return result


def fits(parts: Parts, text: str, known: Context, *, fold: bool = False) -> list[dict[Variable, str]]:
    """All values of the variables with which the pattern matches the text; those that are known stay as they are.
    Raises TooComplexError."""
    text = text.lower() if fold else text
    states: dict[tuple[int, tuple[tuple[Variable, str], ...]], None] = {(0, ()): None}
    for part in parts:
        states = dict.fromkeys(
            (end, made) for at, assigned in states for end, made in _steps(part, text, at, assigned, known, fold=fold)
        )
        if len(states) > _MOST_FITS:
            raise TooComplexError
    return [dict(assigned) for at, assigned in states if at == len(text)]


def _steps(
    part: Part, text: str, at: int, assigned: tuple[tuple[Variable, str], ...], known: Context, *, fold: bool
) -> Iterator[tuple[int, tuple[tuple[Variable, str], ...]]]:
    ends: Iterable[int]
    if isinstance(part, Variable):
        given = dict(assigned).get(part)
        if given is None:
            values = known.get(part.key)
            if values is None:
                yield from ((end, (*assigned, (part, text[at:end]))) for end in range(at, len(text) + 1))
                return
            given = values[0] if len(values) == 1 else part.default
        ends = () if given is None or not text.startswith(given.lower() if fold else given, at) else (at + len(given),)
    elif part is Wild.ANY:
        ends = range(at, len(text) + 1)
    elif isinstance(part, Wild):
        ends = (at + 1,) if at < len(text) else ()
    else:
        ends = (at + 1,) if text.startswith(part.lower() if fold else part, at) else ()
    yield from ((end, assigned) for end in ends)
