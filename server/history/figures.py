"""Figures of many series by intervals, from raw values and from the cells of minutes and hours, in SQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)

from server.core.clock import TimeUs
from server.history.tables import HOURS, MINUTES, POINTS, SERIES, STALE
from server.history.tiers import HOUR, Segment, Tier
from server.history.values import clamp

NOT_GOOD = 0x40000000
"""From this StatusCode on they are Uncertain or Bad."""
BucketOf = Callable[[ColumnElement[Any], TimeUs, TimeUs], ColumnElement[Any]]
"""(time column, start, width): where the interval of that time begins, intervals counted from the start."""
Figures = tuple[int, TimeUs, int, float, float, float, int]
"""(series id, where the interval begins, Good numbers, their sum, minimum, maximum; values of any kind)."""
Cells = Mapping[Tier, Table]
"""The tables that hold the cells of each tier."""
CELLS: Cells = {Tier.MINUTES: MINUTES, Tier.HOURS: HOURS}
_GOOD = case((POINTS.c.status < NOT_GOOD, POINTS.c.number))


_COLUMNS = ("series_id", "ts", "rows", "good", "total", "low", "high")


class Sums:
    """Figures joined by series and interval."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, TimeUs], list[Any]] = {}

    def add(self, rows: Iterable[Any]) -> None:
        """Join `Figures`."""
        found = self._found
        for series, time, good, total, low, high, count in rows:
            if not count:
                continue
            known = found.get((series, time))
            if known is None:
                found[series, time] = [good, total, low, high, count] if good else [0, 0.0, math.inf, -math.inf, count]
                continue
            known[4] += count
            if good:
                known[0] += good
                known[1] += total
                known[2] = min(known[2], low)
                known[3] = max(known[3], high)

    def sorted(self) -> list[Figures]:
        """By series and time."""
        return [(*key, *figures) for key, figures in sorted(self._found.items())]


def raw_figures(
    bucket_of: BucketOf, series: Sequence[int], segment: Segment, start: TimeUs, width: TimeUs
) -> Select[Any]:
    """`Figures` of rows in a segment."""
    bucket = bucket_of(POINTS.c.ts, start, width).label("bucket")
    return (
        select(POINTS.c.series_id, bucket, *_summed(), func.count())
        .where(POINTS.c.series_id.in_(series), POINTS.c.ts >= clamp(segment.low), POINTS.c.ts < clamp(segment.high))
        .group_by(POINTS.c.series_id, bucket)
    )


def _summed() -> tuple[ColumnElement[Any], ...]:
    return func.count(_GOOD), func.sum(_GOOD), func.min(_GOOD), func.max(_GOOD)


def cell_figures(
    bucket_of: BucketOf, series: Sequence[int], segment: Segment, start: TimeUs, width: TimeUs
) -> Select[Any]:
    """`Figures` of the cells of a segment, but for hours whose cells are not right just now.

    An hour whose values are gone keeps its cells, and what came late for it is added to them.
    """
    cells = CELLS[segment.tier].c
    bucket = bucket_of(cells.ts, start, width).label("bucket")
    is_lost = exists().where(SERIES.c.series_id == STALE.c.series_id, SERIES.c.raw_from > STALE.c.hour)
    is_stale = exists().where(
        STALE.c.series_id == cells.series_id, STALE.c.hour <= cells.ts, STALE.c.until > cells.ts, ~is_lost
    )
    return (
        select(
            cells.series_id,
            bucket,
            cast(func.sum(cells.good), BigInteger),
            func.sum(cells.total),
            func.min(cells.low),
            func.max(cells.high),
            cast(func.sum(cells.rows), BigInteger),
        )
        .where(cells.series_id.in_(series), cells.ts >= clamp(segment.low), cells.ts < clamp(segment.high))
        .where(~is_stale)
        .group_by(cells.series_id, bucket)
    )


def stale_figures(
    bucket_of: BucketOf, series: Sequence[int], segment: Segment, start: TimeUs, width: TimeUs
) -> Select[Any]:
    """`Figures` of the rows of those hours."""
    within = and_(STALE.c.series_id == POINTS.c.series_id, POINTS.c.ts >= STALE.c.hour, POINTS.c.ts < STALE.c.until)
    low, high = clamp(segment.low), clamp(segment.high)
    query = raw_figures(bucket_of, series, segment, start, width).join_from(STALE, POINTS, within)
    return query.where(STALE.c.series_id.in_(series), STALE.c.until > low, STALE.c.hour < high)


# -- making the cells


def forget_cells(connection: Connection, tables: Cells, series: Sequence[int], hour: TimeUs) -> None:
    """Remove the cells of one hour."""
    for cells in tables.values():
        place = cells.c.series_id.in_(series), cells.c.ts >= hour, cells.c.ts < hour + HOUR
        connection.execute(delete(cells).where(*place))


def make_cells(connection: Connection, bucket_of: BucketOf, tables: Cells, series: Sequence[int], hour: TimeUs) -> None:
    """Calculate the cells of one hour, of which there are none, from its rows."""
    for tier, cells in tables.items():
        query = _cells_from_rows(bucket_of, tier, series, hour)
        connection.execute(insert(cells).from_select(_COLUMNS, query))


def _cells_from_rows(bucket_of: BucketOf, tier: Tier, series: Sequence[int], hour: TimeUs) -> Select[Any]:
    bucket = bucket_of(POINTS.c.ts, hour, tier).label("ts")
    figures = (figure.label(name) for figure, name in zip((func.count(), *_summed()), _COLUMNS[2:], strict=True))
    within = POINTS.c.series_id.in_(series), POINTS.c.ts >= hour, POINTS.c.ts < hour + HOUR
    return select(POINTS.c.series_id, bucket, *figures).where(*within).group_by(POINTS.c.series_id, text("2"))


def cells_of(
    connection: Connection, tables: Cells, series: Sequence[int], hour: TimeUs
) -> dict[Tier, dict[tuple[int, TimeUs], Any]]:
    """The cells of one hour by tier and place."""
    found: dict[Tier, dict[tuple[int, TimeUs], Any]] = {}
    for tier, cells in tables.items():
        query = select(cells).where(cells.c.series_id.in_(series), cells.c.ts >= hour, cells.c.ts < hour + HOUR)
        found[tier] = {(row.series_id, row.ts): row for row in connection.execute(query)}
    return found


def add_to_cells(
    connection: Connection, bucket_of: BucketOf, tables: Cells, series: Sequence[int], hour: TimeUs
) -> None:
    """Join the rows of one hour to its cells: they are what came late for an hour whose values are gone."""
    for tier, before in cells_of(connection, tables, series, hour).items():
        cells = tables[tier]
        for late in connection.execute(_cells_from_rows(bucket_of, tier, series, hour)).all():
            place = cells.c.series_id == late.series_id, cells.c.ts == late.ts
            known = before.get((late.series_id, late.ts))
            if known is None:
                connection.execute(insert(cells).values(**late._mapping))
            else:
                connection.execute(update(cells).where(*place).values(**_joined(known, late)))


def _joined(one: Any, other: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"rows": one.rows + other.rows, "good": one.good + other.good}
    for name, how in (("total", sum), ("low", min), ("high", max)):
        both = [each for each in (getattr(one, name), getattr(other, name)) if each is not None]
        values[name] = how(both) if both else None
    return values
