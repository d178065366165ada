"""The historian's inlet: values into the spool by group commit, from there to the store, in order, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import structlog

from server.core import status
from server.core.clock import SECOND, Clock, TimeUs
from server.core.errors import ConfigurationError, IntegrationError, LocalError, RemoteError
from server.core.values import ModelChange, PointUpdate
from server.history.batches import pack, unpack
from server.history.disk import DiskRoom
from server.history.gaps import Gaps, Series
from server.history.rows import row_of
from server.history.spool import Block, Spool, SpooledBlock
from server.history.store import HistoryRow, HistoryStore
from server.history.thinning import Kept, Thinning
from server.history.values import in_time
from server.settings import HistorySettings

log = structlog.get_logger("fieldloom.history")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

FILE_NAME = "spool.db"
PENDING_ROWS = 500_000
"""Rows in memory before the spool at most; more than that is refused, and so not acknowledged to its broker."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STOP_S = 10.0
ALIVE_S = 5.0
"""A sign of life on disk while nothing comes."""
GRACE: TimeUs = 60 * SECOND
"""What a broker kept has so long to come before a series gets its gap marker."""

_COUNTERS = (
    "received",  # updates taken in
    "spooled",  # rows committed to the spool
    "stored",  # rows that were new in the store
    "duplicates",  # rows whose time the store already held
    "failures",  # attempts that the store or the spool turned down; tried again
    "refused",  # rows not taken (spool full, disk error); their message is not acknowledged
    "set_aside",  # rows that the database can never take; kept in the spool's `refused` table
    "out_of_range",  # values that history cannot hold: their row says BadOutOfRange
    "out_of_time",  # rows without a place in time
    "gap_markers",  # rows that say that values are missing before the next one
    "dropped",  # rows lost: always 0
)


