"""Rows that take the place of others with the same primary key, alike in SQLite and PostgreSQL. Knows no table's meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa


def delete_rows(connection: sa.Connection, table: sa.Table, keys: Iterable[Mapping[str, Any]]) -> None:
    """`keys`: at least the columns of the primary key."""
    where = [column == sa.bindparam(f"of_{column.name}") for column in table.primary_key]
    rows = [{f"of_{column.name}": key[column.name] for column in table.primary_key} for key in keys]
    if rows:
        connection.execute(table.delete().where(*where), rows)


def replace_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    delete_rows(connection, table, rows)
    if rows:
        connection.execute(table.insert(), list(rows))
