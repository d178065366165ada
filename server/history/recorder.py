"""The historian's inlet: values into the spool by group commit, from there to the store, in order, nothing lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import structlog

from server.core.clock import Clock
from server.core.errors import IntegrationError, RemoteError
from server.core.values import ModelChange, PointUpdate, UpdateKind
from server.history.spool import Spool
from server.history.store import HistoryRow, HistoryStore
from server.history.values import in_time, storable
from server.settings import HistorySettings

log = structlog.get_logger("fieldloom.history")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STOP_S = 10.0


class Recorder:
    """DurableSink of the pipeline. One task commits to the spool, one delivers to the store."""

    def __init__(self, store: HistoryStore, settings: HistorySettings, data_dir: Path, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._path = data_dir / "spool.db"
        self._clock = clock
        self._pending: list[HistoryRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._arrived = asyncio.Event()
        self._spooled = asyncio.Event()
        self._delivered = asyncio.Condition()
        self._put_count = 0  # rows given to the spool since the start, with what it held before
        self._delivered_count = 0
        self._counts: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._away = ""

    async def start(self) -> None:
        """Open the spool and begin; what it holds is delivered first.

        Raises:
            ConfigurationError: the spool cannot be used.
        """
        self._spool = await asyncio.to_thread(Spool, self._path, self._settings.spool_limit_bytes)
        self._put_count = self._spool.rows
        if self._spool.rows:
            log.info("spool_replayed", rows=self._spool.rows)
            self._spooled.set()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._commit()), loop.create_task(self._deliver())]

    async def stop(self) -> None:
        """Commit what is pending, deliver what can be within a bounded time, close."""
        self._stopping = True
        self._arrived.set()
        self._spooled.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(self._spool.close)
        await asyncio.to_thread(self._store.close)

    # -- sink

    def model_changed(self, change: ModelChange) -> None:
        """Nothing to do: series are made by their first row."""

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        """Take values for history; the future is done after the spool's commit, or fails with RemoteError."""
        rows = [row for update in updates if (row := self._row(update)) is not None]
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._counts["received"] += len(updates)
        if not rows:
            future.set_result(None)
            return future
        self._pending += rows
        self._waiting.append(future)
        self._arrived.set()
        return future

    def _row(self, update: PointUpdate) -> HistoryRow | None:
        source_time = update.source_time
        if update.kind is UpdateKind.STALE:
            # Silence has no time of the device: the gap is marked at the time we noticed it.
            source_time = update.server_time
        if not in_time(source_time):
            self._counts["out_of_time"] += 1
            return None
        value, code = storable(None if update.kind is UpdateKind.STALE else update.value, update.status)
        return HistoryRow(update.device_id, update.parameter, source_time, update.server_time, value, code)

    # -- into the spool

    async def _commit(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._stopping:
                await asyncio.sleep(self._settings.commit_ms / 1000)  # group commit: others join this one
            self._arrived.clear()
            rows, self._pending = self._pending, []
            waiting, self._waiting = self._waiting, []
            if rows:
                await self._put(rows, waiting)
            if self._stopping and not self._pending:
                return

    async def _put(self, rows: list[HistoryRow], waiting: list[asyncio.Future[None]]) -> None:
        try:
            await asyncio.to_thread(self._spool.put, rows)
        except IntegrationError as error:
            self._counts["refused"] += len(rows)
            log.error("history_refused", rows=len(rows), reason=error.text)
            for future in waiting:
                if not future.done():
                    future.set_exception(RemoteError(error.text, status_code=error.status))
                    future.exception()  # whoever does not look at it has nothing to acknowledge
            return
        self._counts["spooled"] += len(rows)
        self._put_count += len(rows)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        self._spooled.set()

    # -- into the store

    async def _deliver(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            await self._spooled.wait()
            if not self._stopping and self._spool.rows < self._settings.batch_rows:
                await asyncio.sleep(self._settings.flush_ms / 1000)
            self._spooled.clear()
            while self._spool.rows:
                try:
                    await self._one()
                    wait_s = FIRST_WAIT_S
                    if self._away:
                        log.info("history_back")
                        self._away = ""
                except RemoteError as error:
                    if self._away != error.text:
                        log.warning("history_away", reason=error.text, spooled_rows=self._spool.rows)
                    self._away = error.text
                    self._counts["failures"] += 1
                    if self._stopping:
                        return
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            if self._stopping and self._tasks[0].done():
                return

    async def _one(self) -> None:
        numbers, rows = await asyncio.to_thread(self._spool.peek, self._settings.batch_rows)
        try:
            new = await asyncio.to_thread(self._store.write, rows)
        except RemoteError:
            raise
        except IntegrationError as error:
            # The database refuses the rows themselves: they would block all others for ever.
            self._counts["rejected"] += len(rows)
            log.error("history_rejected", rows=len(rows), reason=error.text)
            new = 0
        await asyncio.to_thread(self._spool.drop, numbers)
        self._counts["stored"] += new
        self._counts["duplicates"] += len(rows) - new
        async with self._delivered:
            self._delivered_count += len(rows)
            self._delivered.notify_all()

    async def flushed(self, timeout_s: float = 2.0) -> None:
        """Wait until what was acknowledged before this call can be read, at most so long (the store may be away)."""
        wanted = self._put_count
        if self._delivered_count >= wanted or self._away:
            return
        try:
            async with asyncio.timeout(timeout_s), self._delivered:
                await self._delivered.wait_for(lambda: self._delivered_count >= wanted)
        except TimeoutError:
            return

    # -- what happened

    def counters(self) -> dict[str, int | float]:
        """Counters of every stage."""
        found: dict[str, int | float] = {f"history_{name}": count for name, count in self._counts.items()}
        found["history_queue_rows"] = len(self._pending)
        if hasattr(self, "_spool"):
            found["history_spool_rows"] = self._spool.rows
            found["history_spool_bytes"] = self._spool.bytes
        return found

    def health(self) -> dict[str, object]:
        """ok while the store takes what it is given."""
        return {
            "ok": not self._away,
            "spool_rows": self._spool.rows if hasattr(self, "_spool") else 0,
            "last_error": self._away,
        }
