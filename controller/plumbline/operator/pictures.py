"""What the dashboard shows of the operator: the last pass of each landscape, with its baselines and proposals as the API
server has them.

Reads memory and the API server; opens no store and calls no AWS. One picture is made at a time, and kept for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.analysis import Memory
from plumbline.dashboard.passes import picture_of, report_of
from plumbline.dashboard.picture import Picture
from plumbline.export.analysis import Report
from plumbline.kube.client import BASELINES, PROPOSALS, KubeClient, Resource
from plumbline.operator.landscapes import Landscapes, Version, version_of
from plumbline.operator.writer import parsed
from plumbline.reconcile.landscape import LandscapePass

_Model = TypeVar("_Model", LeastPrivilegeBaseline, RemediationProposal)
KEPT = 15.0  # seconds for which baselines and proposals are not read again


@dataclass(frozen=True, slots=True)
class _Kept:
    done: LandscapePass
    versions: dict[str, Version]
    report: Report
    picture: Picture
    at: float


class OperatorPictures:
    """Thread-safe. The analysis is made anew only for another pass, or other baselines, and then of what has changed."""

    def __init__(
        self, kube: KubeClient, landscapes: Landscapes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kube, self._landscapes, self._clock = kube, landscapes, clock
        self._kept: dict[str, _Kept] = {}
        self._memories: dict[str, Memory] = {}
        self._lock = threading.Lock()
        landscapes.on_forget(self._forget)

    def names(self) -> Sequence[str]:
        return self._landscapes.names()

    def picture(self, name: str) -> Picture | None:
        """Raises KubeError."""
        with self._lock:
            known = self._landscapes.get(name)
            if known is None:
                return None
            kept = self._kept.get(name)
            if kept is None or kept.done is not known.done or self._clock() - kept.at > KEPT:
                try:
                    kept = self._kept[name] = self._made(name, known.done, kept)
                finally:
                    if self._landscapes.get(name) is None:  # it went meanwhile
                        self._forget(name)
            return kept.picture

    def _forget(self, name: str) -> None:
        """Without the lock, which is held as long as a picture takes."""
        self._kept.pop(name, None)
        self._memories.pop(name, None)

    def _made(self, name: str, done: LandscapePass, kept: _Kept | None) -> _Kept:
        # Chosen here and not by the API server: proposals cannot be asked for by their landscape.
        baselines = [
            baseline
            for baseline in self._all(BASELINES, LeastPrivilegeBaseline, f"spec.landscapeRef.name={name}")
            if baseline.metadata.key in done.selections
        ]
        versions = {baseline.metadata.key: version_of(baseline) for baseline in baselines}
        same = kept is not None and kept.done is done and kept.versions == versions
        memory = self._memories.setdefault(name, Memory())
        report = kept.report if kept is not None and same else report_of(done, baselines, memory)
        proposals = self._all(PROPOSALS, RemediationProposal) if baselines else []
        return _Kept(done, versions, report, picture_of(done, report, baselines, proposals), self._clock())

    def _all(self, resource: Resource, model: type[_Model], fields: str = "") -> list[_Model]:
        bodies = {
            f"{body['metadata'].get('namespace')}/{body['metadata']['name']}": body
            for body in self._kube.list(resource, fields=fields)
        }
        return list(parsed(model, bodies).values())
