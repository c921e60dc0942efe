"""moto's evaluator at the same requests: `python -m benchmarks.decisions_peers NAME RESULT ...`.

It looks at identity policies only: no boundary, no SCP. Its policies are read before the timed section. Of its peers'
requests it gets every n-th, because it takes some ten milliseconds for each.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run, settle

Result = tuple[Timer, Mapping[str, Any]]


def moto(given: str, every: str) -> Result:
    from moto.iam.access_control import IAMPolicy, PermissionResult

    data = json.loads(Path(given).read_text())
    asked = data["requests"][len(data["requests"]) // 2 :: int(every)]
    known = {arn: IAMPolicy(json.dumps(document)) for arn, document in data["managed"].items()}
    policies = [
        [*(known[arn] for arn in role["managed"]), IAMPolicy(json.dumps(role["inline"]))] for role in data["roles"]
    ]
    allowed = failed = 0
    settle()
    with Timer() as timer:
        for one in asked:
            try:
                said = [
                    policy.is_action_permitted(one["action"], one["resource"], incoming_condition_values=one["context"])
                    for policy in policies[one["role"]]
                ]
            except Exception:  # noqa: BLE001 - an operator that it does not know
                failed += 1
                continue
            allowed += PermissionResult.DENIED not in said and PermissionResult.PERMITTED in said
    return timer, {"requests": len(asked), "allowed": allowed, "failed": failed}


if __name__ == "__main__":
    run({"moto": moto}, *sys.argv[1:])
