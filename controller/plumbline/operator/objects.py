"""Objects of the API server as the operator reads them: valid ones, or their mistake written into their status."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import BaseModel, ValidationError

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import Condition
from plumbline.kube.client import BASELINES, SERVICE_ACCOUNTS, Json, KubeClient, Resource
from plumbline.operator.keys import Key
from plumbline.operator.writer import Writer, parsed
from plumbline.reconcile.conditions import conditions, stalled
from plumbline.reconcile.folder import IRSA_ANNOTATION
from plumbline.reconcile.resources import explain_errors


class Objects:
    """Raises KubeError."""

    def __init__(self, kube: KubeClient, writer: Writer, clock: Callable[[], datetime]) -> None:
        self._kube, self._writer, self._clock = kube, writer, clock

    def baselines_of(self, landscape: str) -> list[LeastPrivilegeBaseline]:
        """The readable ones; one that is not has no say in what others govern, and its status says why."""
        return list(parsed(LeastPrivilegeBaseline, self._living(landscape)).values())

    def keys_of(self, landscape: str) -> set[str]:
        """Of all baselines that there are, readable or not."""
        return set(self._living(landscape))

    def _living(self, landscape: str) -> dict[str, Json]:
        bodies = self._kube.list(BASELINES, fields=f"spec.landscapeRef.name={landscape}")
        return {
            f"{b['metadata']['namespace']}/{b['metadata']['name']}": b
            for b in bodies
            if not b["metadata"].get("deletionTimestamp")
        }

    def service_accounts(self, baselines: Iterable[LeastPrivilegeBaseline]) -> dict[str, str | None]:
        """namespace/name -> role ARN of the IRSA annotation, of the service accounts that baselines name."""
        found: dict[str, str | None] = {}
        for baseline in baselines:
            namespace = baseline.metadata.namespace or ""
            for target in baseline.spec.targets.service_accounts:
                body = self._kube.get(SERVICE_ACCOUNTS, namespace, target.name)
                if body is not None:
                    annotations = body["metadata"].get("annotations") or {}
                    found[f"{namespace}/{target.name}"] = annotations.get(IRSA_ANNOTATION)
        return found

    def valid(
        self, resource: Resource, model: type[BaseModel], body: Json, status_model: type[BaseModel]
    ) -> BaseModel | str:
        """The resource, or what is wrong with it, which then stands in its status."""
        try:
            return model.model_validate(body)
        except ValidationError as error:
            message = "; ".join(explain_errors(error, model))
        now, metadata = self._clock(), body["metadata"]
        raw = body.get("status") or {}
        try:
            before = [Condition.model_validate(c) for c in raw.get("conditions", ())]
        except ValidationError:
            before = []
        generation = int(metadata.get("generation", 1))
        found = conditions(before, stalled("InvalidSpec", message), generation, now)
        status = status_model.model_validate({"conditions": found, "observedGeneration": generation})
        meta = model.model_fields["metadata"].annotation.model_validate(metadata)  # type: ignore[union-attr]
        if self._writer.status(resource, meta, status, raw):
            self._writer.transitions(body, before, found, now)
        return message


def key_of(baseline: LeastPrivilegeBaseline) -> Key:
    return Key(BASELINES, baseline.metadata.namespace or "", baseline.metadata.name)
