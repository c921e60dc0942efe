"""The access role of a policy generation job. Unknown of those that are there, so what failed of them waits for tomorrow."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("generation_job", sa.Column("access_role", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("generation_job", "access_role")
