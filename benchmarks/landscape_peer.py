"""cloudsplaining over the same files: `python -m benchmarks.landscape_peer NAME RESULT ...`, in a Python that has it.

https://github.com/salesforce/cloudsplaining
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run

Result = tuple[Timer, Mapping[str, Any]]


def scan(folder: str, to: str) -> Result:
    """All findings of all policies; then, for comparison, the privilege escalations that each role's policies have."""
    from cloudsplaining.scan.authorization_details import AuthorizationDetails
    from cloudsplaining.shared.exclusions import DEFAULT_EXCLUSIONS

    details = _united(Path(folder))
    with Timer() as timer:
        results = AuthorizationDetails(details, DEFAULT_EXCLUSIONS).results
    policies = {**results["inline_policies"], **results["aws_managed_policies"], **results["customer_managed_policies"]}
    found = {}
    for role in results["roles"].values():
        names = [*role["inline_policies"], *role["aws_managed_policies"], *role["customer_managed_policies"]]
        ways = [way for name in names for way in policies[name]["PrivilegeEscalation"]["findings"]]
        found[role["arn"]] = [sorted(action.lower() for action in way["actions"]) for way in ways]
    Path(to).write_text(json.dumps(found))
    return timer, {"roles": len(found), "policies": len(policies)}


def _united(folder: Path) -> dict[str, Any]:
    """One file's worth of all accounts; policies that several have stand in it once."""
    whole: dict[str, Any] = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": []}
    policies = {}
    for path in sorted(folder.glob("*.json")):
        details = json.loads(path.read_text())
        whole["RoleDetailList"] += details["RoleDetailList"]
        # It tells policies apart by their ids.
        policies.update({one["Arn"]: one | {"PolicyId": one["Arn"]} for one in details["Policies"]})
    return whole | {"Policies": list(policies.values())}


if __name__ == "__main__":
    run({"scan": scan}, *sys.argv[1:])
