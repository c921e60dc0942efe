"""Other readers of made-up trails: `python -m benchmarks.trail_peers NAME RESULT FOLDER`. None imports plumbline.

Each reads all files in one thread and groups the events by (role, service, event) with count, last time and refusals,
which is less than Plumbline keeps. `digest` tells whether two found the same.
"""

import gc
import gzip
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run

Result = tuple[Timer, Mapping[str, Any]]
Groups = dict[tuple[str, str, str], list[Any]]


def digest(groups: Mapping[tuple[str, str, str], list[Any]]) -> str:
    return hashlib.sha256("\n".join(f"{key}{value}" for key, value in sorted(groups.items())).encode()).hexdigest()


def _reader(loads: Callable[[bytes], Any], decompress: Callable[[bytes], bytes], folder: str) -> Result:
    groups: Groups = {}
    records = 0
    with Timer() as timer:
        for path in _files(folder):
            found = loads(decompress(path.read_bytes()))["Records"]
            records += len(found)
            for record in found:
                identity = record["userIdentity"]
                issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
                key = (issuer.get("arn") or identity["arn"], record["eventSource"], record["eventName"])
                group = groups.setdefault(key, [0, "", 0])
                group[0] += 1
                group[1] = max(group[1], record["eventTime"])
                group[2] += "errorCode" in record
    return timer, {"records": records, "groups": len(groups), "keys": digest(groups)}


def _files(folder: str) -> list[Path]:
    return sorted(Path(folder).rglob("*.json.gz"))


def plain(folder: str) -> Result:
    return _reader(json.loads, gzip.decompress, folder)


def orjson_without_collector(folder: str) -> Result:
    import orjson

    gc.disable()
    return _reader(orjson.loads, gzip.decompress, folder)


def orjson_isal_without_collector(folder: str) -> Result:
    import orjson
    from isal import igzip

    gc.disable()
    return _reader(orjson.loads, igzip.decompress, folder)


def trailscraper(folder: str) -> Result:
    """Its own classes: each file to records, and these to the statements of a policy."""
    from trailscraper.cloudtrail import LogFile
    from trailscraper.policy_generator import generate_policy

    records: list[Any] = []
    with Timer() as timer:
        for path in _files(folder):
            records += LogFile(str(path)).records()
        policy = generate_policy(records)
    return timer, {"records": len(records), "statements": len(policy.Statement)}


PEERS: dict[str, Callable[[str], Result]] = {
    "json": plain,
    "orjson, collector off": orjson_without_collector,
    "orjson + isal, collector off": orjson_isal_without_collector,
    "trailscraper": trailscraper,
}

if __name__ == "__main__":
    run(PEERS, *sys.argv[1:])
