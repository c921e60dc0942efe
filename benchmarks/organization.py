"""A whole organization, account by account: `python -m benchmarks.organization NAME RESULT ...`.

From files of authorization details to a JSON line for each role: what is granted, and what of it was not used. Nothing of
an account is kept but what its documents mean.
"""

import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import msgspec

from benchmarks.accounts import write as written
from benchmarks.timer import Timer, run
from benchmarks.workload import roles
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import granted
from plumbline.inventory.files import read_account_details

Result = tuple[Timer, Mapping[str, Any]]
_SCPS = msgspec.json.Decoder(tuple[tuple[str, ...], ...])
_USED = msgspec.json.Decoder(dict[str, tuple[str, ...]])


def write(folder: str, count: str, own: str) -> Result:
    """The files. `own`: the share of roles with an inline policy that no other has."""
    with Timer() as timer:
        facts = written(roles(int(count), float(own)), Path(folder))
    return timer, facts


def distinct(folder: str, most: str) -> Result:
    """How many documents there are in so many accounts, managed and inline."""
    seen = set[str | None]()
    for path in sorted(Path(folder).glob("*.json"))[: int(most)]:
        for principal in read_account_details([path]).principals.values():
            seen.update(policy.document for policy in principal.policies)
            seen.add(principal.boundary.document if principal.boundary else None)
    return Timer(), {"documents": len(seen - {None})}


def stream(folder: str, to: str, processes: str, most: str) -> Result:
    """At most so many accounts, in so many processes."""
    paths = sorted(Path(folder).glob("*.json"))[: int(most)]
    digest, lines = sha256(), 0
    with Timer() as timer, Path(to).open("wb") as file:
        for text in _answers(paths, int(processes)):
            file.write(text)
            digest.update(text)
            lines += text.count(b"\n")
    # Nothing of the children is in the timer; the one process that is not forked has none.
    children = getrusage(RUSAGE_CHILDREN)
    timer.cpu += children.ru_utime + children.ru_stime
    peak = max(getrusage(RUSAGE_SELF).ru_maxrss, children.ru_maxrss) / 1024
    return timer, {"roles": lines, "digest": digest.hexdigest(), "peak": peak, "accounts": len(paths)}


def _answers(paths: list[Path], processes: int) -> Iterator[bytes]:
    if processes == 1:
        yield from map(account, paths)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(account, paths, chunksize=4)
        pool.close()
        pool.join()


def account(path: Path) -> bytes:
    """The lines of one account."""
    known = catalogue()
    scps = _SCPS.decode(path.with_suffix(".scps").read_bytes())
    used = _USED.decode(path.with_suffix(".used").read_bytes())
    lines = []
    for arn, principal in read_account_details([path]).principals.items():
        found = granted(principal, scps)
        unused = found.granted ^ (found.granted & known.bits_of(used[arn]))
        line = {
            "role": arn,
            "granted": found.granted.bit_count(),
            "masked": found.masked.bit_count(),
            "unused": unused.bit_count(),
            "unusedPrivileged": (unused & known.privileged).bit_count(),
            "unknown": len(found.granted_unknown),
        }
        lines.append(msgspec.json.encode(line))
    return b"\n".join(lines) + b"\n"


if __name__ == "__main__":
    run({"write": write, "distinct": distinct, "stream": stream}, *sys.argv[1:])
