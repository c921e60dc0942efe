"""Writes what a pass found into the cluster by server-side apply, only where it differs. Knows wire forms and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import structlog
from pydantic import BaseModel, ValidationError

from plumbline.api.common import Condition, ObjectMeta
from plumbline.kube.client import EVENTS, PROPOSALS, REPORTS, Json, KubeClient, Resource
from plumbline.kube.errors import KubeError

MANAGER: Final = "plumbline-operator"
_COMPONENT: Final = "plumbline"
_NOTE: Final = 1024  # characters that an Event's note may have

_log = structlog.get_logger()


def wire(model: BaseModel) -> Json:
    found: Json = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


class Writer:
    """`dirty` counts writes. Each method answers whether it wrote. Raises KubeError."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    def status(self, resource: Resource, metadata: ObjectMeta, status: BaseModel, old: Any) -> bool:
        """Applies the whole status. `old`: the status as the API server has it."""
        said = wire(status)
        if said == old:
            return False
        self._kube.apply(resource, {"metadata": _named(metadata), "status": said}, MANAGER, status=True)
        return True

    def child(self, resource: Resource, wanted: Any, old: Json | None) -> bool:
        """A proposal or report with its status. People's decision is theirs: it is no part of our intent."""
        spec = wire(wanted.spec)
        spec.pop("decision", None)
        body = {
            "metadata": {
                **_named(wanted.metadata),
                "labels": dict(wanted.metadata.labels),
                "ownerReferences": [wire(r) for r in wanted.metadata.owner_references],
            },
            "spec": spec,
        }
        wrote = False
        if old is not None and old["spec"].get("baselineRef") != spec["baselineRef"]:
            # A child belongs to one baseline for ever; under another one it is another object.
            self._kube.delete(resource, wanted.metadata.namespace, wanted.metadata.name, old["metadata"]["uid"])
            old = None
        if old is None or not _same_child(body, old):
            self._kube.apply(resource, body, MANAGER)
            wrote = True
        return self.status(resource, wanted.metadata, wanted.status, (old or {}).get("status")) or wrote

    def remove(self, resource: Resource, old: Json) -> None:
        metadata = old["metadata"]
        self._kube.delete(resource, metadata.get("namespace"), metadata["name"], metadata["uid"])

    def transitions(
        self, regarding: Json, before: Sequence[Condition], after: Iterable[Condition], now: datetime
    ) -> None:
        """One Event for each domain condition whose status has changed. An Event that cannot be written is logged: the
        condition says the same."""
        known = {c.type: c.status for c in before}
        for condition in after:
            if condition.type in _TOLD and known.get(condition.type, "Unknown") != condition.status != "Unknown":
                good = (
                    condition.status == "True" if condition.type not in _BAD_WHEN_TRUE else condition.status != "True"
                )
                self.event(regarding, "Normal" if good else "Warning", condition.reason, condition.message, now)

    def event(self, regarding: Json, kind: str, reason: str, note: str, now: datetime) -> None:
        metadata = regarding["metadata"]
        namespace = metadata.get("namespace") or "default"
        at = now.astimezone(UTC)
        body = {
            # As client-go names them; generateName would have to end in a letter or digit.
            "metadata": {"name": f"{metadata['name'][:200]}.{uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": f"{_COMPONENT}.dev/operator",
            "reportingInstance": _COMPONENT,
            "action": "Reconcile",
            "reason": reason[:128],
            "note": (note or reason)[:_NOTE],
            "type": kind,
            "regarding": {
                "apiVersion": regarding.get("apiVersion"),
                "kind": regarding.get("kind"),
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
            },
        }
        try:
            self._kube.create(EVENTS, namespace, body)
        except KubeError as error:
            _log.warning("event not written", reason=reason, error=str(error))


_TOLD: Final = frozenset(
    {
        "Compliant",
        "EvidenceComplete",
        "AccountsReachable",
        "AnalyzersInPlace",
        "EscalationWaysValid",
        "Stalled",
        "AcceptedAccessUnknown",
    }
)
_BAD_WHEN_TRUE: Final = frozenset({"Stalled", "AcceptedAccessUnknown"})


def _named(metadata: ObjectMeta) -> Json:
    return {"name": metadata.name} | ({"namespace": metadata.namespace} if metadata.namespace else {})


def _same_child(body: Mapping[str, Any], old: Json) -> bool:
    metadata, wanted = old["metadata"], body["metadata"]
    labels = metadata.get("labels") or {}
    owners = {reference.get("uid") for reference in metadata.get("ownerReferences") or ()}
    return (
        all(labels.get(k) == v for k, v in wanted["labels"].items())
        and all(reference["uid"] in owners for reference in wanted["ownerReferences"])
        and all(old["spec"].get(k) == v for k, v in body["spec"].items())
    )


def children(kube: KubeClient, resource: Resource, namespace: str | None, labels: str) -> dict[str, Json]:
    """Name -> the children with these labels, as the API server has them now."""
    return {item["metadata"]["name"]: item for item in kube.list(resource, namespace, labels=labels)}


def parsed(model: type[BaseModel], bodies: Mapping[str, Json]) -> dict[str, Any]:
    """The readable ones. One that an older version wrote and this one cannot read is written anew."""
    found = {}
    for name, body in bodies.items():
        try:
            found[name] = model.model_validate(body)
        except ValidationError as error:
            _log.warning("child not readable", name=name, errors=error.error_count())
    return found


__all__ = ["MANAGER", "PROPOSALS", "REPORTS", "Writer", "children", "parsed", "wire"]
