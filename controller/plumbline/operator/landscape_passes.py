"""Passes of landscapes, and looks at single accounts between them. The only part of the operator that calls AWS.

Each wakes the baselines for which it has news. Knows when what is collected; what it means is reconcile's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa
import structlog

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import REQUESTED_AT, parse_duration
from plumbline.api.landscape import IAMLandscape, LandscapeStatus
from plumbline.assess.analysis import Memory
from plumbline.aws.calls import CallCounter
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import NO_CHANGES
from plumbline.kube.client import LANDSCAPES, Json, KubeClient
from plumbline.model.snapshot import accounts_digest
from plumbline.operator.assessment import Assessments
from plumbline.operator.change_queues import ChangeQueues
from plumbline.operator.keys import Done, Gone, Key, Outcome, Stalled, Wake, jittered
from plumbline.operator.landscapes import Known, Landscapes
from plumbline.operator.objects import Objects, key_of
from plumbline.operator.progress import Progress
from plumbline.operator.refreshes import Refreshes
from plumbline.operator.writer import Writer
from plumbline.reconcile.exports import with_exported
from plumbline.reconcile.landscape import (
    LandscapePass,
    OpenSessions,
    day_of,
    reconcile_landscape,
    same_but_times,
)
from plumbline.reconcile.refresh import refresh_accounts, with_announced
from plumbline.reconcile.review_pass import with_review
from plumbline.reconcile.risks import with_risk

_log = structlog.get_logger()


class LandscapePasses:
    """`spread`: seconds over which a pass wakes its baselines. `calls`: of AWS, since the process began."""

    def __init__(
        self,
        kube: KubeClient,
        engine: sa.Engine,
        sessions: OpenSessions,
        wake: Wake,
        *,
        landscapes: Landscapes,
        assessments: Assessments,
        objects: Objects,
        writer: Writer,
        spread: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._kube, self._engine, self._open, self._wake = kube, engine, sessions, wake
        self._landscapes, self._assessments = landscapes, assessments
        self._objects, self._writer, self._spread, self._clock = objects, writer, spread, clock
        self.queues = ChangeQueues(self._sessions, lambda name: wake(Key(LANDSCAPES, "", name), 0.0))
        self.calls = CallCounter()
        self.suspended: set[Key] = set()
        self._memories: dict[str, Memory] = {}  # landscape -> what its last analysis found
        self._unscored: set[str] = set()  # landscapes whose scores are older than what was looked at

    def _sessions(self, landscape: IAMLandscape) -> AwsSessions:
        """New ones, whose calls are counted with all others."""
        opened = self._open(landscape)
        opened.calls = self.calls
        return opened

    def reconcile(self, key: Key) -> Outcome:
        self.suspended.discard(key)
        body = self._kube.get(LANDSCAPES, None, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._forget(key.name)
            return Gone()
        landscape = self._objects.valid(LANDSCAPES, IAMLandscape, body, LandscapeStatus)
        if not isinstance(landscape, IAMLandscape):
            self._forget(key.name)  # what its baselines say of it is no longer true
            return Stalled(str(landscape))
        if landscape.spec.suspend:
            # Its baselines are left as they are: what was collected before grows old, and is no news.
            self._forget(key.name)
            self.suspended.add(key)
            return Done()
        now = self._clock()
        changes = self.queues.watch(landscape)
        known = self._landscapes.get(key.name)
        spec = landscape.spec
        partly = changes is not None or spec.security_hub is not None or spec.review is not None
        if known is not None and partly and now < known.until and _same(known.done.landscape, landscape):
            return self._refreshed(key, body, landscape, known, changes, now)
        return self._collected(key, body, landscape, changes, now)

    def _forget(self, name: str) -> None:
        self.queues.forget(name)
        self._landscapes.forget(name)
        self._memories.pop(name, None)
        self._unscored.discard(name)
        self._wake_all(self._objects.baselines_of(name), 0.0)

    def _collected(
        self, key: Key, body: Json, landscape: IAMLandscape, changes: Refreshes | None, now: datetime
    ) -> Outcome:
        """A whole pass."""
        baselines = self._objects.baselines_of(key.name)
        if self._landscapes.get(key.name) is None:
            self._wake_all(baselines, 0.0)  # a first pass may take long: they say so
        sessions = self._sessions(landscape)
        if changes is not None:
            changes.due(now)  # all accounts are looked at now
        done = reconcile_landscape(
            landscape,
            baselines,
            self._objects.service_accounts(baselines),
            self._engine,
            sessions,
            as_of=day_of(now),
            now=now,
            progress=Progress(key.name),
            changed=changes.changed if changes is not None else NO_CHANGES,
        )
        done = self._also(self._scored(done, baselines), changes, landscape, sessions, now)
        pause = parse_duration(landscape.spec.interval)
        if done.evidence.generation_open:  # such a job ends within minutes
            pause = min(pause, timedelta(minutes=2))
        # As they are now: collecting takes its time.
        baselines = self._objects.baselines_of(key.name)
        service_accounts = self._objects.service_accounts(baselines)
        done, unasked = self._landscapes.put(key.name, done, baselines, service_accounts, now + pause)
        if unasked:
            self._landscapes.expire(key.name)
            pause = timedelta(seconds=1)
        self._write(body, landscape, done, now)
        self._wake_all(self._moved(key.name, done, baselines, now), self._spread)
        review = _seconds_to_review(done, self._clock())  # the pass may have taken long
        return Done(min(jittered(pause, key), _seconds_to_look(changes, now), review))

    def _refreshed(
        self, key: Key, body: Json, landscape: IAMLandscape, known: Known, changes: Refreshes | None, now: datetime
    ) -> Outcome:
        """Between two whole passes: the accounts of which a change was announced, findings that changed, and what a new day
        changes in the review."""
        accounts = changes.due(now) if changes is not None else frozenset()
        sessions = self._sessions(landscape)
        done, late = known.done, key.name in self._unscored
        if accounts and changes is not None:
            done = self._looked(done, changes, sessions, accounts, now)
            if landscape.spec.risk is not None and _changed(known.done, done, accounts):
                self._unscored.add(key.name)
        if late:  # by one look at most, even where changes never cease
            done = self._scored(done, self._objects.baselines_of(key.name))
        done = self._also(done, changes, landscape, sessions, now)
        baselines = self._objects.baselines_of(key.name)
        service_accounts = self._objects.service_accounts(baselines)
        updated, unasked = self._landscapes.update(key.name, done, baselines, service_accounts)
        if updated is None or unasked:
            self._landscapes.expire(key.name)
            return Done(0.1)
        self._write(body, landscape, updated, now)
        self._wake_all(self._moved(key.name, updated, baselines, now), 0.0)
        if key.name in self._unscored:  # which takes its time: drift is told first
            self._wake(key, 0.0)
        left = max((known.until - now).total_seconds(), 1.0)
        return Done(min(left, _seconds_to_look(changes, now), _seconds_to_review(updated, self._clock())))

    def _looked(
        self, done: LandscapePass, changes: Refreshes, sessions: AwsSessions, accounts: frozenset[str], now: datetime
    ) -> LandscapePass:
        """The pass with these accounts as they are now. Those that could not be seen are looked at again."""
        missed = accounts
        try:
            done = refresh_accounts(done, self._engine, sessions, accounts, now)
            found = done.view.snapshot.accounts
            missed = frozenset(a for a in accounts if a in found and found[a].collected_at not in (None, now))
        finally:
            changes.again(missed, now)
        _log.info(
            "accounts refreshed",
            landscape=done.landscape.metadata.name,
            accounts=sorted(accounts - missed),
            failed=sorted(missed),
        )
        return done

    def _scored(self, done: LandscapePass, baselines: Sequence[LeastPrivilegeBaseline]) -> LandscapePass:
        """The pass with the risks of all, of which only what changed since the last time is found anew."""
        name = done.landscape.metadata.name
        if done.landscape.spec.risk is None:
            self._memories.pop(name, None)
        else:
            done = with_risk(done, baselines, self._memories.setdefault(name, Memory()))
        self._unscored.discard(name)
        return done

    def _also(
        self,
        done: LandscapePass,
        changes: Refreshes | None,
        landscape: IAMLandscape,
        sessions: AwsSessions,
        now: datetime,
    ) -> LandscapePass:
        """The review, what the change queue said, and what Security Hub is to know."""
        before = landscape.status.conditions if landscape.status else []
        done = with_review(done, self._engine, now)
        if changes is not None:
            done = with_announced(done, changes.announced, changes.problem, before, now)
        if landscape.spec.security_hub is None:
            return done
        keys = self._objects.keys_of(landscape.metadata.name)
        findings = {key: one for key, one in self._assessments.findings.copy().items() if key in keys}
        return with_exported(done, findings, keys, self._engine, sessions, before, now)

    def _moved(
        self, name: str, done: LandscapePass, baselines: Iterable[LeastPrivilegeBaseline], now: datetime
    ) -> list[LeastPrivilegeBaseline]:
        """Those for which the pass found news. The others come at their own interval."""
        places = self._landscapes.places(name)
        return [b for b in baselines if not self._assessments.rests(key_of(b), b, done, places, now)]

    def _write(self, body: Json, landscape: IAMLandscape, done: LandscapePass, now: datetime) -> None:
        old, status = landscape.status, done.status
        pause = parse_duration(landscape.spec.interval)
        if old and old.collected_at and same_but_times(old, status) and now - old.collected_at < pause:
            return
        self._writer.status(LANDSCAPES, landscape.metadata, status, body.get("status"))
        self._writer.transitions(body, old.conditions if old else [], status.conditions, now)

    def _wake_all(self, baselines: Iterable[LeastPrivilegeBaseline], spread: float) -> None:
        for baseline in baselines:
            key = key_of(baseline)
            self._wake(key, key.fraction * spread)


def _same(one: IAMLandscape, other: IAMLandscape) -> bool:
    """Whether nobody has changed the landscape or asked for a pass."""
    first, second = one.metadata, other.metadata
    asked = [metadata.annotations.get(REQUESTED_AT) for metadata in (first, second)]
    return (first.uid, first.generation, asked[0]) == (second.uid, second.generation, asked[1])


def _changed(before: LandscapePass, after: LandscapePass, accounts: frozenset[str]) -> bool:
    """Whether live IAM of these accounts is another."""
    old, new = before.view.snapshot, after.view.snapshot
    return accounts_digest(old, accounts) != accounts_digest(new, accounts)


def _seconds_to_look(changes: Refreshes | None, now: datetime) -> float:
    due = changes.next() if changes is not None else None
    return math.inf if due is None else max((due - now).total_seconds(), 0.1)


def _seconds_to_review(done: LandscapePass, now: datetime) -> float:
    """Until the day on which time alone changes the review."""
    if done.review_until is None:
        return math.inf
    return max((datetime.combine(done.review_until, time(), UTC) - now).total_seconds(), 0.1)
