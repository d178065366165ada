"""Events that were entered from outside, in the journal of alarms: rows without a condition."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from server.core.clock import TimeUs
from server.core.values import AlarmEvent, EnteredEvent
from server.database import alarm_rows
from server.database.tables import ALARM_JOURNAL

NO_CONDITION = ""
IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One event of the journal, of a condition or entered from outside; (time, entry) is its place."""

    entry: int
    event: AlarmEvent | EnteredEvent

    @property
    def place(self) -> tuple[TimeUs, int]:
        """What paging goes on from."""
        return self.event.time, self.entry


def to_event(condition_id: str, body: str) -> AlarmEvent | EnteredEvent:
    """What a row of the journal says."""
    if condition_id != NO_CONDITION:
        return alarm_rows.from_text(body)
    found = json.loads(body)
    fields = {path: base64.b64decode(value) for path, value in found["fields"].items()}
    return EnteredEvent(bytes.fromhex(found["event_id"]), found["notifier"], found["time"], found["severity"], fields)


def by_id(connection: Connection, event_ids: Sequence[bytes]) -> dict[bytes, EventEntry]:
    """Those of these events that there are."""
    table = ALARM_JOURNAL.c
    found: dict[bytes, EventEntry] = {}
    for first in range(0, len(event_ids), IDS_AT_ONCE):
        query = select(table.event_id, table.entry, table.condition_id, table.body)
        for row in connection.execute(query.where(table.event_id.in_(event_ids[first : first + IDS_AT_ONCE]))):
            found[bytes(row.event_id)] = EventEntry(row.entry, to_event(row.condition_id, row.body))
    return found


def change(connection: Connection, removed: Sequence[int], entered: Sequence[EnteredEvent]) -> None:
    """Take entries out of the journal and put others in."""
    for first in range(0, len(removed), IDS_AT_ONCE):
        connection.execute(delete(ALARM_JOURNAL).where(ALARM_JOURNAL.c.entry.in_(removed[first : first + IDS_AT_ONCE])))
    if entered:
        connection.execute(insert(ALARM_JOURNAL), [_row(event) for event in entered])


def _row(event: EnteredEvent) -> dict[str, object]:
    body = {
        "event_id": event.event_id.hex(),
        "notifier": event.notifier,
        "time": event.time,
        "severity": event.severity,
        "fields": {path: base64.b64encode(value).decode("ascii") for path, value in event.fields.items()},
    }
    return {
        "event_id": event.event_id,
        "condition_id": NO_CONDITION,
        "device_id": event.notifier,
        "time": event.time,
        "severity": event.severity,
        "body": json.dumps(body),
    }
