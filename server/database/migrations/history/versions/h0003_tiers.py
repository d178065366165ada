"""Figures of minutes and hours, which hours lack them, and blocks for packed hours (SQLite)."""

import importlib

import sqlalchemy as sa
from alembic import op

from server.database import timescale

revision = "h0003"
down_revision = "h0002"

# An hour in each dialect; every hour that has values lacks its figures yet.
_MARK = {
    "sqlite": (
        "INSERT INTO history_stale (series_id, hour, until, touched) "
        "SELECT series_id, hour, hour + 3600000000, 1 FROM (SELECT DISTINCT series_id, "
        "ts - ((ts % 3600000000) + 3600000000) % 3600000000 AS hour FROM history_points)"
    ),
    "postgresql": (
        "INSERT INTO history_stale (series_id, hour, until, touched) "
        "SELECT series_id, hour, hour + interval '1 hour', 1 FROM (SELECT DISTINCT series_id, "
        "date_trunc('hour', ts, 'UTC') AS hour FROM history_points) AS hours"
    ),
}


def upgrade() -> None:
    """Create the tables; mark what is already there."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    moment = sa.DateTime(timezone=True) if dialect == "postgresql" else sa.BigInteger()
    if dialect == "postgresql" and timescale.is_hypertable(connection):
        timescale.make_cells(connection)
    else:
        _create_cells(moment)
    op.add_column("history_series", sa.Column("raw_from", moment))
    op.create_table(
        "history_stale",
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hour", moment, primary_key=True),
        sa.Column("until", moment, nullable=False),
        sa.Column("touched", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("history_stale_until", "history_stale", ["until"])
    if dialect == "sqlite":
        op.create_table(
            "history_blocks",
            sa.Column("block_id", sa.Integer, primary_key=True),
            sa.Column("series_id", sa.Integer, nullable=False),
            sa.Column("hour", sa.BigInteger, nullable=False),
            sa.Column("rows", sa.Integer, nullable=False),
            sa.Column("data", sa.LargeBinary, nullable=False),
            sa.UniqueConstraint("series_id", "hour", name="history_blocks_place"),
        )
    op.execute(_MARK[dialect])


def _create_cells(moment: sa.DateTime | sa.BigInteger) -> None:
    for name in ("history_minutes", "history_hours"):
        op.create_table(
            name,
            sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("ts", moment, primary_key=True),
            sa.Column("rows", sa.BigInteger, nullable=False),
            sa.Column("good", sa.BigInteger, nullable=False),
            sa.Column("total", sa.Double),
            sa.Column("low", sa.Double),
            sa.Column("high", sa.Double),
            sqlite_with_rowid=False,
        )


def downgrade() -> None:
    """Drop them; packed hours become rows again first."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        # What packs is a room above this one.
        loosen = importlib.import_module("server.history.packing").loosen
        for series, hour in connection.exec_driver_sql("SELECT series_id, hour FROM history_blocks").all():
            loosen(connection.connection.driver_connection, series, hour, hour)
        op.drop_table("history_blocks")
    op.drop_index("history_stale_until", "history_stale")
    op.drop_table("history_stale")
    if connection.dialect.name == "postgresql" and timescale.is_hypertable(connection):
        timescale.drop_cells(connection)
    else:
        op.drop_table("history_hours")
        op.drop_table("history_minutes")
    op.drop_column("history_series", "raw_from")
