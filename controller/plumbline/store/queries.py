"""Queries that were started, so that a restart waits for them instead of paying again; and failures that cost something, so
that they are not repeated each hour. No AWS, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from plumbline.store.rows import replace_rows
from plumbline.store.schema import query_failure, running_query

# What came later is not in its results, so an old query is of no use; and whether a day is asked for the last time changes
# with the UTC day.
_RESUMED_FOR: Final = timedelta(hours=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """No query before `until`, because the last ones failed so."""

    until: datetime
    reason: str
    message: str
    remedy: str


class Queries:
    """Those of one source, at one time."""

    def __init__(self, engine: sa.Engine, landscape: str, source: str, now: datetime) -> None:
        self._engine, self._now = engine, now
        self._of = {"landscape": landscape, "source": source}

    def running(self, statement: str) -> str | None:
        """The id of a query with this statement that was started lately, and may still run or have its results."""
        table = running_query
        wanted = sa.select(table.c.query_id, table.c.started_at).where(
            *self._is(table), table.c.statement == statement, table.c.started_at > self._now - _RESUMED_FOR
        )
        with self._engine.connect() as connection:
            found = connection.execute(wanted).one_or_none()
        same_day = found is not None and found.started_at.date() == self._now.astimezone(UTC).date()
        return str(found.query_id) if found is not None and same_day else None

    def started(self, statement: str, query_id: str) -> None:
        row = self._of | {"statement": statement, "query_id": query_id, "started_at": self._now}
        with self._engine.begin() as connection:
            replace_rows(connection, running_query, [row])

    def forget(self) -> None:
        """All that were started have ended, and their rows are in the ledger or of no use."""
        with self._engine.begin() as connection:
            connection.execute(running_query.delete().where(*self._is(running_query)))

    def pause(self) -> Pause | None:
        """After the second failure in a row an hour, then twice as long each time, a day at most."""
        wanted = query_failure.select().where(*self._is(query_failure))
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None or row.failures < 2:
            return None
        length = min(_FIRST_PAUSE * 2 ** min(row.failures - 2, 30), _LONGEST_PAUSE)
        until = row.at + length
        return Pause(until, row.reason, row.message, row.remedy) if self._now < until else None

    def failed(self, reason: str, message: str, remedy: str) -> None:
        with self._engine.begin() as connection:
            wanted = sa.select(query_failure.c.failures).where(*self._is(query_failure))
            before = connection.execute(wanted).scalar() or 0
            said = {"reason": reason, "message": message, "remedy": remedy}
            row = self._of | said | {"failures": before + 1, "at": self._now.replace(microsecond=0)}
            replace_rows(connection, query_failure, [row])

    def succeeded(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(query_failure.delete().where(*self._is(query_failure)))

    def _is(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
        return tuple(table.c[name] == value for name, value in self._of.items())
