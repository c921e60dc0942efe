"""Which roles the policies of a principal, or its limits, speak of where they allow or deny to assume roles.

Knows documents and what is known of the caller; must not know which roles there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from plumbline.assess.assuming import ASSUME
from plumbline.iam import variables
from plumbline.iam.conditions import Context
from plumbline.iam.documents import PolicyError, Statement, parse_identity
from plumbline.iam.patterns import covers
from plumbline.iam.strings import Pattern, Wild, glob
from plumbline.iam.variables import Parts, Variable

_EVERY_ROLE = glob("*")
_WILDCARD = re.compile("[*?]")


@dataclass(frozen=True, slots=True)
class Aims:
    """Resources of statements about sts:AssumeRole. `allowed`: of those that allow; `every`: of all."""

    allowed: frozenset[Pattern]
    every: frozenset[Pattern]


def aims(policies: Iterable[str | None], context: Context) -> Aims:
    """A document that could not be read may allow every role."""
    allowed, every = set[Pattern](), set[Pattern]()
    for text in policies:
        spoken = None if text is None else _spoken(text)
        if spoken is None:
            allowed.add(_EVERY_ROLE)
            continue
        for allow, negated, resources in spoken:
            found = {pattern for said in resources if (pattern := _pattern(said, context)) is not None}
            every |= found
            if allow:
                allowed |= {_EVERY_ROLE} if negated else found
    return Aims(frozenset(allowed), frozenset(every))


@lru_cache(maxsize=65536)
def _spoken(text: str) -> tuple[tuple[bool, bool, tuple[Pattern | Parts, ...]], ...] | None:
    """(does it allow, is it about all resources but these, resources) of each statement about sts:AssumeRole. Not compiled
    as a whole: few documents have one."""
    try:
        document = parse_identity(text)
    except PolicyError:
        return None
    return tuple(
        (
            s.effect == "Allow",
            s.not_resources is not None,
            tuple(
                variables.parse(said, variables=True) if document.variables and "${" in said else glob(said)
                for said in s.resources or s.not_resources or ()
            ),
        )
        for s in document.statements
        if _about_roles(s)
    )


def _about_roles(statement: Statement) -> bool:
    if statement.actions is not None:
        return any(map(_fits, statement.actions))
    return not any(map(_fits, statement.not_actions or ()))


def _fits(action: str) -> bool:
    """Most patterns of actions differ in their first letters."""
    return ASSUME.startswith(_WILDCARD.split(action.lower(), 1)[0]) and covers(action, ASSUME)


def _pattern(said: Pattern | Parts, context: Context) -> Pattern | None:
    """Variables of which nobody knows the value stand for any text. None: it matches nothing."""
    if isinstance(said, Pattern):
        return said
    known = context.single(variables.keys(said))
    if known is not None:
        return variables.resolve(said, known)
    return variables.resolve(tuple(Wild.ANY if isinstance(part, Variable) else part for part in said), {})
