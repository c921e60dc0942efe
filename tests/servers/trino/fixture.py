"""The fixture `trino` of the tests marked `servers`; a pytest plugin. One server for the whole run.

Where it has to be built first, that happens after the collection and outside of any test, because it takes longer than a
test may. When it fails, the tests that need it fail and say why.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.building import BuildError
from tests.servers.trino import build

if TYPE_CHECKING:
    from tests.servers.trino.server import TrinoServer

_PROGRAMS = pytest.StashKey[Path | BuildError]()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if any("trino" in getattr(item, "fixturenames", ()) for item in session.items):
        _programs(session.config)


def _programs(config: pytest.Config) -> Path | BuildError:
    if _PROGRAMS not in config.stash:
        capture = config.pluginmanager.getplugin("capturemanager")
        try:
            # Its lines every half minute are for a person who waits.
            with capture.global_and_fixture_disabled():
                config.stash[_PROGRAMS] = build.folder()
        except BuildError as error:
            config.stash[_PROGRAMS] = error
    return config.stash[_PROGRAMS]


@pytest.fixture(scope="session")
def trino(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoServer]:
    """Three nodes and the catalog `memory`; ready after some fifteen seconds."""
    # Here, so that the fast tests do not wait for the import of a client that they have no use for.
    from tests.servers.trino.server import running

    programs = _programs(request.config)
    if isinstance(programs, BuildError):
        pytest.fail(str(programs), pytrace=False)
    with running(tmp_path_factory.mktemp("trino"), programs) as server:
        yield server
