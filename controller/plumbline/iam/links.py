"""Which conditions may hold together where policy variables tie their keys to each other, whatever the values are.

Knows conditions; not statements. A comparison with a variable may turn out either way for every value, so what is not
possible here is not possible at all; what is possible here may still have no values that make it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import product

from plumbline.iam import values, variables
from plumbline.iam.conditions import Clause, Context, Values
from plumbline.iam.strings import TooComplexError, matches
from plumbline.iam.variables import Parts

Truth = tuple[bool, ...]  # of each of the given conditions
_MOST_KEYS = 6
_MOST_FREE = 6  # comparisons of one key with variables
_MOST_TRUTHS = 20000
_MOST_SETS = 2048


class Given(Enum):
    """How many values a request has for a key."""

    NONE = 0
    ONE = 1
    SEVERAL = 2


Comparison = tuple[bool, bool, Parts]  # by segments of an ARN, in any letter case, with what
Signature = tuple[int, int, bool]  # clauses that some value meets, that some fails, where that matters; is any filled


def truths(keys: Sequence[str], clauses: Sequence[Clause], fixed: Mapping[str, Values]) -> set[Truth]:
    """Every truth that the conditions may have together. `keys`: those without a fixed value. Raises TooComplexError."""
    if len(keys) > _MOST_KEYS:
        raise TooComplexError
    owners = list(dict.fromkeys(c.key for c in clauses))
    by_owner = {owner: [c for c in clauses if c.key == owner] for owner in owners}
    single = Context(fixed, complete=False)
    texts = {key: values.texts(by_owner.get(key, ()), single) for key in keys}
    choices = [tuple(Given) if values.multivalued(by_owner.get(key, ())) else (Given.NONE, Given.ONE) for key in keys]
    found: set[Truth] = set()
    for chosen in product(*choices):
        given = dict(zip(keys, chosen, strict=True))
        found |= _together([_Owner(by_owner[o], given, fixed, texts).truths() for o in owners], owners, clauses)
        if len(found) > _MOST_TRUTHS:
            raise TooComplexError
    return found


def _together(options: Sequence[set[Truth]], owners: Sequence[str], clauses: Sequence[Clause]) -> set[Truth]:
    count = 1
    for option in options:
        count *= len(option)
    if count > _MOST_TRUTHS:
        raise TooComplexError
    result = set[Truth]()
    for chosen in product(*options):
        left = {owner: iter(truth) for owner, truth in zip(owners, chosen, strict=True)}
        result.add(tuple(next(left[c.key]) for c in clauses))
    return result


class _Owner:
    """The conditions on one key, for one choice of how many values each key has."""

    def __init__(
        self,
        clauses: Sequence[Clause],
        given: Mapping[str, Given],
        fixed: Mapping[str, Values],
        texts: Mapping[str, Sequence[str]],
    ) -> None:
        self.clauses = clauses
        self.given = given
        self.fixed = fixed
        key = clauses[0].key
        self.number = given[key] if key in given else Given.ONE if fixed[key] else Given.NONE
        self.texts = texts[key] if key in given else fixed[key]
        if key not in given and len(self.texts) > 1:
            raise TooComplexError

    def truths(self) -> set[Truth]:
        if self.number is Given.NONE:
            return {tuple(bool(c.holds(Context({}))) for c in self.clauses)}
        letters = {s for text in self.texts for s in self._letters(text)}
        if self.number is Given.SEVERAL:
            letters |= set(self._letters(""))
            letters = _joined(letters)
        return {tuple(self._holds(at, c, s) for at, c in enumerate(self.clauses)) for s in letters}

    def _letters(self, text: str) -> Iterator[Signature]:
        """What a value of this text may meet."""
        free = list(dict.fromkeys(p for c in self.clauses for p in self._free(c)))
        if len(free) > _MOST_FREE:
            raise TooComplexError
        met = _bits(values.matters(c)[0] for c in self.clauses)
        unmet = _bits(values.matters(c)[1] for c in self.clauses)
        for hits in product((False, True), repeat=len(free)):
            chosen = dict(zip(free, hits, strict=True))
            yes = _bits(self._meets(c, text, chosen) for c in self.clauses)
            yield yes & met, ~yes & unmet, text != ""

    def _free(self, clause: Clause) -> Iterator[Comparison]:
        for parts in clause.parts:
            known = self._known(parts)
            if known is not None and any(self.given.get(k) is Given.ONE for k in variables.keys(parts)):
                yield clause.operator.kind == "arn", clause.operator.fold, parts

    def _known(self, parts: Parts) -> dict[str, str | None] | None:
        """The values that are certain; None when a variable of the pattern has none, so that it matches nothing."""
        result: dict[str, str | None] = {}
        for variable in variables.named(parts):
            values_given = self.fixed.get(variable.key, ())
            one = values_given[0] if len(values_given) == 1 else None
            if one is None and variable.default is None and self.given.get(variable.key) is not Given.ONE:
                return None
            result[variable.key] = one
        return result

    def _meets(self, clause: Clause, text: str, chosen: Mapping[Comparison, bool]) -> bool:
        op = clause.operator
        if not clause.variables:
            return clause.test is not None and clause.test(text)
        for parts in clause.parts:
            free = chosen.get((op.kind == "arn", op.fold, parts))
            if free is None:
                known = self._known(parts)
                pattern = None if known is None else variables.resolve(parts, known, fold=op.fold, arn=op.kind == "arn")
                free = pattern is not None and matches(pattern, text)
            if free:
                return True
        return False

    def _holds(self, at: int, clause: Clause, signature: Signature) -> bool:
        yes, no, filled = signature
        op, some, others = clause.operator, bool(yes >> at & 1), bool(no >> at & 1)
        if op.kind == "null":
            return bool(clause.holds(Context({clause.key: ("x",)})))
        if op.quantifier == "all":
            return not filled or not (some if op.negated else others)
        if op.quantifier == "any":
            return others if op.negated else some
        return some != op.negated


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << at for at, flag in enumerate(flags) if flag)


def _joined(letters: set[Signature]) -> set[Signature]:
    """All sets of such values."""
    found = set(letters)
    queue = list(letters)
    for yes, no, filled in queue:
        for more, less, also in letters:
            both = yes | more, no | less, filled or also
            if both not in found:
                found.add(both)
                queue.append(both)
                if len(found) > _MOST_SETS:
                    raise TooComplexError
    return found
