"""The organization's events as tables for SQL in Trino's dialect: for CloudTrail Lake and Athena, from the one truth.

Lake holds what happened, also in the hours whose log files were lost; Athena sees the log files. Knows sqlglot and DuckDB.
"""

import json
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from sandbox import trail
from sandbox.behaviour import Behaviour

_PRINCIPAL = "STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, userName VARCHAR)"
_COLUMNS = {
    "eventVersion": "VARCHAR",
    "userIdentity": "STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, invokedBy VARCHAR,"
    f" accessKeyId VARCHAR, userName VARCHAR, sessionContext STRUCT(sessionIssuer {_PRINCIPAL}))",
    "eventTime": "VARCHAR",
    "eventSource": "VARCHAR",
    "eventName": "VARCHAR",
    "awsRegion": "VARCHAR",
    "sourceIPAddress": "VARCHAR",
    "userAgent": "VARCHAR",
    "errorCode": "VARCHAR",
    "errorMessage": "VARCHAR",
    "requestID": "VARCHAR",
    "eventID": "VARCHAR",
    "readOnly": "BOOLEAN",
    "resources": "STRUCT(ARN VARCHAR, accountId VARCHAR, type VARCHAR)[]",
    "eventType": "VARCHAR",
    "managementEvent": "BOOLEAN",
    "recipientAccountId": "VARCHAR",
    "sharedEventID": "VARCHAR",
    "eventCategory": "VARCHAR",
    # Not of CloudTrail: the request as Lake and as Athena keep it, and the folder of the log file.
    "asMap": "MAP(VARCHAR, VARCHAR)",
    "asText": "VARCHAR",
    "account": "VARCHAR",
    "region": "VARCHAR",
    "day": "VARCHAR",
    "lost": "BOOLEAN",
}
_OWN = {"asMap", "asText", "account", "region", "day", "lost"}
LAKE_COLUMNS = [name for name in _COLUMNS if name not in _OWN]
_KEY = re.compile(r"/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4}/\d{2}/\d{2})/")


class QueryError(Exception):
    """What is wrong with a statement, in the engine's words."""


class EventStore:
    """All events in one in-memory database. `lake` is its table of what happened; others are made by `table`."""

    def __init__(self, behaviour: Behaviour, bucket: trail.Bucket) -> None:
        self._database = duckdb.connect(config={"threads": 1})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.json"
            with path.open("w") as out:
                out.writelines(_lines(behaviour, bucket))
            columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _COLUMNS.items())
            self._database.execute(
                f"CREATE TABLE everything AS FROM read_json('{path}', format='newline_delimited', columns={{{columns}}})"
            )
        names = ", ".join(n for n in LAKE_COLUMNS if n != "eventTime")
        self._database.execute(
            f"CREATE VIEW lake AS SELECT CAST(eventTime AS TIMESTAMP) AS eventTime, {names}, asMap AS requestParameters"
            " FROM everything"
        )

    def table(self, name: str, columns: list[str], *, whole: bool) -> None:
        """A table over the log files with these columns; empty where it does not point to them (`whole` is false)."""
        known = {column.lower(): column for column in _COLUMNS} | {"requestparameters": "asText"}
        shown = [f"{known[c]} AS {c}" if c in known else f"CAST(NULL AS VARCHAR) AS {c}" for c in columns]
        self._database.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT {', '.join(shown)}, account, region, day FROM everything"
            f" WHERE NOT lost AND {str(whole).lower()}"
        )

    def query(self, tree: exp.Expression, parameters: list[str]) -> tuple[list[str], list[list[str | None]]]:
        """(column names, rows as texts) of a statement in Trino's dialect."""
        try:
            result = self._database.execute(tree.sql(dialect="duckdb"), parameters)
            names = [column[0] for column in result.description or ()]
            rows = [[None if value is None else str(value) for value in row] for row in result.fetchall()]
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
        return names, rows

    def count(self, condition: str, parameters: list[str]) -> int:
        """How many events meet a condition in DuckDB's own dialect."""
        found = self._database.execute(f"SELECT count(*) FROM everything WHERE {condition}", parameters).fetchone()
        return int(found[0]) if found else 0


def parsed(statement: str) -> exp.Expression:
    """The one SELECT of a statement in Trino's dialect; anything else is refused."""
    try:
        trees = sqlglot.parse(statement, read="trino")
    except sqlglot.errors.SqlglotError as error:
        raise QueryError(str(error)) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise QueryError("only one SELECT statement is allowed")
    return trees[0]


def bounds(tree: exp.Expression, column: str) -> tuple[str, str]:
    """(lowest, highest) literal with which a column is compared: what a scan must read at most."""
    low, high = "", "\U0010ffff"
    for kind, is_low in ((exp.GT, True), (exp.GTE, True), (exp.LT, False), (exp.LTE, False)):
        for node in tree.find_all(kind):
            if isinstance(node.this, exp.Column) and node.this.name.lower() == column and node.expression.is_string:
                value = str(node.expression.this)
                low, high = (max(low, value), high) if is_low else (low, min(high, value))
    return low, high


def _lines(behaviour: Behaviour, bucket: trail.Bucket) -> Iterator[str]:
    for key in bucket.keys:
        found = _KEY.search(key)
        if found:
            for record in json.loads(zlib.decompress(bucket.objects[key].body, 31))["Records"]:
                yield _line(record, *found.groups(), lost=False)
    for text in trail.lost(behaviour):
        record = json.loads(text)
        yield _line(record, record["recipientAccountId"], record["awsRegion"], record["eventTime"][:10], lost=True)


def _line(record: dict[str, Any], account: str, region: str, day: str, *, lost: bool) -> str:
    request = record.get("requestParameters")
    texts = request and {
        k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for k, v in request.items()
    }
    row = {name: record.get(name) for name in LAKE_COLUMNS} | {
        "asMap": texts,
        "asText": None if request is None else json.dumps(request, separators=(",", ":")),
        "account": account,
        "region": region,
        "day": day,
        "lost": lost,
    }
    return json.dumps(row) + "\n"
