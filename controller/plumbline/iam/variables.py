"""Policy variables: `${key}`, `${key, 'default'}` and the literal characters `${*}`, `${?}`, `${$}`.

Knows their syntax, and turns a text with variables into a pattern once their values are known.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from plumbline.iam.strings import Pattern, Token, Wild

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT = re.compile(r"([^,']*?)\s*,\s*'(.*)'\s*", re.DOTALL)
_LITERALS = frozenset("*?$")
_WILD = {"*": Wild.ANY, "?": Wild.ONE}
_MOST_SEGMENTS = 6


@dataclass(frozen=True, slots=True)
class Variable:
    """`name` as written. Its value is literal text; `default` stands in where the key is absent."""

    name: str
    default: str | None = None

    @property
    def key(self) -> str:
        return self.name.lower()


Part = Token | Variable
Parts = tuple[Part, ...]


@lru_cache(maxsize=65536)
def parse(text: str, *, variables: bool, wildcards: bool = True) -> Parts:
    """A value as literal characters, wildcards and variables. Without `variables`, `${` is literal text."""
    parts: list[Part] = []
    at = 0
    for found in _VARIABLE.finditer(text) if variables else ():
        parts += _plain(text[at : found.start()], wildcards)
        at = found.end()
        inner = found[1]
        if inner in _LITERALS:
            parts.append(inner)
            continue
        with_default = _WITH_DEFAULT.fullmatch(inner)
        key, default = (with_default[1], with_default[2]) if with_default else (inner, None)
        parts.append(Variable(key.strip(), default))
    parts += _plain(text[at:], wildcards)
    return tuple(parts)


def _plain(text: str, wildcards: bool) -> list[Part]:
    return [_WILD.get(c, c) for c in text] if wildcards else list(text)


def named(parts: Parts) -> frozenset[Variable]:
    """The variables among the parts."""
    return frozenset(p for p in parts if isinstance(p, Variable))


def keys(parts: Parts) -> frozenset[str]:
    """The keys that the value of these parts depends on."""
    return frozenset(v.key for v in named(parts))


def resolve(parts: Parts, values: Mapping[str, str | None], *, fold: bool = False, arn: bool = False) -> Pattern | None:
    """The pattern with every variable replaced by its value, which is literal. `values`: None for an absent key.

    None when a key is absent and has no default: such a text matches nothing. With `arn`, the wildcards stay within
    the six components of an ARN, except a closing `*` of a shorter pattern, which reaches over what follows.
    """
    tokens: list[Token] = []
    for part in parts:
        if isinstance(part, Variable):
            value = values.get(part.key)
            if value is None:
                value = part.default
            if value is None:
                return None
            tokens += value
        else:
            tokens.append(part)
    return Pattern(_by_segment(tokens) if arn else tuple(tokens), fold)


def _by_segment(tokens: list[Token]) -> tuple[Token, ...]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN"""
    result: list[Token] = []
    segment = 1
    for part in tokens:
        if part == ":":
            segment += 1
        if isinstance(part, Wild) and segment < _MOST_SEGMENTS:
            result.append(Wild.SEGMENT if part is Wild.ANY else Wild.SEGMENT_ONE)
        else:
            result.append(part)
    if segment < _MOST_SEGMENTS and result and result[-1] is Wild.SEGMENT:
        result[-1] = Wild.ANY
    return tuple(result)
