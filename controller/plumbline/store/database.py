"""Opens the store and brings its schema up to date. Knows no table's meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa

_MIGRATIONS = Path(__file__).parent / "migrations"


def open_store(url: str) -> sa.Engine:
    """An engine on the store at `url` (`sqlite:////path/plumbline.db`, `postgresql+psycopg://...`), migrated to head.

    Raises sqlalchemy.exc.OperationalError when it cannot be opened.
    """
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    migrate(engine)
    return engine


def migrate(engine: sa.Engine) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
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
