"""The tables of the historian, one definition for SQLite and PostgreSQL; `migrations/history` makes them.

Narrow rows under the key (series, time). Beside them the figures of minutes and hours, and in SQLite the blocks that
closed hours are packed into.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from server.core.clock import TimeUs, from_datetime, to_datetime


class UtcTime(TypeDecorator[int]):
    """`TimeUs` in Python; timestamptz in PostgreSQL, BIGINT in SQLite, which has no time zones."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        wanted: TypeEngine[Any] = DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger()
        return dialect.type_descriptor(wanted)

    def process_bind_param(self, value: TimeUs | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name != "postgresql" else to_datetime(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> TimeUs | None:
        return from_datetime(value) if isinstance(value, datetime) else value


HISTORY = MetaData()

SERIES = Table(
    "history_series",
    HISTORY,
    Column("series_id", Integer, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("raw_from", UtcTime),  # raw values before this were removed because of their age
    UniqueConstraint("device_id", "parameter", name="history_series_name"),
)

POINTS = Table(
    "history_points",
    HISTORY,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("ts", UtcTime, primary_key=True),  # source time
    Column("delay_us", BigInteger, nullable=False),  # server time minus source time
    Column("status", BigInteger, nullable=False),  # StatusCode, unsigned
    Column("kind", SmallInteger, nullable=False),  # server/history/values.py
    Column("number", Double),
    Column("text", Text),
    sqlite_with_rowid=False,
)

MODIFIED = Table(
    "history_modified",
    HISTORY,
    Column("entry", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("series_id", Integer, nullable=False),
    Column("ts", UtcTime, nullable=False),  # source time of the value that is not current any more
    Column("delay_us", BigInteger, nullable=False),
    Column("status", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("number", Double),
    Column("text", Text),
    Column("modified_at", UtcTime, nullable=False),
    Column("how", SmallInteger, nullable=False),  # HistoryUpdateType
    Column("user", Text, nullable=False),
    Index("history_modified_place", "series_id", "ts", "entry"),
)

ANNOTATIONS = Table(
    "history_annotations",
    HISTORY,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("ts", UtcTime, primary_key=True),  # source time of what is annotated
    Column("annotated_at", UtcTime, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("message", Text, nullable=False),
    sqlite_with_rowid=False,
)


def _figures(name: str) -> Table:
    # Views of the same names and columns (continuous aggregates) stand for them in TimescaleDB.
    return Table(
        name,
        HISTORY,
        Column("series_id", Integer, primary_key=True, autoincrement=False),
        Column("ts", UtcTime, primary_key=True),  # where the cell begins
        Column("rows", BigInteger, nullable=False),  # of any status
        Column("good", BigInteger, nullable=False),  # Good numbers; the columns below are of these
        Column("total", Double),
        Column("low", Double),
        Column("high", Double),
        sqlite_with_rowid=False,
    )


MINUTES = _figures("history_minutes")
HOURS = _figures("history_hours")

STALE = Table(
    "history_stale",
    HISTORY,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("hour", UtcTime, primary_key=True),  # its raw values say more than the figures of its cells
    Column("until", UtcTime, nullable=False),  # where that hour ends
    Column("touched", BigInteger, nullable=False),  # how often a write came since the figures were right
    Index("history_stale_until", "until"),
    sqlite_with_rowid=False,
)

BLOCKS = Table(
    "history_blocks",
    HISTORY,
    # With a row number of their own: a key table would put all but the first bytes of a block on a page of its own.
    Column("block_id", Integer, primary_key=True),
    Column("series_id", Integer, nullable=False),
    Column("hour", BigInteger, nullable=False),  # only in SQLite
    Column("rows", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # server/history/blocks.py
    UniqueConstraint("series_id", "hour", name="history_blocks_place"),
)
"""Hours that are packed have no rows in `history_points`."""
