"""A historian in memory for tests of other rooms: the real reader over the memory store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.core import status
from server.core.clock import TimeUs
from server.core.values import PointUpdate, Scalar
from server.history.reader import HistoryReader
from server.history.store import HistoryRow
from server.history.stores.memory import MemoryStore


class MemoryHistory(HistoryReader):
    """Recorder and reader in one, without a disk."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        super().__init__(self.store, self)

    async def flushed(self, timeout_s: float = 2.0) -> None:
        """Everything is there at once."""

    def model_changed(self, change: object) -> None:
        pass

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        for update in updates:
            self.put(update.device_id, update.parameter, update.source_time, update.value, update.status)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def put(self, device: str, parameter: str, time: TimeUs, value: Scalar | None, code: int = status.GOOD) -> None:
        self.store.write([HistoryRow(device, parameter, time, time, value, code)])
