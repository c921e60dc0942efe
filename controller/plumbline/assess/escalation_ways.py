"""The known ways to gain privileges, as data: which actions suffice together, on what, and what the target must be.

Knows the form of the catalogue of ways and checks it; must not know principals, nor judge anybody.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

import yaml

from plumbline.iam.catalogue import catalogue

Kind = Literal["self-escalation", "new-passrole", "existing-passrole", "principal-access"]
TargetKind = Literal["role", "user", "principal", "group"]
Place = Literal["target", "policy-of-target", "group-of-target", "any"]
Gains = Literal["target", "anything"]

PASS_ROLE, ASSUME_ROLE = "iam:PassRole", "sts:AssumeRole"
PASSING: tuple[Kind, ...] = ("new-passrole", "existing-passrole")
_TARGETS: Mapping[Kind, tuple[TargetKind, ...]] = {
    "self-escalation": ("role", "user", "principal", "group"),
    "principal-access": ("role", "user"),
}
_REQUIRED = ("id", "kind", "summary", "needs")
_FIELDS = (*_REQUIRED, "target", "gains", "service", "trusts", "context", "premises")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")


class WayError(ValueError):
    """An entry that is no way. The message names the field, what it is, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Need:
    """An action that is needed. `on`: the target itself, a customer managed policy that the target has, a group that
    the target is in, or any resource, which need not be in the data; then only of type `resource_type` if it is given.
    """

    action: str
    on: Place
    resource_type: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """`target`: for self-escalation what one has to be, or `group`, which one joins; otherwise what is taken over.
    `gains`: what the target is granted, or anything that its boundary and SCPs let through.

    `service`: the values of iam:PassedToService, of which one must be allowed. `trusts`: the services of which the role
    must trust one. `context`: values of condition keys, of which each way of acting has one. `premises`: what has to be
    the case and is not in IAM.
    """

    id: str
    kind: Kind
    summary: str
    needs: tuple[Need, ...]
    target: TargetKind
    gains: Gains = "target"
    service: tuple[str, ...] = ()
    trusts: tuple[str, ...] = ()
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    premises: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(need.action for need in self.needs)


@cache
def known_ways() -> tuple[Way, ...]:
    """The catalogue that comes with the program, sorted by id."""
    text = files("plumbline.assess").joinpath("data", "escalation.yaml").read_text("utf-8")
    return read_ways(text, "escalation.yaml", known=())


def read_ways(text: str, name: str, known: Iterable[Way] | None = None) -> tuple[Way, ...]:
    """Ways from YAML or JSON text, after those that are `known` (by default the catalogue), sorted by id.

    `name`: of the file, for messages. Raises WayError.
    """
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: of a date that is none
        said = " ".join(str(error).split())
        raise WayError(f"{name}: is neither YAML nor JSON: {said}; write a list of ways") from None
    if not isinstance(data, list):
        raise WayError(f"{name}: {_shown(data)} is no list; write a list of ways, each with {', '.join(_REQUIRED)}")
    ways, errors = ways_beside(data, name, known)
    if errors:
        raise errors[0]
    return ways


def ways_beside(
    entries: Sequence[Any], name: str, known: Iterable[Way] | None = None
) -> tuple[tuple[Way, ...], tuple[WayError, ...]]:
    """The ways that are `known` (by default the catalogue) with those of `entries`, sorted by id, and what is wrong with
    the other entries. None replaces another. `name`: of the list, for messages."""
    found = {way.id: way for way in (known_ways() if known is None else known)}
    errors = []
    for index, entry in enumerate(entries):
        try:
            way = _Reader(f"{name}[{index}]", entry).way(taken=found)
            found[way.id] = way
        except WayError as error:
            errors.append(error)
    return tuple(found[key] for key in sorted(found)), tuple(errors)


