"""The tables of the historian, one definition for SQLite and PostgreSQL; `migrations/history` makes them.

Narrow rows under the key (series, time). Closed hours may later move to block tables beside them.
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
    Integer,
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
