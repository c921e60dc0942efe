"""What all kinds share: metadata, conditions, durations, and the base of their models."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

GROUP = "plumbline.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "plumbline.dev/v1alpha1"
MANAGED_BY = "app.kubernetes.io/managed-by"
REQUESTED_AT = f"{GROUP}/requestedAt"


class Model(BaseModel):
    """Base of all specs: camelCase on the wire, unknown fields refused, because a misspelt threshold must not pass."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_enum_values=True
    )

    def wire(self) -> dict[str, Any]:
        """The JSON form, without members that are None or default-empty lists."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(Model):
    """Base of statuses: read leniently, because an older version of the program may have written them."""

    model_config = ConfigDict(extra="ignore")


_DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
DURATION_PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


def parse_duration(text: str) -> timedelta:
    """A duration such as `90d`, `1h30m`. Raises ValueError naming the value and the form."""
    found = _DURATION.match(text)
    if not text or found is None:
        raise ValueError(
            f"{text!r} is not a duration; write it as days, hours, minutes and seconds, such as 90d or 1h30m"
        )
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _check_duration(text: str) -> str:
    if parse_duration(text) <= timedelta(0):
        raise ValueError(f"{text!r} must be longer than zero")
    return text


Duration = Annotated[
    str, AfterValidator(_check_duration), Field(pattern=DURATION_PATTERN, min_length=2, max_length=32, examples=["90d"])
]


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time must carry its zone, such as 2026-01-31T00:00:00Z")
    return value.astimezone(UTC)


Timestamp = Annotated[
    datetime,
    AfterValidator(_aware),
    PlainSerializer(lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str, when_used="json"),
]

Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", max_length=640)]
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class OwnerReference(StatusModel):
    api_version: str
    kind: str
    name: str
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(StatusModel):
    name: Name
    namespace: Name | None = None
    uid: str | None = None
    generation: int = 1
    resource_version: str | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: list[OwnerReference] = Field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Condition(StatusModel):
    """A Kubernetes condition; `last_transition_time` changes only when `status` does."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_,:]*$", max_length=128)]
    message: Annotated[str, Field(max_length=4096)] = ""
    observed_generation: int | None = None
    last_transition_time: Timestamp
