"""Reads and changes off the event loop that see everything acknowledged before they began."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Protocol

from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.history.aggregates.catalogue import Aggregate
from server.history.aggregates.results import Configuration, Processed, ProcessedPage
from server.history.store import Bucket, Change, HistoryStore, ModifiedPage, Page, StoredValue


class Inlet(Protocol):
    """Where values are on their way to the store."""

    async def flushed(self, timeout_s: float = 2.0) -> None:
        """Wait until what was acknowledged before this call can be read, at most so long."""


class HistoryReader:
    """The one way to read history, for every door."""

    def __init__(self, store: HistoryStore, recorder: Inlet) -> None:
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

    async def read_modified(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        resume: tuple[TimeUs, int] | None = None,
    ) -> ModifiedPage:
        """One page of modified values; see `HistoryStore.read_modified`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(
            self._store.read_modified, device_id, parameter, start, end, limit, resume=resume
        )

    async def process(
        self,
        place: tuple[str, str],
        aggregate: Aggregate,
        start: TimeUs,
        end: TimeUs,
        width: int,
        configuration: Configuration,
        limit: int,
    ) -> ProcessedPage:
        """One page of a processed read of (device, parameter); see `processing.process`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(
            _processing().process, self._store, place, aggregate, start, end, width, configuration, limit
        )

    async def at_times(
        self, place: tuple[str, str], times: Sequence[TimeUs], configuration: Configuration, *, simple_bounds: bool
    ) -> list[Processed]:
        """Values at given times; see `processing.at_times`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(
            _processing().at_times, self._store, place, times, configuration, simple_bounds=simple_bounds
        )

    async def buckets(
        self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int
    ) -> dict[tuple[str, str], list[Bucket]]:
        """See `HistoryStore.buckets`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.buckets, places, start, end, width)

    # -- changes: after what is on its way, so that a value that comes now does not take the place of one from later

    async def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]:
        """See `HistoryStore.change`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.change, device_id, parameter, values, how, user, now)

    async def delete(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
        """See `HistoryStore.delete`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.delete, device_id, parameter, start, end, user, now)

    async def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]:
        """See `HistoryStore.delete_times`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.delete_times, device_id, parameter, times, user, now)

    async def delete_modified(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> int:
        """See `HistoryStore.delete_modified`."""
        await self._recorder.flushed()
        return await asyncio.to_thread(self._store.delete_modified, device_id, parameter, start, end)


def _processing() -> ModuleType:
    # It brings numpy along, a tenth of a second of every start that only the first processed read needs.
    return importlib.import_module("server.history.processing")
