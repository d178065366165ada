"""History in one SQLite file: the embedded store. Rows under the key (series, time), WAL, every commit on disk.

Hours that are closed are packed into blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    create_engine,
    delete,
    event,
    func,
    select,
    type_coerce,
)
from sqlalchemy.engine import URL, Connection

from server.core.clock import Clock, SystemClock, TimeUs, to_iso
from server.core.errors import ConfigurationError, LocalError
from server.database.sqlite import connect
from server.history.figures import NOT_GOOD, Figures
from server.history.kinds import StoreKind
from server.history.packing import loosen, pack_hour, packed
from server.history.sql import Mark, SqlStore, StoredRow
from server.history.store import StoredValue
from server.history.tables import BLOCKS, POINTS
from server.history.tiers import HOUR, Segment
from server.history.upkeep import StaleHour
from server.history.values import EARLIEST, LATEST, NUMBER, clamp, from_columns

log = structlog.get_logger("fieldloom.history")
_INSERT = (
    "INSERT OR IGNORE INTO history_points (series_id, ts, delay_us, status, kind, number, text) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_MARK = (
    "INSERT INTO history_stale (series_id, hour, until, touched) VALUES (?, ?, ?, 1) "
    "ON CONFLICT DO UPDATE SET touched = touched + 1"
)
_READERS = 8


class SqliteStore(SqlStore):
    """A `HistoryStore` in a file; `synchronous=FULL`, because the spool forgets a batch that is committed here."""

    _times = (POINTS.c.ts, BLOCKS.c.hour)
    refusals = (sqlite3.DataError, sqlite3.IntegrityError)
    failures = (sqlite3.Error,)

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        """Open, creating what is missing.

        Raises:
            ConfigurationError: damaged, not writable, or written by a newer program.
        """
        # What is no database or cannot be written is told at the start; a whole check would read all history.
        connect(path, check=False).close()
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)),
            creator=lambda: connect(path, check=False),
            pool_size=_READERS,
            max_overflow=0,
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        super().__init__(engine, str(path), clock or SystemClock())
        self.open()

    def _bucket(self, ts: ColumnElement[Any], start: TimeUs, width: TimeUs) -> ColumnElement[Any]:
        # Whole microseconds, none before the start: the quotient is cut where an interval begins.
        whole = (type_coerce(ts, BigInteger) - start) // width
        return type_coerce(start + whole * width, ts.type)

    def _figures(self, connection: Connection, query: Select[Any] | CompoundSelect[Any]) -> Iterable[Figures]:
        # As one row: SQLite gives the interpreter away and asks for it back with every row, and while other threads are
        # busy each of these takes milliseconds. 17 digits bring every number back as it was.
        rows = query.subquery()
        line = func.printf("%d,%d,%d,%!.17g,%!.17g,%!.17g,%d", *rows.c)
        text = connection.scalar(select(func.group_concat(line, ";")).where(list(rows.c)[6] > 0))
        for each in str(text).split(";") if text else ():
            series, time, good, total, low, high, count = each.split(",")
            yield int(series), int(time), int(good), float(total), float(low), float(high), int(count)

    def _make_room(self, times: Sequence[TimeUs]) -> None:
        """A file has room for every time."""

    def _insert(self, rows: list[StoredRow], marks: list[Mark]) -> int:
        # By key: each leaf of the tree is then touched once.
        rows.sort(key=lambda row: row[:2])
        with self._engine.connect() as connection:
            raw = _driver(connection)
            cursor = raw.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.executemany(_MARK, [(series, hour, hour + HOUR) for series, hour in marks])
                for series, hour in marks:
                    loosen(raw, series, hour, hour)
                cursor.executemany(
                    _INSERT,
                    [
                        (series, ts, delay, code, kind, number, text)
                        for series, ts, delay, code, (number, text, kind) in rows
                    ],
                )
                new = int(cursor.rowcount)
                cursor.execute("COMMIT")
            finally:
                if raw.in_transaction:
                    cursor.execute("ROLLBACK")
            return new

    # -- packed hours

    def _fetch(
        self,
        connection: Connection,
        series: int,
        low: TimeUs | None,
        high: TimeUs | None,
        limit: int,
        *,
        newest_first: bool,
    ) -> list[StoredValue]:
        rows = super()._fetch(connection, series, low, high, limit, newest_first=newest_first)
        first, last = EARLIEST if low is None else clamp(low), LATEST if high is None else clamp(high)
        if len(rows) == limit:
            # What is packed beyond the last of these would not be among the first `limit`.
            edge = rows[-1].source_time
            first, last = (max(first, edge), last) if newest_first else (first, min(last, edge))
        values = (
            StoredValue(ts, ts + delay, number if kind == NUMBER else from_columns(number, text, kind), code)
            for ts, delay, code, (number, text, kind) in packed(
                _driver(connection), series, first, last, newest_first=newest_first
            )
        )
        both = merge(rows, values, key=attrgetter("source_time"), reverse=newest_first)
        return list(islice(both, limit))

    def _packed_figures(
        self, connection: Connection, series: Sequence[int], segment: Segment, start: TimeUs, width: TimeUs
    ) -> Iterable[Figures]:
        raw = _driver(connection)
        for number in series:
            for ts, _, code, (value, _, _) in packed(raw, number, segment.low, segment.high - 1):
                if code < NOT_GOOD and value is not None:
                    yield number, ts - (ts - start) % width, 1, value, value, value, 1
                else:
                    yield number, ts - (ts - start) % width, 0, 0.0, 0.0, 0.0, 1

    def _loosen(self, connection: Connection, series: int, low: TimeUs, high: TimeUs) -> None:
        loosen(_driver(connection), series, low - low % HOUR, high - high % HOUR)

    def _alone(self, connection: Connection) -> None:
        """Nobody else keeps this file in order."""

    def _pack(self, connection: Connection, hour: StaleHour) -> bool:
        try:
            return pack_hour(_driver(connection), hour.series, hour.hour)
        except LocalError as error:
            # One hour that cannot be packed must not hold up the figures and the end of all others.
            log.warning("history_not_packed", series=hour.series, hour=to_iso(hour.hour), reason=error.text)
            return False

    def _expire_raw(self, connection: Connection, series: Sequence[int], limit: TimeUs) -> int:
        gone = super()._expire_raw(connection, series, limit)
        place = BLOCKS.c.series_id.in_(series), BLOCKS.c.hour < limit
        gone += int(connection.scalar(select(func.coalesce(func.sum(BLOCKS.c.rows), 0)).where(*place)) or 0)
        connection.execute(delete(BLOCKS).where(*place))
        return gone


def _driver(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise sqlite3.InterfaceError("the connection was closed")
    return raw


def open_sqlite(url: URL) -> SqliteStore:
    """The store of a `sqlite:///path` URL.

    Raises:
        ConfigurationError: no path, or the file cannot be used.
    """
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(["history.url: sqlite needs a file: sqlite:////path/history.db"], what="history")
    return SqliteStore(Path(url.database))


STORE = StoreKind("sqlite", open_sqlite)
