"""The log reader over made-up trails: `python -m benchmarks.trail NAME RESULT ...`. Child of benchmarks.child."""

import resource
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run, settle
from benchmarks.trail_files import ACCOUNTS, DAYS, REGION, START, account
from benchmarks.trail_peers import digest
from plumbline.garbage import uncollected
from plumbline.iam.overlay import overlay
from plumbline.usage.records import Problem, Record
from plumbline.usage.records import read as records_of
from plumbline.usage.summary import read_paths, tally_of

Result = tuple[Timer, Mapping[str, Any]]


def read(folder: str, processes: str) -> Result:
    """From the files to evidence, as `plumbline usage` does."""
    overlay()
    settle()
    with Timer() as timer:
        usage = read_paths([Path(folder)], processes=int(processes)).usage
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    timer.cpu += children.ru_utime + children.ru_stime
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"records": usage.records, "evidence": len(usage.evidence), "peak": max(own, children.ru_maxrss / 1024)}
    return timer, facts | {"main": own}


def keys(folder: str) -> Result:
    """What the peers group by, from the reader's groups; not timed."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for key, group in tally_of([Path(folder)], 1).groups.items():
        entry = found.setdefault((key.caller.principal, key.event_source, key.event_name), [0, "", 0])
        entry[0] += group.count
        entry[1] = max(entry[1], f"{group.last:%Y-%m-%dT%H:%M:%SZ}")
        entry[2] += group.count if key.code else 0
    return Timer(), {"groups": len(found), "keys": digest(found)}


def grouped(folder: str) -> Result:
    """What the peers find and no more, from the records as the reader decodes them."""
    groups: dict[tuple[str | None, str, str], list[Any]] = {}
    problems: list[Problem] = []
    settle()
    with Timer() as timer, uncollected():
        for path in sorted(Path(folder).rglob("*.json.gz")):
            with path.open("rb", buffering=0) as stream:
                for batch in records_of(stream, path.name, problems):
                    for record in batch:
                        _group(groups, record)
    for group in groups.values():
        group[1] = f"{group[1]:%Y-%m-%dT%H:%M:%SZ}"
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"records": sum(group[0] for group in groups.values()), "problems": len(problems), "peak": own}
    return timer, facts | {"groups": len(groups), "keys": digest(groups)}


def _group(groups: dict[tuple[str | None, str, str], list[Any]], record: Record | None) -> None:
    if record is None or record.userIdentity is None:
        return
    identity = record.userIdentity
    context = identity.sessionContext
    issuer = context.sessionIssuer if context is not None else None
    key = (issuer.arn if issuer is not None else identity.arn, record.eventSource, record.eventName)
    group = groups.get(key)
    if group is None:
        group = groups[key] = [0, record.eventTime, 0]
    group[0] += 1
    group[1] = max(group[1], record.eventTime)
    if record.errorCode is not None:
        group[2] += 1


def ledger(folder: str, state: str, processes: str) -> Result:
    """Into the ledger of `state`, as `plumbline run` does; `processes` read beside the one that writes, or it reads itself."""
    synced = _ledger(folder, state, START + timedelta(days=DAYS + 3), int(processes))
    with Timer() as timer:
        facts: dict[str, Any] = dict(synced())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts |= {"main": timer.cpu, "peak": max(own, children.ru_maxrss / 1024)}
    timer.cpu += children.ru_utime + children.ru_stime
    return timer, facts


def store(state: str) -> Result:
    """An empty ledger in `state`, as the first start of the program leaves it; not timed."""
    from plumbline.store.database import open_store

    open_store(f"sqlite:///{state}/plumbline.db").dispose()
    return Timer(), {}


def further(folder: str, state: str) -> Result:
    """The last file of a day, after all others are in the ledger of `state`."""
    synced = _ledger(folder, state, START + timedelta(hours=23), 1)
    last = max(Path(folder).rglob("*.json.gz"))
    aside = last.rename(Path(state) / last.name)
    synced()
    aside.rename(last)
    with Timer() as timer:
        facts = synced()
    return timer, facts


def _ledger(folder: str, state: str, end: datetime, processes: int) -> Callable[[], dict[str, int]]:
    # Not above: the memory of the readers would begin with that of the store.
    from plumbline.api.sources import CloudTrailLogs
    from plumbline.store.database import open_store
    from plumbline.usage.log_source import log_source
    from plumbline.usage.trail_logs import sync

    source = log_source(CloudTrailLogs.model_validate({"name": "folder", "folder": folder}))
    accounts = {account(number): (REGION,) for number in range(ACCOUNTS)}
    engine = open_store(f"sqlite:///{state}/plumbline.db")
    known = overlay()
    settle()

    def synced() -> dict[str, int]:
        report = sync(
            engine, "bench", source, accounts, start=START, now=end.astimezone(UTC), overlay=known, processes=processes
        )
        return {"records": report.records, "objects": report.objects, "problems": len(report.problems)}

    return synced


STATIONS = {"read": read, "keys": keys, "grouped": grouped, "store": store, "ledger": ledger, "further": further}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
