"""Where each event log reads. What is there is taken to come from where it reads now."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "source_place",
        sa.Column("landscape", sa.String(), primary_key=True),
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("place", sa.String(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("source_place")
