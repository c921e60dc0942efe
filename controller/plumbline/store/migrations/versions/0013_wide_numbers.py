"""Numbers of 64 bits on PostgreSQL: rows of evidence are replaced day by day, and their ids never come again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_NUMBERED = ("evidence", "unmapped_use", "grant_change", "trail_change")
_COUNTS = (("evidence", "count"), ("unmapped_use", "count"), ("partition", "records"))


def upgrade() -> None:
    _widen(sa.BigInteger(), "bigint")


def downgrade() -> None:
    _widen(sa.Integer(), "integer")


def _widen(kind: sa.types.TypeEngine[int], name: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, column in (*((table, "id") for table in _NUMBERED), *_COUNTS):
        op.alter_column(table, column, type_=kind)
    for table in _NUMBERED:
        op.execute(f"ALTER SEQUENCE {table}_id_seq AS {name}")
