"""The last pass of each landscape, in memory, and which baselines it knew. Thread-safe. Calls nothing.

A restart begins without any: baselines then wait for their landscape's first pass, and keep their status.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.reconcile.landscape import LandscapePass, govern, own_routing, select_roles
from plumbline.reconcile.places import Places, kept_places

NEVER = datetime.min.replace(tzinfo=UTC)
Version = tuple[str, int]  # uid and generation


def version_of(baseline: LeastPrivilegeBaseline) -> Version:
    return baseline.metadata.uid or "", baseline.metadata.generation


@dataclass(frozen=True, slots=True)
class Known:
    """`asked`: roles for which evidence was collected, of `whole`, those that the last whole collection saw. `baselines`:
    key -> the version that the pass knows. `until`: when everything is to be collected again; before that a change of one
    account is looked at by itself."""

    done: LandscapePass
    asked: frozenset[str]
    whole: frozenset[str]
    baselines: Mapping[str, Version] = field(default_factory=dict)
    until: datetime = NEVER


class Landscapes:
    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._places: dict[str, Places] = {}
        self._lock = threading.Lock()
        self._on_forget: list[Callable[[str], None]] = []

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

    def put(
        self,
        name: str,
        done: LandscapePass,
        baselines: Sequence[LeastPrivilegeBaseline],
        service_accounts: Mapping[str, str | None],
        until: datetime,
    ) -> tuple[LandscapePass, bool]:
        """A fresh pass, which has collected evidence for all roles that its selections name. `baselines`: as they are now:
        meanwhile some may have come, gone or changed. Returns the pass with what these select, and whether some of their
        roles were never asked for evidence."""
        asked = frozenset(arn for selection in done.selections.values() for arn in selection.selected)
        done = selected(done, baselines, service_accounts)
        whole = frozenset(done.view.snapshot.principals)
        known = Known(done, asked, whole, {b.metadata.key: version_of(b) for b in baselines}, until)
        self._expect(name, done, baselines)
        with self._lock:
            self._known[name] = known
        return done, _unasked(known)

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
            done = selected(done, baselines, service_accounts)
            versions = {b.metadata.key: version_of(b) for b in baselines}
            known = self._known[name] = replace(known, done=done, baselines=versions)
        self._expect(name, done, baselines)
        return done, _unasked(known)

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
            done = selected(old, baselines, service_accounts)
            selections, governed = done.selections, done.governed
            versions = {b.metadata.key: version_of(b) for b in baselines}
            known = self._known[name] = replace(known, done=done, baselines=versions)
        self._expect(name, done, baselines)
        changed = {
            key
            for key in selections
            if _own(key, governed) != _own(key, old.governed) or selections.get(key) != old.selections.get(key)
        }
        return changed, _unasked(known)

    def on_forget(self, call: Callable[[str], None]) -> None:
        """Calls this with the name of each landscape that is forgotten; it must not wait."""
        self._on_forget.append(call)

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)
            self._places.pop(name, None)
        for call in self._on_forget:
            call(name)

    def _expect(self, name: str, done: LandscapePass, baselines: Sequence[LeastPrivilegeBaseline]) -> None:
        limit = done.landscape.spec.limits.open_proposals
        self.places(name).expect(limit, kept_places(baselines, done.governed))


def selected(
    done: LandscapePass, baselines: Sequence[LeastPrivilegeBaseline], service_accounts: Mapping[str, str | None]
) -> LandscapePass:
    """The pass with what the baselines select and govern now."""
    selections = select_roles(done.landscape, baselines, done.view.snapshot, service_accounts)
    governed = govern(baselines, selections)
    return replace(
        done,
        selections=selections,
        governed=governed,
        view=replace(done.view, own_routing=own_routing(baselines, governed)),
    )


def _unasked(known: Known) -> bool:
    """Whether some roles were there to be asked for evidence, and were not. A role that came later waits for the next
    whole collection: it is too young for a verdict anyway."""
    selected = {arn for selection in known.done.selections.values() for arn in selection.selected}
    return not (selected & known.whole <= known.asked)


def _own(key: str, governed: Mapping[str, str]) -> set[str]:
    return {arn for arn, governor in governed.items() if governor == key}
