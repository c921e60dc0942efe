"""The metrics of the operator: what the last passes found, and how the loop is doing. Built anew for each scrape."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from plumbline import __version__
from plumbline.export.metrics import CallFigures, Figures, render
from plumbline.iam.catalogue import catalogue
from plumbline.operator.handlers import Watcher
from plumbline.operator.loop import Loop
from plumbline.operator.reconcile import Reconciler
from plumbline.reconcile.figures import (
    account_figures,
    activity_figures,
    all_collected,
    analyzer_figures,
    external_access_figures,
    finding_figures,
    policy_document_figures,
    policy_finding_figures,
    review_complete,
    review_figures,
    risk_figures,
    unused_access_figures,
)

_KINDS = ("IAMLandscape", "LeastPrivilegeBaseline", "RemediationProposal")
_OUTCOMES = ("Done", "Retry", "Stalled", "Gone")


def metrics(reconciler: Reconciler, loop: Loop, watcher: Watcher) -> str:
    """The text exposition. Series of what is gone disappear: nothing is kept but what exists, and the calls of AWS."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Operator(loop, watcher))
    registry.register(_Queues(reconciler))
    registry.register(_Suspended(reconciler))
    return render(_figures(reconciler)) + generate_latest(registry).decode()


def _figures(reconciler: Reconciler) -> Figures:
    known = [(name, found.done) for name in reconciler.landscapes.names() if (found := reconciler.landscapes.get(name))]
    calls: dict[tuple[str, str, str], int] = {}
    for call, number in reconciler.landscape_passes.calls.counts().items():
        key = (call.service, call.operation, call.code)
        calls[key] = calls.get(key, 0) + number
    return Figures(
        baselines=tuple(reconciler.figures.copy().values()),
        accounts=tuple(row for _, done in known for row in account_figures(done)),
        calls=tuple(CallFigures(*key, number) for key, number in sorted(calls.items())),
        scanned=tuple((*key, number) for key, number in reconciler.landscape_passes.calls.scanned_bytes().items()),
        events=tuple(
            (name, bin_, number)
            for name, done in known
            for bin_, number in done.evidence.records.items()
            if bin_ != "records"
        ),
        activity=tuple(row for _, done in known for row in activity_figures(done)),
        findings=tuple(row for _, done in known for row in finding_figures(done)),
        reviewed=tuple(row for _, done in known for row in review_figures(done)),
        review_complete=tuple(row for _, done in known for row in review_complete(done)),
        risk=tuple(row for _, done in known for row in risk_figures(done)),
        analyzers=tuple(row for _, done in known for row in analyzer_figures(done)),
        unused_access=tuple(row for _, done in known for row in unused_access_figures(done)),
        external_access=tuple(row for _, done in known for row in external_access_figures(done)),
        policy_findings=tuple(row for _, done in known for row in policy_finding_figures(done)),
        policy_documents=tuple(row for _, done in known for row in policy_document_figures(done)),
        last_success=tuple(
            (name, done.status.collected_at)
            for name, done in known
            if all_collected(done) and done.status.collected_at is not None
        ),
        version=__version__,
        catalogue=catalogue().version,
    )


class _Operator:
    def __init__(self, loop: Loop, watcher: Watcher) -> None:
        self._loop = loop
        self._watcher = watcher

    def collect(self) -> Iterable[Metric]:
        loop = self._loop
        outcomes = CounterMetricFamily("plumbline_reconcile", "Passes by outcome.", labels=["kind", "outcome"])
        seconds = CounterMetricFamily("plumbline_reconcile_seconds", "Time spent in passes.", labels=["kind"])
        for kind in _KINDS:
            seconds.add_metric([kind], float(loop.seconds[kind]))
            for outcome in _OUTCOMES:
                outcomes.add_metric([kind, outcome], loop.outcomes[kind, outcome])
        yield outcomes
        yield seconds
        yield CounterMetricFamily(
            "plumbline_watch_events", "Events that the watches delivered.", value=self._watcher.events
        )
        yield CounterMetricFamily(
            "plumbline_workqueue_retries", "Passes that failed and are tried again.", value=loop.queue.retries_total
        )
        yield GaugeMetricFamily("plumbline_workqueue_depth", "Keys that wait for a worker.", value=loop.queue.depth)
        yield GaugeMetricFamily(
            "plumbline_workqueue_failing",
            "Keys whose last pass failed; they are tried again for ever.",
            value=loop.queue.failing,
        )
        yield GaugeMetricFamily(
            "plumbline_workqueue_oldest_age_seconds",
            "How long the first key has been waiting.",
            value=loop.queue.oldest_age(),
        )
        yield GaugeMetricFamily(
            "plumbline_last_successful_sweep_timestamp_seconds",
            "When everything was last listed.",
            value=loop.last_sweep or 0,
        )
        yield GaugeMetricFamily(
            "plumbline_loop_heartbeat_timestamp_seconds",
            "When the event loop last turned.",
            value=time.time() - (time.monotonic() - loop.heartbeat),
        )


class _Queues:
    def __init__(self, reconciler: Reconciler) -> None:
        self._queues = reconciler.landscape_passes.queues

    def collect(self) -> Iterable[Metric]:
        readable = GaugeMetricFamily(
            "plumbline_change_queue_readable",
            "1 while the landscape's change queue can be read.",
            labels=["landscape"],
        )
        messages = CounterMetricFamily(
            "plumbline_change_queue_messages", "Messages taken from the change queue.", labels=["landscape"]
        )
        for landscape, can_be_read, number in self._queues.figures():
            readable.add_metric([landscape], float(can_be_read))
            messages.add_metric([landscape], number)
        yield readable
        yield messages


class _Suspended:
    """What is suspended raises no alert of its own any more: so that itself can be alerted on."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    def collect(self) -> Iterable[Metric]:
        suspended = GaugeMetricFamily(
            "plumbline_suspended",
            "1 for each landscape and baseline that is suspended.",
            labels=["kind", "namespace", "name"],
        )
        for key in sorted(self._reconciler.suspended(), key=str):
            suspended.add_metric([key.resource.kind, key.namespace, key.name], 1.0)
        yield suspended
