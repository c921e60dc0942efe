"""How many proposals may be open in a landscape, and which of those that ask are opened: the worst, over all baselines.

One that is open keeps its place, so nothing comes and goes. For a baseline that has not been heard yet as many places are
kept as it may need: what is granted meanwhile is among what would be granted if all had been heard, in whatever order
they come. Thread-safe. Knows names and ranks, not what a proposal says.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.reconcile.baseline import Severity


@dataclass(frozen=True, slots=True)
class _Claim:
    open: frozenset[str]
    asking: Mapping[str, Severity]


class Places:
    """Of one landscape. Baselines are named by their keys."""

    def __init__(self) -> None:
        self._limit = 0
        self._kept: Mapping[str, int] = {}
        self._claims: dict[str, _Claim] = {}
        self._taken = 0  # by all claims, and kept for those that have none
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def expect(self, limit: int, kept: Mapping[str, int]) -> None:
        """`kept`: the baselines that there are, and for how many open proposals of each a place is kept until it is
        heard. Those that are gone free theirs."""
        with self._lock:
            self._limit, self._kept = limit, dict(kept)
            self._claims = {key: claim for key, claim in self._claims.items() if key in self._kept}
            self._asking &= self._claims.keys()
            self._taken = sum(self._takes(key) for key in self._kept)

    def forget(self, key: str) -> None:
        """The baseline is to be heard anew."""
        with self._lock:
            self._settle(key, None)

    def hear(self, key: str, open_before: Collection[str], opening: Mapping[str, Severity]) -> None:
        """What a baseline has open, and what it asks to open within its own limit."""
        with self._lock:
            self._settle(key, _Claim(frozenset(open_before), dict(opening)))

    def grant(self, key: str) -> frozenset[str]:
        """Those that the baseline may open now; they take their place at once."""
        with self._lock:
            claim = self._claims.get(key)
            granted = frozenset(name for _, owner, name in self._allotted() if owner == key)
            if claim is not None and granted:
                asking = {name: rank for name, rank in claim.asking.items() if name not in granted}
                self._settle(key, _Claim(claim.open | granted, asking))
            return granted

    def settled(self, key: str) -> bool:
        """Whether the baseline has been heard, and could open nothing more now."""
        with self._lock:
            return key in self._claims and all(owner != key for _, owner, _ in self._allotted())

    def offered(self) -> frozenset[str]:
        """The baselines that could open something now: since they asked, places were freed."""
        with self._lock:
            return frozenset(owner for _, owner, _ in self._allotted())

    def _allotted(self) -> list[tuple[Severity, str, str]]:
        # Asked for in each pass of each baseline: it must not look at all of them where nobody can get a place.
        free = self._limit - self._taken
        if free <= 0 or not self._asking:
            return []
        asking = ((rank, key, name) for key in self._asking for name, rank in self._claims[key].asking.items())
        return heapq.nsmallest(free, asking)

    def _settle(self, key: str, claim: _Claim | None) -> None:
        """Puts the claim in the place of the baseline's former one, and counts anew what it takes."""
        self._taken -= self._takes(key)
        self._claims.pop(key, None)
        if claim is not None:
            self._claims[key] = claim
        self._taken += self._takes(key)
        if claim is not None and claim.asking:
            self._asking.add(key)
        else:
            self._asking.discard(key)

    def _takes(self, key: str) -> int:
        claim = self._claims.get(key)
        return len(claim.open) if claim is not None else self._kept.get(key, 0)


def kept_places(baselines: Iterable[LeastPrivilegeBaseline], governed: Mapping[str, str]) -> dict[str, int]:
    """Baseline key -> the most proposals that it can have open after its next pass. `governed`: role ARN -> key."""
    roles: dict[str, int] = {}
    for key in governed.values():
        roles[key] = roles.get(key, 0) + 1
    return {b.metadata.key: _most(b, roles.get(b.metadata.key, 0)) for b in baselines}


def _most(baseline: LeastPrivilegeBaseline, roles: int) -> int:
    spec = baseline.spec
    known = baseline.status.open_proposals if baseline.status else 0
    if spec.suspend or spec.mode != "Propose":
        return known
    return max(known, min(spec.limits.open_proposals, roles))