class Recorder:
    """DurableSink of the pipeline. One task commits to the spool, one delivers to the store."""

    def __init__(
        self,
        store: HistoryStore,
        settings: HistorySettings,
        data_dir: Path,
        clock: Clock,
        *,
        room: DiskRoom | None = None,
        thinning: Thinning | None = None,
    ) -> None:
        self._store = store
        self._room = room or DiskRoom(data_dir, settings.disk_reserve_bytes, clock)
        self._thinning = thinning or Thinning(None)
        self._settings = settings
        self._path = data_dir / FILE_NAME
        self._clock = clock
        self._spool: Spool | None = None
        self._pending: list[HistoryRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._arrived = asyncio.Event()
        self._commit_now = asyncio.Event()
        self._spooled = asyncio.Event()
        self._deliver_now = asyncio.Event()
        self._stop = asyncio.Event()
        self._moved = asyncio.Condition()
        self._put_rows = 0  # rows in the spool since the start, with what an earlier run left
        self._delivered_rows = 0
        self._oldest_at: TimeUs | None = None  # when the oldest spooled row came
        self._gaps = Gaps()
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._tasks: list[asyncio.Task[None]] = []
        # Of our own: however long questions to the store take in the common ones, an acknowledgement does not wait.
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="history")
        self._problem = ""  # why the store takes nothing just now
        self._broken = ""  # why a stage ended for good

    async def start(self) -> None:
        """Open the spool and begin; what it holds is delivered first.

        Raises:
            ConfigurationError: the spool cannot be used.
        """
        spool = await self._aside(Spool, self._path, self._settings.spool_limit_bytes)
        self._spool = spool
        await self._begin(spool)
        self._put_rows = spool.rows
        if spool.rows:
            log.info("spool_replayed", rows=spool.rows)
            self._spooled.set()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._committing(spool), name="history commit"),
            loop.create_task(self._delivering(spool), name="history delivery"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def _begin(self, spool: Spool) -> None:
        now = self._clock.now()
        try:
            self._gaps = Gaps(await self._aside(spool.begin, now))
        except IntegrationError as error:
            await self._aside(spool.close)
            raise ConfigurationError([error.text], what="history spool") from None
        if self._gaps.spans:
            self._gaps.judge_at = now + GRACE

    async def stop(self) -> None:
        """Commit what is pending, deliver what can be within a bounded time, close spool and store."""
        self._stop.set()
        for event in (self._arrived, self._commit_now, self._spooled, self._deliver_now):
            event.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks = []
        self._refuse("the server stops")
        if self._spool is not None:
            await self._aside(self._close, self._spool)
        await self._aside(self._store.close)
        self._threads.shutdown(wait=False)

    async def _aside(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _close(self, spool: Spool) -> None:
        try:
            if not self._gaps.spans:
                spool.alive(self._clock.now())  # until now all was recorded
        except IntegrationError as error:
            log.warning("history_sign_of_life_refused", reason=error.text)
        spool.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # A fault of ours in one stage must be seen: without it nothing would be acknowledged, and nobody know why.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = f"{task.get_name()} ended: {error!r}; restart the server"
            log.error("history_stage_ended", stage=task.get_name(), reason=repr(error))
            self._refuse(self._broken)

    # -- sink

    def model_changed(self, change: ModelChange) -> None:
        """Series are made by their first row; their deadbands follow the types of devices."""
        if change.device_id is not None and (rows := self._thinning.forget(change.device_id)):
            self._pending += rows
            self._arrived.set()

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        """Take values for history; the future is done after the spool's commit, or fails with RemoteError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._counts["received"] += len(updates)
        rows: list[HistoryRow] = []
        for update in updates:
            row = row_of(update)
            if not in_time(row.source_time):
                self._counts["out_of_time"] += 1
                continue
            if row.status != update.status:
                self._counts["out_of_range"] += 1
            rows.append(row)
        if not rows:
            future.set_result(None)
        elif self._stop.is_set() or any(task.done() for task in self._tasks):
            self._counts["refused"] += len(rows)
            _fail([future], self._broken or "history is not running")
        elif self._room.is_low:
            self._turn_down(rows)
            _fail([future], self._room.reason)
        elif len(self._pending) + len(rows) > PENDING_ROWS:
            self._turn_down(rows)
            _fail([future], f"{len(self._pending)} rows wait for the disk: history takes no more for now")
        else:
            self._pending += self._thinning.take(rows)
            self._waiting.append(future)
            self._arrived.set()
            if len(self._pending) >= self._settings.batch_rows:
                self._commit_now.set()
        return future

    def _turn_down(self, rows: list[HistoryRow]) -> None:
        self._counts["refused"] += len(rows)
        self._gaps.refused(rows, self._clock.now() + GRACE)
        self._pending += self._thinning.restart(rows)

    # -- into the spool

    async def _committing(self, spool: Spool) -> None:
        while not (self._stop.is_set() and not self._pending and not self._waiting):
            await _set_or_after(self._arrived, ALIVE_S)
            await self._idle(spool)
            if not self._arrived.is_set():
                continue
            # Group commit: whoever comes within this time shares one sync of the disk.
            await _set_or_after(self._commit_now, self._settings.commit_ms / 1000)
            if not self._stop.is_set():
                self._arrived.clear()
                self._commit_now.clear()
            rows, self._pending = self._pending, []
            waiting, self._waiting = self._waiting, []
            kept = self._thinning.to_keep()
            if not rows and not kept.held:
                continue
            try:
                bridged = self._gaps.come([*rows, *kept.rows()])
                await self._aside(self._put, spool, rows, bridged, kept)
            except IntegrationError as error:
                owed = self._thinning.failed(kept)
                self._turn_down(rows)
                if not self._stop.is_set():
                    self._pending[:0] = owed  # else they are on disk, as what was held
                log.error("history_refused", rows=len(rows), reason=error.text)
                _fail(waiting, error.text)
                continue
            self._gaps.close(bridged)
            self._counts["spooled"] += len(rows)
            self._put_rows += len(rows)
            if self._oldest_at is None:
                self._oldest_at = self._clock.now()
            for future in waiting:
                if not future.done():
                    future.set_result(None)
            self._spooled.set()
            if spool.rows >= self._settings.batch_rows:
                self._deliver_now.set()

    async def _idle(self, spool: Spool) -> None:
        """What has its time: the markers of spans that are judged, and a sign of life."""
        now = self._clock.now()
        judging = self._gaps.judge_at is not None and now >= self._gaps.judge_at
        try:
            if judging:
                markers = self._gaps.markers(now)
                judged = {(row.device_id, row.parameter) for row in markers}
                await self._aside(self._put, spool, markers, judged)
            elif not self._gaps.spans and not self._arrived.is_set():
                # Not while values are refused: a kill would then hide that they are missing.
                await self._aside(spool.alive, now)
        except IntegrationError as error:
            log.error("history_refused", rows=0, reason=error.text)
            if judging:
                self._gaps.judge_at = now + GRACE
            return
        if judging:
            self._gaps.close(judged)
            self._counts["gap_markers"] += len(markers)
            self._put_rows += len(markers)
            if held := self._thinning.restart(markers):
                self._pending += held
                self._arrived.set()
            if markers:
                log.warning("history_gap", series=len(markers))
                self._spooled.set()

    def _put(self, spool: Spool, rows: list[HistoryRow], closed: Collection[Series], kept: Kept | None = None) -> None:
        size, now = self._settings.batch_rows, self._clock.now()
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        blocks = [Block(pack(part), len(part), now) for part in parts]
        series = {(row.device_id, row.parameter) for row in rows}
        held: dict[Series, Block | None] = {}
        for one, back in (kept.held if kept is not None else {}).items():
            held[one] = Block(pack(back), len(back), now) if back else None
        spool.append(blocks, series=series | held.keys(), alive_at=now, closed=closed, held=held)

    def _refuse(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, []
        self._counts["refused"] += len(self._pending)
        self._pending = []
        _fail(waiting, reason)

    # -- into the store

    async def _delivering(self, spool: Spool) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            await self._spooled.wait()
            await _set_or_after(self._deliver_now, self._settings.flush_ms / 1000)
            if not self._stop.is_set():
                self._spooled.clear()
                self._deliver_now.clear()
            while spool.rows:
                problem = await self._deliver(spool)
                if not problem:
                    wait_s = FIRST_WAIT_S
                    continue
                if self._stop.is_set():
                    return  # it stays on disk for the next start
                await _set_or_after(self._stop, wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            if self._stop.is_set():
                if self._tasks[0].done():
                    return
                await asyncio.wait(self._tasks[:1])

    async def _deliver(self, spool: Spool) -> str:
        """Move one batch; returns what stands in the way, "" when nothing does."""
        try:
            rows, new, aside = await self._aside(self._move, spool)
        except IntegrationError as error:
            self._counts["failures"] += 1
            if self._problem != error.text:
                log.warning("history_away", reason=error.text, spooled_rows=spool.rows)
            self._problem = error.text
            return error.text
        if self._problem:
            log.info("history_back", spooled_rows=spool.rows)
            self._problem = ""
        self._counts["stored"] += new
        self._counts["set_aside"] += aside
        self._counts["duplicates"] += rows - new - aside
        if not spool.rows:
            self._oldest_at = None
        async with self._moved:
            self._delivered_rows += rows
            self._moved.notify_all()
        return ""

    def _move(self, spool: Spool) -> tuple[int, int, int]:
        """(rows moved, new in the store, set aside). The store commits first: a kill here delivers again."""
        blocks = spool.first(self._settings.batch_rows)
        if blocks:
            self._oldest_at = blocks[0].block.spooled_at
        aside: list[tuple[Block, str]] = []
        rows: list[HistoryRow] = []
        for entry in blocks:
            try:
                rows += unpack(entry.block.data)
            except LocalError as error:
                aside.append((entry.block, error.text))
        new = self._write(rows, aside, blocks)
        spool.remove(blocks, refused=aside)
        for block, reason in aside:
            log.error("history_set_aside", rows=block.rows, reason=reason)
        return sum(entry.block.rows for entry in blocks), new, sum(block.rows for block, _ in aside)

    def _write(self, rows: Sequence[HistoryRow], aside: list[tuple[Block, str]], blocks: Sequence[SpooledBlock]) -> int:
        try:
            return self._store.write(rows)
        except LocalError as error:
            # One row that the database can never take must not hold up all others: halve until it stands alone.
            if len(rows) == 1:
                aside.append((Block(pack(rows), 1, blocks[0].block.spooled_at), error.text))
                return 0
            middle = len(rows) // 2
            return self._write(rows[:middle], aside, blocks) + self._write(rows[middle:], aside, blocks)

    async def flushed(self, timeout_s: float = 2.0) -> None:
        """Wait until what was acknowledged before this call can be read, at most so long; no wait for an away store."""
        wanted = self._put_rows
        if self._delivered_rows >= wanted or self._problem or self._broken or self._stop.is_set():
            return
        self._deliver_now.set()
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._delivered_rows >= wanted)
        except TimeoutError:
            return

    # -- what happened

    def counters(self) -> dict[str, int | float]:
        """Counters of every stage since the start, and what waits now."""
        found: dict[str, int | float] = {f"history_{name}": count for name, count in self._counts.items()}
        spool = self._spool
        found["history_left_out"] = self._thinning.left_out
        found["history_queue_rows"] = len(self._pending)
        found["history_spool_rows"] = spool.rows if spool else 0
        found["history_spool_bytes"] = spool.size_bytes if spool else 0
        oldest = self._oldest_at
        found["history_disk_low"] = int(self._room.is_low)
        found["history_spool_age_s"] = max(0.0, (self._clock.now() - oldest) / SECOND) if oldest is not None else 0.0
        return found

    def health(self) -> dict[str, object]:
        """ok while the store takes what it is given."""
        low = self._room.reason if self._room.is_low else ""
        return {
            "ok": not (self._problem or self._broken or low),
            "spool_rows": self._spool.rows if self._spool else 0,
            "last_error": self._broken or low or self._problem,
        }


def _fail(waiting: Sequence[asyncio.Future[None]], reason: str) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(RemoteError(reason, status_code=status.BAD_RESOURCE_UNAVAILABLE))
            future.exception()  # whoever does not look at it has nothing to acknowledge


async def _set_or_after(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
