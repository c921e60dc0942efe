"""A whole landscape from the files of its accounts to the list of risks: `python -m benchmarks.landscape NAME RESULT ...`."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.accounts import write as written
from benchmarks.timer import Timer, run, settle
from benchmarks.workload import roles
from plumbline.assess.analysis import Analysis, Facts, Memory, analyse
from plumbline.assess.blast_radius import data_actions
from plumbline.assess.escalation_ways import ASSUME_ROLE, known_ways
from plumbline.assess.guardrails import granted_in
from plumbline.assess.reach import hops as hops_of
from plumbline.assess.window import Window
from plumbline.garbage import uncollected
from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay
from plumbline.inventory.files import read_account_details
from plumbline.model.coverage import Coverage

Result = tuple[Timer, Mapping[str, Any]]
_WINDOW = Window.of(date(2026, 6, 30), 90, timedelta(days=400))
_OWN = 0.2


def write(folder: str, count: str) -> Result:
    with Timer() as timer:
        facts = written(roles(int(count), _OWN), Path(folder))
    return timer, facts


def own(folder: str, to: str) -> Result:
    """Reads all files, analyses everybody, and lists the ways to gain privileges of each role."""
    catalogue(), overlay()
    settle()
    with Timer() as timer:
        live = read_account_details(sorted(Path(folder).glob("*.json")))
        facts = Facts(live.principals, {}, {}, Coverage({}, {}, {}, frozenset()), _WINDOW, groups=live.groups)
        found = analyse(facts)
        ranked = sorted(found.principals, key=lambda one: -one.risk.score)
    Path(to).write_text(json.dumps(_ways(found)))
    return timer, {"roles": len(ranked), "highest": ranked[0].risk.score, "hops": len(found.hops)}


def scan(folder: str, to: str) -> Result:
    """What the policies of each role hold, and nothing about resources, boundaries and targets: what a scanner of policies
    asks. From account files in memory, as the peer's."""
    read = read_account_details(sorted(Path(folder).glob("*.json"))).principals
    principals = {arn: replace(principal, boundary=None) for arn, principal in read.items()}
    known = catalogue()
    ways = [(way, known.bits_of(action for action in way.actions if action != ASSUME_ROLE)) for way in known_ways()]
    data_actions()
    settle()
    found = {}
    with Timer() as timer, uncollected():
        for arn, principal in principals.items():
            granted = granted_in(principal, None).granted
            lacking = known.all ^ granted
            held = [way.actions for way, bits in ways if not bits & lacking]
            found[arn] = held, granted & known.privileged, granted & data_actions()
    Path(to).write_text(json.dumps({arn: _lower(held) for arn, (held, _, _) in found.items()}))
    return timer, {"roles": len(found)}


def edges(folder: str) -> Result:
    """The assume-role edges alone: trust policies, identity policies, boundaries, conditions."""
    principals = read_account_details(sorted(Path(folder).glob("*.json"))).principals
    settle()
    with Timer() as timer, uncollected():
        found = hops_of(principals, {})
    return timer, {"edges": len(found), "accounts": len({one.account for one in principals.values()})}


def refresh(folder: str) -> Result:
    """One account changed since the last analysis: everything is analysed again."""
    principals = read_account_details(sorted(Path(folder).glob("*.json"))).principals
    coverage, memory = Coverage({}, {}, {}, frozenset()), Memory()
    analyse(Facts(principals, {}, {}, coverage, _WINDOW), memory=memory)
    arn = min(arn for arn, principal in principals.items() if len(principal.policies) > 1)
    changed = {**principals, arn: replace(principals[arn], policies=principals[arn].policies[1:])}
    settle()
    before = memory.ways.anew
    with Timer() as timer:
        analyse(Facts(changed, {}, {}, coverage, _WINDOW), memory=memory)
    return timer, {"judged": memory.ways.anew - before}


def _ways(found: Analysis) -> dict[str, list[list[str]]]:
    """Role -> the sets of actions that gain privileges, with a target or without."""
    return {
        one.principal.arn: _lower(way.actions for way in (*one.escalations.escalations, *one.escalations.potential))
        for one in found.principals
    }


def _lower(ways: Iterable[Sequence[str]]) -> list[list[str]]:
    return [sorted(action.lower() for action in actions) for actions in ways]


if __name__ == "__main__":
    run({"write": write, "own": own, "scan": scan, "edges": edges, "refresh": refresh}, *sys.argv[1:])
