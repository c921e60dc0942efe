"""A store of each test's own."""

import pytest

from tests.stores import new_store


@pytest.fixture
def engine(tmp_path):
    engine = new_store(tmp_path / "s.db")
    yield engine
    engine.dispose()
