"""Which roles the policies of a principal, or its limits, speak of where they allow or deny to assume roles.

Knows documents and what is known of the caller; must not know which roles there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from plumbline.assess.assuming import ASSUME
from plumbline.iam import variables
from plumbline.iam.conditions import Context
from plumbline.iam.granted import grants
from plumbline.iam.statements import CompiledDocument
from plumbline.iam.strings import Pattern, Wild, glob
from plumbline.iam.variables import Parts, Variable

_EVERY_ROLE = glob("*")


@dataclass(frozen=True, slots=True)
class Aims:
    """Resources of statements about sts:AssumeRole. `allowed`: of those that allow; `every`: of all."""

    allowed: frozenset[Pattern]
    every: frozenset[Pattern]


def aims(documents: Iterable[CompiledDocument | None], context: Context) -> Aims:
    """A document that could not be read may allow every role."""
    allowed, every = set[Pattern](), set[Pattern]()
    for one in documents:
        if one is None:
            allowed.add(_EVERY_ROLE)
            continue
        for allow, negated, resources in _spoken(one):
            found = {pattern for said in resources if (pattern := _pattern(said, context)) is not None}
            every |= found
            if allow:
                allowed |= {_EVERY_ROLE} if negated else found
    return Aims(frozenset(allowed), frozenset(every))


@lru_cache(maxsize=65536)
def _spoken(one: CompiledDocument) -> tuple[tuple[bool, bool, tuple[Pattern | Parts, ...]], ...]:
    """(does it allow, is it about all resources but these, resources) of each statement about sts:AssumeRole."""
    with_variables = one.document.variables
    return tuple(
        (
            s.allow,
            s.resources_negated,
            tuple(
                variables.parse(text, variables=True) if with_variables and "${" in text else glob(text)
                for text in s.origin.resources or s.origin.not_resources or ("*",)
            ),
        )
        for s in one.statements
        if grants(s.origin, ASSUME)
    )


def _pattern(said: Pattern | Parts, context: Context) -> Pattern | None:
    """Variables of which nobody knows the value stand for any text. None: it matches nothing."""
    if isinstance(said, Pattern):
        return said
    known = context.single(variables.keys(said))
    if known is not None:
        return variables.resolve(said, known)
    return variables.resolve(tuple(Wild.ANY if isinstance(part, Variable) else part for part in said), {})
