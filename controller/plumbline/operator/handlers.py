"""kopf as the informer: every event only puts a key into the queue. No timers, daemons, indexes or finalizers.

Why: a kopf timer dies with one failed patch, its index is quadratic, and finalizers make deletions hang
(https://github.com/nolar/kopf/issues/642, https://github.com/nolar/kopf/issues/1243).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import kopf
import structlog

from plumbline.api.common import GROUP, REQUESTED_AT
from plumbline.kube.client import BASELINES, LANDSCAPES, PROPOSALS, Resource
from plumbline.operator.keys import Key

Add = Callable[[Key], None]
Version = tuple[Any, ...]


def version_of(metadata: Mapping[str, Any]) -> Version:
    """What people change; a status of our own does not."""
    annotations = metadata.get("annotations") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        annotations.get(REQUESTED_AT),
    )


class Watcher:
    """Tells changes that matter from those that do not: our own status must not trigger us."""

    def __init__(self, add: Add) -> None:
        self._add = add
        self._seen: dict[Key, Version] = {}
        self.events = 0

    def saw(self, resource: Resource, event: Mapping[str, Any]) -> None:
        metadata = event["object"]["metadata"]
        key = Key(resource, metadata.get("namespace") or "", metadata["name"])
        self.events += 1
        if event.get("type") == "DELETED":
            # Also what no longer matches a selector arrives so; the GET says what is true.
            self._seen.pop(key, None)
            self._add(key)
            return
        version = version_of(metadata)
        if self._seen.get(key) != version:
            self._seen[key] = version
            self._add(key)


def registry_of(watcher: Watcher, token: Callable[[], kopf.ConnectionInfo]) -> kopf.OperatorRegistry:
    """A registry of our own, with the three kinds and a login that uses what our client uses."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return token()

    for resource in (LANDSCAPES, BASELINES, PROPOSALS):
        _watch(registry, resource, watcher)
    return registry


def _watch(registry: kopf.OperatorRegistry, resource: Resource, watcher: Watcher) -> None:
    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=f"watch-{resource.plural}")
    async def saw(event: Any, **_: Any) -> None:
        watcher.saw(resource, event)


def settings_of() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.watching.server_timeout = 10 * 60
    settings.watching.client_timeout = 10 * 60 + 30
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = [1, 2, 3, 5, 8, 13]
    # Else it would kill us so many seconds after a signal, whatever still runs within our own grace.
    settings.process.ultimate_exiting_timeout = None
    # Without these kopf would watch all CRDs and namespaces, and ask for the rights to do so.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False  # our Events come from conditions
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    return settings


def log_like_ourselves() -> None:
    """Its records carry its whole settings, and are text: only warnings are for people, as JSON lines with our keys."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    for name in ("kopf", "aiohttp", "asyncio"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.handlers, logger.propagate = [handler], False
