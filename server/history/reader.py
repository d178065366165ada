"""Reads off the event loop that see everything acknowledged before they began."""

from __future__ import annotations

import asyncio

from server.core.clock import TimeUs
from server.history.recorder import Recorder
from server.history.store import HistoryStore, Page, StoredValue


class HistoryReader:
    """The one way to read history, for every door."""

    def __init__(self, store: HistoryStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder

    async def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page:
        """One page of raw values; see `HistoryStore.read_raw`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(
            self._store.read_raw, device_id, parameter, start, end, limit, bounds=bounds, resume=resume
        )

    async def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        """The newest stored value."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.latest, device_id, parameter)
