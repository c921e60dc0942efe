"""Runs the whole line at a fixed time, and tells what it said, for the tests beside it.

As a program, `python -m tests.line.passes INPUTS STATE [WRITE]`, it ends itself by SIGKILL just before write number WRITE (negative:
just after it); without WRITE it prints how many writes a pass makes. A write is a commit of the store or a file.
"""

import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from plumbline.reconcile.details import verdicts_json
from plumbline.reconcile.folder import FolderStore
from plumbline.reconcile.landscape import open_sessions
from plumbline.reconcile.run import PassReport, reconcile_all
from plumbline.store.database import open_store

# Six hours into the day on which the sandbox's logs end.
NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)


def run_pass(inputs: Path, state: Path, now: datetime = NOW, store: str | None = None) -> PassReport:
    """One pass, with its verdicts beside the state; so is its store, unless the URL of another is given."""
    state.mkdir(parents=True, exist_ok=True)
    folder = FolderStore(inputs, state)
    engine = open_store(store or f"sqlite:///{state / 'plumbline.db'}")
    try:
        report = reconcile_all(folder, engine, now, sessions=open_sessions)
    finally:
        engine.dispose()
    for one in report.baselines.values():
        if one.result is not None:
            metadata = one.baseline.metadata
            folder.write_verdicts(metadata.namespace, metadata.name, verdicts_json(one.result.assessments))
    return report


def verdicts(state: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """(role ARN, action) -> (verdict, reason)."""
    return {
        (arn, action): (finding["verdict"], finding["reason"])
        for path in state.glob("verdicts/*/*.json")
        for arn, role in json.loads(path.read_text()).items()
        for finding in role["findings"]
        for action in finding["actions"]
    }


def texts(state: Path) -> dict[str, str]:
    """Every file that a pass leaves, the database aside."""
    return {
        str(path.relative_to(state)): path.read_text()
        for path in sorted(state.rglob("*"))
        if path.is_file() and not path.name.startswith("plumbline.db")
    }


def copied(state: Path, target: Path) -> Path:
    shutil.copytree(state, target)
    return target


class _Killer:
    """Counts writes, and kills the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def before(self) -> None:
        self.count += 1
        if self.at == self.count:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self) -> None:
        if self.at == -self.count:
            os.kill(os.getpid(), signal.SIGKILL)


def main(inputs: str, state: str, at: str = "") -> None:
    killer = _Killer(int(at) if at else None)
    write, do_commit = FolderStore._write, sa.engine.default.DefaultDialect.do_commit

    def counted_write(self, path, text):
        killer.before()
        result = write(self, path, text)
        killer.after()
        return result

    def counted_commit(self, connection):
        killer.before()
        do_commit(self, connection)
        killer.after()

    FolderStore._write = counted_write
    sa.engine.default.DefaultDialect.do_commit = counted_commit
    run_pass(Path(inputs), Path(state))
    print(killer.count)


if __name__ == "__main__":
    main(*sys.argv[1:])
