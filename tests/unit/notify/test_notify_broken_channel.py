"""A channel that fails as nobody thought of must not take the others, and the server, with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.core.clock import ManualClock
from server.notify.message import Message, SendError
from tests.unit.notify.test_notify_courier import Site, taken


@pytest.fixture
async def site(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Site]:
    site = Site(tmp_path, clock)
    yield site
    site.site.close()


async def test_a_try_that_breaks_is_a_failed_try(site: Site) -> None:
    left = [2]

    def broken(_messages: Sequence[Message]) -> SendError | None:
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("nobody thought of this")
        return None

    site.receiver.fails = broken
    async with site.working():
        ids = site.tell(3)
        await taken(site, 3)
    assert site.receiver.ids == ids
