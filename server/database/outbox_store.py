"""Messages on their way out, in the site database: what is waiting, what was sent, what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from server.core.clock import TimeUs
from server.database.tables import OUTBOX

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message of one channel."""

    message_id: str
    channel: str
    body: str
    created_at: TimeUs
    entry: int = 0
    due_at: TimeUs = 0
    tries: int = 0
    state: str = WAITING
    error: str = ""


def add(connection: Connection, rows: Sequence[OutboxRow]) -> None:
    """Take messages in; one that is there already is not taken twice."""
    connection.execute(
        insert(OUTBOX).on_conflict_do_nothing(index_elements=["message_id"]),
        [
            {
                "message_id": row.message_id,
                "channel": row.channel,
                "body": row.body,
                "created_at": row.created_at,
                "due_at": row.created_at,
                "tries": 0,
                "state": row.state,
                "error": row.error,
            }
            for row in rows
        ],
    )


def waiting(connection: Connection, channel: str, limit: int) -> list[OutboxRow]:
    """The oldest messages of a channel that wait."""
    query = (
        select(OUTBOX)
        .where(OUTBOX.c.channel == channel, OUTBOX.c.state == WAITING)
        .order_by(OUTBOX.c.entry)
        .limit(limit)
    )
    return [_row(found) for found in connection.execute(query)]


def _row(found: object) -> OutboxRow:
    return OutboxRow(**{name: getattr(found, name) for name in OutboxRow.__slots__})


def settle(connection: Connection, entries: Sequence[int], state: str, error: str = "") -> None:
    """Messages were sent, or given up."""
    values = {"state": state, "error": error, "tries": OUTBOX.c.tries + 1}
    connection.execute(update(OUTBOX).where(OUTBOX.c.entry.in_(entries)).values(values))


def begin(connection: Connection, entries: Sequence[int], now: TimeUs) -> None:
    """Messages are about to be sent together for the first time; what is begun together bears the same mark."""
    connection.execute(update(OUTBOX).where(OUTBOX.c.entry.in_(entries)).values(due_at=now, tries=1))


def postpone(connection: Connection, entries: Sequence[int], due_at: TimeUs, error: str) -> None:
    """Messages could not be sent; the time of the next try."""
    values = {"due_at": due_at, "error": error, "tries": OUTBOX.c.tries + 1}
    connection.execute(update(OUTBOX).where(OUTBOX.c.entry.in_(entries)).values(values))


def again(connection: Connection, channel: str, now: TimeUs) -> int:
    """Let all that was given up wait anew; how many."""
    values = {"state": WAITING, "due_at": now, "created_at": now, "tries": 0}
    done = connection.execute(
        update(OUTBOX).where(OUTBOX.c.channel == channel, OUTBOX.c.state == GIVEN_UP).values(values)
    )
    return int(done.rowcount)


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Messages by (channel, state)."""
    query = select(OUTBOX.c.channel, OUTBOX.c.state, func.count()).group_by(OUTBOX.c.channel, OUTBOX.c.state)
    return {(channel, state): int(count) for channel, state, count in connection.execute(query)}


def prune(connection: Connection, before: TimeUs) -> int:
    """Forget what was sent or given up and is older; how many."""
    old = delete(OUTBOX).where(OUTBOX.c.state != WAITING, OUTBOX.c.created_at < before)
    return int(connection.execute(old).rowcount)
