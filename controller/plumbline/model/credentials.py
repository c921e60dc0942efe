"""Passwords and access keys of users, as the credential report and the IAM API show them. Frozen data, no rules.

What stands in place of a time is kept as it was said: `no_information`, `N/A` and an absent date are not the same.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from plumbline.model.coverage import SourceState

SOURCE: Final = "credential-report"
LAST_USED_SOURCE: Final = "GetAccessKeyLastUsed"


class Word(StrEnum):
    """What is said in place of a time. `absent`: nothing at all, by a missing column or a member left out."""

    NO_INFORMATION = "no_information"
    NOT_APPLICABLE = "N/A"
    NOT_SUPPORTED = "not_supported"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


# A time is aware, in UTC.
Moment = datetime | Word


class ReportState(StrEnum):
    """Whether an account's credential report could be read."""

    COMPLETE = "complete"
    IN_PROGRESS = "inProgress"
    NOT_PRESENT = "notPresent"
    EXPIRED = "expired"
    DENIED = "denied"
    MALFORMED = "malformed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Password:
    """The console password of a user. `enabled` None: the report does not say. `seen_at`: the report's own time."""

    enabled: bool | None
    last_used: Moment
    last_changed: Moment
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class AccessKey:
    """`id` is None where only the report is known, which names no key but numbers them. `created` of the report is the
    time of the last change of status as well: never earlier than the creation. `seen_at`: what is said holds until then.
    """

    slot: str
    id: str | None
    active: bool | None
    created: Moment
    last_used: Moment
    seen_at: datetime
    service: str | None = None
    region: str | None = None
    source: str = SOURCE

    @property
    def name(self) -> str:
        return self.id or self.slot


@dataclass(frozen=True, slots=True)
class UserCredentials:
    """One user. `password` None: unknown. `more`: there are credentials that the report has no columns for.
    `keys_state`: of the keys that were asked for by themselves; None where the report was enough."""

    arn: str
    name: str
    created: Moment
    password: Password | None
    keys: tuple[AccessKey, ...]
    mfa: bool | None = None
    certificates: bool | None = None
    more: bool = False
    keys_state: SourceState | None = None


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """All users of an account by ARN. `report` says why `users` may lack passwords, or anybody: a report that could not
    be read is no empty one. `source`: the same for people, with what to do."""

    account: str
    report: ReportState
    source: SourceState
    generated_at: datetime | None = None
    users: Mapping[str, UserCredentials] = field(default_factory=dict)
