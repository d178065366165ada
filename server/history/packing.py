"""Closed hours of the embedded store: from rows into blocks and back, inside the caller's transaction. SQLite only.

An hour of a series is either packed or in rows, never both; whoever changes a packed hour loosens it first.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter

from server.core.clock import TimeUs
from server.core.errors import LocalError
from server.history.blocks import Packed, pack, unpack
from server.history.tiers import HOUR

LEAST = 24
"""Hours of fewer rows stay rows: they would not become smaller."""
_BLOCKS_AT_ONCE = 16
_KEPT = 16
"""Blocks kept unpacked: who reads page by page meets the same one again and again."""
_ROWS = (
    "SELECT ts, delay_us, status, number, text, kind FROM history_points "
    "WHERE series_id = ? AND ts >= ? AND ts < ? ORDER BY ts"
)


_TEXTS = (
    "SELECT coalesce(sum(length(CAST(text AS BLOB))), 0) FROM history_points WHERE series_id = ? AND ts >= ? AND ts < ?"
)
MOST_TEXT = 32 * 1024 * 1024
"""Bytes of texts in one block: it is unpacked in memory."""


def pack_hour(raw: sqlite3.Connection, series: int, hour: TimeUs) -> bool:
    """Move the rows of an hour into a block; False when they stay: they are too few, or too long."""
    place = series, hour, hour + HOUR
    if raw.execute(_TEXTS, place).fetchone()[0] > MOST_TEXT:
        return False
    rows: list[Packed] = [
        (ts, delay, code, (number, text, kind)) for ts, delay, code, number, text, kind in raw.execute(_ROWS, place)
    ]
    if len(rows) < LEAST:
        return False
    data = pack(rows)
    if unpack(data) != rows:
        raise LocalError(f"an hour of series {series} does not come back from its block as it was: it stays in rows")
    raw.execute(
        "INSERT INTO history_blocks (series_id, hour, rows, data) VALUES (?, ?, ?, ?)", (series, hour, len(rows), data)
    )
    raw.execute("DELETE FROM history_points WHERE series_id = ? AND ts >= ? AND ts < ?", place)
    return True


def loosen(raw: sqlite3.Connection, series: int, first: TimeUs, last: TimeUs) -> None:
    """Make rows again of what is packed in the hours that begin from `first` to `last`."""
    place = series, first, last
    found = raw.execute("SELECT data FROM history_blocks WHERE series_id = ? AND hour >= ? AND hour <= ?", place)
    for (data,) in found.fetchall():
        raw.executemany(
            "INSERT INTO history_points (series_id, ts, delay_us, status, number, text, kind) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(series, ts, delay, code, *columns) for ts, delay, code, columns in unpack(data)],
        )
    raw.execute("DELETE FROM history_blocks WHERE series_id = ? AND hour >= ? AND hour <= ?", place)


@lru_cache(maxsize=_KEPT)
def _unpacked(data: bytes) -> list[Packed]:
    # By its bytes: whatever is written in its place is another block. Nobody changes the list.
    return unpack(data)


def packed(
    raw: sqlite3.Connection, series: int, low: TimeUs, high: TimeUs, *, newest_first: bool = False
) -> Iterator[Packed]:
    """Packed rows with low <= time <= high in order; blocks are unpacked as they are reached."""
    first, last = low // HOUR * HOUR, high // HOUR * HOUR
    order = "DESC" if newest_first else "ASC"
    wanted = 1  # the first one is often enough; who goes on wants ever more
    while True:
        found = raw.execute(
            "SELECT hour, data FROM history_blocks WHERE series_id = ? AND hour >= ? AND hour <= ? "  # noqa: S608
            f"ORDER BY hour {order} LIMIT ?",
            (series, first, last, wanted),
        ).fetchall()
        for hour, data in found:
            rows = _unpacked(data)
            if hour < low or hour + HOUR > high:
                first_row = bisect_left(rows, low, key=itemgetter(0))
                rows = rows[first_row : bisect_right(rows, high, lo=first_row, key=itemgetter(0))]
            yield from reversed(rows) if newest_first else rows
        if len(found) < wanted:
            return
        wanted = min(wanted * 2, _BLOCKS_AT_ONCE)
        if newest_first:
            last = found[-1][0] - 1
        else:
            first = found[-1][0] + 1
