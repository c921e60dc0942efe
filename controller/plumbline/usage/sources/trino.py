"""Trino over the trail's bucket: the usage query with bound parameters, within limits that the server holds too.

Knows Trino's client and settings; what rows mean and which days are asked for is decided elsewhere.
https://github.com/trinodb/trino-python-client, https://trino.io/docs/current/admin/properties-query-management.html
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from plumbline.api.sources import Trino
from plumbline.aws.errors import Invalid, Transient
from plumbline.aws.session import AwsSessions
from plumbline.store.ledger import PartitionKey
from plumbline.usage.digest_days import DayProof
from plumbline.usage.sources.days import Answer
from plumbline.usage.sources.polling import LONGEST, over_limit
from plumbline.usage.sources.query import Row, usage_query
from plumbline.usage.sources.secret_files import secret, secret_path
from plumbline.usage.sources.sql import checked
from plumbline.usage.sources.trail_table import GIGABYTE, TrailTable
from plumbline.usage.sources.trino_errors import translated

if TYPE_CHECKING:
    from trino.auth import Authentication
    from trino.dbapi import Connection, Cursor

# Seconds to connect, and to wait for an answer: the server answers a poll within a few, with rows or without.
_TIMEOUT: Final = (10.0, 30.0)
# The client tries a request again when it is not answered or answered with 429, 502, 503 or 504, and backs off.
_ATTEMPTS: Final = 3
_LONGEST_PAUSE: Final = 30


class TrinoLogs:
    """One configured table as a source of days. `accounts`: those to ask for, with their enabled Regions."""

    def __init__(
        self,
        sessions: AwsSessions,
        config: Trino,
        accounts: Mapping[str, Sequence[str] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._clock = config, clock
        self.trail = TrailTable(sessions, config, accounts)
        self.name, self.scopes = config.name, self.trail.scopes
        self.limit = int(config.max_gigabytes_per_query * GIGABYTE)

    def ask(self, first: date, last: date, scopes: Sequence[str]) -> Answer:
        """One query over these accounts. Raises AwsError, also while rows are fetched."""
        parts = (self._config.catalog, self._config.schema_, self._config.table)
        table, values = self.trail.days(".".join(checked("name", part) for part in parts), first, last, scopes)
        bound = [checked(kind, value) for kind, value in values]
        watch = _Watch(self.limit, self._clock)
        with translated(self._config, self.limit):
            connection = self._connected()
            cursor = connection.cursor(stats_callback=watch)
            with _ended(connection, cursor):
                # Returns with the first rows; the groups are complete by then, and all is scanned.
                cursor.execute(usage_query(table), bound)
        return Answer(self._rows(connection, cursor), watch.scanned)

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, DayProof]:
        """What the digests in the day folders prove."""
        return self.trail.proven(days, scopes)

    def _rows(self, connection: Connection, cursor: Cursor) -> Iterator[Row]:
        """All rows, as they arrive. A reader who stops before the end ends the query."""
        with translated(self._config, self.limit), _ended(connection, cursor):
            names = [column.name for column in cursor.description or ()]
            if tuple(names) != Row._fields:
                raise Invalid("the results have not the columns of the usage query", reason="ResultsUnreadable")
            for cells in iter(cursor.fetchone, None):
                yield Row._make("" if cell is None else str(cell) for cell in cells)
        connection.close()

    def _connected(self) -> Connection:
        # Here, because few landscapes have Trino and each command would wait for the import.
        import requests
        from trino.dbapi import Connection

        config = self._config
        session = requests.Session()
        # A .netrc would take the place of the credentials; without it, proxies are those of the client's environment.
        session.trust_env = False
        session.verify = str(_readable(config.ca_file)) if config.ca_file else True
        session.hooks["response"].append(_bounded_pause)
        return Connection(
            host=config.url,
            user=config.user,
            source="plumbline",
            catalog=config.catalog,
            schema=config.schema_,
            auth=self._authentication(),
            http_session=session,
            session_properties={
                "query_max_scan_physical_bytes": f"{self.limit}B",
                # From its arrival on, waiting in the queue included.
                "query_max_run_time": f"{LONGEST:.0f}s",
            },
            request_timeout=_TIMEOUT,
            max_attempts=_ATTEMPTS,
            # EXECUTE IMMEDIATE, which Trino has since version 418: no state is left on the server.
            legacy_prepared_statements=False,
            # Rows come with the answers; the spooling protocol would send us to other hosts for them.
            encoding=None,  # type: ignore[arg-type]  # the client takes it as "no header"; its annotation does not know
            timezone="UTC",
        )

    def _authentication(self) -> Authentication | None:
        from trino.auth import BasicAuthentication, JWTAuthentication

        if self._config.token_file:
            return JWTAuthentication(secret(self._config.token_file))
        if self._config.password_file:
            return BasicAuthentication(self._config.user, secret(self._config.password_file))
        return None


class _Watch:
    """Looks at what the server says of a running query with each of its answers. Raises AwsError when it goes too far:
    the server holds the same limits, but looks only now and then, or may be no server of this kind."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.scanned = 0
        self._limit, self._clock, self._end = limit, clock, clock() + LONGEST

    def __call__(self, stats: Mapping[str, Any]) -> None:
        self.scanned = max(self.scanned, int(stats.get("physicalInputBytes") or 0))
        # What has come to its end is paid for, and of use.
        if stats.get("state") not in ("FINISHING", "FINISHED") and self.scanned > self._limit:
            raise over_limit(self.scanned, self._limit)
        if self._clock() > self._end:
            raise Transient(
                f"the query did not end within {LONGEST / 60:.0f} minutes and was cancelled",
                reason="QueryTimedOut",
                remedy="It is tried again in the next pass",
            )


@contextlib.contextmanager
def _ended(connection: Connection, cursor: Cursor) -> Iterator[None]:
    """Cancels the query when the block does not come to its end. One that cannot be reached ends by itself, because
    Trino gives up a query for which nobody asks."""
    from trino.exceptions import TrinoConnectionError

    try:
        yield
    except BaseException as error:
        if not isinstance(error, TrinoConnectionError):
            # It may have ended meanwhile; what was raised says more.
            with contextlib.suppress(Exception):
                cursor.cancel()
        connection.close()
        raise


def _readable(name: str) -> str:
    """The path of a file of certificates; that it can be read is checked, because the client's error does not name it."""
    secret(name)
    return str(secret_path(name))


def _bounded_pause(response: Any, *_: Any, **__: Any) -> Any:
    """The client sleeps as long as an answer 429 says: that must have an end."""
    if response.status_code == 429:
        asked = response.headers.get("Retry-After", "")
        response.headers["Retry-After"] = str(min(int(asked), _LONGEST_PAUSE) if asked.isdecimal() else 1)
    return response
