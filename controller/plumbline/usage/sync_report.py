"""What a pass over a source of log files did, and what it could not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from plumbline.store.ledger import PartitionKey


@dataclass(frozen=True, slots=True)
class SyncProblem:
    """What could not be brought up to date. `region` and `day` are empty where all are concerned."""

    source: str
    account: str
    region: str
    day: str
    reason: str
    message: str
    remedy: str = ""


@dataclass(slots=True)
class SyncReport:
    """`read`, `unchanged`, `sealed`: partitions. `objects` were read with `records`. `queries` were asked, for which AWS
    scanned and bills `scanned` bytes."""

    read: int = 0
    unchanged: int = 0
    sealed: int = 0
    objects: int = 0
    records: int = 0
    queries: int = 0
    scanned: int = 0
    problems: list[SyncProblem] = field(default_factory=list)

    def failed(self, account: str) -> list[SyncProblem]:
        """What concerns one account."""
        return [problem for problem in self.problems if problem.account in (account, "")]


Progress = Callable[[PartitionKey, SyncReport], None]
