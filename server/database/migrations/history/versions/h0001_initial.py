"""The first schema of the historian: a series catalogue and narrow rows.

They lie in a hypertable where TimescaleDB is there, else in daily partitions in PostgreSQL.
"""

import sqlalchemy as sa
from alembic import op

from server.database import timescale

revision = "h0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    connection = op.get_bind()
    postgres = connection.dialect.name == "postgresql"
    hypertable = postgres and timescale.is_usable(connection)
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
        postgresql_partition_by=None if hypertable else "RANGE (ts)",
    )
    if hypertable:
        timescale.make_hypertable(connection)
    elif postgres:
        op.create_table(
            "history_partitions",
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("lower", sa.Date, nullable=False),
            sa.Column("upper", sa.Date, nullable=False),
        )


def downgrade() -> None:
    """Drop every table."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql" and not timescale.is_hypertable(connection):
        op.drop_table("history_partitions")
    op.drop_table("history_points")
    op.drop_table("history_series")
