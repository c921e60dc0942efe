"""Other programs at the engine's tasks: `python -m benchmarks.engine_peers NAME RESULT ...` in the Python that has them.

Their data is loaded before the timed section. Each hands over what it answered, and all names that it knows, so that
the answers can be compared. Imports neither plumbline nor what the lock names.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run

Result = tuple[Timer, Mapping[str, Any]]


def _expand(path: str, answer: str, known: list[str], expanded: Callable[[Any], Any]) -> Result:
    documents = json.loads(Path(path).read_text())
    given = [{"Statement": [{"Effect": "Allow", "Action": a, "Resource": "*"} for a in lists]} for lists in documents]
    with Timer() as timer:
        found = [expanded(policy) for policy in given]
    names = [statement["Action"] for policy in found for statement in policy["Statement"]]
    Path(answer).write_text(json.dumps({"known": known, "names": names}))
    return timer, {"policies": len(documents), "names": sum(map(len, names))}


def policy_sentry(path: str, answer: str) -> Result:
    from policy_sentry.analysis.expand import get_expanded_policy
    from policy_sentry.querying.all import get_all_actions

    logging.disable()
    known = sorted(get_all_actions())
    return _expand(path, answer, known, get_expanded_policy)


def policyuniverse(path: str, answer: str) -> Result:
    from policyuniverse import all_permissions
    from policyuniverse.expander_minimizer import expand_policy

    return _expand(path, answer, sorted(all_permissions), expand_policy)


def policyuniverse_minimise(chosen: str, answer: str) -> Result:
    from policyuniverse.expander_minimizer import minimize_statement_actions

    given = [{"Effect": "Allow", "Action": names} for names in json.loads(Path(chosen).read_text())]
    # It prints a line for every action that is the beginning of another one.
    with Timer() as timer, redirect_stdout(StringIO()):
        found = [minimize_statement_actions(statement) for statement in given]
    Path(answer).write_text(json.dumps(found))
    return timer, {"policies": len(given), "patterns": sum(map(len, found))}


PEERS = {
    "policy_sentry": policy_sentry,
    "policyuniverse": policyuniverse,
    "policyuniverse minimise": policyuniverse_minimise,
}

if __name__ == "__main__":
    run(PEERS, *sys.argv[1:])
