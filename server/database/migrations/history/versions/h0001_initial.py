"""The first schema of the historian: a series catalogue and narrow rows; daily partitions in PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "h0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "history_series",
        sa.Column("series_id", sa.Integer, primary_key=True),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.UniqueConstraint("device_id", "parameter", name="history_series_name"),
    )
    op.create_table(
        "history_points",
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ts", sa.DateTime(timezone=True) if postgres else sa.BigInteger, primary_key=True),
        sa.Column("delay_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("number", sa.Double),
        sa.Column("text", sa.Text),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (ts)",
    )
    if postgres:
        op.create_table(
            "history_partitions",
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("lower", sa.Date, nullable=False),
            sa.Column("upper", sa.Date, nullable=False),
        )


def downgrade() -> None:
    """Drop every table."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("history_partitions")
    op.drop_table("history_points")
    op.drop_table("history_series")
