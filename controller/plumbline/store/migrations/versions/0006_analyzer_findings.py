"""Details of findings of Access Analyzer by landscape."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "analyzer_finding",
        sa.Column("landscape", sa.String(), nullable=False),
        sa.Column("finding", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("landscape", "finding"),
    )


def downgrade() -> None:
    op.drop_table("analyzer_finding")
