"""What the SQL stores share: the series catalogue, reads, migration at first use. How rows are written is theirs."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import LocalError, RemoteError
from server.core.status import StatusCode
from server.database.migration import migrate
from server.history import edits
from server.history.reading import raw_page
from server.history.store import Annotation, Bucket, Change, HistoryRow, ModifiedPage, Page, StoredValue
from server.history.tables import POINTS, SERIES
from server.history.values import EARLIEST, LATEST, NUMBER, Columns, clamp, from_columns, in_time, to_columns

_NOT_GOOD = 0x40000000
"""From this StatusCode on they are Uncertain or Bad."""
StoredRow = tuple[int, TimeUs, int, int, Columns]
"""(series id, source time, server time - source time, StatusCode, (number, text, kind))."""


class SqlStore(ABC):
    """A `HistoryStore` on SQLAlchemy Core tables. Any thread may call; one writes at a time."""

    refusals: tuple[type[Exception], ...]  # what the driver itself raises for a row that can never be stored
    failures: tuple[type[Exception], ...]  # and for everything else

    def __init__(self, engine: Engine, where: str) -> None:
        """
        Args:
            where: the database as the operator knows it, without a password.
        """
        self._engine = engine
        self._where = where
        self._write_lock = threading.Lock()
        self._open_lock = threading.Lock()
        self._opened = False
        self._series: dict[tuple[str, str], int] = {}

    @abstractmethod
    def _insert(self, rows: list[StoredRow]) -> int:
        """Store rows in one transaction, skip what is there, return how many were new."""

    def _upgrade(self, connection: Connection) -> None:
        migrate(connection, "history", self._where)

    def open(self) -> None:
        """Connect and bring the schema up to date; does nothing the second time.

        Raises:
            RemoteError: the database is away; try again later.
            ConfigurationError: a newer program wrote it.
        """
        with self._open_lock:
            if not self._opened:
                with self._errors(), self._engine.begin() as connection:
                    self._upgrade(connection)
                self._opened = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        # A row that can never be stored is told apart: for everything else the caller keeps the rows and tries again.
        refusals: tuple[type[Exception], ...] = (DataError, IntegrityError, *self.refusals)
        failures: tuple[type[Exception], ...] = (DBAPIError, PoolTimeoutError, *self.failures)
        try:
            yield
        except refusals as error:
            raise LocalError(f"{self._where}: a history row is refused: {_reason(error)}") from error
        except failures as error:
            raise RemoteError(
                f"{self._where}: {_reason(error)}: check that the database runs, takes this account and has "
                "free space; values wait on disk meanwhile",
                status_code=status.BAD_RESOURCE_UNAVAILABLE,
            ) from error

    def write(self, rows: Sequence[HistoryRow]) -> int:
        if not rows:
            return 0
        self.open()
        with self._write_lock, self._errors():
            ids = self._series_ids(rows)
            made: list[StoredRow] = []
            add = made.append
            for row in rows:
                at, value = row.source_time, row.value
                if not EARLIEST <= at <= LATEST:
                    raise LocalError(f"{row.device_id}/{row.parameter}: source time {at} is outside years 1 to 9998")
                # A plain float is nearly every row: spared the call.
                columns = (value, None, NUMBER) if type(value) is float and value == value else to_columns(value)
                add((ids[row.device_id, row.parameter], at, row.server_time - at, row.status, columns))
            new = self._insert(list(made))
            if new < len(made):
                self._keep_conflicts(made)
            return new

    def _keep_conflicts(self, rows: Sequence[StoredRow]) -> None:
        """Some of these found their time taken. What is the same came twice; what is another value is kept as modified.

        A kill before this is no loss: whoever wrote them has not been told, and writes them again.
        """
        by_series: dict[int, list[tuple[edits.Stored, TimeUs]]] = {}
        for series, ts, delay, code, (number, text, kind) in rows:
            row = {"ts": ts, "delay_us": delay, "status": code, "kind": kind, "number": number, "text": text}
            by_series.setdefault(series, []).append((row, ts + delay))
        with self._engine.begin() as connection:
            for series, found in by_series.items():
                edits.keep_conflicts(connection, series, found)

    def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            series = self._find(connection, device_id, parameter)

            def fetch(low: TimeUs | None, high: TimeUs | None, count: int, *, newest_first: bool) -> list[StoredValue]:
                if series is None:
                    return []
                return _fetch(connection, series, low, high, count, newest_first=newest_first)

            return raw_page(fetch, start, end, limit, bounds=bounds, resume=resume)

    def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            series = self._find(connection, device_id, parameter)
            if series is None:
                return None
            found = _fetch(connection, series, None, None, 1, newest_first=True)
            return found[0] if found else None

    def fetch(
        self,
        device_id: str,
        parameter: str,
        low: TimeUs | None,
        high: TimeUs | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[StoredValue]:
        with self._reading(device_id, parameter) as (connection, series):
            if series is None:
                return []
            return _fetch(connection, series, low, high, limit, newest_first=newest_first)

    def buckets(
        self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int
    ) -> dict[tuple[str, str], list[Bucket]]:
        if width < 1:
            raise ValueError("an interval has at least a microsecond")
        self.open()
        found: dict[tuple[str, str], list[Bucket]] = {}
        with self._errors(), self._engine.connect() as connection:
            by_series = {self._find(connection, *place): place for place in dict.fromkeys(places)}
            series = sorted(number for number in by_series if number is not None)
            for first in range(0, len(series), edits.KEYS_AT_ONCE):
                part = series[first : first + edits.KEYS_AT_ONCE]
                for row in connection.execute(self._buckets_of(part, clamp(start), clamp(end), width)):
                    number, bucket, count, average, minimum, maximum = row
                    place = by_series[number]
                    found.setdefault(place, []).append(
                        Bucket(self._bucket_time(bucket, clamp(start), width), count, average, minimum, maximum)
                    )
        return found

    def _buckets_of(self, series: Sequence[int], start: TimeUs, end: TimeUs, width: int) -> Select[Any]:
        number = POINTS.c.number
        bucket = self._bucket(start, width).label("bucket")
        return (
            select(
                POINTS.c.series_id,
                bucket,
                func.count(number),
                func.avg(number),
                func.min(number),
                func.max(number),
            )
            .where(POINTS.c.series_id.in_(series), POINTS.c.ts >= start, POINTS.c.ts < end)
            .where(POINTS.c.status < _NOT_GOOD, number.is_not(None))
            .group_by(POINTS.c.series_id, bucket)
            .order_by(POINTS.c.series_id, bucket)
        )

    @abstractmethod
    def _bucket(self, start: TimeUs, width: int) -> ColumnElement[Any]:
        """Names the interval that a row lies in, in order of time."""

    @abstractmethod
    def _bucket_time(self, bucket: Any, start: TimeUs, width: int) -> TimeUs:
        """Where the interval of such a name begins."""

    @contextmanager
    def _reading(self, device_id: str, parameter: str) -> Iterator[tuple[Connection, int | None]]:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            yield connection, self._find(connection, device_id, parameter)

    # -- changes

    def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]:
        self._make_room([value.source_time for value in values if in_time(value.source_time)])
        with self._changing(device_id, parameter, make=how is not Change.REPLACE) as (connection, series):
            if series is None:
                return [status.BAD_NO_ENTRY_EXISTS for _ in values]
            return edits.change(connection, series, values, how, user, now)

    def delete(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
        with self._changing(device_id, parameter) as (connection, series):
            return 0 if series is None else edits.delete_range(connection, series, start, end, user, now)

    def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]:
        with self._changing(device_id, parameter) as (connection, series):
            if series is None:
                return [False for _ in times]
            return edits.delete_times(connection, series, times, user, now)

    @contextmanager
    def _changing(
        self, device_id: str, parameter: str, *, make: bool = False
    ) -> Iterator[tuple[Connection, int | None]]:
        """A transaction that changes one series; it is made when that is asked for."""
        self.open()
        with self._write_lock, self._errors():
            if make:
                self._make_series({(device_id, parameter)})
            with self._engine.begin() as connection:
                yield connection, self._find(connection, device_id, parameter)

    @abstractmethod
    def _make_room(self, times: Sequence[TimeUs]) -> None:
        """Before rows of these times are inserted one by one."""

    def read_modified(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        resume: tuple[TimeUs, int] | None = None,
    ) -> ModifiedPage:
        with self._reading(device_id, parameter) as (connection, series):
            # -1: no series has that number; what cannot be asked for is refused all the same.
            return edits.modified_page(connection, -1 if series is None else series, start, end, limit, resume)

    def delete_modified(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> int:
        with self._changing(device_id, parameter) as (connection, series):
            return 0 if series is None else edits.delete_modified(connection, series, start, end)

    def annotations(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, limit: int, *, after: int = 0
    ) -> list[Annotation]:
        with self._reading(device_id, parameter) as (connection, series):
            return [] if series is None else edits.annotations_of(connection, series, start, end, limit, after)

    def annotate(
        self, device_id: str, parameter: str, annotations: Sequence[Annotation], how: Change
    ) -> list[StatusCode]:
        make = how in (Change.INSERT, Change.UPDATE)
        with self._changing(device_id, parameter, make=make) as (connection, series):
            if series is None:
                return [status.BAD_NO_ENTRY_EXISTS for _ in annotations]
            return edits.annotate(connection, series, annotations, how)

    def close(self) -> None:
        with self._write_lock:
            self._engine.dispose()

    def _find(self, connection: Connection, device_id: str, parameter: str) -> int | None:
        known = self._series.get((device_id, parameter))
        if known is not None:
            return known
        query = select(SERIES.c.series_id).where(SERIES.c.device_id == device_id, SERIES.c.parameter == parameter)
        found = connection.scalar(query)
        return None if found is None else int(found)

    def _series_ids(self, rows: Sequence[HistoryRow]) -> dict[tuple[str, str], int]:
        # In a transaction of its own: the cache may then never name a series that was rolled back.
        self._make_series({(row.device_id, row.parameter) for row in rows})
        return self._series

    def _make_series(self, names: set[tuple[str, str]]) -> None:
        unknown = names - self._series.keys()
        if unknown:
            dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
            # Sorted: two writers then take the catalogue's locks in the same order.
            wanted = [{"device_id": device_id, "parameter": parameter} for device_id, parameter in sorted(unknown)]
            with self._engine.begin() as connection:
                connection.execute(dialect.insert(SERIES).on_conflict_do_nothing(), wanted)
                found = {
                    (name["device_id"], name["parameter"]): self._find(connection, name["device_id"], name["parameter"])
                    for name in wanted
                }
            self._series.update({name: series for name, series in found.items() if series is not None})


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def _fetch(
    connection: Connection,
    series: int,
    low: TimeUs | None,
    high: TimeUs | None,
    limit: int,
    *,
    newest_first: bool,
) -> list[StoredValue]:
    query = select(POINTS.c.ts, POINTS.c.delay_us, POINTS.c.status, POINTS.c.number, POINTS.c.text, POINTS.c.kind)
    query = query.where(POINTS.c.series_id == series)
    if low is not None:
        query = query.where(POINTS.c.ts >= clamp(low))
    if high is not None:
        query = query.where(POINTS.c.ts <= clamp(high))
    query = query.order_by(POINTS.c.ts.desc() if newest_first else POINTS.c.ts).limit(limit)
    return [
        StoredValue(ts, ts + delay, number if kind == 0 else from_columns(number, text, kind), code)
        for ts, delay, code, number, text, kind in connection.execute(query)
    ]
