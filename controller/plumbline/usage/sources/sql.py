"""The only place where a value becomes SQL text: each is checked against the form of its kind first.

CloudTrail Lake has no bind parameters, and Athena takes the values of its own as SQL literals too.
https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
Knows forms and quotes, no query.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Kind = Literal["account", "region", "day", "time", "eventDataStore", "name", "location"]

# What each kind may look like as a whole. None allows a quote, a backslash or a line break.
_FORMS: Final[dict[Kind, tuple[re.Pattern[str], str]]] = {
    "account": (re.compile(r"[0-9]{12}"), "an account ID of 12 digits"),
    "region": (re.compile(r"[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}"), "a Region, such as eu-central-1"),
    "day": (re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}"), "a day folder, such as 2026/06/30"),
    "time": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}Z?"), "a time in UTC"),
    "eventDataStore": (
        re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "the ID of an event data store, the last part of its ARN",
    ),
    "name": (re.compile(r"[a-z_][a-z0-9_]{0,127}"), "a name of lower-case letters, digits and _"),
    "location": (
        re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*()=+@-]+)*/"),
        "an S3 location of plain characters that ends in /",
    ),
}


class NotALiteral(ValueError):  # noqa: N818
    """A value that has not the form of its kind; nothing was asked."""


def checked(kind: Kind, value: str) -> str:
    """The value as it is, for places where SQL takes no quotes. Raises NotALiteral."""
    form, meaning = _FORMS[kind]
    if not form.fullmatch(value):
        raise NotALiteral(f"{value!r} is not {meaning}; correct it in the landscape")
    return value


def literal(kind: Kind, value: str) -> str:
    """The value as a quoted literal. Raises NotALiteral."""
    return quoted(checked(kind, value))


def quoted(text: str) -> str:
    """A text of our own as a literal, such as a pattern. Never for a value that comes from outside."""
    return "'" + text.replace("'", "''") + "'"
