"""Rejections of a namespace, and the schema that migrations make."""

from dataclasses import replace
from datetime import UTC, datetime

import alembic.command
import alembic.config
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from plumbline.store import database
from plumbline.store.database import migrate, open_store
from plumbline.store.rejections import Rejection, rejections_of, remember_rejections
from plumbline.store.schema import metadata

AT = datetime(2026, 6, 30, 10, tzinfo=UTC)
ONE = Rejection("arn:aws:iam::123456789012:role/app", "AROA1", "a" * 64, "jane", "needed", AT)


@pytest.fixture
def engine(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield engine
    engine.dispose()


def test_the_last_rejection_of_each_role_is_kept_by_namespace(engine):
    other = replace(ONE, unique_id="AROA2", reason="")
    remember_rejections(engine, "pay", [ONE, other], [])
    assert rejections_of(engine, "pay") == {ONE.role: ONE, other.role: other}
    assert rejections_of(engine, "other") == {}
    later = replace(ONE, plan_digest="b" * 64)
    remember_rejections(engine, "pay", [later], [other.role])
    remember_rejections(engine, "other", [ONE], [ONE.role])
    assert rejections_of(engine, "pay") == {ONE.role: later}
    assert rejections_of(engine, "other") == {ONE.role: ONE}
    remember_rejections(engine, "pay", [], [])
    remember_rejections(engine, "pay", [], [("arn", "unknown")])
    assert rejections_of(engine, "pay") == {ONE.role: later}


def test_migrations_make_the_tables_of_the_schema(engine):
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_store_of_an_earlier_version_is_brought_up_to_date_and_keeps_what_it_has(engine):
    remember_rejections(engine, "pay", [ONE], [])
    config = alembic.config.Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO document VALUES ('d', 't')"))
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "0002")
        assert "rejection" not in sa.inspect(connection).get_table_names()
    migrate(engine)
    assert rejections_of(engine, "pay") == {}
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT text FROM document")).scalar_one() == "t"
