"""History in one SQLite file: the embedded store. Rows under the key (series, time), WAL, every commit on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import BigInteger, ColumnElement, create_engine, event, type_coerce
from sqlalchemy.engine import URL, Connection

from server.core.clock import TimeUs
from server.core.errors import ConfigurationError
from server.database.sqlite import connect
from server.history.kinds import StoreKind
from server.history.sql import SqlStore, StoredRow
from server.history.tables import POINTS

_INSERT = (
    "INSERT OR IGNORE INTO history_points (series_id, ts, delay_us, status, kind, number, text) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_READERS = 8


class SqliteStore(SqlStore):
    """A `HistoryStore` in a file; `synchronous=FULL`, because the spool forgets a batch that is committed here."""

    refusals = (sqlite3.DataError, sqlite3.IntegrityError)
    failures = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
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

        super().__init__(engine, str(path))
        self.open()

    def _bucket(self, start: TimeUs, width: int) -> ColumnElement[int]:
        # Whole microseconds, none before the start: the quotient is cut where an interval begins.
        return (type_coerce(POINTS.c.ts, BigInteger) - start) // width

    def _bucket_time(self, bucket: int, start: TimeUs, width: int) -> TimeUs:
        return start + bucket * width

    def _make_room(self, times: Sequence[TimeUs]) -> None:
        """A file has room for every time."""

    def _insert(self, rows: list[StoredRow]) -> int:
        # By key: each leaf of the tree is then touched once.
        rows.sort(key=lambda row: row[:2])
        with self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is None:
                raise sqlite3.InterfaceError("the connection was closed")
            cursor = raw.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
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


def open_sqlite(url: URL) -> SqliteStore:
    """The store of a `sqlite:///path` URL.

    Raises:
        ConfigurationError: no path, or the file cannot be used.
    """
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(["history.url: sqlite needs a file: sqlite:////path/history.db"], what="history")
    return SqliteStore(Path(url.database))


STORE = StoreKind("sqlite", open_sqlite)
