"""Decisions on concrete requests: `python -m benchmarks.decisions NAME RESULT ...`.

The requests are drawn first and stand in a file for all. The first half of them meets cold caches, the second half other
requests to the same, now compiled policies.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.requests import documents, requests
from benchmarks.timer import Timer, run, settle
from benchmarks.workload import Json, roles, scps
from plumbline.iam.authorize import Layers, authorize
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Context
from plumbline.iam.documents import canonical
from plumbline.iam.principals import caller
from plumbline.iam.statements import Documents, Request, compiled

Result = tuple[Timer, Mapping[str, Any]]


def draw(to: str, count: str, asked: str) -> Result:
    """Twice as many requests as are asked for, of so many roles."""
    drawn = list(roles(int(count)))
    data = {
        "managed": documents(drawn),
        "scps": {account: scps(account) for account in sorted({role.account for role in drawn})},
        "roles": [
            {"arn": r.arn, "account": r.account, "managed": r.managed, "inline": r.inline, "boundary": r.boundary}
            for r in drawn
        ],
        "requests": requests(drawn, 2 * int(asked)),
    }
    Path(to).write_text(json.dumps(data))
    return Timer(), {"roles": len(drawn), "documents": len(data["managed"])}


def decide(given: str, part: str, answer: str) -> Result:
    """One decision after the other. `part`: `cold`, `warm`, or `again` for requests that were all asked before."""
    data = json.loads(Path(given).read_text())
    half = len(data["requests"]) // 2
    asked = data["requests"][:half] if part == "cold" else data["requests"][half:]
    catalogue()
    texts, level_texts = _texts(data)
    ask = _asking(texts, level_texts, data["roles"])
    before = {"cold": [], "warm": data["requests"][:half], "again": asked}[part]
    for one in before:
        ask(one)
    settle()
    with Timer() as timer:
        said = [ask(one) for one in asked]
    Path(answer).write_text(json.dumps(said))
    return timer, {"requests": len(said), "allowed": said.count("allowed"), "denied": said.count("explicitDeny")}


def _texts(data: Json) -> tuple[list[tuple[list[str], list[str]]], dict[str, list[list[str]]]]:
    """The documents of the roles, identity and boundary, and of the accounts, as the text that an inventory keeps."""
    known = {arn: canonical(document) for arn, document in data["managed"].items()}
    own = [
        (
            [*(known[arn] for arn in role["managed"]), canonical(role["inline"])],
            [known[role["boundary"]]] if role["boundary"] else [],
        )
        for role in data["roles"]
    ]
    return own, {a: [[canonical(d) for d in level] for level in levels] for a, levels in data["scps"].items()}


def _asking(
    texts: list[tuple[list[str], list[str]]], level_texts: dict[str, list[list[str]]], drawn: list[Json]
) -> Callable[[Json], str]:
    layers: dict[int, Layers] = {}
    levels: dict[str, tuple[Documents, ...]] = {}

    def made(at: int) -> Layers:
        account = drawn[at]["account"]
        if account not in levels:
            levels[account] = tuple(_compiled(level) for level in level_texts[account])
        identity, boundary = texts[at]
        return Layers(identity=_compiled(identity), boundary=_compiled(boundary), scps=levels[account])

    def ask(one: Json) -> str:
        at = one["role"]
        if at not in layers:
            layers[at] = made(at)
        context = Context({key.lower(): (value,) for key, value in one["context"].items()})
        request = Request(caller(drawn[at]["arn"]), one["action"].lower(), one["resource"], one["account"], context)
        return authorize(request, layers[at]).decision

    return ask


def _compiled(given: Iterable[str]) -> Documents:
    return tuple(compiled(document) for document in given)


def case_of(one: Json, data: Json) -> Json:
    """The request with all its documents, as `plumbline simulate` takes it."""
    role = data["roles"][one["role"]]
    return {
        "principal": role["arn"],
        "action": one["action"],
        "resource": one["resource"],
        "resourceAccount": one["account"],
        "context": one["context"],
        "identityPolicies": [*(data["managed"][arn] for arn in role["managed"]), role["inline"]],
        "permissionsBoundaries": [data["managed"][role["boundary"]]] if role["boundary"] else None,
        "serviceControlPolicies": data["scps"][role["account"]],
    }


def slow(given: str, answer: str, every: str) -> Result:
    """Some of the requests by the slow evaluator of the tests, which knows nothing of `plumbline.iam`."""
    from tests.iam.reference import decide as decided

    sys.setrecursionlimit(10_000)
    data = json.loads(Path(given).read_text())
    half = len(data["requests"]) // 2
    said = json.loads(Path(answer).read_text())
    chosen = range(0, half, int(every))
    with Timer() as timer:
        equal = sum(decided(case_of(data["requests"][half + at], data)) == said[at] for at in chosen)
    return timer, {"requests": len(chosen), "equal": equal}


STATIONS = {"draw": draw, "decide": decide, "slow": slow}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
