"""Granted minus used, with boundary and SCPs: `python -m benchmarks.granted NAME RESULT ...`.

Time is that of the judgement; the catalogue is loaded before, and the names, with which the answers are compared, are made
after it. `own` meets all documents for the first time, `again` all for the second time, as every pass but the first does.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import Any

from benchmarks.accounts import details as details_of
from benchmarks.granted_data import Answers, OneAccount, OneRole, accounts_of
from benchmarks.granted_data import draw as drawn
from benchmarks.timer import Timer, run, settle
from benchmarks.workload import roles
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import granted
from plumbline.model.snapshot import Policy, Principal

Result = tuple[Timer, Mapping[str, Any]]
_CREATED = datetime(2025, 11, 3, tzinfo=UTC)


def draw(path: str, count: str) -> Result:
    drawn(Path(path), int(count))
    return Timer(), {}


def details(path: str, count: str) -> Result:
    """The same roles as one account's authorization details, for a peer that reads those."""
    Path(path).write_text(json.dumps(details_of(list(roles(int(count))))))
    return Timer(), {}


def own(path: str, answer: str) -> Result:
    answers = Answers(answer)
    timer, count = _pass(path, answers)
    return timer, {"roles": count, **answers.facts()}


def again(path: str) -> Result:
    _pass(path, None)
    timer, count = _pass(path, None)
    return timer, {"roles": count}


def _pass(path: str, answers: Answers | None) -> tuple[Timer, int]:
    known, total, count = catalogue(), Timer(), 0
    for data in accounts_of(Path(path)):
        principals = [(_principal(role, data), role.used) for role in data.roles]
        scps = tuple(tuple(map(intern, level)) for level in data.scps)
        found = []
        settle()
        with Timer() as timer:
            for principal, used in principals:
                answer = granted(principal, scps)
                left = answer.granted
                found.append((left, answer.masked, left ^ (left & known.bits_of(used))))
        total.add(timer)
        count += len(found)
        for sets in found if answers else ():
            answers.add(*map(known.names_of, sets))
    return total, count


def _principal(role: OneRole, data: OneAccount) -> Principal:
    """As the inventory makes it: equal texts are one object."""
    policies = [
        *(Policy(arn.rpartition("/")[2], "aws", intern(data.managed[arn]), arn=arn) for arn in role.managed),
        Policy("own", "inline", intern(role.inline)),
    ]
    text = intern(data.managed[role.boundary]) if role.boundary else None
    boundary = Policy("boundary", "aws", text, arn=role.boundary) if role.boundary else None
    account = role.arn.split(":")[4]
    name = role.arn.rpartition("/")[2]
    return Principal(
        role.arn, f"AROA{account}", "role", account, name, "/", _CREATED, policies=tuple(policies), boundary=boundary
    )


STATIONS = {"draw": draw, "details": details, "own": own, "again": again}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
