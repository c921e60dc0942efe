"""What all kinds share: metadata, conditions, durations, and the base of their models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

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
        """The JSON form, without members that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(Model):
    """Base of statuses: read leniently, because an older version of the program may have written them."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class Form:
    """A text of one form. The schema gets the pattern; who is refused is told what would be `right`."""

    pattern: str
    right: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        # A trailing line break would pass `$`, so the whole text is matched.
        if re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), text) is None:
            raise ValueError(f"it must be {self.right}")
        return text


_DURATION = re.compile(r"(?:([0-9]{1,5})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,8})s)?")
DURATION_PATTERN = r"^([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$"
_DURATION_FORM = "a duration in days, hours, minutes and seconds, such as 90d or 1h30m"


def parse_duration(text: str) -> timedelta:
    """A duration such as `90d`, `1h30m`. Raises ValueError naming the value and the form."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(
            f"{text!r} is not a duration; write it as days, hours, minutes and seconds, such as 90d or 1h30m"
        )
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _longer_than_zero(text: str) -> str:
    if parse_duration(text) <= timedelta(0):
        raise ValueError("it must be longer than zero, such as 1h")
    return text


Duration = Annotated[
    str,
    Field(min_length=2, max_length=32),
    Form(DURATION_PATTERN, _DURATION_FORM),
    AfterValidator(_longer_than_zero),
]

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _time_text(value: object) -> object:
    # pydantic would take a number for seconds since 1970, and Kubernetes would not.
    if isinstance(value, datetime) or (isinstance(value, str) and re.fullmatch(_TIME, value)):
        return value
    raise ValueError("it must be a time with its zone, such as 2026-01-31T00:00:00Z")


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("it must be a time with its zone, such as 2026-01-31T00:00:00Z")
    return value.astimezone(UTC)


def _day_text(value: object) -> object:
    plain = isinstance(value, date) and not isinstance(value, datetime)
    if plain or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("it must be a day, such as 2026-01-31")


Timestamp = Annotated[
    datetime,
    BeforeValidator(_time_text),
    AfterValidator(_aware),
    PlainSerializer(lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_TIME}$"}),
]
Day = Annotated[date, BeforeValidator(_day_text)]

# Paths of IAM may hold every printable ASCII character:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
ARN_PATTERN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$"
Arn = Annotated[
    str,
    Field(max_length=640),
    Form(ARN_PATTERN, "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/app"),
]
AccountId = Annotated[str, Form(r"^[0-9]{12}$", "an account ID of 12 digits in quotes")]
RolePath = Annotated[
    str, Field(max_length=512), Form(r"^/([!-~]+/)?$", "a path that begins and ends with a slash, such as /team/")
]
OrganizationalUnit = Annotated[
    str,
    Form(r"^(r-[0-9a-z]{4,32}|ou-[0-9a-z-]{6,68})$", "the ID of an OU or root, such as ou-ab12-cdefgh34 or r-ab12"),
]
TrailArn = Annotated[
    str,
    Field(max_length=512),
    Form(
        r"^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]{1,128}$",
        "the ARN of a trail, such as arn:aws:cloudtrail:us-east-1:123456789012:trail/all",
    ),
]
RoleName = Annotated[
    str,
    Field(max_length=576),
    Form(
        r"^([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$", "the name of a role, with its path if it has one, such as team/reader"
    ),
]
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
Name = Annotated[
    str,
    Field(max_length=253),
    Form(NAME_PATTERN, "a Kubernetes name: lower-case letters, digits, '-' and '.', such as payments-roles"),
]


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
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=128)]
    message: Annotated[str, Field(max_length=4096)] = ""
    observed_generation: int | None = None
    last_transition_time: Timestamp
