"""Policy documents: parsed, checked against the grammar, and printed canonically. Nothing is dropped silently.

Knows the elements of the policy language, not what they grant. Names and rules:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, NoReturn
from urllib.parse import unquote

import msgspec

from plumbline.iam.operators import operator

VERSIONS = ("2012-10-17", "2008-10-17")
_DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_USUAL = frozenset({"Action", "Effect", "Resource", "Sid"})
_PAIRS = (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal"))
_STATEMENT_ELEMENTS = frozenset({"Sid", "Effect", "Condition"}).union(*_PAIRS)
_PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})

Effect = Literal["Allow", "Deny"]
# "Principal": "*" is (("*", ("*",)),); otherwise (type, values) sorted by type.
Principals = tuple[tuple[str, tuple[str, ...]], ...]


class PolicyError(ValueError):
    """A document that is no legal policy. `path` is a JSON path such as `$.Statement[0].Action`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


# Structs, because an analysis makes tens of thousands of them: a dataclass takes ten times as long to make.


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One operator and key with its values, as texts in the document's order."""

    operator: str
    key: str
    values: tuple[str, ...]


class Statement(msgspec.Struct, frozen=True, gc=False):
    """One statement. An element that is absent is None. `document`: the text that it stands in."""

    index: int
    sid: str | None
    effect: Effect
    actions: tuple[str, ...] | None
    not_actions: tuple[str, ...] | None
    resources: tuple[str, ...] | None
    not_resources: tuple[str, ...] | None
    principals: Principals | None
    not_principals: Principals | None
    conditions: tuple[Condition, ...]
    document: str

    @property
    def raw(self) -> str:
        """The statement as canonical JSON, to reprint it. Few are asked."""
        return _raw_statements(self.document)[self.index]

    @property
    def label(self) -> str:
        """How people are told which statement is meant."""
        return f"Statement[{self.index}]" + (f" ({self.sid})" if self.sid else "")

    @property
    def all_resources(self) -> bool:
        """On every resource and without a condition."""
        return not self.conditions and any(r.strip("*") == "" for r in self.resources or ())


@dataclass(frozen=True, slots=True)
class Document:
    version: str
    id: str | None
    statements: tuple[Statement, ...]

    @property
    def variables(self) -> bool:
        """Only the current version knows policy variables; in the older one `${...}` is literal text.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html"""
        return self.version == VERSIONS[0]


def canonical(document: str | Mapping[str, Any]) -> str:
    """Equal documents as equal text: JSON with sorted keys and no spaces; a URL-encoded text is decoded first.

    Raises PolicyError when it is not a JSON object. The policy grammar is not checked: see `parse`.
    """
    try:
        return _dumps(_loads(document) if isinstance(document, str) else document)
    except RecursionError:
        raise PolicyError("$", "is nested too deeply") from None


@lru_cache(maxsize=16384)
def parse(document: str) -> Document:
    """A policy document of any kind. Raises PolicyError with a JSON path when it is not legal."""
    data = _loads(document)
    _only(data, _DOCUMENT_ELEMENTS, "$")
    version = data.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise PolicyError("$.Version", f"must be {VERSIONS[0]} or {VERSIONS[1]}")
    policy_id = _text(data["Id"], "$.Id") if "Id" in data else None
    if "Statement" not in data:
        raise PolicyError("$.Statement", "is missing")
    given = data["Statement"]
    if not isinstance(given, list):
        return Document(version, policy_id, (_statement(document, 0, given, "$.Statement"),))
    if not given:
        raise PolicyError("$.Statement", "must not be empty")
    statements = tuple(_statement(document, i, item, f"$.Statement[{i}]") for i, item in enumerate(given))
    return Document(version, policy_id, statements)


@lru_cache(maxsize=16384)
def parse_resource(document: str) -> Document:
    """A resource-based policy: every statement names principals. Raises PolicyError."""
    parsed = parse(document)
    for statement in parsed.statements:
        path = f"$.Statement[{statement.index}]"
        if statement.principals is None and statement.not_principals is None:
            raise PolicyError(path, "needs Principal or NotPrincipal")
    return parsed


@lru_cache(maxsize=16384)
def parse_identity(document: str) -> Document:
    """An identity-based policy, boundary or SCP: names resources and no principal. Raises PolicyError.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    parsed = parse(document)
    for statement in parsed.statements:
        path = f"$.Statement[{statement.index}]"
        if statement.principals is not None or statement.not_principals is not None:
            raise PolicyError(path, "an identity-based policy must not have Principal or NotPrincipal")
        if statement.resources is None and statement.not_resources is None:
            raise PolicyError(path, "needs Resource or NotResource")
    return parsed


def render(document: str, statements: Sequence[str]) -> str:
    """The canonical text of `document` with these statements (each canonical JSON) in place of its own."""
    return _dumps({**_loads(document), "Statement": [json.loads(s) for s in statements]})


def with_actions(statement: Statement, actions: Sequence[str]) -> str:
    """The statement's canonical JSON with only its Action replaced."""
    return _dumps({**json.loads(statement.raw), "Action": list(actions)})


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=256)
def _raw_statements(document: str) -> tuple[str, ...]:
    given = _loads(document)["Statement"]
    return tuple(map(_dumps, given if isinstance(given, list) else [given]))


