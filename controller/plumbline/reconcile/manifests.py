"""YAML of people and of our own, read and written. Nothing that stands in a file makes reading fail for the others.

Knows YAML and the outer form of Kubernetes objects, not what ours mean.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from plumbline.api.common import API_VERSION, GROUP, NAME_PATTERN

_NAME = re.compile(NAME_PATTERN.strip("^$"))
_BREAKS = re.compile("[\r\x85\u2028\u2029]")
# What reading a file can end with: YAML itself, its encoding, or a nesting that nobody writes.
UNREADABLE = (yaml.YAMLError, OSError, ValueError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Times and days stay texts, as in an API server; so the models say what is wrong with them, and where."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    if _BREAKS.search(value):
        style = '"'  # PyYAML writes these as they are, and reads them as ends of lines
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def read_all(text: str) -> list[Any]:
    """All documents of a text. Raises one of UNREADABLE."""
    return list(yaml.load_all(text, Loader=_Loader))


def write(body: Mapping[str, Any]) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def expanded(documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The objects of a file; a `List`, as kubectl prints it, gives its items."""
    for document in documents:
        if isinstance(document, dict):
            if document.get("kind") == "List" and isinstance(document.get("items"), list):
                yield from expanded(document["items"])
            else:
                yield document


def metadata_of(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("metadata")
    return dict(found) if isinstance(found, dict) else {}


def is_name(text: object) -> bool:
    """Whether it may name an object, and so a file."""
    return isinstance(text, str) and len(text) <= 253 and _NAME.fullmatch(text) is not None


def wrong_type(document: Mapping[str, Any], kinds: Iterable[str]) -> str:
    """What is wrong with the apiVersion or kind of an object of ours; empty for what is right or not ours."""
    version, kind = document.get("apiVersion"), document.get("kind")
    kinds = sorted(kinds)
    if kind in kinds:
        return "" if version == API_VERSION else f"apiVersion: {version!r} is not valid: it must be {API_VERSION}"
    if not (isinstance(version, str) and version.startswith(f"{GROUP}/")):
        return ""
    close = difflib.get_close_matches(str(kind), kinds, n=1)
    return f"kind: {kind!r} is not valid: it must be {close[0] if close else ' or '.join(kinds)}"
