"""Condition operators of the policy language: their names and what each compares.

Knows no keys and no requests.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

Kind = Literal["string", "like", "arn", "number", "date", "bool", "binary", "ip", "null"]
Quantifier = Literal["", "all", "any"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_QUANTIFIERS: Mapping[str, Quantifier] = {"forallvalues": "all", "foranyvalue": "any"}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")
_COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")


@dataclass(frozen=True, slots=True)
class Operator:
    """`negated` turns the result of matching any of the values round. `fold`: letter case does not count.

    `comparison` orders numbers and dates: `Equals`, `LessThan`, `LessThanEquals`, `GreaterThan`, `GreaterThanEquals`.
    """

    name: str
    kind: Kind
    negated: bool = False
    fold: bool = False
    comparison: str = "Equals"
    quantifier: Quantifier = ""
    if_exists: bool = False

    @property
    def label(self) -> str:
        """As it is written in a policy."""
        prefix = {"": "", "all": "ForAllValues:", "any": "ForAnyValue:"}[self.quantifier]
        return f"{prefix}{self.name}{'IfExists' if self.if_exists else ''}"

    @property
    def takes_variables(self) -> bool:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
        return self.kind in ("string", "like", "arn")


def _table() -> dict[str, Operator]:
    found = [
        Operator("StringEquals", "string"),
        Operator("StringNotEquals", "string", negated=True),
        Operator("StringEqualsIgnoreCase", "string", fold=True),
        Operator("StringNotEqualsIgnoreCase", "string", negated=True, fold=True),
        Operator("StringLike", "like"),
        Operator("StringNotLike", "like", negated=True),
        Operator("Bool", "bool"),
        Operator("BinaryEquals", "binary"),
        Operator("IpAddress", "ip"),
        Operator("NotIpAddress", "ip", negated=True),
        Operator("ArnEquals", "arn"),
        Operator("ArnLike", "arn"),
        Operator("ArnNotEquals", "arn", negated=True),
        Operator("ArnNotLike", "arn", negated=True),
        Operator("Null", "null"),
    ]
    ordered: tuple[tuple[str, Kind], ...] = (("Numeric", "number"), ("Date", "date"))
    for prefix, kind in ordered:
        for name in _COMPARISONS:
            comparison = "Equals" if name == "NotEquals" else name
            found.append(Operator(prefix + name, kind, negated=name == "NotEquals", comparison=comparison))
    return {operator.name.lower(): operator for operator in found}


_OPERATORS = _table()


@lru_cache(maxsize=4096)
def operator(text: str) -> Operator | None:
    """The operator with its set prefix and IfExists, in any case; None when there is no such operator."""
    prefix, colon, name = text.lower().rpartition(":")
    if colon and prefix not in _QUANTIFIERS:
        return None
    if_exists = name.endswith("ifexists")
    found = _OPERATORS.get(name.removesuffix("ifexists"))
    if found is None or (found.kind == "null" and if_exists):  # there is nothing that Null could do if it exists
        return None
    return Operator(
        found.name,
        found.kind,
        found.negated,
        found.fold,
        found.comparison,
        _QUANTIFIERS[prefix] if colon else "",
        if_exists,
    )


@lru_cache(maxsize=16384)
def number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=16384)
def instant(text: str) -> Decimal | None:
    """A date as seconds since 1970: epoch seconds, or ISO 8601, in UTC where no zone is given; None when it is none."""
    short = _YEAR_OR_MONTH.fullmatch(text)
    try:
        if short:
            return _seconds(datetime(int(short[1]), int(short[2] or 1), 1, tzinfo=UTC))
        if _NUMBER.fullmatch(text):
            return Decimal(text)
        found = datetime.fromisoformat(text)
        return _seconds(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _seconds(when: datetime) -> Decimal:
    past = when - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(past.days * 86400 + past.seconds) + Decimal(past.microseconds) / 1_000_000


@lru_cache(maxsize=16384)
def network(text: str) -> Network | None:
    """An address or a CIDR range; None when it is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


COMPARE: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "Equals": lambda left, right: left == right,
    "LessThan": lambda left, right: left < right,
    "LessThanEquals": lambda left, right: left <= right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanEquals": lambda left, right: left >= right,
}


def within(address: str, ranges: tuple[Network, ...]) -> bool:
    """Is the address, or the whole range, in one of the ranges?"""
    found = network(address)
    if found is None:
        return False
    return any(
        found.version == r.version
        and r.prefixlen <= found.prefixlen
        and int(found.network_address) & int(r.netmask) == int(r.network_address)
        for r in ranges
    )
