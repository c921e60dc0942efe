"""The roles of the generated organization for granted minus used, account by account, and what was answered for each role.

In a file, so that no reader pays for the drawing. Documents are canonical JSON text, as an inventory keeps them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.accounts import accounts, canonical
from benchmarks.workload import managed, roles, scps


@dataclass(frozen=True)
class OneRole:
    arn: str
    managed: list[str]
    inline: str
    boundary: str | None
    used: list[str]


@dataclass(frozen=True)
class OneAccount:
    """`managed`: ARN -> document, those of this account."""

    managed: dict[str, str]
    scps: list[list[str]]
    roles: list[OneRole]


def draw(path: Path, count: int) -> None:
    with path.open("w") as file:
        for account in accounts(roles(count)):
            arns = {arn for role in account for arn in (*role.managed, *([role.boundary] if role.boundary else []))}
            data = {
                "managed": {arn: canonical(managed()[arn]) for arn in sorted(arns)},
                "scps": [[canonical(d) for d in level] for level in scps(account[0].account)],
                "roles": [[r.arn, r.managed, canonical(r.inline), r.boundary, r.used] for r in account],
            }
            file.write(json.dumps(data) + "\n")


def accounts_of(path: Path) -> Iterator[OneAccount]:
    with path.open() as file:
        for line in file:
            data = json.loads(line)
            yield OneAccount(data["managed"], data["scps"], [OneRole(*role) for role in data["roles"]])


class Answers:
    """The names of every role as one digest for each, in a file that can be compared."""

    def __init__(self, path: str) -> None:
        self._path, self._lines = Path(path), list[str]()
        self._counts = [0, 0, 0]

    def add(self, granted: Iterable[str], masked: Iterable[str], unused: Iterable[str]) -> None:
        sets = [sorted(names) for names in (granted, masked, unused)]
        self._counts = [before + len(names) for before, names in zip(self._counts, sets, strict=True)]
        self._lines.append(sha256(json.dumps(sets).encode()).hexdigest())

    def facts(self) -> dict[str, Any]:
        self._path.write_text("\n".join(self._lines))
        return dict(zip(("granted", "masked", "unused"), self._counts, strict=True))
