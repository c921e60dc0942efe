"""Rejected plans by namespace and role."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rejection",
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("plan_digest", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "principal", "unique_id"),
    )


def downgrade() -> None:
    op.drop_table("rejection")
