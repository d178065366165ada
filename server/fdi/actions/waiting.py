"""A wait that something else may cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def pause(seconds: float, stop: asyncio.Event, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Wait so long, or until the event is set."""
    waits = (asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(stop.wait()))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
