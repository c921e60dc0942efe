"""Reconciles one key, starting from a fresh GET. The same line as `plumbline run`, one object at a time.

Landscapes call AWS and wake their baselines; baselines and proposals never call AWS. Knows no queue, no kopf: it is called
from worker threads, and wakes other keys through the function that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
import sqlalchemy.exc
import structlog

from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.common import parse_duration
from plumbline.api.proposal import RemediationProposal
from plumbline.export.metrics import BaselineFigures
from plumbline.kube.client import (
    BASELINES,
    LANDSCAPES,
    PROPOSALS,
    Json,
    KubeClient,
)
from plumbline.kube.errors import Denied, KubeError, NotFound, Refused
from plumbline.operator.assessment import Assess, Assessments
from plumbline.operator.keys import Done, Gone, Key, Outcome, Retry, Stalled, Wake, jittered
from plumbline.operator.landscape_passes import LandscapePasses
from plumbline.operator.landscapes import Landscapes, version_of
from plumbline.operator.objects import Objects, key_of
from plumbline.operator.writer import Writer, parsed
from plumbline.reconcile.baseline_pass import assess_one, remember_decisions
from plumbline.reconcile.conditions import Fact, conditions, stalled
from plumbline.reconcile.figures import baseline_figures
from plumbline.reconcile.landscape import LandscapePass, OpenSessions, nothing_to_see

_EXPORT_AFTER = 5.0  # seconds, so that the findings of many baselines go together
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """`spread`: seconds over which a landscape's new pass wakes its baselines."""

    spread: float = 30.0


