"""The operator's writes as kopf timers would make them: one timer for each baseline, which writes its whole status.

A module for `kopf run`. The statuses are those that the operator wrote, so that no assessment is in its time. Imports
nothing of plumbline.
"""

import json
import os
from pathlib import Path
from typing import Any

import kopf

STATUSES = json.loads(Path(os.environ["BENCH_STATUSES"]).read_text())
INTERVAL = float(os.environ["BENCH_INTERVAL"])


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False


@kopf.timer("plumbline.dev", "v1alpha1", "leastprivilegebaselines", interval=INTERVAL)
async def write(name: str, patch: kopf.Patch, **_: Any) -> None:
    patch.status.update(STATUSES[name])
