"""A store of each test's own, in SQLite and in PostgreSQL."""

import pytest

from plumbline.store.database import open_store


@pytest.fixture
def engine(store_url):
    engine = open_store(store_url)
    yield engine
    engine.dispose()
