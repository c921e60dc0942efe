"""Migrations: from nothing, from an older version with data, by several at once; and connections that break."""

import subprocess
import sys
from datetime import UTC, datetime

import alembic.command
import alembic.config
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from plumbline.store import database
from plumbline.store.database import open_store
from plumbline.store.register import Registered, registered_in
from plumbline.store.rejections import Rejection, rejections_of, remember_rejections
from plumbline.store.schema import generation_job, metadata, unmapped_use

AT = datetime(2026, 6, 30, 10, tzinfo=UTC)
ONE = Rejection("arn:aws:iam::123456789012:role/app", "AROA1", "a" * 64, "jane", "needed", AT)
JOB = {
    "landscape": "l", "principal": ONE.principal, "client_token": "t", "unique_id": "AROA1", "account": "123456789012",
    "region": "us-east-1", "window_start": AT, "window_end": AT, "status": "SUCCEEDED", "result": {"actions": ["s3:*"]},
}  # fmt: skip


def configuration():
    config = alembic.config.Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    return config


OLDER = [script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()][1:]


def at_revision(url, revision):
    """A database as an earlier version of the program has left it."""
    engine = sa.create_engine(url)
    config = configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)
    return engine


def differences(engine):
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


def test_an_empty_database_gets_the_tables_of_the_schema(empty_url):
    engine = open_store(empty_url)
    assert differences(engine) == []
    engine.dispose()


def test_the_head_is_the_last_migration():
    assert ScriptDirectory.from_config(configuration()).get_current_head() == database.HEAD


def test_a_store_that_is_up_to_date_is_not_migrated(empty_url, monkeypatch):
    open_store(empty_url).dispose()
    monkeypatch.setattr(database, "_upgrade", lambda _: pytest.fail("migrated again"))
    engine = open_store(empty_url)
    assert rejections_of(engine, "pay") == {}
    engine.dispose()


@pytest.mark.parametrize("revision", OLDER)
def test_a_store_of_an_earlier_version_is_brought_up_to_date_and_keeps_what_it_has(empty_url, revision):
    older = at_revision(empty_url, revision)
    with older.begin() as connection:
        connection.execute(generation_job.insert(), JOB)
    older.dispose()
    engine = open_store(empty_url)
    assert differences(engine) == []
    with engine.connect() as connection:
        row = connection.execute(generation_job.select()).mappings().one()
    assert {name: row[name] for name in JOB} == JOB
    assert (row["scope"], row["access_role"]) == (None, None)  # which logs it has read, and how, was not written down
    remember_rejections(engine, "pay", [ONE], [])
    assert rejections_of(engine, "pay") == {ONE.role: ONE}
    engine.dispose()


def test_findings_of_before_know_their_account(empty_url):
    older = at_revision(empty_url, "0010")
    row = {"baseline": "pay/base", "key": "k", "kind": "GrantDrift", "role_arn": ONE.principal, "first_seen": AT.replace(tzinfo=None)}  # fmt: skip
    with older.begin() as connection:
        columns = ", ".join(f'"{name}"' for name in row)
        connection.execute(
            sa.text(f"INSERT INTO finding ({columns}) VALUES ({', '.join(f':{name}' for name in row)})"), row
        )
    older.dispose()
    engine = open_store(empty_url)
    assert registered_in(engine, "pay/base") == (
        Registered("k", "GrantDrift", ONE.principal, AT, None, account="123456789012"),
    )
    with engine.begin() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "0010")
        (kept,) = connection.execute(sa.text("SELECT baseline, role_arn FROM finding"))
    assert tuple(kept) == ("pay/base", ONE.principal)
    engine.dispose()


@pytest.mark.servers
def test_a_new_database_may_be_opened_by_several_at_once(postgresql):
    url = postgresql.url(postgresql.create())
    # Processes, as replicas are: alembic is not made for threads.
    command = [
        sys.executable,
        "-c",
        "import sys; from plumbline.store.database import open_store; open_store(sys.argv[1])",
        url,
    ]
    opening = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(100) for process in opening] == [0, 0, 0]
    engine = open_store(url)
    assert differences(engine) == []
    engine.dispose()


@pytest.mark.servers
def test_a_connection_that_broke_is_replaced(postgresql, migrated):
    name = postgresql.create(migrated)
    engine = open_store(postgresql.url(name))
    remember_rejections(engine, "pay", [ONE], [])
    postgresql.disconnect(name)
    assert rejections_of(engine, "pay") == {ONE.role: ONE}
    engine.dispose()


@pytest.mark.servers
def test_rows_are_numbered_beyond_32_bits(postgresql, migrated):
    engine = open_store(postgresql.url(postgresql.create(migrated)))
    row = dict.fromkeys(
        ("landscape", "source", "account", "region", "day", "principal", "event_source", "event_name"), "x"
    )
    row |= {"unique_id": None, "services": [], "last": AT, "count": 1 << 40}
    with engine.begin() as connection:
        connection.execute(sa.text(f"SELECT setval('unmapped_use_id_seq', {(1 << 31) - 1})"))
        connection.execute(unmapped_use.insert(), row)
        found = connection.execute(sa.select(unmapped_use.c.id, unmapped_use.c["count"])).one()
    assert tuple(found) == (1 << 31, 1 << 40)
    engine.dispose()
