"""CloudTrail Lake: the organization's event data store, and queries that end after some polls.

What a query says is the event store's; states, limits and bytes are decided here.
"""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox import organization as org
from sandbox.aws.registry import operation, page
from sandbox.eventstore import QueryError, bounds, parsed
from sandbox.protocol import AwsError, Call
from sandbox.world import World

_STORE = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_RUNNING = ("QUEUED", "RUNNING")
_CONCURRENT = 10
_MOST_CHARACTERS = 10_000


@dataclass
class Query:
    """`polls`: how often it was asked for; it ends by itself unless it was cancelled."""

    statement: str
    names: list[str]
    rows: list[list[str | None]]
    scanned: int
    account: str
    polls: int = 0
    ended: str = ""
    error: str = ""
    created: Any = field(default=None)


def _admit(world: World, call: Call) -> None:
    if not world.settings.lakeCustomer:
        raise AwsError("UnsupportedOperationException", "CloudTrail Lake is no longer open to new customers.")
    # The management account owns the store; the delegated administrator may query it.
    if call.account not in (org.MANAGEMENT, org.SECURITY):
        raise AwsError("EventDataStoreNotFoundException", "The specified event data store was not found.")


@operation("cloudtrail", "GetEventDataStore")
def get_event_data_store(world: World, call: Call) -> dict[str, Any]:
    _admit(world, call)
    _find(world, call.params["EventDataStore"])
    settings = world.settings
    return {
        "EventDataStoreArn": org.EVENT_DATA_STORE,
        "Name": "organization",
        "Status": settings.lakeStatus,
        "AdvancedEventSelectors": settings.lakeSelectors or org.TRAIL_SELECTORS,
        "MultiRegionEnabled": True,
        "OrganizationEnabled": True,
        "RetentionPeriod": settings.lakeRetentionDays,
        "TerminationProtectionEnabled": True,
        "CreatedTimestamp": world.behaviour.ago(max(700, settings.lakeChangedDaysAgo)),
        "UpdatedTimestamp": world.behaviour.ago(settings.lakeChangedDaysAgo),
        "BillingMode": "EXTENDABLE_RETENTION_PRICING",
    }


@operation("cloudtrail", "ListEventDataStores")
def list_event_data_stores(world: World, call: Call) -> dict[str, Any]:
    if not world.settings.lakeCustomer or world.settings.lakeMissing or call.account != org.MANAGEMENT:
        return {"EventDataStores": []}
    return {"EventDataStores": [{"EventDataStoreArn": org.EVENT_DATA_STORE, "Name": "organization"}]}


def _find(world: World, name: str) -> None:
    if world.settings.lakeMissing or name not in (org.EVENT_DATA_STORE, org.EVENT_DATA_STORE_ID):
        raise AwsError("EventDataStoreNotFoundException", "The specified event data store was not found.")


def _queries(world: World) -> dict[str, Query]:
    return {key: job for key, job in world.jobs.items() if isinstance(job, Query)}


@operation("cloudtrail", "StartQuery")
def start_query(world: World, call: Call) -> dict[str, Any]:
    _admit(world, call)
    settings, statement = world.settings, call.params["QueryStatement"]
    if len(statement) > _MOST_CHARACTERS:
        raise AwsError("InvalidParameterException", f"QueryStatement is longer than {_MOST_CHARACTERS} characters.")
    stores = set(_STORE.findall(statement))
    for store in stores or {""}:
        _find(world, store)
    if settings.lakeStatus == "PENDING_DELETION":
        raise AwsError("InactiveEventDataStoreException", "The event data store is inactive.")
    running = sum(1 for query in _queries(world).values() if _status(world, query) in _RUNNING)
    if settings.lakeRefusals > 0 or running >= _CONCURRENT:
        settings.lakeRefusals = max(0, settings.lakeRefusals - 1)
        raise AwsError("MaxConcurrentQueriesException", "The maximum number of concurrent queries is running.")
    try:
        tree = parsed(_STORE.sub("lake", statement))
        names, rows = world.events.query(tree, [])
    except QueryError as error:
        raise AwsError("InvalidQueryStatementException", str(error)) from error
    scanned = world.events.count(
        "replace(replace(eventTime, 'T', ' '), 'Z', '') BETWEEN ? AND ?", [*bounds(tree, "eventtime")]
    )
    key = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(world.jobs)}/{statement}"))
    world.jobs[key] = Query(statement, names, rows, scanned, call.account, created=world.now())
    return {"QueryId": key}


def _status(world: World, query: Query) -> str:
    if query.ended:
        return query.ended
    if query.polls <= world.settings.queryPolls:
        return "QUEUED" if query.polls <= world.settings.queryPolls // 2 else "RUNNING"
    return world.settings.queryEnds or "FINISHED"


def _query(world: World, call: Call) -> Query:
    query = world.jobs.get(call.params["QueryId"])
    if not isinstance(query, Query):
        raise AwsError("QueryIdNotFoundException", "The query ID does not exist or does not map to a query.")
    return query


@operation("cloudtrail", "DescribeQuery")
def describe_query(world: World, call: Call) -> dict[str, Any]:
    _admit(world, call)
    query = _query(world, call)
    query.polls += 1
    status = _status(world, query)
    scanned = query.scanned * world.settings.queryBytesPerEvent
    answer: dict[str, Any] = {
        "QueryId": call.params["QueryId"],
        "QueryString": query.statement,
        "QueryStatus": status,
        "QueryStatistics": {
            "EventsMatched": len(query.rows),
            "EventsScanned": query.scanned,
            "BytesScanned": 0 if status == "QUEUED" else scanned,
            "ExecutionTimeInMillis": 1000,
            "CreationTime": query.created,
        },
    }
    if status in ("FAILED", "TIMED_OUT"):
        answer["ErrorMessage"] = "The query ended before it was complete."
    return answer


@operation("cloudtrail", "GetQueryResults")
def get_query_results(world: World, call: Call) -> dict[str, Any]:
    _admit(world, call)
    query = _query(world, call)
    status = _status(world, query)
    answer: dict[str, Any] = {"QueryStatus": status}
    if status != "FINISHED":
        return answer
    size = min(call.params.get("MaxQueryResults", 1000), world.settings.queryPageSize)
    rows, token = page(query.rows, size, call.params.get("NextToken"))
    answer["QueryResultRows"] = [
        [{name: value} for name, value in zip(query.names, row, strict=True) if value is not None] for row in rows
    ]
    answer["QueryStatistics"] = {
        "ResultsCount": len(rows),
        "TotalResultsCount": len(query.rows),
        "BytesScanned": query.scanned * world.settings.queryBytesPerEvent,
    }
    if token and not world.settings.queryLosesPages:
        answer["NextToken"] = token
    return answer


@operation("cloudtrail", "CancelQuery")
def cancel_query(world: World, call: Call) -> dict[str, Any]:
    _admit(world, call)
    query = _query(world, call)
    if _status(world, query) not in _RUNNING:
        raise AwsError("InactiveQueryException", "The query is not running.")
    query.ended = "CANCELLED"
    return {"QueryId": call.params["QueryId"], "QueryStatus": "CANCELLED"}
