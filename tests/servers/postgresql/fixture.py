"""The fixtures `postgresql` and `store_url`; a pytest plugin. One server for the whole run, one database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.postgresql.server import PostgresServer

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A running server; starts within seconds."""
    # Here, so that the fast tests do not wait for the import of a driver that they have no use for.
    from tests.servers.postgresql.server import NoServerError, running

    try:
        with running() as server:
            yield server
    except NoServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def migrated(postgresql: PostgresServer) -> str:
    """The name of a database with the tables of an empty store: copying is faster than migrating."""
    from plumbline.store.database import open_store

    name = postgresql.create()
    open_store(postgresql.url(name)).dispose()
    return name


@pytest.fixture(params=BOTH)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of the test's own, in each of the two databases."""
    if request.param == "sqlite":
        from tests.stores import new_store

        new_store(tmp_path / "s.db").dispose()
        return f"sqlite:///{tmp_path}/s.db"
    server = request.getfixturevalue("postgresql")
    return server.url(server.create(request.getfixturevalue("migrated")))


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table, in each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    server = request.getfixturevalue("postgresql")
    return server.url(server.create())
