"""Device types that somebody chose by hand for single devices."""

import sqlalchemy as sa
from alembic import op

revision = "s0003"
down_revision = "s0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "assigned_types",
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("type_id", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("assigned_types")
