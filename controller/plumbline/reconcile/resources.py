"""Where resources are read from and statuses are written to: the protocol, and what reading can go wrong with.

A folder and a cluster implement it alike, so the line itself does not know which one it has.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

from pydantic import BaseModel, ValidationError

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.landscape import IAMLandscape
from plumbline.api.proposal import RemediationProposal

# Etcd is no database: a status stays under 64 KB, with room for conditions and metadata.
STATUS_BYTES = 48 * 1024

Resource = IAMLandscape | LeastPrivilegeBaseline | RemediationProposal

MODELS: dict[str, type[IAMLandscape | LeastPrivilegeBaseline | RemediationProposal]] = {
    "IAMLandscape": IAMLandscape,
    "LeastPrivilegeBaseline": LeastPrivilegeBaseline,
    "RemediationProposal": RemediationProposal,
}
PLURALS = {
    "IAMLandscape": "iamlandscapes",
    "LeastPrivilegeBaseline": "leastprivilegebaselines",
    "RemediationProposal": "remediationproposals",
}


@dataclass(frozen=True, slots=True)
class Invalid:
    """A resource that cannot be read. `kind` and `key` are empty where even they are unknown."""

    where: str
    kind: str
    key: str
    messages: tuple[str, ...]
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything of one pass. Keys are `name` or `namespace/name`."""

    landscapes: Mapping[str, IAMLandscape]
    baselines: Mapping[str, LeastPrivilegeBaseline]
    proposals: Mapping[str, RemediationProposal]
    service_accounts: Mapping[str, str | None]  # namespace/name -> role ARN of the IRSA annotation
    invalid: tuple[Invalid, ...] = ()


def size_of(model: BaseModel) -> int:
    """The bytes that a part of a status takes in etcd."""
    return len(model.model_dump_json(by_alias=True).encode())


class ResourceStore(Protocol):
    """Reads resources and writes what Plumbline finds. Writes answer whether anything changed."""

    def load(self) -> Resources: ...

    def write_status(self, resource: Resource) -> bool: ...

    def write_invalid(self, invalid: Invalid, status: Mapping[str, Any]) -> bool: ...

    def write_proposal(self, proposal: RemediationProposal) -> bool: ...

    def write_document(self, digest: str, text: str) -> bool: ...


def explain_errors(error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """One sentence for each wrong field: its path, its value, what would be right."""
    return tuple(_explain(dict(e), model) for e in error.errors(include_url=False))


def _explain(error: dict[str, Any], model: type[BaseModel]) -> str:
    location = error["loc"]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".") or "the resource"
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _siblings(model, location), n=1)
        hint = f"did you mean {close[0]}?" if close else "remove it"
        return f"{path} is not a known field; {hint}"
    if error["type"] == "missing":
        return f"{path} is required; add it"
    given = error.get("input")
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error" and isinstance(given, dict):
        return f"{path}: {message}"
    if error["type"] == "string_type" and isinstance(given, int | float):
        message = "it must be text; write it in quotes"
    value = repr(given)
    value = value if len(value) <= 120 else value[:117] + "..."
    return f"{path}: {value} is not valid: {message[:1].lower()}{message[1:]}"


def _siblings(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The fields that stand beside the last part of a location."""
    node: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, str) and node is not None:
            node = next((_model_in(f.annotation) for f in node.model_fields.values() if f.alias == part), None)
    return sorted(f.alias or name for name, f in node.model_fields.items()) if node is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a field: itself, or in a list or an optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