class _Reader:
    """One entry; every error names its place."""

    def __init__(self, path: str, data: Any) -> None:
        self._path = path
        if not isinstance(data, dict):
            raise WayError(f"{path}: {_shown(data)} is no mapping; write {', '.join(_REQUIRED)}")
        for name in sorted(map(str, data.keys() - set(_FIELDS))):
            self._fail(name, "is no field", f"use only {', '.join(_FIELDS)}")
        for name in _REQUIRED:
            if name not in data:
                self._fail(name, "is missing", f"every way has {', '.join(_REQUIRED)}")
        self._data: Mapping[str, Any] = data

    def way(self, taken: Container[str]) -> Way:
        """`taken`: ids of other ways."""
        kind = cast("Kind", self._one_of("kind", get_args(Kind)))
        service, trusts = self._services("service"), self._services("trusts")
        if kind in PASSING and not service:
            self._fail(
                "service", "is missing", "name the service that the role works for, such as lambda.amazonaws.com"
            )
        for other in ("service", "trusts") if kind not in PASSING else ("target", "gains"):
            if other in self._data:
                self._fail(other, f"is for other kinds than {kind}", "leave it out")
        target = "role" if kind in PASSING else self._one_of("target", _TARGETS[kind])
        needs = self._needs()
        for need in needs:
            if (target == "group" and need.on.endswith("of-target")) or (
                target != "user" and need.on.startswith("group")
            ):
                self._fail(f"needs.{need.action}", f"a {target} has no {need.on}", "write target or any")
        id_ = self._matching("id", _ID, "write lower-case words and digits with hyphens between, such as my-way")
        if id_ in taken:
            self._fail("id", f"{id_!r} is taken", "write an id that no other way has")
        return Way(
            id=id_,
            kind=kind,
            summary=self._text("summary", self._data["summary"], "write one sentence that says what is done"),
            needs=needs,
            target=cast("TargetKind", target),
            gains="target" if kind in PASSING else cast("Gains", self._one_of("gains", get_args(Gains))),
            service=service,
            trusts=trusts or service,
            context=self._context(),
            premises=self._texts("premises", self._data.get("premises", [])),
        )

    def _needs(self) -> tuple[Need, ...]:
        needs = self._data["needs"]
        if not isinstance(needs, dict) or not needs:
            self._fail(
                "needs", f"{_shown(needs)} is no mapping of actions", "write such as {iam:PutRolePolicy: target}"
            )
        return tuple(self._need(action, on) for action, on in needs.items())

    def _need(self, action: Any, on: Any) -> Need:
        field = f"needs.{action}"
        if not isinstance(action, str) or not _ACTION.fullmatch(action):
            self._fail(field, f"{_shown(action)} is no action", "write service:Action without wildcards")
        place, slash, resource_type = on.partition("/") if isinstance(on, str) else (on, "", "")
        if place not in get_args(Place) or (slash and (place != "any" or not resource_type)):
            remedy = f"write one of {', '.join(get_args(Place))}, or any/TYPE with a resource type of the action"
            self._fail(field, f"{_shown(on)} is no place", remedy)
        types = catalogue().resource_types(action)
        if resource_type and types and resource_type not in types:
            self._fail(
                field, f"{resource_type!r} is no resource type of the action", f"write one of {', '.join(types)}"
            )
        return Need(catalogue().spelling(action) or action, cast("Place", place), resource_type or None)

    def _context(self) -> Mapping[str, tuple[str, ...]]:
        given = self._data.get("context", {})
        if not isinstance(given, dict):
            self._fail("context", f"{_shown(given)} is no mapping", "write condition keys with lists of values")
        for key in given:
            if not isinstance(key, str) or ":" not in key:
                self._fail("context", f"{_shown(key)} is no condition key", "write such as iam:PolicyARN")
        found: dict[str, tuple[str, ...]] = {}
        for key, value in given.items():
            if key.lower() in found:
                self._fail(
                    f"context.{key}", "is there in another spelling", "write each condition key once, in any case"
                )
            found[key.lower()] = self._texts(f"context.{key}", value)
            if not found[key.lower()]:
                self._fail(f"context.{key}", "has no values", "name those that the way can have, or leave the key out")
        return found

    def _services(self, field: str) -> tuple[str, ...]:
        found = self._texts(field, self._data.get(field, []))
        for value in found:
            if not _SERVICE.fullmatch(value):
                self._fail(field, f"{value!r} is no service principal", "write such as lambda.amazonaws.com")
        return found

    def _one_of(self, field: str, allowed: Sequence[str]) -> str:
        value = self._data.get(field)
        if value not in allowed:
            self._fail(
                field, "is missing" if value is None else f"is {_shown(value)}", f"write one of {', '.join(allowed)}"
            )
        return str(value)

    def _matching(self, field: str, pattern: re.Pattern[str], remedy: str) -> str:
        value = self._text(field, self._data[field], remedy)
        if not pattern.fullmatch(value):
            self._fail(field, f"is {_shown(value)}", remedy)
        return value

    def _texts(self, field: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        return tuple(self._text(field, item, "write a text or a list of texts") for item in items)

    def _text(self, field: str, value: Any, remedy: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self._fail(field, f"is {_shown(value)}", remedy)
        return str(value)

    def _fail(self, field: str, problem: str, remedy: str) -> None:
        raise WayError(f"{self._path}.{field}: {problem}; {remedy}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
