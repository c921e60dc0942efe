"""How many proposals may be open in a landscape, and which of those that ask are opened: the worst, over all baselines.

One that is open keeps its place, so nothing comes and goes. For a baseline that has not been heard yet as many places are
kept as it may need: what is granted meanwhile is among what would be granted if all had been heard, in whatever order
they come. Thread-safe. Knows names and ranks, not what a proposal says.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.reconcile.baseline import Severity


@dataclass(slots=True)
class _Claim:
    open: set[str]
    asking: dict[str, Severity] = field(default_factory=dict)


class Places:
    """Of one landscape. Baselines are named by their keys."""

    def __init__(self) -> None:
        self._limit = 0
        self._kept: Mapping[str, int] = {}
        self._claims: dict[str, _Claim] = {}
        self._lock = threading.Lock()

    def expect(self, limit: int, kept: Mapping[str, int]) -> None:
        """`kept`: the baselines that there are, and for how many open proposals of each a place is kept until it is
        heard. Those that are gone free theirs."""
        with self._lock:
            self._limit, self._kept = limit, dict(kept)
            self._claims = {key: claim for key, claim in self._claims.items() if key in self._kept}

    def forget(self, key: str) -> None:
        """The baseline is to be heard anew."""
        with self._lock:
            self._claims.pop(key, None)

    def hear(self, key: str, open_before: Collection[str], opening: Mapping[str, Severity]) -> None:
        """What a baseline has open, and what it asks to open within its own limit."""
        with self._lock:
            self._claims[key] = _Claim(set(open_before), dict(opening))

    def grant(self, key: str) -> frozenset[str]:
        """Those that the baseline may open now; they take their place at once."""
        with self._lock:
            claim = self._claims.get(key)
            granted = frozenset(name for _, owner, name in self._allotted() if owner == key)
            if claim is not None:
                claim.open |= granted
                claim.asking = {name: rank for name, rank in claim.asking.items() if name not in granted}
            return granted

    def settled(self, key: str) -> bool:
        """Whether the baseline has been heard, and could open nothing more now."""
        with self._lock:
            return key in self._claims and all(owner != key for _, owner, _ in self._allotted())

    def offered(self) -> frozenset[str]:
        """The baselines that could open something now: since they asked, places were freed."""
        with self._lock:
            return frozenset(owner for _, owner, _ in self._allotted())

    def _allotted(self) -> Iterator[tuple[Severity, str, str]]:
        taken = sum(len(claim.open) for claim in self._claims.values())
        taken += sum(number for key, number in self._kept.items() if key not in self._claims)
        asking = sorted((rank, key, name) for key, claim in self._claims.items() for name, rank in claim.asking.items())
        yield from asking[: max(0, self._limit - taken)]


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
