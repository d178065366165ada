"""Waiting for what another process will show, when it offers nothing to await: asked again within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PERIOD_S = 0.1


async def until(check: Callable[[], Awaitable[T]], what: str, within_s: float = 30.0) -> T:
    """The first truthy answer of `check`; the test fails with `what` when none comes in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        found = await check()
        if found:
            return found
        assert loop.time() < deadline, f"not seen within {within_s:g} s: {what}"
        await asyncio.sleep(PERIOD_S)
