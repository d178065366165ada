"""Looks at the server itself every few seconds: its device gets values, its ServiceLevel follows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from server.alarms.server_device import PERIOD_S, Facts
from server.core.clock import Clock, TimeUs
from server.core.values import Measurement


class Health(Protocol):
    """What the rooms say of themselves, asked anew each time."""

    def broker(self) -> bool: ...

    def historian(self) -> bool: ...

    def loop_lag_s(self) -> float: ...

    def channels_failing(self) -> int: ...

    def alarms_not_kept(self) -> int: ...

    def history(self) -> Mapping[str, int | float]: ...

    def certificate_until(self) -> TimeUs | None: ...

    def certificate(self) -> bytes: ...


class SelfWatch:
    """One for a server."""

    def __init__(
        self,
        health: Health,
        data_dir: Path,
        clock: Clock,
        *,
        offer: Callable[[Sequence[Measurement]], Awaitable[object]],
        service_level: Callable[[int], None],
    ) -> None:
        self._health = health
        self._data_dir = data_dir
        self._clock = clock
        self._offer = offer
        self._service_level = service_level

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD_S)

    async def look(self) -> Facts:
        """Look once."""
        health = self._health
        facts = Facts(
            broker=health.broker(),
            historian=health.historian(),
            loop_lag_s=round(health.loop_lag_s(), 3),
            disk_free_percent=await asyncio.to_thread(free_percent, self._data_dir),
            certificate_until=health.certificate_until(),
            certificate=health.certificate(),
            channels_failing=health.channels_failing(),
            history=health.history(),
            alarms_not_kept=health.alarms_not_kept(),
        )
        self._service_level(facts.service_level)
        await self._offer([facts.measurement(self._clock.now())])
        return facts


def free_percent(folder: Path) -> float | None:
    """Free space of the disk that holds a folder; None when it cannot be found out."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return round(100 * usage.free / usage.total, 1) if usage.total else None
