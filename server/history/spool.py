"""Store and forward: what was taken in is on disk before anybody is told so. One blob row per batch, group commit.

SQLite with `synchronous=FULL`: a commit survives a killed process and a lost power supply.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from server.core import status
from server.core.errors import RemoteError
from server.database.sqlite import connect
from server.history.store import HistoryRow

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder()


class Spool:
    """A queue of batches in one file; calls block, any thread."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Open the file; what an earlier run left in it is still there.

        Raises:
            ConfigurationError: damaged or not writable.
        """
        self._lock = threading.Lock()
        self._connection = connect(path, synchronous="FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS batch (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, body BLOB NOT NULL)"
        )
        self._limit_bytes = limit_bytes
        found = self._connection.execute(
            "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(length(body)), 0) FROM batch"
        ).fetchone()
        self.batches, self.rows, self.bytes = (int(value) for value in found)

    def put(self, rows: Sequence[HistoryRow]) -> None:
        """Append a batch; on disk when this returns.

        Raises:
            RemoteError: the spool is full, or the disk refuses.
        """
        body = _ENCODER.encode(
            [(r.device_id, r.parameter, r.source_time, r.server_time, r.value, r.status) for r in rows]
        )
        with self._lock:
            if self.bytes + len(body) > self._limit_bytes:
                raise RemoteError(
                    f"the spool is full ({self._limit_bytes} bytes): the history database has been away too long",
                    status_code=status.BAD_RESOURCE_UNAVAILABLE,
                )
            try:
                self._connection.execute("INSERT INTO batch (rows, body) VALUES (?, ?)", (len(rows), body))
            except Exception as error:
                raise RemoteError(f"the spool cannot be written: {error}") from error
            self.batches += 1
            self.rows += len(rows)
            self.bytes += len(body)

    def peek(self, rows: int) -> tuple[list[int], list[HistoryRow]]:
        """The oldest batches, up to about so many rows: (their numbers, their rows)."""
        with self._lock:
            numbers: list[int] = []
            found: list[HistoryRow] = []
            cursor = self._connection.execute("SELECT number, body FROM batch ORDER BY number")
            for number, body in cursor:
                numbers.append(number)
                found += [HistoryRow(*row) for row in _DECODER.decode(body)]
                if len(found) >= rows:
                    break
            cursor.close()
        return numbers, found

    def drop(self, numbers: Sequence[int]) -> None:
        """These have been delivered."""
        if not numbers:
            return
        with self._lock:
            self._connection.execute("DELETE FROM batch WHERE number <= ?", (numbers[-1],))
            found = self._connection.execute(
                "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(length(body)), 0) FROM batch"
            ).fetchone()
            self.batches, self.rows, self.bytes = (int(value) for value in found)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
