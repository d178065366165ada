"""Keeping the SQL stores in order: figures of closed hours, and the end of what is too old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from server.core.clock import SECOND, TimeUs
from server.history.figures import CELLS, BucketOf, Cells, add_to_cells, forget_cells, make_cells
from server.history.tables import ANNOTATIONS, MODIFIED, POINTS, SERIES, STALE
from server.history.tiers import HOUR, Ages, Tier, horizon
from server.history.values import clamp

GRACE: TimeUs = 600 * SECOND
"""An hour is closed so long after its end: what comes with it still comes in order."""
HOURS_AT_ONCE = 200
"""Hours of series in one transaction; writers wait meanwhile."""
SERIES_AT_ONCE = 100
AgesOf = Callable[[str], Ages]
"""How long the history of a device is kept."""


@dataclass(frozen=True, slots=True)
class StaleHour:
    """An hour of a series whose cells are to be made."""

    series: int
    hour: TimeUs
    touched: int
    has_lost_rows: bool  # it was expired: what it holds came late


def is_open(hour: TimeUs, now: TimeUs) -> bool:
    """True while values still come in order for an hour."""
    return hour + HOUR + GRACE > now


def closed_hours(connection: Connection, now: TimeUs) -> list[StaleHour]:
    """The oldest hours that are closed and have no right cells; one more than are done at once tells of more."""
    query = (
        select(STALE.c.series_id, STALE.c.hour, STALE.c.touched, SERIES.c.raw_from)
        .join_from(STALE, SERIES, SERIES.c.series_id == STALE.c.series_id)
        .where(STALE.c.until <= clamp(now - GRACE))
        .order_by(STALE.c.until, STALE.c.series_id)
        .limit(HOURS_AT_ONCE + 1)
    )
    return [
        StaleHour(series, hour, touched, raw_from is not None and hour < raw_from)
        for series, hour, touched, raw_from in connection.execute(query)
    ]


def make_figures(
    connection: Connection, bucket_of: BucketOf, stale: Sequence[StaleHour], tables: Cells = CELLS
) -> None:
    """Make the cells of these hours anew from their rows."""
    for hour, series in _by_hour(stale):
        forget_cells(connection, tables, series, hour)
        make_cells(connection, bucket_of, tables, series, hour)


def lost_before(connection: Connection) -> TimeUs | None:
    """Before this some series has lost its raw values; None: none has."""
    found: TimeUs | None = connection.scalar(select(func.max(SERIES.c.raw_from)))
    return found


def raw_begins_of(connection: Connection, series: int) -> TimeUs | None:
    """Before this the raw values of a series went because of their age; None: none did."""
    return connection.scalar(select(SERIES.c.raw_from).where(SERIES.c.series_id == series))


def join_late_rows(connection: Connection, bucket_of: BucketOf, tables: Cells, stale: Sequence[StaleHour]) -> None:
    """These hours lost their rows and keep their cells: what came late joins these, and goes."""
    for hour, series in _by_hour(stale):
        add_to_cells(connection, bucket_of, tables, series, hour)
    remove_rows(connection, stale)


def remove_rows(connection: Connection, stale: Sequence[StaleHour]) -> None:
    """Remove the raw values of these hours."""
    for hour, series in _by_hour(stale):
        rows = POINTS.c.series_id.in_(series), POINTS.c.ts >= hour, POINTS.c.ts < hour + HOUR
        connection.execute(delete(POINTS).where(*rows))


def _by_hour(stale: Sequence[StaleHour]) -> list[tuple[TimeUs, list[int]]]:
    found: dict[TimeUs, list[int]] = defaultdict(list)
    for each in stale:
        found[each.hour].append(each.series)
    return sorted(found.items())


def no_longer_stale(connection: Connection, stale: Sequence[StaleHour]) -> None:
    """Their cells are right, unless somebody wrote to them meanwhile."""
    for each in stale:
        place = STALE.c.series_id == each.series, STALE.c.hour == each.hour
        connection.execute(delete(STALE).where(*place, STALE.c.touched == each.touched))


# -- the end of what is too old


@dataclass(frozen=True, slots=True)
class Limits:
    """What of some series goes: all before these times (None: nothing)."""

    raw: TimeUs | None
    minutes: TimeUs | None
    hours: TimeUs | None


def limits_of_series(connection: Connection, now: TimeUs, ages_of: AgesOf) -> dict[Limits, list[int]]:
    """The series by what of them goes. Raw values stay until their hour has its figures."""
    oldest = select(STALE.c.series_id, func.min(STALE.c.hour)).group_by(STALE.c.series_id)
    oldest_stale: dict[int, TimeUs] = {row[0]: row[1] for row in connection.execute(oldest)}
    found: dict[Limits, list[int]] = defaultdict(list)
    for series, device_id in connection.execute(select(SERIES.c.series_id, SERIES.c.device_id)):
        ages = ages_of(device_id)
        raw = _limit(now, ages.raw)
        stale = oldest_stale.get(series)
        if raw is not None and stale is not None:
            raw = min(raw, stale)  # also of an hour that lost its values: what came late for it is to be joined first
        found[Limits(raw, _limit(now, ages.minutes), _limit(now, ages.hours))].append(series)
    return found


def _limit(now: TimeUs, age: TimeUs | None) -> TimeUs | None:
    return None if age is None else clamp(horizon(now, age))


def expire_cells(connection: Connection, tables: Cells, series: Sequence[int], limits: Limits) -> int:
    """Remove cells, and with the last of them what was modified or noted; how many cells."""
    gone = 0
    for cells, limit in ((tables[Tier.MINUTES], limits.minutes), (tables[Tier.HOURS], limits.hours)):
        if limit is not None:
            gone += _before(connection, cells, series, limit)
    if limits.hours is not None:
        for table in (MODIFIED, ANNOTATIONS):
            _before(connection, table, series, limits.hours)
    return gone


def expire_rows(connection: Connection, series: Sequence[int], limit: TimeUs) -> int:
    """Remove raw values; how many."""
    return _before(connection, POINTS, series, limit)


def raw_begins(connection: Connection, series: Sequence[int], limit: TimeUs) -> None:
    """Remember that what was before is gone."""
    begins = SERIES.c.raw_from
    place = SERIES.c.series_id.in_(series), or_(begins.is_(None), begins < limit)
    connection.execute(update(SERIES).where(*place).values(raw_from=limit))


def _before(connection: Connection, table: Any, series: Sequence[int], limit: TimeUs) -> int:
    return int(connection.execute(delete(table).where(table.c.series_id.in_(series), table.c.ts < limit)).rowcount)