def _loads(document: str) -> dict[str, Any]:
    data = _reprinted(document)
    if data is None:
        data = _read(document)
    if not isinstance(data, dict):
        raise PolicyError("$", "must be a JSON object")
    return data


def _reprinted(text: str) -> Any:
    """A text without white space, as all of the inventory are; None for others, which `_read` reads or explains.

    In what is printed no key occurs twice: nor does it in a text that is equal to that.
    """
    try:
        data = msgspec.json.decode(text)
        return data if msgspec.json.encode(data) == text.encode() else None
    except (ValueError, RecursionError):
        return None


def _read(document: str) -> Any:
    text = document.strip()
    if text.startswith("%"):
        text = unquote(text)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except PolicyError:
        raise
    except (ValueError, RecursionError) as error:
        raise PolicyError("$", f"is not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # json would keep only the last of two equal keys, and so drop an element.
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        raise PolicyError("$", f"the key {next(n for n in names if names.count(n) > 1)!r} occurs twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise PolicyError("$", f"is not JSON: {name}")


def _statement(document: str, index: int, data: Any, path: str) -> Statement:
    if not isinstance(data, dict):
        raise PolicyError(path, "must be an object")
    usual = data.keys() <= _USUAL  # as nearly all: then nothing else is looked for
    if not usual:
        _only(data, _STATEMENT_ELEMENTS, path)
    for element, negation in () if usual else _PAIRS:
        if element in data and negation in data:
            raise PolicyError(path, f"must not have both {element} and {negation}")
    if data.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{path}.Effect", "must be Allow or Deny")
    if "Action" not in data and "NotAction" not in data:
        raise PolicyError(path, "needs Action or NotAction")
    return Statement(
        index=index,
        sid=_text(data["Sid"], f"{path}.Sid") if "Sid" in data else None,
        effect=data["Effect"],
        actions=_actions(data, "Action", path),
        not_actions=None if usual else _actions(data, "NotAction", path),
        resources=_texts(data, "Resource", path),
        not_resources=None if usual else _texts(data, "NotResource", path),
        principals=None if usual else _principals(data, "Principal", path),
        not_principals=None if usual else _principals(data, "NotPrincipal", path),
        conditions=() if usual else _conditions(data.get("Condition", {}), f"{path}.Condition"),
        document=document,
    )


def _only(data: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    if not data.keys() <= known:
        raise PolicyError(f"{path}.{min(data.keys() - known)}", "is no element of the policy language here")


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise PolicyError(path, "must be a string")
    return value


def _texts(data: Mapping[str, Any], element: str, path: str) -> tuple[str, ...] | None:
    if element not in data:
        return None
    value = data[element]
    if not isinstance(value, list):
        return (_text(value, f"{path}.{element}"),)
    if not value:
        raise PolicyError(f"{path}.{element}", "must not be empty")
    for i, item in enumerate(value):
        if not isinstance(item, str):
            raise PolicyError(f"{path}.{element}[{i}]", "must be a string")
    return tuple(value)


def _actions(data: Mapping[str, Any], element: str, path: str) -> tuple[str, ...] | None:
    actions = _texts(data, element, path)
    for action in actions or ():
        if ":" not in action and (action.strip("*") or not action):
            raise PolicyError(f"{path}.{element}", f"{action!r} must be * or start with a service, such as s3:")
    return actions


def _principals(data: Mapping[str, Any], element: str, path: str) -> Principals | None:
    if element not in data:
        return None
    value, path = data[element], f"{path}.{element}"
    if value == "*":
        return (("*", ("*",)),)
    if not isinstance(value, dict) or not value:
        raise PolicyError(path, 'must be "*" or an object of principal types')
    _only(value, _PRINCIPAL_TYPES, path)
    found = tuple((kind, _texts(value, kind, path) or ()) for kind in sorted(value))
    for text in dict(found).get("AWS", ()):
        if text != "*" and ("*" in text or "?" in text):
            raise PolicyError(f"{path}.AWS", f"{text!r}: a wildcard cannot stand for a part of a principal")
    return found


def _conditions(data: Any, path: str) -> tuple[Condition, ...]:
    if not isinstance(data, dict):
        raise PolicyError(path, "must be an object")
    result = []
    for name, keys in sorted(data.items()):
        if operator(name) is None:
            raise PolicyError(f"{path}.{name}", "is no condition operator")
        if not isinstance(keys, dict):
            raise PolicyError(f"{path}.{name}", "must be an object of condition keys")
        for key, value in sorted(keys.items()):
            values = value if isinstance(value, list) else [value]
            texts = [v if isinstance(v, str) else _written(v, f"{path}.{name}.{key}") for v in values]
            result.append(Condition(name, key, tuple(texts)))
    return tuple(result)


def _written(value: Any, path: str) -> str:
    # AWS takes true and 300 for "true" and "300".
    if isinstance(value, float) and not isfinite(value):
        raise PolicyError(path, "must be a number that can be written")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise PolicyError(path, "must be a string")
