"""What log files given by hand show: the computation behind `plumbline usage`, and evidence for `plumbline generate`.

Files given by hand prove nothing about what was not logged. Knows folders and the JSON form; prints nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any

from plumbline.garbage import uncollected
from plumbline.iam.overlay import overlay
from plumbline.model.evidence import Evidence
from plumbline.model.times import in_utc
from plumbline.usage.aggregate import Aggregator, Usage, usage_of
from plumbline.usage.pool import WORTH, read_files
from plumbline.usage.processors import processors
from plumbline.usage.records import Problem
from plumbline.usage.tally import Tally
from plumbline.usage.worker import read_file

SCHEMA_VERSION = "1"
SOURCE = "files"
SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz")
# Digest files lie beside the logs and hold no events.
_DIGEST_FOLDER = "CloudTrail-Digest"


class NoSuchPathError(ValueError):
    """A path that was given does not exist."""


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """`usage` of `files` files. `problems`: what could not be read, with the path as it was given."""

    usage: Usage
    files: int

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.usage.problems


def read_paths(
    paths: Sequence[Path],
    progress: Callable[[str], None] | None = None,
    source: str = SOURCE,
    processes: int | None = None,
    until: datetime | None = None,
) -> UsageSummary:
    """Reads files, and folders with all files of known endings below them, each once, in order of name.

    `processes`: how many read; None for as many as the machine can run, where that is worth it. The answer is the same.
    `until`: what was recorded later is left out.
    Raises NoSuchPathError before anything is read, ReaderEndedError when a process was killed. What cannot be read
    becomes a problem; the rest is read.
    """
    with uncollected():
        files = _Files(paths)
        found = _tally(files, processes, progress, until)
        return UsageSummary(usage_of(found, overlay(), source), len(files.found))


def tally_of(paths: Sequence[Path], processes: int | None = None) -> Tally:
    """`read_paths` before events become actions."""
    with uncollected():
        return _tally(_Files(paths), processes, None)


class _Files:
    """`found`: the files with their sizes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        for path in paths:
            if not path.exists():
                raise NoSuchPathError(f"there is no file or folder {str(path)!r}")
        self.problems: list[Problem] = []
        self.found = log_files(paths, self.problems)


def _tally(
    files: _Files, processes: int | None, progress: Callable[[str], None] | None, until: datetime | None = None
) -> Tally:
    if processes is None:
        processes = processors() if sum(size for _, size in files.found) >= WORTH else 1
    if processes > 1:
        found = read_files(files.found, processes, progress, until)
    else:
        found = _read_here(files.found, progress, until)
    found.problems[:0] = files.problems
    return found


def _read_here(
    files: Sequence[tuple[str, int]], progress: Callable[[str], None] | None, until: datetime | None
) -> Tally:
    aggregator = Aggregator(overlay(), "")
    aggregator.until = until
    for path, _ in files:
        if progress is not None:
            progress(path)
        read_file(path, aggregator)
    return aggregator.tally


