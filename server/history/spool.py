"""Store and forward: batches on disk between "accepted" and "in the store". SQLite, a block a row, commits synced.

MQTT is acknowledged after `append`; `remove` comes after the store's commit. A kill between the two delivers a batch
again, which the store takes as known.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import ConfigurationError, IntegrationError, RemoteError
from server.database.sqlite import connect
from server.history.gaps import Series, Span

_VERSION = 3
_SCHEMA = (
    "CREATE TABLE batches (number INTEGER PRIMARY KEY AUTOINCREMENT, rows INTEGER NOT NULL, "
    "spooled_at INTEGER NOT NULL, block BLOB NOT NULL)",
    "CREATE TABLE refused (number INTEGER PRIMARY KEY AUTOINCREMENT, rows INTEGER NOT NULL, "
    "spooled_at INTEGER NOT NULL, block BLOB NOT NULL, reason TEXT NOT NULL)",
)
_SCHEMA_2 = (
    "CREATE TABLE series (device_id TEXT NOT NULL, parameter TEXT NOT NULL, gap_from INTEGER, gap_until INTEGER, "
    "PRIMARY KEY (device_id, parameter)) WITHOUT ROWID",
    "CREATE TABLE life (number INTEGER PRIMARY KEY CHECK (number = 1), alive_at INTEGER NOT NULL)",
)
_SCHEMA_3 = (
    "CREATE TABLE held (device_id TEXT NOT NULL, parameter TEXT NOT NULL, rows INTEGER NOT NULL, "
    "block BLOB NOT NULL, PRIMARY KEY (device_id, parameter)) WITHOUT ROWID",
    f"PRAGMA user_version = {_VERSION}",
)
_SCHEMAS = (_SCHEMA, _SCHEMA_2, _SCHEMA_3)
"""What each version added."""
_SHRINK_PAGES = 16_384
"""An empty file of more pages than this (64 MiB) is given back to the disk."""


class SpoolFullError(RemoteError):
    """The store has been away for longer than the spool can bridge; nothing was taken."""

    status = status.BAD_RESOURCE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Block:
    """One batch as packed by `batches.pack`."""

    data: bytes
    rows: int
    spooled_at: TimeUs


@dataclass(frozen=True, slots=True)
class SpooledBlock:
    """One batch and its place in the queue."""

    number: int
    block: Block


class Spool:
    """The queue file. Any thread may call."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Open, creating what is missing.

        Raises:
            ConfigurationError: damaged, not writable, or written by a newer program.
        """
        self._path = path
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._raw = connect(path)
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._raw.close()
            raise ConfigurationError([f"{path}: {error}: check the data folder"], what="history spool") from None
        except ConfigurationError:
            self._raw.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._raw.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ConfigurationError(
                [f"{self._path}: format {version} is newer than this program knows: start the version that wrote it"],
                what="history spool",
            )
        if version < _VERSION:
            self._raw.execute("BEGIN IMMEDIATE")
            for statements in _SCHEMAS[version:]:
                for statement in statements:
                    self._raw.execute(statement)
            self._raw.execute("COMMIT")
        self._known: set[Series] = set(self._raw.execute("SELECT device_id, parameter FROM series"))
        self._count()
        (self.refused_rows,) = self._raw.execute("SELECT coalesce(sum(rows), 0) FROM refused").fetchone()
        (pages,) = self._raw.execute("PRAGMA page_count").fetchone()
        if self.rows == 0 and pages > _SHRINK_PAGES:
            self._raw.execute("VACUUM")

    def _count(self) -> None:
        self.rows, self.size_bytes = self._raw.execute(
            "SELECT coalesce(sum(rows), 0), coalesce(sum(length(block)), 0) FROM batches"
        ).fetchone()

    def begin(self, now: TimeUs) -> dict[Series, Span]:
        """Recording begins; what an earlier run held back is put into the queue.

        Returns the spans without recording, from the last sign of life on, of every series recorded before.
        A span that an earlier run could not judge any more keeps its beginning.

        Raises:
            IntegrationError: the disk refuses.
        """
        with self._lock:
            try:
                self._raw.execute("BEGIN IMMEDIATE")
                self._raw.execute(
                    "UPDATE series SET gap_from = coalesce(gap_from, alive_at), gap_until = ? FROM life", (now,)
                )
                self._raw.execute("UPDATE series SET gap_from = NULL WHERE gap_from >= gap_until")  # clock set back
                self._raw.execute(
                    "INSERT INTO batches (rows, spooled_at, block) SELECT rows, ?, block FROM held", (now,)
                )
                self._raw.execute("DELETE FROM held")
                self._alive(now)
                self._raw.execute("COMMIT")
                self._count()
                found = self._raw.execute(
                    "SELECT device_id, parameter, gap_from, gap_until FROM series WHERE gap_from IS NOT NULL"
                ).fetchall()
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return {(device_id, parameter): (before, until) for device_id, parameter, before, until in found}

    def alive(self, now: TimeUs) -> None:
        """A sign of life while nothing is appended. Raises IntegrationError: the disk refuses."""
        with self._lock:
            try:
                self._raw.execute("BEGIN IMMEDIATE")
                self._alive(now)
                self._raw.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _alive(self, now: TimeUs) -> None:
        self._raw.execute(
            "INSERT INTO life VALUES (1, ?) ON CONFLICT DO UPDATE SET alive_at = excluded.alive_at", (now,)
        )

    def append(
        self,
        blocks: Sequence[Block],
        *,
        series: Iterable[Series] = (),
        alive_at: TimeUs | None = None,
        closed: Iterable[Series] = (),
        held: Mapping[Series, Block | None] | None = None,
    ) -> int:
        """Put batches at the end in one synced transaction; returns the number of the last.

        `series` are those of the rows; `alive_at` is a sign of life; the spans of `closed` end; `held` takes the place
        of what was held back of these series (None: nothing any more).

        Raises:
            SpoolFullError: they do not fit; nothing was taken.
            IntegrationError: the disk refuses; nothing was taken.
        """
        size_bytes = sum(len(block.data) for block in blocks)
        new = {one for one in series if one not in self._known}
        with self._lock:
            if self.size_bytes + size_bytes > self._limit_bytes:
                raise SpoolFullError(
                    f"{self._path}: {self.size_bytes} of {self._limit_bytes} bytes wait for the history store: nothing "
                    "more is taken; bring the store back or raise history.spool_limit_bytes"
                )
            try:
                self._raw.execute("BEGIN IMMEDIATE")
                for block in blocks:
                    last = self._raw.execute(
                        "INSERT INTO batches (rows, spooled_at, block) VALUES (?, ?, ?)",
                        (block.rows, block.spooled_at, block.data),
                    ).lastrowid
                self._raw.executemany("INSERT OR IGNORE INTO series (device_id, parameter) VALUES (?, ?)", new)
                self._raw.executemany("UPDATE series SET gap_from = NULL WHERE device_id = ? AND parameter = ?", closed)
                if held:
                    self._hold(held)
                if alive_at is not None:
                    self._alive(alive_at)
                self._raw.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failed(error) from error
            self._known |= new
            self.size_bytes += size_bytes
            self.rows += sum(block.rows for block in blocks)
            return int(last or 0) if blocks else 0

    def _hold(self, held: Mapping[Series, Block | None]) -> None:
        self._raw.executemany(
            "DELETE FROM held WHERE device_id = ? AND parameter = ?", [one for one, block in held.items() if not block]
        )
        self._raw.executemany(
            "INSERT OR REPLACE INTO held (device_id, parameter, rows, block) VALUES (?, ?, ?, ?)",
            [(*one, block.rows, block.data) for one, block in held.items() if block],
        )

    def first(self, rows: int) -> list[SpooledBlock]:
        """The oldest batches, together at least so many rows if there are, and one batch at least.

        Raises:
            IntegrationError: the file cannot be read.
        """
        found: list[SpooledBlock] = []
        have = 0
        with self._lock:
            try:
                cursor = self._raw.execute("SELECT number, rows, spooled_at, block FROM batches ORDER BY number")
                for number, count, spooled_at, data in cursor:
                    found.append(SpooledBlock(number, Block(data, count, spooled_at)))
                    have += count
                    if have >= rows:
                        break
                cursor.close()
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return found

    def remove(self, blocks: Sequence[SpooledBlock], *, refused: Sequence[tuple[Block, str]] = ()) -> None:
        """Forget batches that the store holds; what it refused for good is set aside with its reason.

        Raises:
            IntegrationError: the disk refuses; they will be delivered again.
        """
        with self._lock:
            try:
                self._raw.execute("BEGIN IMMEDIATE")
                self._raw.executemany("DELETE FROM batches WHERE number = ?", [(entry.number,) for entry in blocks])
                self._raw.executemany(
                    "INSERT INTO refused (rows, spooled_at, block, reason) VALUES (?, ?, ?, ?)",
                    [(block.rows, block.spooled_at, block.data, reason) for block, reason in refused],
                )
                self._raw.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failed(error) from error
            self.size_bytes -= sum(len(entry.block.data) for entry in blocks)
            self.rows -= sum(entry.block.rows for entry in blocks)
            self.refused_rows += sum(block.rows for block, _ in refused)

    def _failed(self, error: sqlite3.Error) -> IntegrationError:
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")
        return IntegrationError(
            f"{self._path}: {error}: check free space and rights of the data folder",
            status_code=status.BAD_RESOURCE_UNAVAILABLE,
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._raw.close()
