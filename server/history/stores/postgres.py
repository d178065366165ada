"""History in PostgreSQL 15 or later: binary COPY, staging only when a row is already there.

Rows lie in a hypertable where TimescaleDB is there, else in daily partitions.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Interval, cast, create_engine, func, literal, select
from sqlalchemy.engine import URL, Connection

from server.core.clock import Clock, SystemClock, TimeUs, from_iso, to_datetime
from server.core.errors import ConfigurationError
from server.database.timescale import is_hypertable
from server.history import timescale
from server.history.figures import Cells
from server.history.kinds import StoreKind
from server.history.partitions import Partitions
from server.history.sql import Mark, SqlStore, StoredRow
from server.history.store import Upkeep
from server.history.tiers import DAY, HOUR, Tier
from server.history.upkeep import StaleHour, lost_before, make_figures, no_longer_stale, remove_rows

if TYPE_CHECKING:
    import psycopg

_COLUMNS = "series_id, ts, delay_us, status, kind, number, text"
_COPY = "COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
_STAGE = (
    "CREATE TEMPORARY TABLE history_stage (ordinal bigserial, series_id integer, ts timestamptz, delay_us bigint, "
    "status bigint, kind smallint, number double precision, text text) ON COMMIT DROP"
)
# In key order (two writers lock in the same order); of two rows at one time the first that came wins.
_MERGE = (
    f"INSERT INTO history_points ({_COLUMNS}) SELECT {_COLUMNS} FROM history_stage "  # noqa: S608
    "ORDER BY series_id, ts, ordinal ON CONFLICT DO NOTHING"
)
_UNNEST = (
    f"INSERT INTO history_points ({_COLUMNS}) "  # noqa: S608
    "SELECT * FROM unnest(%b::integer[], %b::timestamptz[], %b::bigint[], %b::bigint[], %b::smallint[], "
    "%b::double precision[], %b::text[]) ON CONFLICT DO NOTHING"
)
# An update where there is a mark: who makes the figures then waits for this write, and sees that there is more.
_MARK = (
    "INSERT INTO history_stale (series_id, hour, until, touched) "
    "SELECT *, 1 FROM unnest(%b::integer[], %b::timestamptz[], %b::timestamptz[]) "
    "ON CONFLICT (series_id, hour) DO UPDATE SET touched = history_stale.touched + 1"
)

_PG_EPOCH: TimeUs = from_iso("2000-01-01T00:00:00Z")
_PART = 500
"""Rows sent to the server at once."""
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_HEAD = struct.Struct("!hiiiqiqiqih")  # seven fields; each value behind its length
_NUMBER_ONLY = struct.Struct("!hiiiqiqiqihidi")
_NUMBER = struct.Struct("!id")
_NULL = struct.pack("!i", -1)
_LENGTH = struct.Struct("!i")

Strategy = Literal["copy", "unnest"]


def _copy_blocks(rows: Sequence[StoredRow]) -> Iterator[bytes]:
    """Rows in PostgreSQL's binary COPY format, part by part: the server works on one while the next is made."""
    yield _HEADER
    for first in range(0, len(rows), _PART):
        yield _copy_part(rows[first : first + _PART])
    yield _TRAILER


def _copy_part(rows: Sequence[StoredRow]) -> bytes:
    parts: list[bytes] = []
    add = parts.append
    for series, ts, delay, code, (number, text, kind) in rows:
        if text is None and number is not None:
            add(_NUMBER_ONLY.pack(7, 4, series, 8, ts - _PG_EPOCH, 8, delay, 8, code, 2, kind, 8, number, -1))
            continue
        add(_HEAD.pack(7, 4, series, 8, ts - _PG_EPOCH, 8, delay, 8, code, 2, kind))
        add(_NULL if number is None else _NUMBER.pack(8, number))
        if text is None:
            add(_NULL)
        else:
            encoded = text.encode("utf-8")
            add(_LENGTH.pack(len(encoded)))
            add(encoded)
    return b"".join(parts)


