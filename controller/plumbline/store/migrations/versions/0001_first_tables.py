"""first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accepted_access",
        sa.Column("baseline", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("atoms", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("baseline", "principal", "unique_id"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("first", sa.DateTime(), nullable=False),
        sa.Column("last", sa.DateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("resources_truncated", sa.Boolean(), nullable=False),
        sa.Column("via_services", sa.JSON(), nullable=False),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.Column("ambiguous", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("evidence_partition", "evidence", ["landscape", "source", "account", "region", "day"], unique=False)
    op.create_index("evidence_principal", "evidence", ["landscape", "principal"], unique=False)
    op.create_table(
        "generation_job",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("client_token", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("window_start", sa.DateTime(), nullable=False),
        sa.Column("window_end", sa.DateTime(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("landscape", "principal", "client_token"),
    )
    op.create_table(
        "grant",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("first_seen", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "principal", "unique_id", "policy"),
    )
    op.create_table(
        "grant_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "grant_change_partition", "grant_change", ["landscape", "source", "account", "region", "day"], unique=False
    )
    op.create_table(
        "last_accessed",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=True),
        sa.Column("collected_at", sa.DateTime(), nullable=False),
        sa.Column("action_level", sa.Boolean(), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "principal"),
    )
    op.create_table(
        "partition",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("bins", sa.JSON(), nullable=False),
        sa.Column("covered", sa.JSON(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "source", "account", "region", "day"),
    )
    op.create_table(
        "trail_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("trail", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "trail_change_partition", "trail_change", ["landscape", "source", "account", "region", "day"], unique=False
    )
    op.create_table(
        "trail_selection",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("trail", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "trail"),
    )
    op.create_table(
        "unmapped_use",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=True),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("last", sa.DateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "unmapped_use_partition", "unmapped_use", ["landscape", "source", "account", "region", "day"], unique=False
    )
