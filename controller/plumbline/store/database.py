"""Opens the store and brings its schema up to date. Knows no table's meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

# The latest of the migrations.
HEAD = "0014"
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATING = 7_586_332_461  # a number that no other program takes for its lock


class NewerStoreError(Exception):
    """A later version of the program has migrated the store."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"a later version of Plumbline has brought its schema to {revision}, and this one knows it up to {HEAD}; start "
            "that version again, or restore the database from before the upgrade"
        )


def open_store(url: str) -> sa.Engine:
    """An engine on the store at `url` (`sqlite:////path/plumbline.db`, `postgresql+psycopg://...`), migrated to head.

    Raises sqlalchemy.exc.OperationalError when it cannot be opened, NewerStoreError.
    """
    engine = connected(url)
    migrate(engine)
    return engine


def connected(url: str) -> sa.Engine:
    """An engine on the store at `url` as it is."""
    # A server that was restarted, or has failed over, leaves broken connections in the pool; a file does not.
    engine = sa.create_engine(
        url,
        pool_pre_ping=not url.startswith("sqlite"),
        json_serializer=_as_json,
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _as_json(value: Any) -> str:
    # Most lists in the ledger are empty, and there are three of them in each row.
    return "[]" if value == [] else json.dumps(value)


def migrate(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two that start at once would both make the tables; the lock ends with the transaction.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        revision = _revision(connection)
        if revision is not None and revision > HEAD:
            raise NewerStoreError(revision)
        if revision != HEAD:
            _upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: sa.Connection) -> None:
    # Not above: most starts need no migration, and Alembic takes ten MiB and a fifth of a second.
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _configure_sqlite(connection: Any, _: object) -> None:
    # The driver would commit before each CREATE TABLE, and a migration that is killed would stay half done.
    # https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    connection.isolation_level = None
    # WAL lets readers go on while a partition is written; NORMAL loses at most the last transaction on power failure,
    # which the next pass repeats.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
