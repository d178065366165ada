"""Reads and changes off the event loop that see everything acknowledged before they began."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from server.core.clock import Clock, SystemClock, TimeUs
from server.core.status import StatusCode
from server.history.ages import AgeBook
from server.history.aggregates.catalogue import Aggregate
from server.history.aggregates.results import Configuration, Processed, ProcessedPage
from server.history.store import Annotation, Bucket, Change, HistoryStore, ModifiedPage, Page, StoredValue
from server.history.thinning import DeadbandOf
from server.history.tiers import NAMES, Choice, Tier, choose, horizon, in_minutes
from server.settings import HistorySettings


class Inlet(Protocol):
    """Where values are on their way to the store."""

    async def flushed(self, timeout_s: float = 2.0) -> None:
        """Wait until what was acknowledged before this call can be read, at most so long."""


_EVERLASTING = AgeBook(HistorySettings(raw_days=0, minutes_days=0, hours_days=0), lambda _: None)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Figures of many series by (device, parameter), and what answered in which intervals."""

    choice: Choice
    found: dict[tuple[str, str], list[Bucket]]

    @property
    def tier(self) -> str:
        """`raw`, `minutes` or `hours`: what is kept of the time that was asked for."""
        return NAMES[self.choice.tier]

    def get(self, place: tuple[str, str]) -> list[Bucket]:
        """The figures of one series; empty when there are none."""
        return self.found.get(place, [])


class HistoryReader:
    """The one way to read history, for every door."""

    def __init__(
        self,
        store: HistoryStore,
        recorder: Inlet,
        ages: AgeBook | None = None,
        clock: Clock | None = None,
        deadband_of: DeadbandOf | None = None,
    ) -> None:
        """
        Args:
            ages: how long the history of each device is kept; None: for ever.
            deadband_of: what is left out of history; None: nothing.
        """
        self._deadband_of = deadband_of
        self._store = store
        self._recorder = recorder
        self._ages = ages or _EVERLASTING
        self._clock = clock or SystemClock()

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

    def tier(self, place: tuple[str, str], start: TimeUs, end: TimeUs) -> Tier:
        """The finest tier that holds all of start..end of (device, parameter). Raises ValueError: no such time."""
        return choose(start, end, end - start, self._clock.now(), self._ages.of(place[0])).tier

    def silence_s(self, place: tuple[str, str], usual_s: float) -> float:
        """How long a device that speaks may have nothing stored of a parameter; `usual_s`: without a deadband."""
        found = self._deadband_of(*place) if self._deadband_of is not None else None
        return usual_s if found is None else usual_s + found[0].longest_s

    def raw_from(self, device_id: str) -> TimeUs | None:
        """Before this the raw values of a device are over; None: they are kept for ever."""
        age = self._ages.of(device_id).raw
        return None if age is None else horizon(self._clock.now(), age)

    async def buckets(self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int) -> Buckets:
        """Figures of many series, from the finest tier that holds all of start..end: which one is in the answer.

        Many intervals of more than a minute become whole minutes: see `tiers.in_minutes`.

        Raises:
            ValueError: a width below 1, or an end that is not after the start.
            RemoteError: the database is away.
        """
        choice = in_minutes(
            choose(start, end, width, self._clock.now(), self._ages.shortest({place[0] for place in places}))
        )
        await self._recorder.flushed()
        found = await asyncio.to_thread(self._store.buckets, places, choice.start, choice.end, choice.width)
        return Buckets(choice, found)

    # -- changes: after what is on its way, so that a value that comes now does not take the place of one from later

    async def some(self, device_id: str, parameter: str, times: Sequence[TimeUs], limit: int) -> list[StoredValue]:
        """What stands at these very times, `limit` of them at most."""
        await self._recorder.flushed()

        def found() -> list[StoredValue]:
            return [each for time in times[:limit] for each in self._store.fetch(device_id, parameter, time, time, 1)]

        return await asyncio.to_thread(found)

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

    # -- annotations: they stand beside the values, so nothing on its way matters

    async def annotations(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, limit: int, *, after: int = 0
    ) -> list[Annotation]:
        """See `HistoryStore.annotations`."""
        return await asyncio.to_thread(self._store.annotations, device_id, parameter, start, end, limit, after=after)

    async def annotate(
        self, device_id: str, parameter: str, annotations: Sequence[Annotation], how: Change
    ) -> list[StatusCode]:
        """See `HistoryStore.annotate`."""
        return await asyncio.to_thread(self._store.annotate, device_id, parameter, annotations, how)


def _processing() -> ModuleType:
    # It brings numpy along, a tenth of a second of every start that only the first processed read needs.
    return importlib.import_module("server.history.processing")
