"""Alarm states and their journal in the site database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from server.core.clock import TimeUs
from server.core.values import AlarmEvent
from server.database import alarm_rows
from server.database.event_rows import NO_CONDITION, EventEntry, to_event
from server.database.tables import ALARM_JOURNAL, ALARMS

_UPSERT = insert(ALARMS)
_UPSERT = _UPSERT.on_conflict_do_update(
    index_elements=["condition_id", "branch_id"],
    set_={name: _UPSERT.excluded[name] for name in ("device_id", "time", "retain", "body")},
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event as the journal keeps it; (time, entry) is its place."""

    entry: int
    event: AlarmEvent

    @property
    def place(self) -> tuple[TimeUs, int]:
        """What paging goes on from."""
        return self.event.time, self.entry


def is_over(event: AlarmEvent) -> bool:
    """True for the last event of a condition or branch: no state is left to be kept."""
    if event.cause == "ended":
        return True
    return bool(event.branch_id) and event.enabled and not event.retain


def save(connection: Connection, events: Sequence[AlarmEvent]) -> None:
    """Keep the newest state of each condition and branch, and append every event to the journal."""
    bodies = [(event, alarm_rows.to_text(event)) for event in events]
    newest = {(event.condition_id, event.branch_id): (event, body) for event, body in bodies}
    states = [
        {
            "condition_id": event.condition_id,
            "branch_id": event.branch_id,
            "device_id": event.device_id,
            "time": event.time,
            "retain": event.retain,
            "body": body,
        }
        for event, body in newest.values()
        if not is_over(event)
    ]
    if states:
        connection.execute(_UPSERT, states)
    for event, _ in newest.values():
        if is_over(event):
            connection.execute(
                delete(ALARMS).where(ALARMS.c.condition_id == event.condition_id, ALARMS.c.branch_id == event.branch_id)
            )
    connection.execute(
        insert(ALARM_JOURNAL),
        [
            {
                "event_id": event.event_id,
                "condition_id": event.condition_id,
                "device_id": event.device_id,
                "time": event.time,
                "severity": event.severity,
                "body": body,
            }
            for event, body in bodies
        ],
    )


def states(connection: Connection) -> list[AlarmEvent]:
    """The last state of every condition and branch, current states first."""
    rows = connection.scalars(select(ALARMS.c.body).order_by(ALARMS.c.condition_id, ALARMS.c.branch_id)).all()
    return [alarm_rows.from_text(text) for text in rows]


def journal(
    connection: Connection,
    *,
    start: TimeUs | None = None,
    end: TimeUs | None = None,
    limit: int,
    condition_id: str | None = None,
    device_id: str | None = None,
    after: tuple[TimeUs, int] | None = None,
    backward: bool = False,
) -> Iterator[JournalEntry]:
    """Entries with start <= time < end, at most `limit`, oldest first or newest first; `after` goes on from there.

    Without events that were entered from outside.
    """
    query = _page(start, end, limit, device_id, after, backward=backward)
    query = query.where(ALARM_JOURNAL.c.condition_id != NO_CONDITION)
    if condition_id is not None:
        query = query.where(ALARM_JOURNAL.c.condition_id == condition_id)
    for row in connection.execute(query):
        yield JournalEntry(row.entry, alarm_rows.from_text(row.body))


def events(
    connection: Connection,
    start: TimeUs | None,
    end: TimeUs | None,
    limit: int,
    device_id: str | None,
    after: tuple[TimeUs, int] | None,
    *,
    backward: bool,
) -> list[EventEntry]:
    """The same with those that were entered from outside."""
    rows = connection.execute(_page(start, end, limit, device_id, after, backward=backward))
    return [EventEntry(row.entry, to_event(row.condition_id, row.body)) for row in rows]


def _page(
    start: TimeUs | None,
    end: TimeUs | None,
    limit: int,
    device_id: str | None,
    after: tuple[TimeUs, int] | None,
    *,
    backward: bool,
) -> Select[Any]:
    time, entry = ALARM_JOURNAL.c.time, ALARM_JOURNAL.c.entry
    query = select(entry, ALARM_JOURNAL.c.condition_id, ALARM_JOURNAL.c.body).limit(limit)
    query = query.order_by(time.desc(), entry.desc()) if backward else query.order_by(time, entry)
    if start is not None:
        query = query.where(time >= start)
    if end is not None:
        query = query.where(time < end)
    if device_id is not None:
        query = query.where(ALARM_JOURNAL.c.device_id == device_id)
    if after is not None:
        at, number = after
        if backward:
            query = query.where(or_(time < at, and_(time == at, entry < number)))
        else:
            query = query.where(or_(time > at, and_(time == at, entry > number)))
    return query


def prune(connection: Connection, before: TimeUs, limit: int) -> int:
    """Forget at most `limit` of the oldest entries from before a time; how many went. States are not touched."""
    oldest = select(ALARM_JOURNAL.c.entry).where(ALARM_JOURNAL.c.time < before).order_by(ALARM_JOURNAL.c.time)
    found = list(connection.scalars(oldest.limit(limit)))
    if found:
        connection.execute(delete(ALARM_JOURNAL).where(ALARM_JOURNAL.c.entry.in_(found)))
    return len(found)


def journal_size(connection: Connection) -> int:
    """Entries in the journal."""
    return int(connection.scalar(select(func.count()).select_from(ALARM_JOURNAL)) or 0)
