"""The ResourceStore of a folder: YAML in, YAML out. Takes the place of the API server where there is no cluster.

`inputs` is only read. `state` holds `status/<plural>/[<namespace>/]<name>.yaml`, `proposals/<namespace>/<name>.yaml`,
`documents/<digest>.json`, and where asked for `verdicts/<namespace>/<baseline>.json`, `inactivity/<landscape>.json` and
`report/<landscape>.html`.
A file is replaced by rename, and only when its content changes. What cannot be read is reported, and stops nothing else.
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

from pydantic import ValidationError

from plumbline.api.proposal import RemediationProposal
from plumbline.reconcile import manifests
from plumbline.reconcile.resources import MODELS, PLURALS, Invalid, Resource, Resources, explain_errors

IRSA_ANNOTATION = "eks.amazonaws.com/role-arn"
_NAMESPACED = {"LeastPrivilegeBaseline", "RemediationProposal"}
_REMEDY = "it is written anew, and the damaged one kept beside it; restore it from a copy to keep what it remembered"


@dataclass
class _Found:
    """What one reading of the folders gives."""

    resources: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in MODELS})
    accounts: dict[str, str | None] = field(default_factory=dict)
    invalid: list[Invalid] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def wrong(self, where: str, kind: str, key: str, messages: tuple[str, ...], raw: Mapping[str, Any]) -> None:
        self.invalid.append(Invalid(where, kind, key, messages, raw))


@dataclass
class FolderStore:
    inputs: Path
    state: Path
    written: int = field(default=0, init=False)
    _damaged: set[Path] = field(default_factory=set, init=False)

    def load(self) -> Resources:
        found = _Found()
        for path in sorted(self.state.glob("proposals/*/*.yaml")):
            document = self._own(path, found)
            if document is not None:
                self._take_own_proposal(path, document, found)
        # What people write comes later and adds its decision to the proposal of the same name.
        for where, document in self._documents(found):
            wrong = manifests.wrong_type(document, MODELS)
            kind = str(document.get("kind"))
            if wrong:
                key = self._key(kind, document) if kind in MODELS else ""
                found.wrong(where, kind, key, (wrong,), document)
            elif kind == "ServiceAccount":
                self._take_service_account(document, found)
            elif kind == "RemediationProposal":
                self._take_decision(where, document, found)
            elif kind in MODELS:
                self._take(where, kind, document, found)
        return Resources(
            landscapes=found.resources["IAMLandscape"],
            baselines=found.resources["LeastPrivilegeBaseline"],
            proposals=found.resources["RemediationProposal"],
            service_accounts=found.accounts,
            invalid=tuple(found.invalid),
        )

    def _documents(self, found: _Found) -> Iterator[tuple[str, dict[str, Any]]]:
        state = self.state.resolve()
        for path in sorted(p for p in self.inputs.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file()):
            inner = path.relative_to(self.inputs)
            # What we wrote is no input, also where the state lies among the inputs; nor is what is hidden: .git, or the
            # folders behind the links of a mounted ConfigMap, which would show every file twice.
            if path.resolve().is_relative_to(state) or any(part.startswith(".") for part in inner.parts):
                continue
            where = str(inner)
            try:
                documents = list(manifests.expanded(manifests.read_all(path.read_text(encoding="utf-8"))))
            except manifests.UNREADABLE as error:
                problem = f"cannot be read as YAML: {' '.join(str(error).split())}; correct the file"
                found.wrong(where, "", "", (problem,), {})
                continue
            for index, document in enumerate(documents):
                yield (f"{where}#{index + 1}" if len(documents) > 1 else where), document

    def _own(self, path: Path, found: _Found) -> dict[str, Any] | None:
        """A file that we wrote; None where it is damaged."""
        try:
            documents = manifests.read_all(path.read_text(encoding="utf-8"))
        except manifests.UNREADABLE as error:
            problem = " ".join(str(error).split())
        else:
            if len(documents) == 1 and isinstance(documents[0], dict):
                return documents[0]
            problem = "it does not hold one object"
        self._damage(path, (f"cannot be read: {problem}",), found)
        return None

    def _damage(self, path: Path, messages: tuple[str, ...], found: _Found) -> None:
        self._damaged.add(path)
        where = str(path.relative_to(self.state))
        found.wrong(where, "", "", tuple(f"{message}; {_REMEDY}" for message in messages), {})

    def _take_service_account(self, document: Mapping[str, Any], found: _Found) -> None:
        metadata = manifests.metadata_of(document)
        annotations = metadata.get("annotations")
        arn = annotations.get(IRSA_ANNOTATION) if isinstance(annotations, dict) else None
        found.accounts[f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"] = arn

    def _take_own_proposal(self, path: Path, document: dict[str, Any], found: _Found) -> None:
        kind = "RemediationProposal"
        for part in (document, document | {"status": None}):  # a damaged status takes no decision with it
            try:
                proposal = RemediationProposal.model_validate(part)
            except ValidationError as error:
                if part is document:
                    self._damage(path, explain_errors(error, RemediationProposal), found)
            else:
                found.resources[kind][proposal.metadata.key] = proposal
                return

    def _take_decision(self, where: str, document: dict[str, Any], found: _Found) -> None:
        """What people say about a proposal: they decide, and what is found is ours to say."""
        kind = "RemediationProposal"
        whole = document | {"metadata": self._metadata(kind, document), "status": None}
        try:
            proposal = RemediationProposal.model_validate(whole)
        except ValidationError as error:
            found.wrong(where, kind, self._key(kind, document), explain_errors(error, RemediationProposal), document)
            return
        known = found.resources[kind].get(proposal.metadata.key)
        if known is not None:
            spec = known.spec.model_copy(update={"decision": proposal.spec.decision})
            proposal = known.model_copy(update={"spec": spec})
        found.resources[kind][proposal.metadata.key] = proposal

    def _take(self, where: str, kind: str, document: dict[str, Any], found: _Found) -> None:
        key, metadata = self._key(kind, document), self._metadata(kind, document)
        if key and (kind, key) in found.seen:
            message = f"metadata.name: {key!r} stands twice; rename one of them"
            found.wrong(where, kind, "", (message,), document)
            return
        found.seen.add((kind, key))
        try:
            resource = MODELS[kind].model_validate(document | {"metadata": metadata, "status": None})
        except ValidationError as error:
            found.wrong(where, kind, key, explain_errors(error, MODELS[kind]), document)
            return
        generation, digest, status = self._remembered(kind, metadata, document.get("spec"), found)
        changed = {"generation": generation, "resource_version": digest}
        resource = resource.model_copy(update={"metadata": resource.metadata.model_copy(update=changed)})
        found.resources[kind][key] = self._with_status(resource, status, found)

    def _with_status(self, resource: Any, status: Any, found: _Found) -> Any:
        if status is None:
            return resource
        kind = resource.kind
        whole = resource.model_dump(mode="json", by_alias=True) | {"status": status}
        try:
            return resource.model_copy(update={"status": MODELS[kind].model_validate(whole).status})
        except ValidationError as error:
            path = self._status_path(kind, resource.metadata.namespace, resource.metadata.name)
            self._damage(path, explain_errors(error, MODELS[kind]), found)
            return resource

    def _metadata(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        metadata = manifests.metadata_of(document)
        if kind not in _NAMESPACED:
            return {k: v for k, v in metadata.items() if k != "namespace"}
        return metadata | {"namespace": metadata.get("namespace") or "default"}

    def _key(self, kind: str, document: Mapping[str, Any]) -> str:
        """How the resource is called; empty where its name could name no file."""
        metadata = self._metadata(kind, document)
        parts = [metadata["namespace"], metadata.get("name")] if kind in _NAMESPACED else [metadata.get("name")]
        return "/".join(map(str, parts)) if all(manifests.is_name(part) for part in parts) else ""

    def _remembered(
        self, kind: str, metadata: Mapping[str, Any], spec: Any, found: _Found | None = None
    ) -> tuple[int, str, Any]:
        """Generation, digest of the spec and last status. The generation grows with each change, as in a cluster."""
        path = self._status_path(kind, metadata.get("namespace"), str(metadata["name"]))
        last = (self._own(path, found or _Found()) if path.exists() else None) or {}
        generation = manifests.metadata_of(last).get("generation")
        generation = generation if isinstance(generation, int) else 0
        digest = _digest(spec)
        return generation + (last.get("specDigest") != digest), digest, last.get("status")

    def _status_path(self, kind: str, namespace: str | None, name: str) -> Path:
        return (
            self.state / "status" / PLURALS[kind] / ((namespace or "") if kind in _NAMESPACED else "") / f"{name}.yaml"
        )

    def write_status(self, resource: Resource) -> bool:
        metadata = resource.metadata
        status = _wire(resource.status)
        return self._write_status(
            resource.kind, metadata.namespace, metadata.name, metadata.generation, metadata.resource_version, status
        )

    def write_invalid(self, invalid: Invalid, status: Mapping[str, Any]) -> bool:
        """The status of a resource that cannot be read; of one without a usable name there is none."""
        if not invalid.key or invalid.kind not in PLURALS:
            return False
        metadata = self._metadata(invalid.kind, invalid.raw)
        generation, digest, _ = self._remembered(invalid.kind, metadata, invalid.raw.get("spec"))
        name, namespace = metadata["name"], metadata.get("namespace")
        return self._write_status(invalid.kind, namespace, name, generation, digest, dict(status))

    def _write_status(
        self, kind: str, namespace: str | None, name: str, generation: int, digest: str | None, status: Any
    ) -> bool:
        body = {
            "apiVersion": MODELS[kind].model_fields["api_version"].default,
            "kind": kind,
            "metadata": {"name": name, "generation": generation} | ({"namespace": namespace} if namespace else {}),
            "specDigest": digest,
            "status": status,
        }
        return self._write(self._status_path(kind, namespace, name), manifests.write(body))

    def write_proposal(self, proposal: RemediationProposal) -> bool:
        metadata = proposal.metadata
        namespace = metadata.namespace or "default"
        body = {
            "apiVersion": proposal.api_version,
            "kind": proposal.kind,
            "metadata": {
                "name": metadata.name,
                "namespace": namespace,
                "labels": metadata.labels,
                "ownerReferences": [r.model_dump(by_alias=True, mode="json") for r in metadata.owner_references],
            },
            "spec": _wire(proposal.spec),
            "status": _wire(proposal.status),
        }
        return self._write(self.state / "proposals" / namespace / f"{metadata.name}.yaml", manifests.write(body))

    def write_document(self, digest: str, text: str) -> bool:
        return self._write(self.state / "documents" / f"{digest}.json", text)

    def write_verdicts(self, namespace: str, name: str, text: str) -> bool:
        return self._write(self.state / "verdicts" / namespace / f"{name}.json", text)

    def write_inactivity(self, name: str, text: str) -> bool:
        return self._write(self.state / "inactivity" / f"{name}.json", text)

    def write_report(self, name: str, text: str) -> bool:
        return self._write(self.state / "report" / f"{name}.html", text)

    def write_metrics(self, text: str) -> bool:
        return self._write(self.state / "metrics.prom", text)

    def _write(self, path: Path, text: str) -> bool:
        data = text.encode()
        if path.exists() and path.read_bytes() == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        if path in self._damaged:
            path.replace(path.with_name(f"{path.name}.damaged"))
            self._damaged.discard(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o644)  # mkstemp's files are for their owner alone, and others read metrics
                file.write(data)
                file.flush()
                os.fsync(handle)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self.written += 1
        return True


def _wire(model: Any) -> Any:
    return None if model is None else model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _digest(spec: Any) -> str:
    """Names a spec as it is written; also one that no model takes, and that JSON cannot hold."""
    try:
        text = json.dumps(spec, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"{type(spec).__name__} that is no JSON"
    return hashlib.sha256(text.encode()).hexdigest()
