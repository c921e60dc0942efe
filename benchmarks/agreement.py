"""How far two engines agree on the same requests: `python -m benchmarks.agreement compare RESULT REQUESTS OWN PEER`.

Three kinds are documented, because the engines read the documentation of AWS differently; a difference of another kind
counts against the agreement. The kind follows from the request and the policies, never from what was answered.
"""

import json
import re
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchmarks.requests import listed
from benchmarks.timer import Timer, run
from benchmarks.workload import Json

RESOURCE_POLICY = "kms or sts that needs a policy of the resource"
EVERYTHING = "asked for on * where policies name ARNs"
SPANNING = "a wildcard that spans the parts of an ARN"
OTHER = "other"
_ARN_PARTS = 6
_TRUST = ("sts:assumerole", "sts:tagsession", "sts:setsourceidentity")


def compare(given: str, own: str, answer: str) -> tuple[Timer, Json]:
    """`refused`: requests that the peer takes for malformed. The share of the rest that agrees, but for the documented
    kinds, and how many there are of each."""
    data = json.loads(Path(given).read_text())
    asked = data["requests"][len(data["requests"]) // 2 :]
    mine, theirs = (json.loads(Path(path).read_text()) for path in (own, answer))
    kinds: Counter[str] = Counter()
    equal = refused = 0
    for one, ours, other in zip(asked, mine, theirs, strict=True):
        if str(other).startswith("refused"):
            refused += 1
        elif ours == other:
            equal += 1
        else:
            kinds[kind_of(one, data)] += 1
    counted = equal + kinds[OTHER]
    facts = {"equal": equal, "refused": refused, "kinds": dict(kinds), "agreement": equal / counted if counted else 0.0}
    return Timer(), facts


def kind_of(one: Json, data: Json) -> str:
    service = one["action"].partition(":")[0].lower()
    if one["resource"] == "*":
        return EVERYTHING
    if one["action"].lower().startswith(_TRUST) or (service == "kms" and ":key/" in one["resource"]):
        return RESOURCE_POLICY
    if any(_spans(pattern, one["resource"]) for pattern in _patterns(one, data)):
        return SPANNING
    return OTHER


def _patterns(one: Json, data: Json) -> list[str]:
    """The Resource elements of all statements that speak about the action."""
    role = data["roles"][one["role"]]
    documents = [*(data["managed"][arn] for arn in role["managed"]), role["inline"]]
    documents += [data["managed"][role["boundary"]]] if role["boundary"] else []
    documents += [document for level in data["scps"][role["account"]] for document in level]
    return [
        pattern
        for document in documents
        for statement in listed(document["Statement"])
        if _speaks(statement, one["action"])
        for pattern in (*listed(statement.get("Resource", [])), *listed(statement.get("NotResource", [])))
    ]


def _speaks(statement: Json, action: str) -> bool:
    def among(patterns: Any) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(patterns))

    return not among(statement["NotAction"]) if "NotAction" in statement else among(statement["Action"])


def _spans(pattern: str, resource: str) -> bool:
    """Does it match with a wildcard where the type of the resource stands, and more behind it?"""
    kind, *rest = re.split("[:/]", pattern.split(":", _ARN_PARTS - 1)[-1], maxsplit=1)
    return bool(rest) and ("*" in kind or "?" in kind) and _like(pattern, resource)


def _like(pattern: str, text: str) -> bool:
    source = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in re.sub(r"\$\{[^}]*\}", "*", pattern))
    return re.fullmatch(source, text, re.DOTALL) is not None


if __name__ == "__main__":
    run({"compare": compare}, *sys.argv[1:])
