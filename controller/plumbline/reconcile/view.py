"""What a landscape's pass hands to its baselines: snapshot, usage, coverage, and since when grants are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from plumbline.api.routing import Routing
from plumbline.assess.additions import escalating_bits
from plumbline.assess.escalation_ways import Way, known_ways
from plumbline.assess.owners import Owners
from plumbline.assess.verdicts import Context
from plumbline.assess.window import Window
from plumbline.model.coverage import Coverage
from plumbline.model.evidence import GrantChange, PrincipalUsage
from plumbline.model.snapshot import Snapshot


@dataclass(frozen=True)
class LandscapeView:
    """One landscape at one time. `changes`: account -> IAM writes seen in its logs; `announced`: those that a queue told
    of, which are hints and no facts. `first_seen`: principal -> policy key -> since when our own snapshots have seen it as
    it is. `ways`: to gain privileges, by which the landscape is judged. `routing`: whose all is of
    which no baseline says so; `own_routing`: principal -> that of the baseline which governs it."""

    snapshot: Snapshot
    usage: Mapping[str, PrincipalUsage]
    coverage: Coverage
    changes: Mapping[str, Sequence[GrantChange]]
    first_seen: Mapping[str, Mapping[str, datetime]]
    log_sources: tuple[str, ...]
    partition: str = "aws"
    memory: timedelta = timedelta(days=400)
    announced: Mapping[str, Sequence[GrantChange]] = field(default_factory=dict)
    ways: tuple[Way, ...] = field(default_factory=known_ways)
    routing: Routing = field(default_factory=Routing)
    own_routing: Mapping[str, Routing] = field(default_factory=dict)

    def context(self, account: str, window: Window, remove_rare: bool) -> Context:
        """What the verdicts of one account's principals rest on."""
        return Context.of(account, self.coverage, self.log_sources, window, self.partition, remove_rare=remove_rare)

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.snapshot.principals, self.snapshot.accounts, self.routing, self.own_routing)

    @cached_property
    def escalating(self) -> int:
        """Bits of the actions of all ways."""
        return escalating_bits(self.ways)

    @cached_property
    def watched_since(self) -> Mapping[str, datetime]:
        """Account -> our first snapshot of it, as far as what it saw then is still so."""
        result: dict[str, datetime] = {}
        for arn, policies in self.first_seen.items():
            account = arn.split(":")[4]
            for since in policies.values():
                result[account] = min(since, result.get(account, since))
        return result
