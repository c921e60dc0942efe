"""What a collection of evidence has at hand, and what is asked of it. Calls nothing, judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from plumbline.api.landscape import LandscapeSpec
from plumbline.aws.session import AwsSessions
from plumbline.inventory.credentials import Need
from plumbline.model.coverage import Interval
from plumbline.model.snapshot import Snapshot

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the baselines of a landscape ask of its evidence: the longest lookback as [start, end), since when uses are
    remembered, the principals in question, for whom a policy is to be generated, and how good credential reports must be."""

    start: datetime
    end: datetime
    memory: datetime
    principals: frozenset[str]
    generation: Mapping[str, timedelta] = field(default_factory=dict)
    credentials: Need | None = None


@dataclass(frozen=True, slots=True)
class Collecting:
    """One collection: of which landscape, with what, and for whom."""

    sessions: AwsSessions
    engine: sa.Engine
    snapshot: Snapshot
    spec: LandscapeSpec
    wish: Wish
    now: datetime
    progress: Progress

    @property
    def landscape(self) -> str:
        return self.snapshot.landscape

    @property
    def window(self) -> Interval:
        return self.wish.start, self.wish.end

    @property
    def accounts(self) -> dict[str, tuple[str, ...] | None]:
        """Those whose logs are read, with their enabled Regions."""
        return {a.id: a.regions for a in self.snapshot.accounts.values() if a.state == "ACTIVE" and not a.error}
