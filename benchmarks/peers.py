"""Other readers of the same log files: `python -m benchmarks.peers NAME RESULT FILES`.

Each reads every log file once, in one thread, and counts the records. The grouping ones also keep count, last time and
refusals by (role, service, event), which is less than Plumbline keeps: no duplicates, resources, outcomes or bins.
None imports plumbline or msgspec. Damaged files are counted and passed over.
"""

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run

Result = tuple[Timer, Mapping[str, Any]]
_DAMAGE = (OSError, EOFError, ValueError, zlib.error)
# Peer -> what has to be importable.
NEEDS = {"orjson": "orjson", "orjson+isal": "orjson", "duckdb": "duckdb"}


def log_files(folder: str) -> list[Path]:
    """The log files below a folder, without digests."""
    return sorted(p for p in Path(folder).rglob("*.json.gz") if "CloudTrail-Digest" not in p.parts)


def missing(peer: str) -> str:
    """The module that a peer needs and that is not installed, else empty."""
    needed = NEEDS.get(peer)
    return needed if needed and find_spec(needed) is None else ""


def unzip(folder: str) -> Result:
    """Decompression alone: no reader in Python's gzip can be faster."""
    size = damaged = 0
    with Timer() as timer:
        for path in log_files(folder):
            try:
                size += len(gzip.decompress(path.read_bytes()))
            except _DAMAGE:
                damaged += 1
    return timer, {"bytes": size, "problems": damaged}


def _reader(loads: Callable[[bytes], Any], decompress: Callable[[bytes], bytes], *, grouping: bool) -> Any:
    def read(folder: str) -> Result:
        records, damaged = 0, 0
        groups: dict[tuple[str | None, str, str], list[Any]] = {}
        with Timer() as timer:
            for path in log_files(folder):
                try:
                    found = loads(decompress(path.read_bytes()))["Records"]
                except _DAMAGE:
                    damaged += 1
                    continue
                records += len(found)
                if grouping:
                    _group(found, groups)
        return timer, {"records": records, "problems": damaged, "groups": len(groups)}

    return read


def _group(records: list[Any], groups: dict[tuple[str | None, str, str], list[Any]]) -> None:
    for role, record in _attributed(records):
        group = groups.setdefault((role, record["eventSource"], record["eventName"]), [0, "", 0])
        group[0] += 1
        group[1] = max(group[1], record["eventTime"])
        group[2] += "errorCode" in record


def _attributed(records: list[Any]) -> Iterator[tuple[str | None, Any]]:
    for record in records:
        if not isinstance(record, dict) or not record.keys() >= {"eventSource", "eventName", "eventTime"}:
            continue
        identity = record.get("userIdentity") or {}
        issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
        yield issuer.get("arn") or identity.get("arn"), record


def _orjson(folder: str) -> Result:
    import orjson

    return _reader(orjson.loads, gzip.decompress, grouping=True)(folder)


def _orjson_isal(folder: str) -> Result:
    import orjson
    from isal import igzip

    return _reader(orjson.loads, igzip.decompress, grouping=True)(folder)


def _duckdb(folder: str) -> Result:
    import duckdb

    query = "SELECT sum(len(Records)) FROM read_json(?, columns = {Records: 'JSON[]'}, ignore_errors = true)"
    connection = duckdb.connect(config={"threads": 1})
    with Timer() as timer:
        row = connection.execute(query, [[str(p) for p in log_files(folder)]]).fetchone()
    return timer, {"records": int(row[0]), "problems": 0}


PEERS = {
    "gunzip": unzip,
    "json": _reader(json.loads, gzip.decompress, grouping=False),
    "json grouped": _reader(json.loads, gzip.decompress, grouping=True),
    "orjson": _orjson,
    "orjson+isal": _orjson_isal,
    "duckdb": _duckdb,
}

if __name__ == "__main__":
    run(PEERS, *sys.argv[1:])
