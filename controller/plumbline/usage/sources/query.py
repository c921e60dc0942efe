"""The one usage query: events grouped as the log reader groups them, for all roles of all accounts at once.

In Trino's dialect, so that CloudTrail Lake, Athena and Trino answer it alike; tables differ in a few columns. A row is
some like records with their count, first and last time; what they mean is the aggregator's, as for log files.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/query-limitations.html, https://trino.io/docs/current/functions.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from plumbline.model.evidence import MAX_RESOURCES
from plumbline.usage.counted import Counted
from plumbline.usage.outcomes import DENIED_ACTION, DENIED_MESSAGE
from plumbline.usage.records import Record, SessionContext, SessionIssuer, UserIdentity
from plumbline.usage.request import decoded
from plumbline.usage.sources.sql import quoted

# Changes when the meaning of the rows does: then all days are asked again.
VERSION: Final = "2"

_SESSION = "^arn:[^:]+:sts::[0-9]*:assumed-role/[^/]+"
# Writes of IAM and CloudTrail tell how grants and trails changed; each request counts, however many there are.
_KEPT = "event_source IN ('iam.amazonaws.com', 'cloudtrail.amazonaws.com') AND NOT regexp_like(event_name, '^(Get|List|Describe|Lookup)')"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of CloudTrail events. `name` as it stands in FROM, `where` the bounds of the query, both made of checked
    literals. `request`: the request parameters as JSON text; `shape`: the names in it; `resources`: a JSON list of ARNs."""

    name: str
    where: str
    request: str
    shape: str
    resources: str


class Row(NamedTuple):
    """One row of the answer, as the texts that Lake and Athena give; empty stands for null."""

    event_day: str
    account: str
    region: str
    event_source: str
    event_name: str
    event_type: str
    category: str
    error_code: str
    message: str
    identity_type: str
    principal_id: str
    arn: str
    owner: str
    via: str
    issuer: str
    issuer_id: str
    request: str
    resources: str
    exact: str
    records: str
    calls: str
    first_at: str
    last_at: str
    total: str


_KEYS: Final = ", ".join(Row._fields[:16])


def usage_query(table: Table) -> str:
    """The SQL text. Of requests that differ, the first hundred of each group and set of parameter names are told apart;
    the others are one row with `exact` 0, which stands for resources that are not named."""
    identity = "userIdentity.sessionContext.sessionIssuer"
    action = quoted(DENIED_ACTION)
    # Every value in it is a constant of ours or a checked literal of the table.
    return f"""SELECT {_KEYS}, min(request) AS request, min(resources) AS resources,
 CASE WHEN slot > 0 THEN 1 ELSE 0 END AS exact, sum(records) AS records, sum(calls) AS calls,
 min(first_at) AS first_at, max(last_at) AS last_at, count(*) OVER () AS total
FROM (SELECT {_KEYS}, shape, request, resources, records, calls, first_at, last_at,
 CASE WHEN place <= {MAX_RESOURCES} OR {_KEPT} THEN place ELSE 0 END AS slot
FROM (SELECT {_KEYS}, shape, request, resources, count(*) AS records,
 count(DISTINCT event_id) + sum(CASE WHEN event_id IS NULL THEN 1 ELSE 0 END) AS calls,
 min(event_time) AS first_at, max(event_time) AS last_at,
 row_number() OVER (PARTITION BY {_KEYS}, shape ORDER BY request, resources) AS place
FROM (SELECT substr(CAST(eventTime AS varchar), 1, 10) AS event_day,
 coalesce(recipientAccountId, userIdentity.accountId, '') AS account, coalesce(awsRegion, '') AS region,
 coalesce(eventSource, '') AS event_source, coalesce(eventName, '') AS event_name,
 coalesce(eventType, '') AS event_type, coalesce(eventCategory, '') AS category,
 coalesce(errorCode, '') AS error_code,
 CASE WHEN errorMessage IS NULL THEN '' WHEN regexp_like(errorMessage, {action}) THEN regexp_extract(errorMessage, {action})
 WHEN regexp_like(errorMessage, {quoted("(?i)" + DENIED_MESSAGE)}) THEN 'not authorized to perform' ELSE 'other' END AS message,
 coalesce(userIdentity.type, '') AS identity_type,
 split_part(coalesce(userIdentity.principalId, ''), ':', 1) AS principal_id,
 CASE WHEN {identity}.arn IS NOT NULL THEN '' WHEN regexp_like(userIdentity.arn, {quoted(_SESSION)})
 THEN regexp_extract(userIdentity.arn, {quoted(_SESSION)}) ELSE coalesce(userIdentity.arn, '') END AS arn,
 coalesce(userIdentity.accountId, '') AS owner, coalesce(userIdentity.invokedBy, '') AS via,
 coalesce({identity}.arn, '') AS issuer, coalesce({identity}.principalId, '') AS issuer_id,
 coalesce({table.shape}, '') AS shape, coalesce({table.request}, '') AS request,
 coalesce({table.resources}, '') AS resources, eventID AS event_id, CAST(eventTime AS varchar) AS event_time
FROM {table.name} WHERE {table.where}) AS events
GROUP BY {_KEYS}, shape, request, resources) AS calls) AS placed
GROUP BY {_KEYS}, shape, slot"""  # noqa: S608


def counted(row: Row) -> Counted:
    """The row as like records. Raises ValueError when a count or time is none."""
    first, last = _time(row.first_at), _time(row.last_at)
    issuer = SessionIssuer(row.issuer or None, row.issuer_id or None) if row.issuer or row.issuer_id else None
    identity = UserIdentity(
        type=row.identity_type or None,
        principalId=row.principal_id or None,
        arn=row.arn or None,
        accountId=row.owner or None,
        invokedBy=row.via or None,
        sessionContext=SessionContext(issuer) if issuer else None,
    )
    known = any((row.identity_type, row.principal_id, row.arn, row.owner, row.via, issuer))
    record = Record(
        eventName=row.event_name,
        eventSource=row.event_source,
        eventTime=first,
        userIdentity=identity if known else None,
        awsRegion=row.region or None,
        errorCode=row.error_code or None,
        errorMessage=row.message or None,
        eventType=row.event_type or None,
        eventCategory=row.category or None,
        recipientAccountId=row.account or None,
        requestParameters=_request(row.request),
        resources=_resources(row.resources),
    )
    return Counted(record, int(row.records), int(row.calls), first, last, row.exact == "1")


def _time(text: str) -> datetime:
    """Lake gives `2026-06-30 10:00:00.000`, the log files of Athena `2026-06-30T10:00:00Z`."""
    at = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _request(text: str) -> msgspec.Raw:
    """The parameters as they stand in log files. Lake keeps them as a map of texts, in which what is not a text is JSON."""
    parameters = decoded(text.encode())
    if not isinstance(parameters, dict):
        return msgspec.Raw(b"null")
    return msgspec.Raw(msgspec.json.encode({name: _value(value) for name, value in parameters.items()}))


def _value(value: Any) -> Any:
    if isinstance(value, str) and (value.startswith(("{", "[")) or value in ("true", "false", "null")):
        inner = decoded(value.encode())
        return inner if inner is not None or value == "null" else value
    return value


def _resources(text: str) -> msgspec.Raw:
    arns = decoded(text.encode())
    listed: Sequence[Any] = arns if isinstance(arns, list) else ()
    return msgspec.Raw(msgspec.json.encode([{"ARN": arn} for arn in listed if isinstance(arn, str)]))
