"""CloudTrail's log files as a table in Trino, with the columns and partitions of the one that AWS describes for Athena.

Knows the shape of the table and of the files; nothing of what a record means.
https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-partition-projection.html
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.servers.trino.server import TrinoServer

_TEXT = "varchar"
_PRINCIPAL = dict.fromkeys(("type", "principalid", "arn", "accountid", "username"), _TEXT)
_IDENTITY = dict.fromkeys(
    ("type", "principalid", "arn", "accountid", "invokedby", "accesskeyid", "username"), _TEXT
) | {
    "sessioncontext": {
        "attributes": dict.fromkeys(("mfaauthenticated", "creationdate"), _TEXT),
        "sessionissuer": _PRINCIPAL,
    }
}
# A text is a type, a mapping a row and a list an array.
COLUMNS: dict[str, Any] = {
    "eventversion": _TEXT,
    "useridentity": _IDENTITY,
    "eventtime": _TEXT,
    "eventsource": _TEXT,
    "eventname": _TEXT,
    "awsregion": _TEXT,
    "errorcode": _TEXT,
    "errormessage": _TEXT,
    "requestparameters": _TEXT,
    "eventid": _TEXT,
    "resources": [dict.fromkeys(("arn", "accountid", "type"), _TEXT)],
    "eventtype": _TEXT,
    "recipientaccountid": _TEXT,
    "eventcategory": _TEXT,
    "account": _TEXT,
    "region": _TEXT,
    "day": _TEXT,
}
_BATCH = 500


def load(trino: TrinoServer, table: str, records: Iterable[dict[str, Any]]) -> int:
    """Makes the table and fills it with records, which bear their folder as `account`, `region` and `day`; how many."""
    trino.execute(f"CREATE TABLE {table} ({_fields(COLUMNS)})")
    insert = f"INSERT INTO {table} SELECT * FROM UNNEST(CAST(json_parse(?) AS array({_type(COLUMNS)})))"
    total = 0
    for batch in _batches(records):
        trino.execute(insert, [json.dumps(batch)])
        total += len(batch)
    return total


def _batches(records: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for record in records:
        request = record.get("requestParameters")
        text = None if request is None else json.dumps(request, separators=(",", ":"))
        batch.append(_value(record | {"requestParameters": text}, COLUMNS))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _fields(shape: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_type(kind)}" for name, kind in shape.items())


def _type(shape: Any) -> str:
    if isinstance(shape, dict):
        return f"row({_fields(shape)})"
    return f"array({_type(shape[0])})" if isinstance(shape, list) else shape


def _value(value: Any, shape: Any) -> Any:
    """As Trino casts JSON: a row is a list in the order of its fields."""
    if isinstance(shape, dict) and isinstance(value, dict):
        lower = {name.lower(): inner for name, inner in value.items()}
        return [_value(lower.get(name), kind) for name, kind in shape.items()]
    if isinstance(shape, list) and isinstance(value, list):
        return [_value(item, shape[0]) for item in value]
    return value if isinstance(value, str) else None
