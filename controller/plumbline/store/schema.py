"""The tables. Everything that one pass learns and the next one needs; no logic.

Evidence is kept by *partition*: one day folder of one account and Region of one log source. A partition is replaced as
a whole in one transaction, so a pass that is killed anywhere and run again ends with the same rows, and nothing is
ever counted twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from plumbline.model.times import in_utc


class Utc(sa.types.TypeDecorator[datetime]):
    """Aware UTC datetimes, on SQLite too, which knows no time zones."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else in_utc(value).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class Words(sa.types.TypeDecorator[str]):
    """Texts that come from outside. PostgreSQL keeps no NUL in them; one damaged record must not stop a pass."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return _without_nul(value)

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002
        """As it would be, without two calls between: there are nine of these in each row of evidence."""
        return _without_nul


def _without_nul(value: str | None) -> str | None:
    return value if value is None or "\0" not in value else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


# Of 64 bits, as SQLite's are anyway, which numbers rows by itself only in a column of this type.
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()


def _partition_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("landscape", Words, nullable=False),
        sa.Column("source", Words, nullable=False),
        sa.Column("account", Words, nullable=False),
        sa.Column("region", Words, nullable=False),
        sa.Column("day", Words, nullable=False),  # YYYY-MM-DD of the folder, not of the events
    ]


PARTITION = ("landscape", "source", "account", "region", "day")

partition = sa.Table(
    "partition",
    metadata,
    *_partition_columns(),
    sa.Column("fingerprint", Words, nullable=False),  # of the listing and of the mapping's version
    sa.Column("sealed", sa.Boolean, nullable=False, default=False),  # old and proven complete: never listed again
    sa.Column("objects", sa.Integer, nullable=False, default=0),
    sa.Column("records", Number, nullable=False, default=0),
    sa.Column("bins", sa.JSON, nullable=False),
    sa.Column("covered", sa.JSON, nullable=False),  # [[start, end], ...] ISO 8601, proven by digests of this folder
    sa.Column("problems", sa.JSON, nullable=False),  # [{"object", "reason", "message"}]
    sa.Column("content", Words, nullable=False),  # digest of all that was learned from it
    sa.PrimaryKeyConstraint(*PARTITION),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", Number, primary_key=True),
    *_partition_columns(),
    sa.Column("principal", Words, nullable=False),
    sa.Column("unique_id", Words),
    sa.Column("action", Words, nullable=False),
    sa.Column("outcome", Words, nullable=False),
    sa.Column("first", Utc, nullable=False),
    sa.Column("last", Utc, nullable=False),
    sa.Column("count", Number, nullable=False),
    sa.Column("resources", sa.JSON, nullable=False),
    sa.Column("resources_truncated", sa.Boolean, nullable=False, default=False),
    sa.Column("via_services", sa.JSON, nullable=False),
    sa.Column("codes", sa.JSON, nullable=False),
    sa.Column("ambiguous", sa.Boolean, nullable=False, default=False),
    sa.Column("passed_to", Words, nullable=False, server_default=""),
    sa.Index("evidence_partition", *PARTITION),
    sa.Index("evidence_principal", "landscape", "principal"),
)

unmapped_use = sa.Table(
    "unmapped_use",
    metadata,
    sa.Column("id", Number, primary_key=True),
    *_partition_columns(),
    sa.Column("principal", Words, nullable=False),
    sa.Column("unique_id", Words),
    sa.Column("event_source", Words, nullable=False),
    sa.Column("event_name", Words, nullable=False),
    sa.Column("services", sa.JSON, nullable=False),
    sa.Column("last", Utc, nullable=False),
    sa.Column("count", Number, nullable=False),
    sa.Index("unmapped_use_partition", *PARTITION),
)

grant_change = sa.Table(
    "grant_change",
    metadata,
    sa.Column("id", Number, primary_key=True),
    *_partition_columns(),
    sa.Column("event_name", Words, nullable=False),
    sa.Column("target", Words, nullable=False),
    sa.Column("policy", Words),
    sa.Column("at", Utc, nullable=False),
    sa.Column("by", Words, nullable=False),
    sa.Index("grant_change_partition", *PARTITION),
)

# A change of a trail seen in the logs: what is selected today does not describe the time before it.
trail_change = sa.Table(
    "trail_change",
    metadata,
    sa.Column("id", Number, primary_key=True),
    *_partition_columns(),
    sa.Column("event_name", Words, nullable=False),
    sa.Column("trail", Words, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Index("trail_change_partition", *PARTITION),
)

PARTITIONED = (partition, evidence, unmapped_use, grant_change, trail_change)

# Where each source read the last time, as a digest.
source_place = sa.Table(
    "source_place",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("place", sa.String, nullable=False),
)

# Our own pictures of a trail's selectors: since when they are known to be as they are.
trail_selection = sa.Table(
    "trail_selection",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("trail", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("since", Utc, nullable=False),
    # False for the first picture: a digest that was never seen to differ proves no change at `since`.
    sa.Column("changed", sa.Boolean, nullable=False, default=False),
)

last_accessed = sa.Table(
    "last_accessed",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("principal", sa.String, primary_key=True),
    sa.Column("unique_id", sa.String),
    sa.Column("collected_at", Utc, nullable=False),
    sa.Column("action_level", sa.Boolean, nullable=False),
    sa.Column("services", sa.JSON, nullable=False),
)

# One row for each job that was or is to be started; written before the call, so that a restart repeats nothing.
generation_job = sa.Table(
    "generation_job",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("principal", sa.String, primary_key=True),
    sa.Column("client_token", sa.String, primary_key=True),
    sa.Column("unique_id", sa.String, nullable=False),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("window_start", Utc, nullable=False),
    sa.Column("window_end", Utc, nullable=False),
    sa.Column("status", sa.String, nullable=False),  # PENDING IN_PROGRESS SUCCEEDED FAILED CANCELED
    sa.Column("job_id", sa.String),
    sa.Column("started_at", Utc),
    sa.Column("completed_at", Utc),
    sa.Column("error_code", sa.String),
    sa.Column("error_message", sa.String),
    sa.Column("result", sa.JSON),  # {"actions": [...], "serviceTemplates": [...], "isComplete": bool}
    sa.Column("scope", sa.String),  # the trail and, unless all of them, the Regions whose logs it reads
    sa.Column("access_role", sa.String),  # with which it reads them; null of a job of somebody else
)

# Since when our own snapshots have seen a policy on a principal with this digest: proves the age of a grant.
grant = sa.Table(
    "grant",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("principal", sa.String, primary_key=True),
    sa.Column("unique_id", sa.String, primary_key=True),
    sa.Column("policy", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("first_seen", Utc, nullable=False),
)

accepted_access = sa.Table(
    "accepted_access",
    metadata,
    sa.Column("baseline", sa.String, primary_key=True),  # namespace/name
    sa.Column("principal", sa.String, primary_key=True),
    sa.Column("unique_id", sa.String, primary_key=True),
    sa.Column("accepted_at", Utc, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("atoms", sa.JSON, nullable=False),
)

# Complete policy documents that an object in the cluster has no room for.
document = sa.Table(
    "document",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

# What findings of Access Analyzer say, until they are updated.
analyzer_finding = sa.Table(
    "analyzer_finding",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("finding", sa.String, primary_key=True),
    sa.Column("updated_at", Utc, nullable=False),
    # {"services": as in last_accessed, "roleLast", "recommended", "asked", "attempts"}
    sa.Column("details", sa.JSON, nullable=False),
)

# What people have said no to; an object that says so can go with its baseline.
rejection = sa.Table(
    "rejection",
    metadata,
    sa.Column("namespace", sa.String, primary_key=True),
    sa.Column("principal", sa.String, primary_key=True),
    sa.Column("unique_id", sa.String, primary_key=True),
    sa.Column("plan_digest", sa.String, nullable=False),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", Utc, nullable=False),
)

# What Security Hub was given: `body` is the finding without times and record state.
exported_finding = sa.Table(
    "exported_finding",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("region", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("baseline", sa.String, nullable=False),  # namespace/name
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
)

# Since when a baseline, or a landscape in one kind, has had a finding, and when it ended.
finding = sa.Table(
    "finding",
    metadata,
    sa.Column("book", Words, primary_key=True),  # namespace/name, or landscape:name:kind
    sa.Column("key", Words, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("resource", Words, nullable=False),
    sa.Column("first_seen", Utc, nullable=False),
    sa.Column("resolved_at", Utc),
    sa.Column("account", Words, nullable=False),
    sa.Column("region", Words, nullable=False),
    sa.Column("detail", Words, nullable=False),
)

# Queries that were started and whose rows are not in the ledger yet: after a restart they are waited for, not paid again.
running_query = sa.Table(
    "running_query",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("statement", sa.String, primary_key=True),  # digest of the text and its values
    sa.Column("query_id", sa.String, nullable=False),
    sa.Column("started_at", Utc, nullable=False),
)

# How the last queries of a source ended that cost something and gave nothing.
query_failure = sa.Table(
    "query_failure",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    sa.Column("at", Utc, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("message", sa.String, nullable=False),
    sa.Column("remedy", sa.String, nullable=False),
)

# What policy validation said of a document of one type, until it is asked again.
policy_answer = sa.Table(
    "policy_answer",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("digest", sa.String, primary_key=True),  # of the type and the text
    sa.Column("checked_at", Utc, nullable=False),
    sa.Column("findings", sa.JSON, nullable=False),  # [[type, code, details, link, [places]]]
)

# Since when a code is found in a policy, until when, and when that ended.
policy_finding = sa.Table(
    "policy_finding",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("policy", sa.String, primary_key=True),
    sa.Column("code", sa.String, primary_key=True),
    sa.Column("type", sa.String, nullable=False),
    sa.Column("account", sa.String, nullable=False),  # empty for SCPs and RCPs
    sa.Column("first_seen", Utc, nullable=False),
    sa.Column("last_seen", Utc, nullable=False),
    sa.Column("resolved_at", Utc),
)

# How many there were at the end of each day.
policy_validation_day = sa.Table(
    "policy_validation_day",
    metadata,
    sa.Column("landscape", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),  # YYYY-MM-DD
    sa.Column("findings", sa.JSON, nullable=False),  # {type: number}
    sa.Column("checked", sa.Integer, nullable=False),  # documents
    sa.Column("unchecked", sa.Integer, nullable=False),
    sa.Column("uncollected", sa.Integer, nullable=False),  # accounts
)
