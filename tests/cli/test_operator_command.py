"""`plumbline operator` where it cannot start. That it works is shown on a cluster, in tests/operator."""

import pytest
import sqlalchemy as sa

from plumbline.kube import client
from plumbline.operator import program
from plumbline.store.database import open_store


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(client.KubeClient, "__init__", lambda *_: None)
    monkeypatch.setattr(program, "missing_rights", lambda *_, **__: [])


@pytest.mark.usefixtures("cluster")
def test_a_database_of_a_later_version(plumbline, tmp_path):
    url = f"sqlite:///{tmp_path / 'plumbline.db'}"
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9000'"))
    engine.dispose()
    ended = plumbline("operator", "--store", url)
    assert ended.status == 2
    assert "a later version of Plumbline has brought its schema to 9000" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.usefixtures("cluster")
def test_a_database_that_cannot_be_opened(plumbline):
    ended = plumbline("operator", "--store", "sqlite:////nonexistent/plumbline.db")
    assert ended.status == 2
    assert "the database cannot be used" in ended.err
    assert "--store" in ended.err
