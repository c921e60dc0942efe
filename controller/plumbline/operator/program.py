"""The operator as a process: checks its rights, starts everything, and ends within the grace period."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass

import kopf
import sqlalchemy as sa
import structlog

from plumbline.dashboard.access import ProxyHeader, Tokens
from plumbline.dashboard.server import Server
from plumbline.dashboard.site import Site
from plumbline.kube.client import (
    BASELINES,
    EVENTS,
    LANDSCAPES,
    PROPOSALS,
    REPORTS,
    SERVICE_ACCOUNTS,
    KubeClient,
    Resource,
)
from plumbline.kube.errors import Unavailable
from plumbline.kube.reviews import ACCESS_REVIEWS, TOKEN_REVIEWS
from plumbline.operator.figures import metrics
from plumbline.operator.handlers import Version, Watcher, log_like_ourselves, registry_of, settings_of, version_of
from plumbline.operator.health import Health
from plumbline.operator.keys import Key
from plumbline.operator.loop import Loop
from plumbline.operator.pictures import OperatorPictures
from plumbline.operator.reconcile import Reconciler, Settings
from plumbline.reconcile.landscape import OpenSessions, open_sessions

_Rights = tuple[tuple[Resource, str, tuple[str, ...]], ...]
# What deploy/kubernetes/operator/rbac.yaml grants; a test reads the audit log and compares both ways.
RIGHTS: _Rights = (
    (LANDSCAPES, "", ("get", "list", "watch")),
    (LANDSCAPES, "status", ("patch",)),
    (BASELINES, "", ("get", "list", "watch")),
    (BASELINES, "status", ("patch",)),
    (PROPOSALS, "", ("get", "list", "watch", "create", "patch", "delete")),
    (PROPOSALS, "status", ("patch",)),
    (REPORTS, "", ("list", "create", "patch", "delete")),
    (REPORTS, "status", ("patch",)),
    (SERVICE_ACCOUNTS, "", ("get",)),
    (EVENTS, "", ("create",)),
)
# What the component deploy/kubernetes/dashboard adds.
DASHBOARD_RIGHTS: _Rights = ((TOKEN_REVIEWS, "", ("create",)), (ACCESS_REVIEWS, "", ("create",)))
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`port` 0 takes a free one. `user_header`: a proxy in the same pod names the user there, so nobody else may reach the
    port; without it, every request brings a token."""

    port: int
    user_header: str = ""
    group_header: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    port: int = 8080
    workers: int = 4
    sweep_every: float = 600.0
    spread: float = 30.0
    grace: float = 20.0
    dashboard: Dashboard | None = None


def missing_rights(kube: KubeClient, *, dashboard: bool = False) -> list[str]:
    """The rights that the service account lacks. kopf would retry a refusal for most of a minute without a word."""
    return [
        f"{verb} {resource.plural}{'/' + sub if sub else ''}.{resource.group or 'core'}"
        for resource, sub, verbs in (*RIGHTS, *(DASHBOARD_RIGHTS if dashboard else ()))
        for verb in verbs
        if not kube.may(verb, resource, sub)
    ]


async def operate(
    kube: KubeClient, engine: sa.Engine, options: Options, sessions: OpenSessions = open_sessions
) -> bool:
    """Runs until SIGTERM or SIGINT. Whether all work has ended: else a thread is still at it. Raises KubeError when the API
    server cannot be asked, OSError when the port is taken."""
    log_like_ourselves()
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
    reconciler: Reconciler
    loop = Loop(
        lambda key: reconciler.reconcile(key),  # noqa: PLW0108 - it is made below, and needs the loop's queue
        lambda: _all(kube),
        workers=options.workers,
        sweep_every=options.sweep_every,
    )
    reconciler = Reconciler(kube, engine, sessions, loop.add, settings=Settings(options.spread))
    watcher = Watcher(loop.queue.add)
    health = Health(options.port, live=loop.live, ready=loop.ready, metrics=lambda: metrics(reconciler, loop, watcher))
    dashboard = _dashboard(kube, reconciler, options.dashboard) if options.dashboard else None
    if dashboard is not None:
        dashboard.start()
    shown = {} if dashboard is None else {"dashboard": dashboard.port}
    _log.info("operator started", port=health.port, workers=options.workers, **shown)
    # kopf cancels tasks at its end that it does not know, unless they began before it.
    loop.start()
    informer = asyncio.create_task(
        kopf.operator(
            registry=registry_of(watcher, lambda: kopf.ConnectionInfo(**kube.connection())),  # type: ignore[arg-type]
            settings=settings_of(),
            clusterwide=True,
            standalone=True,  # and without a flag to stop: kopf waits 5 s for those who wait for it
        )
    )
    try:
        await asyncio.wait([informer, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        # kopf takes the signals over and then ends without an error; with one, a new process has to watch anew: to go on
        # without watches would be to see only what the sweep sees.
        if informer.done() and (error := informer.exception()) is not None:
            raise Unavailable(f"the watches have ended: {error}") from error
    finally:
        _log.info("operator stops", grace=options.grace)
        reconciler.landscape_passes.queues.close()
        ended = await loop.stop(options.grace)
        informer.cancel()
        with suppress(asyncio.CancelledError, TimeoutError):
            # gather, because the informer's own error must not come in place of ours.
            await asyncio.wait_for(asyncio.gather(informer, return_exceptions=True), 5)
        health.close()
        if dashboard is not None:
            dashboard.close()
    return ended


def _dashboard(kube: KubeClient, reconciler: Reconciler, options: Dashboard) -> Server:
    pictures = OperatorPictures(kube, reconciler.landscapes)
    if options.user_header:
        site = Site(pictures, ProxyHeader(kube, options.user_header, options.group_header))
        return Server(site, "127.0.0.1", options.port)
    return Server(Site(pictures, Tokens(kube)), "", options.port)


def _all(kube: KubeClient) -> dict[Key, Version]:
    return {
        Key(resource, item["metadata"].get("namespace") or "", item["metadata"]["name"]): version_of(item["metadata"])
        for resource in (LANDSCAPES, BASELINES, PROPOSALS)
        for item in kube.list(resource)
    }
