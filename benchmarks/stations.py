"""The stations of a pass, each through the package's public functions: `python -m benchmarks.stations NAME RESULT ...`.

Runs as a child of benchmarks.child. The environment leads to a running sandbox; STATE is a folder with the database.
The clock of Plumbline stands still at NOW, the day on which the sandbox's logs end.
"""

import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.timer import Timer, run
from plumbline.api.landscape import IAMLandscape
from plumbline.api.sources import CloudTrailLogs
from plumbline.assess.window import Window
from plumbline.aws.session import AwsSessions
from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay
from plumbline.inventory.collect import collect
from plumbline.model.snapshot import Snapshot
from plumbline.reconcile.baseline_pass import assess_one, existing_of, propose_one
from plumbline.reconcile.folder import FolderStore
from plumbline.reconcile.landscape import open_sessions, reconcile_landscape, select_roles
from plumbline.reconcile.resources import Resources
from plumbline.reconcile.run import reconcile_all
from plumbline.store.database import open_store
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.sources import last_accessed
from plumbline.usage.summary import read_paths
from plumbline.usage.trail_logs import sync
from sandbox import organization as org
from sandbox.demo import SAMPLES
from sandbox.launch import running

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
LOOKBACK = 90
Result = tuple[Timer, Mapping[str, Any]]


@dataclass(frozen=True)
class _Opened:
    """What every station needs, made before its timed section."""

    resources: Resources
    landscape: IAMLandscape
    engine: sa.Engine
    sessions: AwsSessions
    store: FolderStore

    def snapshot(self) -> Snapshot:
        return collect(self.sessions, self.landscape.spec, self.landscape.metadata.name, NOW)


def _opened(state: str) -> _Opened:
    store = FolderStore(SAMPLES, Path(state))
    resources = store.load()
    landscape = resources.landscapes["default"]
    catalogue(), overlay()
    return _Opened(resources, landscape, open_store(f"sqlite:///{state}/plumbline.db"), open_sessions(landscape), store)


def start() -> Result:
    """The sandbox from its process to the answer of its truth; memory is the server's."""
    timer = Timer()
    timer.__enter__()
    with running(NOW.date()) as sandbox:
        roles = len(sandbox.truth["roles"])
        timer.__exit__()
    # The server's own figures are known once it has ended.
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    timer.cpu = taken.ru_utime + taken.ru_stime
    return timer, {"roles": roles, "peak": taken.ru_maxrss / 1024}


def inventory(state: str) -> Result:
    """Principals, policies, boundaries, SCPs and RCPs of all accounts into one snapshot."""
    opened = _opened(state)
    with Timer() as timer:
        snapshot = opened.snapshot()
    return timer, {"accounts": len(snapshot.accounts), "principals": len(snapshot.principals)}


def logs(state: str) -> Result:
    """All log files of the lookback from the sandbox's S3 into an empty ledger, digests checked."""
    opened = _opened(state)
    config = opened.landscape.spec.evidence.cloud_trail_logs[0]
    assert config.s3 is not None
    client = opened.sessions.client("s3", account=config.s3.account, region=config.s3.region)
    return _read(opened.engine, log_source(config, client))


def folder(state: str, files: str) -> Result:
    """The same files from a folder into an empty ledger, digests checked."""
    opened = _opened(state)
    config = CloudTrailLogs.model_validate({"name": "folder", "trailArn": org.TRAIL_ARN, "folder": files})
    return _read(opened.engine, log_source(config))


def _read(engine: sa.Engine, source: LogSource) -> Result:
    accounts = dict.fromkeys(org.ACCOUNTS)
    window = Window.of(NOW.date(), LOOKBACK, timedelta(days=400))
    with Timer() as timer:
        report = sync(engine, "default", source, accounts, start=window.start, now=NOW, overlay=overlay())
    return timer, {"records": report.records, "objects": report.objects, "problems": len(report.problems)}


def reader(files: str) -> Result:
    """The same files decoded and grouped into evidence, without digests and ledger, as `plumbline usage` does."""
    overlay()
    with Timer() as timer:
        summary = read_paths([Path(files)])
    return timer, {"records": summary.usage.records, "objects": summary.files, "problems": len(summary.problems)}


def access(state: str) -> Result:
    """Last-accessed data of all roles that a baseline selects, none of it in the store."""
    opened = _opened(state)
    snapshot = opened.snapshot()
    baselines = opened.resources.baselines.values()
    selections = select_roles(opened.landscape, baselines, snapshot, opened.resources.service_accounts)
    wanted = {arn for selection in selections.values() for arn in selection.selected}
    spec = opened.landscape.spec.evidence.last_accessed
    assert spec is not None
    principals = [snapshot.principals[arn] for arn in sorted(wanted)]
    with Timer() as timer:
        found = last_accessed.collect(opened.sessions, opened.engine, "default", spec, principals, now=NOW)
    return timer, {"roles": len(principals), "answers": len(found.answers)}


def judge(state: str) -> Result:
    """Verdicts, reduced policies and proofs of all roles, from evidence that is in the store; nothing is written."""
    opened = _opened(state)
    baselines = list(opened.resources.baselines.values())
    accounts = opened.resources.service_accounts
    day = NOW.date()
    done = reconcile_landscape(
        opened.landscape, baselines, accounts, opened.engine, opened.sessions, as_of=day, now=NOW
    )
    with Timer() as timer:
        assessed = [assess_one(opened.engine, done, baseline, day, NOW) for baseline in baselines]
    with Timer() as planning:
        for one in assessed:
            propose_one(one, existing_of(one.baseline, {}, done.governed), done, day, NOW)
    facts = {
        "roles": sum(len(one.result.assessments) for one in assessed if one.result),
        "proposals": sum(len(one.proposed) for one in assessed),
        "assess": timer.seconds,
        "plan": planning.seconds,
    }
    timer.seconds += planning.seconds
    timer.cpu += planning.cpu
    return timer, facts


def whole(state: str) -> Result:
    """A pass of everything, as `plumbline run` makes it."""
    opened = _opened(state)
    with Timer() as timer:
        report = reconcile_all(opened.store, opened.engine, NOW, sessions=open_sessions)
    return timer, {"written": report.written}


STATIONS = {
    "start": start,
    "inventory": inventory,
    "logs": logs,
    "folder": folder,
    "reader": reader,
    "access": access,
    "judge": judge,
    "whole": whole,
}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
