"""iam-ape at granted permissions: `python -m benchmarks.granted_peers iam-ape RESULT FILE` in the Python that has it.

The file is an answer of GetAccountAuthorizationDetails. Imports neither plumbline nor what the lock names.
"""

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run


def iam_ape(path: str) -> tuple[Timer, Mapping[str, Any]]:
    from iam_ape.evaluator import AuthorizationDetails, EffectivePolicyEvaluator
    from iam_ape.helper_types import EntityType

    logging.disable()
    details = json.loads(Path(path).read_text())
    evaluator = EffectivePolicyEvaluator(AuthorizationDetails(details))
    arns = [role["Arn"] for role in details["RoleDetailList"]]
    failed = allowed = 0
    with Timer() as timer:
        for arn in arns:
            try:
                allowed += len(evaluator.evaluate(arn, EntityType.role).allowed_permissions)
            except Exception:  # noqa: BLE001 - whatever it cannot judge is counted
                failed += 1
    return timer, {"roles": len(arns), "failed": failed, "actions": allowed}


if __name__ == "__main__":
    run({"iam-ape": iam_ape}, *sys.argv[1:])
