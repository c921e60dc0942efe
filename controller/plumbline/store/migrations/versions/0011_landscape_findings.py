"""Findings of landscapes beside those of baselines: about any resource, in an account that its ARN need not name."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_NEW = ("account", "region", "detail")


def upgrade() -> None:
    with op.batch_alter_table("finding") as table:
        table.alter_column("baseline", new_column_name="book")
        table.alter_column("role_arn", new_column_name="resource")
        for name in _NEW:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
    finding = sa.table("finding", *map(sa.column, ("book", "key", "resource", "account")))
    connection = op.get_bind()
    for book, key, resource in connection.execute(sa.select(finding.c.book, finding.c.key, finding.c.resource)).all():
        where = sa.and_(finding.c.book == book, finding.c.key == key)
        connection.execute(finding.update().where(where).values(account=resource.split(":")[4]))


def downgrade() -> None:
    op.execute("DELETE FROM finding WHERE book LIKE 'landscape:%'")
    with op.batch_alter_table("finding") as table:
        for name in _NEW:
            table.drop_column(name)
        table.alter_column("resource", new_column_name="role_arn")
        table.alter_column("book", new_column_name="baseline")
