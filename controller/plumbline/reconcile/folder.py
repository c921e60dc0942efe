"""The ResourceStore of a folder: YAML in, YAML out. Takes the place of the API server where there is no cluster.

`inputs` is only read. `state` holds `status/<plural>/[<namespace>/]<name>.yaml`, `proposals/<namespace>/<name>.yaml`,
`documents/<digest>.json`, and where asked for `verdicts/<namespace>/<baseline>.json`. A file is replaced by rename, and only when its content changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from plumbline.api.common import API_VERSION
from plumbline.api.proposal import RemediationProposal
from plumbline.reconcile.resources import MODELS, PLURALS, Invalid, Resource, Resources, explain_errors

IRSA_ANNOTATION = "eks.amazonaws.com/role-arn"
_NAMESPACED = {"LeastPrivilegeBaseline", "RemediationProposal"}


@dataclass
class FolderStore:
    inputs: Path
    state: Path
    written: int = field(default=0, init=False)

    def load(self) -> Resources:
        found: dict[str, dict[str, Any]] = {kind: {} for kind in MODELS}
        accounts: dict[str, str | None] = {}
        invalid: list[Invalid] = []
        for path in sorted(self.state.glob("proposals/*/*.yaml")):
            self._take(str(path), yaml.safe_load(path.read_text()), found, invalid)
        # What people write comes later and adds its decision to the proposal of the same name.
        for where, document in self._documents(invalid):
            if document.get("kind") == "ServiceAccount":
                metadata = document.get("metadata") or {}
                key = f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"
                accounts[key] = (metadata.get("annotations") or {}).get(IRSA_ANNOTATION)
            elif document.get("kind") in MODELS:
                self._take(where, document, found, invalid)
        return Resources(
            landscapes=found["IAMLandscape"],
            baselines=found["LeastPrivilegeBaseline"],
            proposals=found["RemediationProposal"],
            service_accounts=accounts,
            invalid=tuple(invalid),
        )

    def _documents(self, invalid: list[Invalid]) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(p for p in self.inputs.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file()):
            where = str(path.relative_to(self.inputs))
            try:
                documents = list(yaml.safe_load_all(path.read_text()))
            except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
                invalid.append(Invalid(where, "", "", (f"cannot be read as YAML: {' '.join(str(error).split())}",)))
                continue
            for index, document in enumerate(documents):
                if isinstance(document, dict):
                    yield (f"{where}#{index + 1}" if len(documents) > 1 else where), document

    def _take(
        self, where: str, document: dict[str, Any], found: dict[str, dict[str, Any]], invalid: list[Invalid]
    ) -> None:
        kind = str(document.get("kind"))
        metadata = document.get("metadata") if isinstance(document.get("metadata"), dict) else {}
        document = document | {"metadata": dict(metadata or {})}
        if kind in _NAMESPACED:
            document["metadata"].setdefault("namespace", "default")
        name = document["metadata"].get("name")
        key = f"{document['metadata']['namespace']}/{name}" if kind in _NAMESPACED else str(name)
        if document.get("apiVersion") != API_VERSION:
            message = f"apiVersion: {document.get('apiVersion')!r} is not valid: it must be {API_VERSION}"
            invalid.append(Invalid(where, kind, key if name else "", (message,), document))
            return
        if kind != "RemediationProposal":
            if key in found[kind]:
                invalid.append(Invalid(where, kind, "", (f"metadata.name: {key!r} stands twice; rename one of them",)))
                return
            document = document | self._remembered(kind, document)
        try:
            resource = MODELS[kind].model_validate(document)
        except ValidationError as error:
            invalid.append(Invalid(where, kind, key if name else "", explain_errors(error, MODELS[kind]), document))
            return
        known = found[kind].get(key)
        if isinstance(resource, RemediationProposal) and known is not None:
            spec = known.spec.model_copy(update={"decision": resource.spec.decision})
            resource = known.model_copy(update={"spec": spec})
        found[kind][key] = resource

    def _remembered(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        """Status and generation of the last pass. The generation grows with each change of the spec, as in a cluster."""
        digest = hashlib.sha256(json.dumps(document.get("spec"), sort_keys=True, default=str).encode()).hexdigest()
        path = self._status_path(kind, document["metadata"])
        last = yaml.safe_load(path.read_text()) if path.exists() else {}
        generation = int(last.get("metadata", {}).get("generation", 0))
        if last.get("specDigest") != digest:
            generation += 1
        metadata = document["metadata"] | {"generation": generation, "resourceVersion": digest}
        return {"metadata": metadata, "status": last.get("status")}

    def _status_path(self, kind: str, metadata: Mapping[str, Any]) -> Path:
        namespace = str(metadata.get("namespace") or "") if kind in _NAMESPACED else ""
        return self.state / "status" / PLURALS[kind] / namespace / f"{metadata.get('name')}.yaml"

    def write_status(self, resource: Resource) -> bool:
        metadata = {"name": resource.metadata.name, "generation": resource.metadata.generation}
        if resource.metadata.namespace:
            metadata["namespace"] = resource.metadata.namespace
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "specDigest": resource.metadata.resource_version,
            "status": _wire(resource.status),
        }
        return self._write(self._status_path(resource.kind, metadata), _yaml(body))

    def write_invalid(self, invalid: Invalid, status: Mapping[str, Any]) -> bool:
        metadata = dict(invalid.raw.get("metadata") or {})
        if not invalid.key:
            return False
        remembered = self._remembered(invalid.kind, {"metadata": metadata, "spec": invalid.raw.get("spec")})
        kept = {
            k: remembered["metadata"][k] for k in ("name", "namespace", "generation") if k in remembered["metadata"]
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": invalid.kind,
            "metadata": kept,
            "specDigest": remembered["metadata"]["resourceVersion"],
            "status": dict(status),
        }
        return self._write(self._status_path(invalid.kind, kept), _yaml(body))

    def write_proposal(self, proposal: RemediationProposal) -> bool:
        metadata = proposal.metadata
        body = {
            "apiVersion": proposal.api_version,
            "kind": proposal.kind,
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "labels": metadata.labels,
                "ownerReferences": [r.model_dump(by_alias=True, mode="json") for r in metadata.owner_references],
            },
            "spec": _wire(proposal.spec),
            "status": _wire(proposal.status),
        }
        return self._write(self.state / "proposals" / (metadata.namespace or "") / f"{metadata.name}.yaml", _yaml(body))

    def write_document(self, digest: str, text: str) -> bool:
        return self._write(self.state / "documents" / f"{digest}.json", text)

    def write_verdicts(self, namespace: str, name: str, text: str) -> bool:
        return self._write(self.state / "verdicts" / namespace / f"{name}.json", text)

    def write_metrics(self, text: str) -> bool:
        return self._write(self.state / "metrics.prom", text)

    def _write(self, path: Path, text: str) -> bool:
        if path.exists() and path.read_text() == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
        self.written += 1
        return True


def _wire(model: Any) -> Any:
    return None if model is None else model.model_dump(mode="json", by_alias=True, exclude_none=True)


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _yaml(body: Mapping[str, Any]) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
