"""Changes of stored history in SQL: values, the modified ones they leave behind, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, literal, or_, select, update

from server.core.clock import TimeUs
from server.core.status import (
    BAD_ENTRY_EXISTS,
    BAD_NO_ENTRY_EXISTS,
    BAD_OUT_OF_RANGE,
    GOOD,
    GOOD_ENTRY_INSERTED,
    GOOD_ENTRY_REPLACED,
    StatusCode,
)
from server.history.store import Annotation, Change, ModifiedPage, ModifiedValue, StoredValue
from server.history.tables import ANNOTATIONS, MODIFIED, POINTS
from server.history.values import clamp, from_columns, in_time, storable, to_columns

KEYS_AT_ONCE = 500
"""Times that one statement names."""
Stored = Mapping[str, Any]
"""A row of history_points but for its series."""


def _parts(times: Iterable[TimeUs]) -> Iterator[list[TimeUs]]:
    wanted = sorted({time for time in times if in_time(time)})
    for first in range(0, len(wanted), KEYS_AT_ONCE):
        yield wanted[first : first + KEYS_AT_ONCE]


def stored(value: StoredValue) -> Stored:
    """A value as it lies in the table."""
    held, code = storable(value.value, value.status)
    number, text, kind = to_columns(held)
    return {
        "ts": value.source_time,
        "delay_us": value.server_time - value.source_time,
        "status": code,
        "kind": kind,
        "number": number,
        "text": text,
    }


def at_times(connection: Connection, series: int, times: Iterable[TimeUs]) -> dict[TimeUs, Stored]:
    """What stands at these times."""
    found: dict[TimeUs, Stored] = {}
    columns = (POINTS.c.ts, POINTS.c.delay_us, POINTS.c.status, POINTS.c.kind, POINTS.c.number, POINTS.c.text)
    for part in _parts(times):
        query = select(*columns).where(POINTS.c.series_id == series, POINTS.c.ts.in_(part))
        for row in connection.execute(query):
            found[row.ts] = dict(row._mapping)
    return found


def is_same(one: Stored, other: Stored) -> bool:
    """The same value and status; when the server saw it does not count."""
    return all(one[name] == other[name] for name in ("status", "kind", "number", "text"))


def keep_modified(
    connection: Connection, series: int, rows: Sequence[Stored], how: Change, user: str, now: TimeUs
) -> None:
    """Keep what is not current any more."""
    if rows:
        more = {"series_id": series, "modified_at": now, "how": int(how), "user": user}
        connection.execute(insert(MODIFIED), [{**row, **more} for row in rows])


def keep_from_elsewhere(connection: Connection, series: int, values: Sequence[ModifiedValue]) -> int:
    """See `HistoryStore.keep_modified`."""
    known: dict[TimeUs, list[Stored]] = {}
    for part in _parts(each.value.source_time for each in values):
        query = select(MODIFIED).where(MODIFIED.c.series_id == series, MODIFIED.c.ts.in_(part))
        for found in connection.execute(query):
            known.setdefault(found.ts, []).append(dict(found._mapping))
    kept = 0
    for each in values:
        row = stored(each.value)
        same = ("modified_at", each.modified_at), ("how", int(each.how)), ("user", each.user)
        if not any(
            is_same(row, other) and all(other[name] == held for name, held in same)
            for other in known.get(each.value.source_time, ())
        ):
            keep_modified(connection, series, [row], each.how, each.user, each.modified_at)
            kept += 1
    return kept


def keep_conflicts(connection: Connection, series: int, rows: Sequence[tuple[Stored, TimeUs]]) -> int:
    """Keep values that came for a time at which another one stood: the first stays, the later is a modification.

    `rows`: (value, when the server saw it). What was kept before is not kept again; how many were.
    """
    current = at_times(connection, series, (row["ts"] for row, _ in rows))
    other = [(row, seen) for row, seen in rows if row["ts"] in current and not is_same(row, current[row["ts"]])]
    if not other:
        return 0
    known: dict[TimeUs, list[Stored]] = {}
    for part in _parts(row["ts"] for row, _ in other):
        query = select(MODIFIED).where(MODIFIED.c.series_id == series, MODIFIED.c.ts.in_(part))
        for found in connection.execute(query):
            known.setdefault(found.ts, []).append(dict(found._mapping))
    kept = 0
    for row, seen in other:
        if not any(is_same(row, each) for each in known.get(row["ts"], ())):
            keep_modified(connection, series, [row], Change.INSERT, "", seen)
            known.setdefault(row["ts"], []).append(row)
            kept += 1
    return kept


def change(
    connection: Connection,
    series: int,
    values: Sequence[StoredValue],
    how: Change,
    user: str,
    now: TimeUs,
    begins: TimeUs | None = None,
) -> list[StatusCode]:
    """See `HistoryStore.change`; `begins`: before it values are gone."""
    current = at_times(connection, series, (value.source_time for value in values))
    codes: list[StatusCode] = []
    for value in values:
        # Where values are over, one more would go with the next upkeep, and count in the figures each time it came.
        if not in_time(value.source_time) or (begins is not None and value.source_time < begins):
            codes.append(BAD_OUT_OF_RANGE)
            continue
        before, row = current.get(value.source_time), stored(value)
        if before is None and how is Change.REPLACE:
            codes.append(BAD_NO_ENTRY_EXISTS)
        elif before is None:
            connection.execute(insert(POINTS).values(series_id=series, **row))
            codes.append(GOOD_ENTRY_INSERTED)
        elif how is Change.INSERT:
            codes.append(BAD_ENTRY_EXISTS)
        else:
            keep_modified(connection, series, [before], how, user, now)
            place = and_(POINTS.c.series_id == series, POINTS.c.ts == value.source_time)
            connection.execute(update(POINTS).where(place).values(**row))
            codes.append(GOOD_ENTRY_REPLACED)
        if codes[-1] in (GOOD_ENTRY_INSERTED, GOOD_ENTRY_REPLACED):
            current[value.source_time] = row
    return codes


def delete_range(connection: Connection, series: int, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
    """See `HistoryStore.delete`."""
    low, high = _span(start, end)
    place = and_(POINTS.c.series_id == series, POINTS.c.ts >= clamp(low), POINTS.c.ts <= clamp(high))
    names = ("series_id", "ts", "delay_us", "status", "kind", "number", "text")
    rows = select(
        *(POINTS.c[name] for name in names),
        literal(now, MODIFIED.c.modified_at.type),
        literal(int(Change.DELETE), MODIFIED.c.how.type),
        literal(user, MODIFIED.c.user.type),
    ).where(place)
    connection.execute(insert(MODIFIED).from_select([*names, "modified_at", "how", "user"], rows))
    return int(connection.execute(delete(POINTS).where(place)).rowcount)


def delete_times(connection: Connection, series: int, times: Sequence[TimeUs], user: str, now: TimeUs) -> list[bool]:
    """See `HistoryStore.delete_times`."""
    current = at_times(connection, series, times)
    keep_modified(connection, series, list(current.values()), Change.DELETE, user, now)
    for part in _parts(current):
        connection.execute(delete(POINTS).where(POINTS.c.series_id == series, POINTS.c.ts.in_(part)))
    left = set(current)
    found = []
    for time in times:
        found.append(time in left)
        left.discard(time)
    return found


def modified_page(
    connection: Connection,
    series: int,
    start: TimeUs | None,
    end: TimeUs | None,
    limit: int,
    resume: tuple[TimeUs, int] | None,
) -> ModifiedPage:
    """See `HistoryStore.read_modified`."""
    if start is None and end is None:
        raise ValueError("a read needs a start or an end")
    if limit < 1:
        raise ValueError("a page holds at least one value")
    backward = start is None or (end is not None and start > end)
    time, entry = MODIFIED.c.ts, MODIFIED.c.entry
    query = select(MODIFIED).where(MODIFIED.c.series_id == series)
    first, last = (end, None) if start is None else (start, end)
    if backward:
        query = query.where(*([time <= clamp(first)] if first is not None else []))
        query = query.where(*([time > clamp(last)] if last is not None else []))
        query = query.order_by(time.desc(), entry.desc())
        if resume is not None:
            query = query.where(or_(time < resume[0], and_(time == resume[0], entry <= resume[1])))
    else:
        query = query.where(*([time >= clamp(first)] if first is not None else []))
        if last is not None:
            query = query.where(time == clamp(last) if first == last else time < clamp(last))
        query = query.order_by(time, entry.desc())
        if resume is not None:
            query = query.where(or_(time > resume[0], and_(time == resume[0], entry <= resume[1])))
    rows = connection.execute(query.limit(limit + 1)).all()
    found = tuple(_modified(row) for row in rows[:limit])
    return ModifiedPage(found, (rows[limit].ts, rows[limit].entry) if len(rows) > limit else None)


def _modified(row: Row[Any]) -> ModifiedValue:
    value = StoredValue(row.ts, row.ts + row.delay_us, from_columns(row.number, row.text, row.kind), row.status)
    return ModifiedValue(value, row.modified_at, Change(row.how), row.user, row.entry)


def delete_modified(connection: Connection, series: int, start: TimeUs, end: TimeUs) -> int:
    """See `HistoryStore.delete_modified`."""
    low, high = _span(start, end)
    place = and_(MODIFIED.c.series_id == series, MODIFIED.c.ts >= clamp(low), MODIFIED.c.ts <= clamp(high))
    return int(connection.execute(delete(MODIFIED).where(place)).rowcount)


def _span(start: TimeUs, end: TimeUs) -> tuple[TimeUs, TimeUs]:
    """The first and the last time of a range whose later end does not belong to it, unless it is one time."""
    if start == end:
        return start, end
    # Forwards the end is left out, backwards the end (the earlier time) is.
    return (start, end - 1) if start < end else (end + 1, start)


# -- annotations


def annotations_of(
    connection: Connection, series: int, start: TimeUs, end: TimeUs, limit: int, after: int
) -> list[Annotation]:
    """See `HistoryStore.annotations`."""
    table = ANNOTATIONS.c
    query = (
        select(table.ts, table.message, table.user, table.annotated_at)
        .where(table.series_id == series, table.ts >= clamp(start), table.ts < clamp(end))
        .order_by(table.ts, table.annotated_at, table.user)
        .limit(limit)
        .offset(after)
    )
    return [Annotation(row.ts, row.message, row.user, row.annotated_at) for row in connection.execute(query)]


def annotate(connection: Connection, series: int, wanted: Sequence[Annotation], how: Change) -> list[StatusCode]:
    """See `HistoryStore.annotate`."""
    codes: list[StatusCode] = []
    table = ANNOTATIONS.c
    for each in wanted:
        if not in_time(each.time) or not in_time(each.annotated_at):
            codes.append(BAD_OUT_OF_RANGE)
            continue
        place = and_(
            table.series_id == series,
            table.ts == each.time,
            table.annotated_at == each.annotated_at,
            table.user == each.user,
        )
        is_there = connection.scalar(select(table.ts).where(place)) is not None
        if how is Change.DELETE:
            connection.execute(delete(ANNOTATIONS).where(place))
            codes.append(GOOD if is_there else BAD_NO_ENTRY_EXISTS)
        elif is_there and how is Change.INSERT:
            codes.append(BAD_ENTRY_EXISTS)
        elif is_there:
            connection.execute(update(ANNOTATIONS).where(place).values(message=each.message))
            codes.append(GOOD_ENTRY_REPLACED)
        elif how is Change.REPLACE:
            codes.append(BAD_NO_ENTRY_EXISTS)
        else:
            connection.execute(
                insert(ANNOTATIONS).values(
                    series_id=series,
                    ts=each.time,
                    annotated_at=each.annotated_at,
                    user=each.user,
                    message=each.message,
                )
            )
            codes.append(GOOD_ENTRY_INSERTED)
    return codes
