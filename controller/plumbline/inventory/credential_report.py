"""The credential report of IAM as a file: CSV in, users with their credentials out. No AWS, no clock.

Knows the columns and their words. Judges nothing; half a report is none.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime

from plumbline.model.credentials import AccessKey, Moment, Password, UserCredentials, Word

# Without these nothing could be said of anybody; others may be missing, and then are unknown.
_NEEDED = ("user", "arn", "user_creation_time", "password_enabled", "access_key_1_active", "access_key_2_active")
_SLOTS = ("access_key_1", "access_key_2")
_NO_NUMBER = frozenset({"", "N/A", "0", "FALSE"})

Row = Mapping[str, str]


class CredentialReportError(ValueError):
    """A text that is no whole credential report; the message says what is wrong."""


def parse_report(text: str, generated_at: datetime) -> dict[str, UserCredentials]:
    """All users of the report by ARN, the root user among them. Raises CredentialReportError."""
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise CredentialReportError(f"it is no whole CSV: {error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise CredentialReportError(f"the columns {', '.join(missing)} are missing; it is no credential report")
    users: dict[str, UserCredentials] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) != len(header):
            raise CredentialReportError(f"line {number} has {len(line)} columns of {len(header)}; it was cut short")
        user = _user(dict(zip(header, line, strict=True)), generated_at)
        if not user.arn or user.arn in users:
            raise CredentialReportError(f"line {number} has no ARN, or that of another line")
        users[user.arn] = user
    return users


def _user(row: Row, at: datetime) -> UserCredentials:
    certificates = [_truth(row, f"cert_{n}_active") for n in (1, 2)]
    return UserCredentials(
        arn=row["arn"],
        name=row["user"],
        created=_moment(row, "user_creation_time"),
        password=Password(
            enabled=_truth(row, "password_enabled"),
            last_used=_moment(row, "password_last_used"),
            last_changed=_moment(row, "password_last_changed"),
            seen_at=at,
        ),
        keys=tuple(key for slot in _SLOTS if (key := _key(row, slot, at)) is not None),
        mfa=_truth(row, "mfa_active"),
        certificates=True if True in certificates else None if None in certificates else False,
        more=row.get("additional_credentials_info", "").strip() not in _NO_NUMBER,
    )


def _key(row: Row, slot: str, at: datetime) -> AccessKey | None:
    """The key of a slot; None where there is none. One that is not active keeps the time of its last change."""
    active, created = _truth(row, f"{slot}_active"), _moment(row, f"{slot}_last_rotated")
    if active is False and created is Word.NOT_APPLICABLE:
        return None
    return AccessKey(
        slot=slot,
        id=None,
        active=active,
        created=created,
        last_used=_moment(row, f"{slot}_last_used_date"),
        seen_at=at,
        service=_name(row, f"{slot}_last_used_service"),
        region=_name(row, f"{slot}_last_used_region"),
    )


def _truth(row: Row, column: str) -> bool | None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html: TRUE and FALSE, in either case.
    `not_supported` and anything else say neither."""
    return {"true": True, "false": False}.get(row.get(column, "").strip().lower())


def _name(row: Row, column: str) -> str | None:
    text = row.get(column, "").strip()
    return text if text and text != Word.NOT_APPLICABLE else None


def _moment(row: Row, column: str) -> Moment:
    text = row.get(column, "").strip()
    if not text:
        return Word.ABSENT
    for word in (Word.NO_INFORMATION, Word.NOT_APPLICABLE, Word.NOT_SUPPORTED):
        if text == word:
            return word
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return Word.UNREADABLE
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
