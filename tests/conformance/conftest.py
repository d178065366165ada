"""One running OPC UA room a module, and sessions in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.kit.facets import Room
from tests.kit.opcua import running
from tests.kit.raw import EndedError, RawChannel, RawSession, ServiceFaultError


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    """The module's room with test nodes; a module's `SETTINGS` are the room's, its `ROOM` more of `running`."""
    folder = tmp_path_factory.mktemp("room")
    settings = {"test_nodes": True, **getattr(request.module, "SETTINGS", {})}
    async with running(folder, **getattr(request.module, "ROOM", {}), **settings) as rig:
        yield Room(rig, folder)


@asynccontextmanager
async def _signed_in(room: Room, channel: RawChannel, user: str = "") -> AsyncIterator[RawSession]:
    async with channel:
        made = await room.session(channel, user)
        yield made
        try:
            await made.close()
        except (ServiceFaultError, EndedError):
            pass  # the test closed it, or its channel


@pytest_asyncio.fixture(loop_scope="module")
async def session(room: Room) -> AsyncIterator[RawSession]:
    """An anonymous session on an open channel."""
    async with _signed_in(room, await room.channel()) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def operator(room: Room) -> AsyncIterator[RawSession]:
    """An operator on a signed and encrypted channel."""
    async with _signed_in(room, await room.secure(), "olga") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def admin(room: Room) -> AsyncIterator[RawSession]:
    """An administrator on a signed and encrypted channel."""
    async with _signed_in(room, await room.secure(), "ada") as made:
        yield made