def log_files(paths: Iterable[Path], problems: list[Problem]) -> list[tuple[str, int]]:
    """The files to read, with their sizes. A folder without any is a problem: most likely another one was meant."""
    seen: set[tuple[int, int]] = set()
    result = []
    for path in paths:
        found = [str(path)] if path.is_file() else _in_folder(path, problems)
        if not found:
            problems.append(Problem(str(path), "NoFiles", f"the folder holds no {', '.join(SUFFIXES)} files"))
        for name in found:
            try:
                stat = os.stat(name)  # noqa: PTH116 - a Path for each small file would cost more
            except OSError as error:
                problems.append(Problem(name, "Unreadable", error.strerror or str(error)))
                continue
            # A link to a file is that file.
            if S_ISREG(stat.st_mode) and (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                result.append((name, stat.st_size))
    return result


def _in_folder(folder: Path, problems: list[Problem]) -> list[str]:
    def unreadable(error: OSError) -> None:
        problems.append(Problem(error.filename or str(folder), "Unreadable", error.strerror or str(error)))

    found = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        if _DIGEST_FOLDER in folders:
            folders.remove(_DIGEST_FOLDER)
        found += [f"{parent}{os.sep}{name}" for name in names if name.endswith(SUFFIXES)]
    return sorted(found, key=lambda name: name.split(os.sep))  # noqa: PTH206 - a Path for each would cost more


def as_json(summary: UsageSummary) -> dict[str, Any]:
    """The JSON form, as docs/schemas/usage.schema.json describes it. Equal input gives equal output."""
    usage = summary.usage
    return {
        "schemaVersion": SCHEMA_VERSION,
        "events": usage.records,
        "bins": dict(usage.bins),
        "principals": _principals(usage),
        "denied": _denied(usage.evidence),
        "unmapped": [
            {"principal": u.principal, "eventSource": u.event_source, "eventName": u.event_name, "count": u.count}
            for u in usage.unmapped
        ],
        "coverage": {
            "complete": False,
            "reason": "filesProveNoSilence",
            "files": summary.files,
            "firstEvent": usage.first and _time(usage.first),
            "lastEvent": usage.last and _time(usage.last),
        },
        "errors": [{"path": p.object, "reason": p.reason, "message": p.message} for p in summary.problems],
    }


def _principals(usage: Usage) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for evidence in usage.evidence:
        entry = result.setdefault(
            evidence.principal,
            {"pathKnown": evidence.principal not in usage.path_unknown, "uniqueIds": [], "actions": {}},
        )
        if evidence.unique_id and evidence.unique_id not in entry["uniqueIds"]:
            entry["uniqueIds"] = sorted([*entry["uniqueIds"], evidence.unique_id])
        if evidence.outcome == "used":
            _join(entry["actions"], evidence)
        elif evidence.outcome == "attempted":
            _join(entry.setdefault("attempted", {}), evidence)
    return result


def _join(actions: dict[str, Any], evidence: Evidence) -> None:
    """Adds one observation to those of its action: by another unique id, or a certain one to an ambiguous one."""
    new = _entry(evidence)
    old = actions.get(evidence.action)
    if old is not None:
        arns = sorted({*old["resources"], *new["resources"]})
        truncated = old.get("resourcesTruncated") or new.get("resourcesTruncated") or len(arns) > 100
        certain = not (old.get("ambiguous") and new.get("ambiguous"))
        new |= {
            "count": old["count"] + new["count"],
            "firstUsed": min(old["firstUsed"], new["firstUsed"]),
            "lastUsed": max(old["lastUsed"], new["lastUsed"]),
            "resources": arns[:100],
            "viaServices": sorted({*old["viaServices"], *new["viaServices"]}),
        }
        if truncated:
            new["resourcesTruncated"] = True
        if certain:
            new.pop("ambiguous", None)
    actions[evidence.action] = new


def _entry(evidence: Evidence) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "count": evidence.count,
        "firstUsed": _time(evidence.first),
        "lastUsed": _time(evidence.last),
        "resources": list(evidence.resources),
        "viaServices": list(evidence.via_services),
    }
    if evidence.resources_truncated:
        entry["resourcesTruncated"] = True
    if evidence.ambiguous:
        entry["ambiguous"] = True
    return entry


def _denied(evidence: Iterable[Evidence]) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for item in evidence:
        if item.outcome != "denied":
            continue
        actions = result.setdefault(item.principal, {})
        old = actions.get(item.action, {"count": 0, "firstSeen": "9", "lastSeen": "", "codes": []})
        actions[item.action] = {
            "count": old["count"] + item.count,
            "firstSeen": min(old["firstSeen"], _time(item.first)),
            "lastSeen": max(old["lastSeen"], _time(item.last)),
            "codes": sorted({*old["codes"], *item.codes}),
        }
    return result


def _time(value: datetime) -> str:
    return in_utc(value).strftime("%Y-%m-%dT%H:%M:%SZ")
