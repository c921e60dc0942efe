"""A store of each test's own."""

import pytest

from plumbline.store.database import open_store


@pytest.fixture
def engine(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path}/s.db")
    yield engine
    engine.dispose()
