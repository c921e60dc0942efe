"""Which logs a policy generation job reads. Unknown of those that are there: they were made with the trail of their time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("generation_job", sa.Column("scope", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("generation_job", "scope")
