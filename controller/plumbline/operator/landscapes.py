"""The last pass of each landscape, in memory, and which baselines it knew. Thread-safe. Calls nothing.

A restart begins without any: baselines then wait for their landscape's first pass, and keep their status.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.reconcile.landscape import LandscapePass, govern, select_roles
from plumbline.reconcile.places import Places, kept_places

NEVER = datetime.min.replace(tzinfo=UTC)
Version = tuple[str, int]  # uid and generation


def version_of(baseline: LeastPrivilegeBaseline) -> Version:
    return baseline.metadata.uid or "", baseline.metadata.generation


@dataclass(frozen=True, slots=True)
class Known:
    """`asked`: roles for which evidence was collected. `baselines`: key -> the version that the pass knows. `until`: when
    everything is to be collected again; before that a change of one account is looked at by itself."""

    done: LandscapePass
    asked: frozenset[str]
    baselines: Mapping[str, Version] = field(default_factory=dict)
    until: datetime = NEVER


class Landscapes:
    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._places: dict[str, Places] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Known | None:
        with self._lock:
            return self._known.get(name)

    def places(self, name: str) -> Places:
        """Of the landscape's open proposals. They outlive a pass, because what is open does."""
        with self._lock:
            return self._places.setdefault(name, Places())

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._known)

    def put(self, name: str, done: LandscapePass, baselines: Sequence[LeastPrivilegeBaseline], until: datetime) -> None:
        """A fresh pass, which has collected evidence for all roles that these baselines select."""
        asked = frozenset(arn for selection in done.selections.values() for arn in selection.selected)
        known = Known(done, asked, {b.metadata.key: version_of(b) for b in baselines}, until)
        self._expect(name, done, baselines)
        with self._lock:
            self._known[name] = known

    def update(
        self,
        name: str,
        done: LandscapePass,
        baselines: Sequence[LeastPrivilegeBaseline],
        service_accounts: Mapping[str, str | None],
    ) -> tuple[LandscapePass | None, bool]:
        """The pass with what was seen since: its view and status are taken, its baselines select and govern anew. Returns
        the pass as it is now, and whether some roles that were there before were never asked for evidence."""
        with self._lock:
            known = self._known.get(name)
            if known is None:
                return None, False
            before = known.done.view.snapshot.principals
            selections = select_roles(done.landscape, baselines, done.view.snapshot, service_accounts)
            done = replace(done, selections=selections, governed=govern(baselines, selections))
            versions = {b.metadata.key: version_of(b) for b in baselines}
            self._known[name] = replace(known, done=done, baselines=versions)
        self._expect(name, done, baselines)
        selected = {arn for selection in selections.values() for arn in selection.selected}
        return done, not (selected & before.keys() <= known.asked)

    def expire(self, name: str) -> None:
        """The next pass collects everything."""
        with self._lock:
            if known := self._known.get(name):
                self._known[name] = replace(known, until=NEVER)

    def reselect(
        self, name: str, baselines: Sequence[LeastPrivilegeBaseline], service_accounts: Mapping[str, str | None]
    ) -> tuple[set[str], bool]:
        """Baselines changed, live IAM did not: selects and governs anew. Returns the keys of the baselines whose roles
        changed by it, and whether some of their roles were never asked for evidence."""
        with self._lock:
            known = self._known.get(name)
            if known is None:
                return set(), False
            old = known.done
            selections = select_roles(old.landscape, baselines, old.view.snapshot, service_accounts)
            governed = govern(baselines, selections)
            done = replace(old, selections=selections, governed=governed)
            versions = {b.metadata.key: version_of(b) for b in baselines}
            self._known[name] = replace(known, done=done, baselines=versions)
        self._expect(name, done, baselines)
        changed = {
            key
            for key in selections
            if _own(key, governed) != _own(key, old.governed) or selections.get(key) != old.selections.get(key)
        }
        unasked = any(arn not in known.asked for selection in selections.values() for arn in selection.selected)
        return changed, unasked

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)
            self._places.pop(name, None)

    def _expect(self, name: str, done: LandscapePass, baselines: Sequence[LeastPrivilegeBaseline]) -> None:
        limit = done.landscape.spec.limits.open_proposals
        self.places(name).expect(limit, kept_places(baselines, done.governed))


def _own(key: str, governed: Mapping[str, str]) -> set[str]:
    return {arn for arn, governor in governed.items() if governor == key}