class PostgresStore(SqlStore):
    """A `HistoryStore` on a PostgreSQL server; connects at first use and again after every loss."""

    def __init__(
        self,
        url: URL,
        *,
        clock: Clock | None = None,
        strategy: Strategy = "copy",
        prepare_threshold: int | None = 5,
        connect_timeout_s: int = 5,
    ) -> None:
        """
        Args:
            strategy: `copy`, or `unnest` where the server (or what stands before it) knows no COPY.
            prepare_threshold: None where connections share one session.
        """
        import psycopg

        self.refusals = (psycopg.DataError, psycopg.IntegrityError)
        self.failures = (psycopg.Error,)
        self._unique_violation: type[psycopg.Error] = psycopg.errors.UniqueViolation
        self._no_partition: type[psycopg.Error] = psycopg.errors.CheckViolation
        self._away: type[psycopg.Error] = psycopg.OperationalError
        self._strategy = strategy
        self._partitions = Partitions(clock := clock or SystemClock())
        self._is_hypertable = False  # known once it is open
        self._jobs = timescale.JobWatch()
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=4,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": connect_timeout_s,
                "prepare_threshold": prepare_threshold,
                "application_name": "fieldloom",
                "options": "-c timezone=UTC",
            },
        )
        super().__init__(engine, url.render_as_string(hide_password=True), clock)

    def _upgrade(self, connection: Connection) -> None:
        # Two servers that start on one database upgrade one after the other.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7366921554)")
        super()._upgrade(connection)
        self._is_hypertable = is_hypertable(connection)
        if not self._is_hypertable:
            self._partitions.load(connection)

    def _insert(self, rows: list[StoredRow], marks: list[Mark]) -> int:
        self._cover(row[1] for row in rows)
        if self._strategy == "unnest":
            return self._transaction(marks, lambda cursor: _unnest(cursor, rows))
        try:
            return self._transaction(marks, lambda cursor: _copy(cursor, "history_points", rows))
        except self._unique_violation:
            return self._transaction(marks, lambda cursor: _merge(cursor, rows))
        except self._no_partition as error:
            # Not the row's fault: somebody dropped a partition. The rows stay with the caller.
            self._partitions.forget()
            raise self._away(str(error)) from error

    def _bucket(self, ts: ColumnElement[Any], start: TimeUs, width: TimeUs) -> ColumnElement[Any]:
        origin = literal(start, ts.type)
        return func.date_bin(cast(f"{width} microseconds", Interval), ts, origin, type_=ts.type)

    def _loosen(self, connection: Connection, series: int, low: TimeUs, high: TimeUs) -> None:
        """Everything is rows here."""

    def _alone(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7366921556)")

    # -- upkeep: TimescaleDB makes the figures itself, and both ways of laying out raw values lose them by whole days

    def maintain(self, now: TimeUs) -> Upkeep:
        done = super().maintain(now)
        if not self._is_hypertable:
            return done
        if self._jobs.is_due(now):
            with self._write_lock, self._errors(), self._by_itself() as connection:
                self._jobs.look(connection, now)
        return replace(done, warnings=self._jobs.warnings, problems=self._jobs.problems)

    def _by_itself(self) -> Connection:
        """A connection whose every statement is a transaction of its own."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _roll(self, stale: Sequence[StaleHour]) -> int:
        if not self._is_hypertable:
            return super()._roll(stale)
        with self._by_itself() as connection:
            lost = lost_before(connection)
            # A refresh is of all series: where one has lost its values, its cells would go. There each is made alone.
            alone = [each for each in stale if lost is not None and each.hour < lost]
            timescale.refresh(connection, (each.hour for each in stale if lost is None or each.hour >= lost))
        with self._engine.begin() as connection:
            if alone:
                self._alone(connection)
                make_figures(connection, self._bucket, alone, self._cells(connection))
            no_longer_stale(connection, stale)
        return 0

    def _join(self, late: Sequence[StaleHour]) -> None:
        if self._is_hypertable:
            with self._by_itself() as connection:
                newest = connection.scalar(select(func.max(self._cells(connection)[Tier.HOURS].c.ts)))
                # Beyond the newest cell the database shows rows only. There is nothing to lose yet: a refresh makes
                # the cells and moves that border.
                beyond = [each for each in late if newest is None or each.hour > newest]
                timescale.refresh(connection, (each.hour for each in beyond))
            if beyond:
                with self._engine.begin() as connection:
                    remove_rows(connection, beyond)
                    no_longer_stale(connection, beyond)
                late = [each for each in late if each not in beyond]
        super()._join(late)

    def _cells(self, connection: Connection) -> Cells:
        return timescale.stored_cells(connection) if self._is_hypertable else super()._cells(connection)

    def _raw_limit(self, limit: TimeUs) -> TimeUs:
        return limit - limit % DAY

    def _drop_before(self, connection: Connection, limit: TimeUs) -> int:
        if self._is_hypertable:
            return timescale.drop_chunks(connection, limit)
        return self._partitions.drop_before(connection, limit)

    def _cover(self, times: Iterable[TimeUs]) -> None:
        if self._is_hypertable:
            return
        days = self._partitions.missing(times)
        if days:
            with self._engine.begin() as connection:
                self._partitions.cover(connection, days)
            self._partitions.covered(days)

    def _make_room(self, times: Sequence[TimeUs]) -> None:
        self.open()
        with self._write_lock, self._errors():
            self._cover(times)

    def _transaction(self, marks: list[Mark], work: Callable[[Any], int]) -> int:
        with self._engine.begin() as connection:
            raw = connection.connection.driver_connection
            cursor = connection.connection.cursor() if raw is None else raw.cursor()
            try:
                if marks:
                    _mark(cursor, marks)
                return work(cursor)
            finally:
                cursor.close()


def _mark(cursor: Any, marks: Sequence[Mark]) -> None:
    series, hours = [mark[0] for mark in marks], [mark[1] for mark in marks]
    until = [to_datetime(hour + HOUR) for hour in hours]
    cursor.execute(_MARK, (series, [to_datetime(hour) for hour in hours], until))


def _copy(cursor: psycopg.Cursor[Any], table: str, rows: Sequence[StoredRow]) -> int:
    with cursor.copy(_COPY.format(table=table, columns=_COLUMNS)) as copy:
        for part in _copy_blocks(rows):
            copy.write(part)
    return cursor.rowcount


def _merge(cursor: psycopg.Cursor[Any], rows: Sequence[StoredRow]) -> int:
    cursor.execute(_STAGE)
    _copy(cursor, "history_stage", rows)
    cursor.execute(_MERGE)
    return cursor.rowcount


def _unnest(cursor: psycopg.Cursor[Any], rows: Sequence[StoredRow]) -> int:
    # Of two rows of one batch at one time the first wins, as with COPY.
    first: dict[tuple[int, TimeUs], StoredRow] = {}
    for row in rows:
        first.setdefault(row[:2], row)
    chosen = sorted(first.values(), key=lambda row: row[:2])
    columns: tuple[list[Any], ...] = (
        [row[0] for row in chosen],
        [to_datetime(row[1]) for row in chosen],
        [row[2] for row in chosen],
        [row[3] for row in chosen],
        [row[4][2] for row in chosen],
        [row[4][0] for row in chosen],
        [row[4][1] for row in chosen],
    )
    cursor.execute(_UNNEST, columns)
    return cursor.rowcount


def open_postgres(url: URL) -> PostgresStore:
    """The store of a `postgresql://` URL. A server that is away is no error here.

    Raises:
        ConfigurationError: the driver is not installed, or no host or database is named.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigurationError(
            ["history.url: PostgreSQL needs its driver: pip install 'fieldloom[postgres]'"], what="history"
        )
    if not url.database:
        raise ConfigurationError(["history.url: names no database"], what="history")
    return PostgresStore(url)


STORE = StoreKind("postgresql", open_postgres)