class Reconciler:
    """`wake` may be called from any thread. `figures`: what baselines said last, for the metrics."""

    def __init__(
        self,
        kube: KubeClient,
        engine: sa.Engine,
        sessions: OpenSessions,
        wake: Wake,
        *,
        settings: Settings | None = None,
        assess: Assess = assess_one,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._engine = engine
        self._wake = wake
        self._clock = clock
        self._writer = Writer(kube)
        self._objects = Objects(kube, self._writer, clock)
        self._assessments = Assessments(kube, engine, self._writer, assess)
        self.landscapes = Landscapes()
        self.landscape_passes = LandscapePasses(
            kube,
            engine,
            sessions,
            wake,
            landscapes=self.landscapes,
            assessments=self._assessments,
            objects=self._objects,
            writer=self._writer,
            spread=(settings or Settings()).spread,
            clock=clock,
        )
        self.figures: dict[Key, BaselineFigures] = {}
        self._suspended: set[Key] = set()  # baselines
        self._owners: dict[Key, Key] = {}  # of the proposals that were seen

    def suspended(self) -> set[Key]:
        """Landscapes and baselines that were suspended when they were last looked at."""
        return self._suspended | self.landscape_passes.suspended

    def reconcile(self, key: Key) -> Outcome:
        """Never raises for what fails outside: that is a Retry with its reason."""
        handler = {LANDSCAPES: self.landscape_passes.reconcile, BASELINES: self._baseline, PROPOSALS: self._child}[
            key.resource
        ]
        try:
            return handler(key)
        except NotFound as error:  # the namespace is being deleted, or the object went meanwhile
            return Retry(str(error))
        except (Refused, Denied) as error:
            _log.error("refused by the API server", key=str(key), error=str(error))
            return Retry(str(error))
        except KubeError as error:
            return Retry(str(error), error.retry_after or 0.0)
        except sqlalchemy.exc.SQLAlchemyError as error:
            return Retry(f"store: {str(error).splitlines()[0]}")

    # Baselines

    def _baseline(self, key: Key) -> Outcome:
        self._suspended.discard(key)
        body = self._kube.get(BASELINES, key.namespace, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._forget_baseline(key)
            return Gone()
        baseline = self._objects.valid(BASELINES, LeastPrivilegeBaseline, body, BaselineStatus)
        if not isinstance(baseline, LeastPrivilegeBaseline):
            self._forget_baseline(key)
            return Stalled(str(baseline))
        now = self._clock()
        name = baseline.spec.landscape_ref.name
        self._reselect(key, baseline, name)
        if baseline.spec.suspend:
            self.landscapes.places(name).forget(baseline.metadata.key)
            self._suspended.add(key)
            return Done()
        known = self.landscapes.get(name)
        if known is None:
            return self._without_landscape(baseline, body, name, now)
        why = nothing_to_see(known.done.view.snapshot)
        if why:
            # Why is said in the landscape: the message of AWS names principals that are none of the namespace's.
            reason = f"the landscape {name} shows no account; its status says why"
            return self._not_assessed(baseline, body, "LandscapeNotReady", reason, now)
        return self._assessed(key, baseline, body, known.done, now)

    def _reselect(self, key: Key, baseline: LeastPrivilegeBaseline, name: str) -> None:
        """A baseline that the landscape's pass does not know: roles are selected and governed anew, without AWS; the
        landscape is only asked where evidence was never collected."""
        for other in self.landscapes.names():  # the one that it has left
            left = self.landscapes.get(other)
            if other != name and left is not None and baseline.metadata.key in left.baselines:
                self._reselect_all(other, but=key)
        known = self.landscapes.get(name)
        if known is None or known.baselines.get(baseline.metadata.key) == version_of(baseline):
            return
        self._reselect_all(name, but=key)

    def _reselect_all(self, name: str, but: Key | None) -> None:
        baselines = self._objects.baselines_of(name)
        changed, unasked = self.landscapes.reselect(name, baselines, self._objects.service_accounts(baselines))
        for other in changed:
            namespace, _, called = other.partition("/")
            wanted = Key(BASELINES, namespace, called)
            if wanted != but:
                self._wake(wanted, 0.0)
        if unasked:
            self.landscapes.expire(name)
            self._wake(Key(LANDSCAPES, "", name), 0.0)
        self._wake_offered(name)

    def _forget_baseline(self, key: Key) -> None:
        """Roles that it governed may be another's now."""
        self.figures.pop(key, None)
        self._assessments.forget(key)
        for name in self.landscapes.names():
            known = self.landscapes.get(name)
            if known is not None and f"{key.namespace}/{key.name}" in known.baselines:
                self._reselect_all(name, but=key)

    def _without_landscape(self, baseline: LeastPrivilegeBaseline, body: Json, name: str, now: datetime) -> Outcome:
        landscape = self._kube.get(LANDSCAPES, None, name)
        if landscape is None:
            message = f"the landscape {name} does not exist; create it, or correct spec.landscapeRef.name"
            return self._not_assessed(baseline, body, "LandscapeNotFound", message, now)
        for condition in (landscape.get("status") or {}).get("conditions", ()):
            if condition["type"] == "Stalled" and condition["status"] == "True":
                message = f"the landscape {name} cannot be read: {condition.get('message', '')}"
                return self._not_assessed(baseline, body, "LandscapeNotReady", message, now)
        old = baseline.status or BaselineStatus()
        if landscape.get("spec", {}).get("suspend"):
            if old.assessed_at is not None:
                return Done()  # left as it is
            message = f"the landscape {name} is suspended; its administrators can set spec.suspend to false"
            return self._not_assessed(baseline, body, "LandscapeNotReady", message, now)
        if not old.conditions or any((c.type, c.status) == ("Stalled", "True") for c in old.conditions):
            message = f"waiting for the first pass of the landscape {name}"
            names = ("Ready", "Compliant", "EvidenceComplete")
            facts = [Fact(n, "Unknown", "Progressing", message) for n in names]
            facts.append(Fact("Reconciling", "True", "Progressing", message))
            self._write_facts(baseline, body, facts, now)
        return Done()  # the landscape wakes it

    def _not_assessed(
        self, baseline: LeastPrivilegeBaseline, body: Json, reason: str, message: str, now: datetime
    ) -> Outcome:
        """Figures of the last pass stay, dated by assessedAt; nothing is superseded."""
        self._assessments.doubt(key_of(baseline))
        self._write_facts(baseline, body, stalled(reason, message, "Compliant", "EvidenceComplete"), now)
        return Stalled(message)

    def _write_facts(self, baseline: LeastPrivilegeBaseline, body: Json, facts: Sequence[Fact], now: datetime) -> None:
        old = baseline.status or BaselineStatus()
        generation = baseline.metadata.generation
        found = conditions(old.conditions, facts, generation, now)
        status = old.model_copy(update={"conditions": found, "observed_generation": generation})
        if self._writer.status(BASELINES, baseline.metadata, status, body.get("status")):
            self._writer.transitions(body, old.conditions, found, now)
        self.figures[key_of(baseline)] = baseline_figures(baseline, status)

    def _assessed(
        self, key: Key, baseline: LeastPrivilegeBaseline, body: Json, done: LandscapePass, now: datetime
    ) -> Outcome:
        if baseline.metadata.key not in done.selections:
            return Retry("the landscape's pass does not know the baseline yet")
        name = baseline.spec.landscape_ref.name
        before = self._assessments.findings.get(baseline.metadata.key)
        status = self._assessments.run(key, baseline, body, done, self.landscapes.places(name), now)
        if done.landscape.spec.security_hub and self._assessments.findings.get(baseline.metadata.key) != before:
            self._wake(Key(LANDSCAPES, "", name), _EXPORT_AFTER)
        self.figures[key] = baseline_figures(baseline, status)
        self._wake_offered(name)
        return Done(jittered(parse_duration(baseline.spec.interval), key))

    def _wake_offered(self, landscape: str) -> None:
        """Those that wait for a place which is free now."""
        for waiting in sorted(self.landscapes.places(landscape).offered()):
            namespace, _, name = waiting.partition("/")
            self._wake(Key(BASELINES, namespace, name), 0.0)

    # Proposals

    def _child(self, key: Key) -> Outcome:
        """A person has decided, or a proposal was changed or deleted: its baseline says what it should be. A decision is
        remembered at once, because the baseline may be suspended, or deleted next."""
        body = self._kube.get(PROPOSALS, key.namespace, key.name)
        if body is None:
            if owner := self._owners.pop(key, None):
                self._wake(owner, 0.0)
            return Gone()
        self._owners[key] = Key(BASELINES, key.namespace, body["spec"]["baselineRef"]["name"])
        readable = parsed(RemediationProposal, {key.name: body})
        remember_decisions(self._engine, key.namespace, readable.values(), self._clock())
        self._wake(self._owners[key], 0.0)
        return Done()
