"""The service that a role was passed to. Rows that are there are read again, because the overlay of the catalogue is new."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("evidence", sa.Column("passed_to", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("evidence", "passed_to")
