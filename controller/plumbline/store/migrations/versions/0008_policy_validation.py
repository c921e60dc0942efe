"""What policy validation said of documents, its findings by policy, and their number day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "policy_answer",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("checked_at", sa.DateTime(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "digest"),
    )
    op.create_table(
        "policy_finding",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("first_seen", sa.DateTime(), nullable=False),
        sa.Column("last_seen", sa.DateTime(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("landscape", "policy", "code"),
    )
    op.create_table(
        "policy_validation_day",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("unchecked", sa.Integer(), nullable=False),
        sa.Column("uncollected", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "day"),
    )


def downgrade() -> None:
    op.drop_table("policy_validation_day")
    op.drop_table("policy_finding")
    op.drop_table("policy_answer")
