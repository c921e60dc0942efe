"""A store of each test's own, and principals."""

from datetime import UTC, datetime

import pytest

from plumbline.model.snapshot import Principal
from tests import stores


@pytest.fixture
def new_store(tmp_path):
    """A function that opens another empty store."""
    opened = []

    def make():
        opened.append(stores.new_store(tmp_path / f"{len(opened)}.db"))
        return opened[-1]

    yield make
    for engine in opened:
        engine.dispose()


@pytest.fixture
def engine(new_store):
    return new_store()


@pytest.fixture
def principal():
    def make(name, unique_id=None, account="100000000003", created=datetime(2024, 1, 1, tzinfo=UTC)):
        return Principal(
            arn=f"arn:aws:iam::{account}:role/{name}",
            unique_id=unique_id or f"AROA{name.upper()}",
            kind="role",
            account=account,
            name=name,
            path="/",
            created_at=created,
        )

    return make
