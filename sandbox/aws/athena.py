"""Athena over the trail's bucket: tables by DDL with partition projection, queries with bound parameters.

A table that does not point to the log files is empty, as in AWS; injected partitions must be named by a query.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sandbox import organization as org
from sandbox.aws.registry import operation, page
from sandbox.eventstore import QueryError, parsed
from sandbox.protocol import AwsError, Call
from sandbox.world import World

_CREATE = re.compile(
    r"CREATE\s+EXTERNAL\s+TABLE\s+IF\s+NOT\s+EXISTS\s+`?(\w+)`?\.`?(\w+)`?\s*\((.*?)\)\s*PARTITIONED BY",
    re.DOTALL | re.IGNORECASE,
)
_COLUMN = re.compile(r"(?:^|,)\s*`?([a-z]+)`?\s+(?:string|struct|array|map)", re.DOTALL)
_PROPERTY = re.compile(r"'([a-z.]+)'\s*=\s*'([^']*)'")
_TEMPLATE = f"s3://{org.TRAIL_BUCKET}/AWSLogs/{org.ORGANIZATION_ID}/${{account}}/CloudTrail/${{region}}/${{day}}"
_NESTED = re.compile(r"<[^<>]*>")
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


@dataclass
class Execution:
    statement: str
    names: list[str]
    rows: list[list[str | None]]
    scanned: int
    parameters: list[str]
    workgroup: str
    polls: int = 0
    ended: str = ""
    reason: str = ""


@dataclass
class AthenaTable:
    name: str
    columns: list[str]


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


@operation("athena", "GetWorkGroup")
def get_work_group(world: World, call: Call) -> dict[str, Any]:
    if call.params["WorkGroup"] != "primary":
        raise _invalid("WorkGroup is not found.")
    configuration: dict[str, Any] = {"EnforceWorkGroupConfiguration": False, "PublishCloudWatchMetricsEnabled": True}
    if world.settings.athenaCutoffBytes:
        configuration["BytesScannedCutoffPerQuery"] = world.settings.athenaCutoffBytes
    return {"WorkGroup": {"Name": "primary", "State": "ENABLED", "Configuration": configuration}}


@operation("athena", "StartQueryExecution")
def start_query_execution(world: World, call: Call) -> dict[str, Any]:
    if call.account not in (org.SECURITY, org.MANAGEMENT):
        raise AwsError("AccessDeniedException", "You are not authorized to perform: athena:StartQueryExecution")
    if not call.params.get("ResultConfiguration", {}).get("OutputLocation", "").startswith("s3://"):
        raise _invalid("No output location provided.")
    statement = call.params["QueryString"]
    given = call.params.get("ExecutionParameters") or []
    token = call.params.get("ClientRequestToken") or str(uuid.uuid4())
    key = str(uuid.uuid5(uuid.NAMESPACE_OID, token))
    if key in world.jobs:
        return {"QueryExecutionId": key}
    execution = Execution(statement, [], [], 0, given, call.params.get("WorkGroup", "primary"))
    try:
        if _CREATE.search(statement):
            _create(world, statement)
        else:
            _select(world, statement, [_literal(value) for value in given], execution)
    except QueryError as error:
        execution.ended, execution.reason = "FAILED", str(error)
    world.jobs[key] = execution
    return {"QueryExecutionId": key}


def _literal(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    if not found:
        raise _invalid(f"the execution parameter {text} is no literal of a text")
    return found.group(1).replace("''", "'")


def _create(world: World, statement: str) -> None:
    found = _CREATE.search(statement)
    assert found
    database, name, body = found.groups()
    flat = body
    while _NESTED.search(flat):
        flat = _NESTED.sub("", flat)
    properties = dict(_PROPERTY.findall(statement))
    if properties.get("projection.enabled") != "true":
        raise QueryError("FAILED: the table has no partitions")
    columns = _COLUMN.findall(flat)
    key = f"table/{database}.{name}"
    if key not in world.jobs:
        world.jobs[key] = AthenaTable(f"athena_{database}_{name}", columns)
        world.events.table(
            f"athena_{database}_{name}", columns, whole=properties.get("storage.location.template") == _TEMPLATE
        )


def _select(world: World, statement: str, parameters: list[str], execution: Execution) -> None:
    tree = parsed(statement)
    for table in tree.find_all(exp.Table):
        found = world.jobs.get(f"table/{table.db}.{table.name}")
        if not isinstance(found, AthenaTable):
            raise QueryError(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{table.db}.{table.name}' does not exist")
        table.replace(exp.to_table(found.name))
    wanted: dict[str, list[str]] = {"account": [], "region": [], "day": []}
    places = iter(parameters)
    values = {id(node): next(places, None) for node in tree.find_all(exp.Placeholder, bfs=False)}
    if None in values.values() or next(places, None) is not None:
        raise QueryError("INVALID_PARAMETER_USAGE: Incorrect number of parameters")
    for node in tree.find_all(exp.In, exp.Between):
        name = node.this.name if isinstance(node.this, exp.Column) else ""
        if name in wanted:
            inner = node.expressions if isinstance(node, exp.In) else [node.args["low"], node.args["high"]]
            wanted[name] += [str(values.get(id(value), value.name)) for value in inner]
    for name in ("account", "region"):
        if not wanted[name]:
            raise QueryError(
                f"CONSTRAINT_VIOLATION: For the injected projected partition column {name}, the WHERE clause must contain"
                " only static equality conditions, and at least one such condition must be present."
            )
    days = wanted["day"] or ["", "~"]
    accounts, regions = (", ".join("?" * len(wanted[name])) for name in ("account", "region"))
    execution.scanned = world.events.count(
        f"NOT lost AND account IN ({accounts}) AND region IN ({regions}) AND day BETWEEN ? AND ?",
        [*wanted["account"], *wanted["region"], min(days), max(days)],
    )
    execution.names, execution.rows = world.events.query(tree, parameters)


def _state(world: World, execution: Execution) -> str:
    if execution.ended:
        return execution.ended
    if execution.polls <= world.settings.queryPolls:
        return "QUEUED" if execution.polls <= world.settings.queryPolls // 2 else "RUNNING"
    cutoff = world.settings.athenaCutoffBytes
    if cutoff and execution.scanned * world.settings.queryBytesPerEvent > cutoff:
        execution.ended, execution.reason = "CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded"
        return execution.ended
    # Athena has no state for a timeout: it fails.
    return {"": "SUCCEEDED", "TIMED_OUT": "FAILED"}.get(world.settings.queryEnds, world.settings.queryEnds)


def _execution(world: World, call: Call) -> Execution:
    found = world.jobs.get(call.params["QueryExecutionId"])
    if not isinstance(found, Execution):
        raise _invalid(f"QueryExecution {call.params['QueryExecutionId']} was not found")
    return found


@operation("athena", "GetQueryExecution")
def get_query_execution(world: World, call: Call) -> dict[str, Any]:
    execution = _execution(world, call)
    execution.polls += 1
    state = _state(world, execution)
    status: dict[str, Any] = {"State": state}
    if state in ("FAILED", "CANCELLED"):
        status["StateChangeReason"] = execution.reason or "The query ended before it was complete."
    scanned = 0 if state == "QUEUED" else execution.scanned * world.settings.queryBytesPerEvent
    return {
        "QueryExecution": {
            "QueryExecutionId": call.params["QueryExecutionId"],
            "Query": execution.statement,
            "WorkGroup": execution.workgroup,
            "Status": status,
            "Statistics": {"DataScannedInBytes": scanned, "TotalExecutionTimeInMillis": 1000},
        }
    }


@operation("athena", "GetQueryResults")
def get_query_results(world: World, call: Call) -> dict[str, Any]:
    execution = _execution(world, call)
    if _state(world, execution) != "SUCCEEDED":
        raise _invalid("Query has not yet finished.")
    # The first row of a SELECT is its header.
    lines = [execution.names, *execution.rows]
    size = min(call.params.get("MaxResults", 1000), world.settings.queryPageSize)
    rows, token = page(lines, size, call.params.get("NextToken"))
    answer: dict[str, Any] = {
        "ResultSet": {
            "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": [{"Name": name, "Type": "varchar"} for name in execution.names]},
        }
    }
    if token and not world.settings.queryLosesPages:
        answer["NextToken"] = token
    return answer


@operation("athena", "StopQueryExecution")
def stop_query_execution(world: World, call: Call) -> dict[str, Any]:
    execution = _execution(world, call)
    if not execution.ended:
        execution.ended, execution.reason = "CANCELLED", "The query was cancelled by its owner."
    return {}
