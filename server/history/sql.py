"""What the SQL stores share: catalogue, reads, upkeep, migration at first use. How rows are written is theirs."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Engine, Select, func, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from server.core import status
from server.core.clock import Clock, TimeUs
from server.core.errors import LocalError, RemoteError
from server.core.status import StatusCode
from server.database.migration import migrate
from server.history import edits, upkeep
from server.history.figures import CELLS, Cells, Figures, Sums, cell_figures, raw_figures, stale_figures
from server.history.reading import raw_page
from server.history.store import (
    Annotation,
    Bucket,
    Change,
    Expired,
    HistoryRow,
    ModifiedPage,
    ModifiedValue,
    Page,
    StoredValue,
    Upkeep,
)
from server.history.tables import POINTS, SERIES, STALE
from server.history.tiers import HOUR, Ages, Segment, Tier, segments
from server.history.upkeep import GRACE, StaleHour, is_open
from server.history.values import EARLIEST, LATEST, NUMBER, Columns, clamp, from_columns, in_time, to_columns

StoredRow = tuple[int, TimeUs, int, int, Columns]
"""(series id, source time, server time - source time, StatusCode, (number, text, kind))."""
_MOST_MARKED = 1_000_000
Mark = tuple[int, TimeUs]
"""(series id, hour): an hour of it that a write touches."""


class SqlStore(ABC):
    """A `HistoryStore` on SQLAlchemy Core tables. Any thread may call; one writes at a time."""

    _times: tuple[ColumnElement[Any], ...] = (POINTS.c.ts,)  # where raw values stand, by series
    refusals: tuple[type[Exception], ...]  # what the driver itself raises for a row that can never be stored
    failures: tuple[type[Exception], ...]  # and for everything else

    def __init__(self, engine: Engine, where: str, clock: Clock) -> None:
        """
        Args:
            where: the database as the operator knows it, without a password.
        """
        self._clock = clock
        self._engine = engine
        self._where = where
        self._write_lock = threading.Lock()
        self._open_lock = threading.Lock()
        self._opened = False
        self._series: dict[tuple[str, str], int] = {}
        self._marked: set[Mark] = set()  # hours still open that are known to be marked; maintenance leaves those alone

    @abstractmethod
    def _insert(self, rows: list[StoredRow], marks: list[Mark]) -> int:
        """Store rows and mark their hours in one transaction, skip what is there, return how many were new."""

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

    @property
    def _dialect(self) -> Any:
        return postgresql if self._engine.dialect.name == "postgresql" else sqlite

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
            series = self._series
            hours: dict[int, TimeUs] = {}  # the last one of each series: rows mostly come in order
            touched: set[Mark] = set()
            made: list[StoredRow] = []
            add = made.append
            for row in rows:
                at, value, place = row.source_time, row.value, (row.device_id, row.parameter)
                if place not in series:
                    self._make_series({(each.device_id, each.parameter) for each in rows})
                if not EARLIEST <= at <= LATEST:
                    raise LocalError(f"{row.device_id}/{row.parameter}: source time {at} is outside years 1 to 9998")
                # A plain float is nearly every row: spared the call.
                columns = (value, None, NUMBER) if type(value) is float and value == value else to_columns(value)
                number = series[place]
                add((number, at, row.server_time - at, row.status, columns))
                if hours.get(number) != (hour := at - at % HOUR):
                    hours[number] = hour
                    touched.add((number, hour))
            now = self._clock.now()
            # Not by hearsay once an hour may be closed: another server may have made its figures already.
            marks = {mark for mark in touched if mark not in self._marked or not is_open(mark[1], now + GRACE // 2)}
            new = self._insert(list(made), sorted(marks))
            if len(self._marked) > _MOST_MARKED:
                self._marked.clear()  # marking again does no harm
            self._marked.update(mark for mark in marks if is_open(mark[1], now))
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
                return self._fetch(connection, series, low, high, count, newest_first=newest_first)

            return raw_page(fetch, start, end, limit, bounds=bounds, resume=resume)

    def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            series = self._find(connection, device_id, parameter)
            if series is None:
                return None
            found = self._fetch(connection, series, None, None, 1, newest_first=True)
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
            return self._fetch(connection, series, low, high, limit, newest_first=newest_first)

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

    def buckets(
        self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int, *, every: bool = False
    ) -> dict[tuple[str, str], list[Bucket]]:
        if width < 1:
            raise ValueError("an interval has at least a microsecond")
        self.open()
        found: dict[tuple[str, str], list[Bucket]] = {}
        low, high = clamp(start), clamp(end)
        with self._errors(), self._engine.connect() as connection:
            by_series = self._find_all(connection, set(places))
            series = sorted(by_series)
            for first in range(0, len(series), edits.KEYS_AT_ONCE):
                part = series[first : first + edits.KEYS_AT_ONCE]
                for number, time, count, total, least, most, rows in self._sums(connection, part, low, high, width):
                    if count:
                        bucket = Bucket(time, count, total / count, least, most, rows)
                    elif every:
                        bucket = Bucket(time, 0, math.nan, math.nan, math.nan, rows)
                    else:
                        continue
                    found.setdefault(by_series[number], []).append(bucket)
        return found

    def _sums(
        self, connection: Connection, series: Sequence[int], start: TimeUs, end: TimeUs, width: TimeUs
    ) -> list[Figures]:
        sums = Sums()
        for segment in segments(start, end, width):
            if segment.tier is Tier.RAW:
                sums.add(self._figures(connection, raw_figures(self._bucket, series, segment, start, width)))
                sums.add(self._packed_figures(connection, series, segment, start, width))
            else:
                # In one statement: an hour whose cells are made meanwhile is then neither missed nor counted twice.
                cells = cell_figures(self._bucket, series, segment, start, width)
                rest = stale_figures(self._bucket, series, segment, start, width)
                sums.add(self._figures(connection, union_all(cells, rest)))
        return sums.sorted()

    def _figures(self, connection: Connection, query: Select[Any] | CompoundSelect[Any]) -> Iterable[Any]:
        """The answer to a question for `Figures`."""
        return connection.execute(query)

    @abstractmethod
    def _bucket(self, ts: ColumnElement[Any], start: TimeUs, width: TimeUs) -> ColumnElement[Any]:
        """Where the interval that a time, not before the start, lies in begins; they are counted from the start."""

    def _packed_figures(
        self, connection: Connection, series: Sequence[int], segment: Segment, start: TimeUs, width: TimeUs
    ) -> Iterable[Figures]:
        """Figures of raw values that do not lie in `history_points`."""
        return ()

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
            begins = upkeep.raw_begins_of(connection, series)
            times = [value.source_time for value in values]
            self._touch(connection, series, [time for time in times if begins is None or time >= begins])
            return edits.change(connection, series, values, how, user, now, begins)

    def delete(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
        with self._changing(device_id, parameter) as (connection, series):
            if series is None:
                return 0
            low, high = sorted((clamp(start), clamp(end)))
            self._loosen(connection, series, low, high)
            hour = self._bucket(POINTS.c.ts, low - low % HOUR, HOUR).label("hour")
            there = select(hour).where(POINTS.c.series_id == series, POINTS.c.ts >= low, POINTS.c.ts <= high)
            self._touch(connection, series, list(connection.scalars(there.distinct())))
            return edits.delete_range(connection, series, start, end, user, now)

    def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]:
        with self._changing(device_id, parameter) as (connection, series):
            if series is None:
                return [False for _ in times]
            self._touch(connection, series, times)
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

    def _touch(self, connection: Connection, series: int, times: Iterable[TimeUs]) -> None:
        """Before rows of these times are changed: their hours are loosened and marked."""
        for hour in sorted({time - time % HOUR for time in times if in_time(time)}):
            self._loosen(connection, series, hour, hour)
            mark = {"series_id": series, "hour": clamp(hour), "until": clamp(hour + HOUR), "touched": 1}
            again = {"touched": STALE.c.touched + 1}
            made = self._dialect.insert(STALE).values(**mark)
            connection.execute(made.on_conflict_do_update(index_elements=["series_id", "hour"], set_=again))

    @abstractmethod
    def _loosen(self, connection: Connection, series: int, low: TimeUs, high: TimeUs) -> None:
        """Make rows of what lies otherwise in the hours around low..high."""

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

    def keep_modified(self, device_id: str, parameter: str, values: Sequence[ModifiedValue]) -> int:
        with self._changing(device_id, parameter, make=True) as (connection, series):
            return 0 if series is None else edits.keep_from_elsewhere(connection, series, values)

    def series(self) -> list[tuple[str, str]]:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            query = select(SERIES.c.device_id, SERIES.c.parameter)
            return sorted((device_id, parameter) for device_id, parameter in connection.execute(query))

    def begins(self, device_id: str, parameter: str) -> TimeUs | None:
        with self._reading(device_id, parameter) as (connection, series):
            return None if series is None else upkeep.raw_begins_of(connection, series)

    def oldest(self) -> TimeUs | None:
        self.open()
        with self._errors(), self._engine.connect() as connection:
            found = (connection.scalar(_first_of(time)) for time in self._times)
            return min((time for time in found if time is not None), default=None)

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

    # -- upkeep

    def maintain(self, now: TimeUs) -> Upkeep:
        self.open()
        with self._write_lock, self._errors():
            self._marked = {mark for mark in self._marked if is_open(mark[1], now)}
            with self._engine.connect() as connection:
                stale = upkeep.closed_hours(connection, now)
            more, stale = len(stale) > upkeep.HOURS_AT_ONCE, stale[: upkeep.HOURS_AT_ONCE]
            whole = [hour for hour in stale if not hour.has_lost_rows]
            packed = self._roll(whole) if whole else 0
            late = [hour for hour in stale if hour.has_lost_rows]
            if late:
                self._join(late)
            return Upkeep(len(stale), packed, more)

    def _join(self, late: Sequence[StaleHour]) -> None:
        """What came late for hours that lost their values joins their cells."""
        with self._engine.begin() as connection:
            self._alone(connection)
            upkeep.join_late_rows(connection, self._bucket, self._cells(connection), late)
            upkeep.no_longer_stale(connection, late)

    def _roll(self, stale: Sequence[StaleHour]) -> int:
        """Make the figures of these hours and pack what can be; how many were packed."""
        with self._engine.begin() as connection:
            self._alone(connection)
            upkeep.make_figures(connection, self._bucket, stale)
            packed = sum(self._pack(connection, each) for each in stale)
            upkeep.no_longer_stale(connection, stale)
        return packed

    def _cells(self, connection: Connection) -> Cells:
        """The tables that single cells are changed in."""
        return CELLS

    @abstractmethod
    def _alone(self, connection: Connection) -> None:
        """Hold off upkeep by others on the same database until the transaction ends."""

    def _pack(self, connection: Connection, hour: StaleHour) -> bool:
        """Pack a closed hour where the backend does that."""
        return False

    def expire(self, now: TimeUs, ages_of: Callable[[str], Ages]) -> Expired:
        self.open()
        with self._write_lock, self._errors(), self._engine.begin() as connection:
            groups = upkeep.limits_of_series(connection, now, ages_of)
            raw = [self._raw_limit(limits.raw) for limits in groups if limits.raw is not None]
            rows = 0
            if raw and len(raw) == len(groups):
                # In one transaction with it: an hour of which nobody knows that it lost values would be taken as whole.
                for series in groups.values():
                    for first in range(0, len(series), edits.KEYS_AT_ONCE):
                        upkeep.raw_begins(connection, series[first : first + edits.KEYS_AT_ONCE], min(raw))
                rows = self._drop_before(connection, min(raw))
        cells = 0
        for limits, series in groups.items():
            for first in range(0, len(series), upkeep.SERIES_AT_ONCE):
                part = series[first : first + upkeep.SERIES_AT_ONCE]
                with self._write_lock, self._errors(), self._engine.begin() as connection:
                    if limits.raw is not None:
                        limit = self._raw_limit(limits.raw)
                        rows += self._expire_raw(connection, part, limit)
                        upkeep.raw_begins(connection, part, limit)
                    cells += upkeep.expire_cells(connection, self._cells(connection), part, limits)
        return Expired(rows, cells)

    def _raw_limit(self, limit: TimeUs) -> TimeUs:
        """Before what time raw values really go."""
        return limit

    def _drop_before(self, connection: Connection, limit: TimeUs) -> int:
        """Remove all raw values before a time the cheap way, where there is one; how many."""
        return 0

    def _expire_raw(self, connection: Connection, series: Sequence[int], limit: TimeUs) -> int:
        return upkeep.expire_rows(connection, series, limit)

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

    def _find_all(self, connection: Connection, places: set[tuple[str, str]]) -> dict[int, tuple[str, str]]:
        """Those of many series that there are; with one question for all that are not known yet."""
        unknown = places - self._series.keys()
        if unknown:
            devices = sorted({place[0] for place in unknown})
            columns = SERIES.c.device_id, SERIES.c.parameter, SERIES.c.series_id
            for first in range(0, len(devices), edits.KEYS_AT_ONCE):
                query = select(*columns).where(SERIES.c.device_id.in_(devices[first : first + edits.KEYS_AT_ONCE]))
                self._series.update(
                    {(device, parameter): series for device, parameter, series in connection.execute(query)}
                )
        return {self._series[place]: place for place in places if place in self._series}

    def _make_series(self, names: set[tuple[str, str]]) -> None:
        # In a transaction of its own: the cache may then never name a series that was rolled back.
        unknown = names - self._series.keys()
        if unknown:
            # Sorted: two writers then take the catalogue's locks in the same order.
            wanted = [{"device_id": device_id, "parameter": parameter} for device_id, parameter in sorted(unknown)]
            with self._engine.begin() as connection:
                connection.execute(self._dialect.insert(SERIES).on_conflict_do_nothing(), wanted)
                found = {
                    (name["device_id"], name["parameter"]): self._find(connection, name["device_id"], name["parameter"])
                    for name in wanted
                }
            self._series.update({name: series for name, series in found.items() if series is not None})


def _first_of(time: ColumnElement[Any]) -> Select[Any]:
    """The first time of all series: one look into the index for each."""
    table = time.table
    first = select(func.min(time)).where(table.c.series_id == SERIES.c.series_id).correlate(SERIES).scalar_subquery()
    each = select(first.label("first")).subquery()
    return select(func.min(each.c.first))


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
