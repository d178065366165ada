"""The live stream: server-sent events with a snapshot, then what changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from server.console import shapes
from server.console.auth import READER, Console, current_session, token_of
from server.console.context import ConsoleContext
from server.console.feed import Feed, Subscription
from server.core.status import name_of

router = APIRouter(prefix="/api", tags=["events"])

HEARTBEAT_S = 10.0
PACE_S = 0.25  # a stream sends at most so often; values in between skip to the newest
CHUNK = 500  # values in one event


@router.get("/events", response_class=StreamingResponse, dependencies=READER)
async def events(
    request: Request,
    context: Console,
    device: Annotated[list[Annotated[str, Query(max_length=64)]] | None, Query(max_length=100)] = None,
) -> StreamingResponse:
    """Server-sent events: `snapshot` (alarms that stand), `values`, `alarm`, `model`, and comments as heartbeat.

    `values` carries the latest value of each point that changed. A client that reconnects with Last-Event-ID of the
    same run gets what it missed; any other starts with all values and alarms. `device` restricts the stream.
    """
    feed = context.feed
    feed.require_room()
    since = resume_point(feed, request.headers.get("last-event-id", ""))
    devices = frozenset(device) if device else None

    async def body() -> AsyncIterator[bytes]:
        with feed.subscribe(since) as subscription:
            stream = Stream(context, subscription, devices, token_of(request), fresh=since is None)
            async for part in stream.parts():
                yield part

    return StreamingResponse(
        body(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


def resume_point(feed: Feed, last_event_id: str) -> int | None:
    """Where a client goes on; None for a new client, another run, or what is no id of ours."""
    run, _, number = last_event_id.partition("-")
    if run != feed.run_id or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    return int(number)


class Stream:
    """What one client is sent."""

    def __init__(
        self,
        context: ConsoleContext,
        subscription: Subscription,
        devices: frozenset[str] | None,
        token: str,
        *,
        fresh: bool,
    ) -> None:
        self._context = context
        self._subscription = subscription
        self._devices = devices
        self._token = token
        self._fresh = fresh

    async def parts(self) -> AsyncIterator[bytes]:
        """Pieces of the body until the client, the sign-in or the server ends."""
        yield b"retry: 2000\n\n"
        feed, subscription = self._context.feed, self._subscription
        if self._fresh:
            for part in self._state():
                yield part
        while not feed.closed:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await subscription.changed.wait()
            except TimeoutError:
                yield b": heartbeat\n\n"
            if await current_session(self._context, self._token) is None:
                yield _event("end", self._id(), b'{"reason":"signed out"}')
                return
            changes = subscription.take(self._devices)
            if changes.gap:
                for part in self._state():
                    yield part
            for event in changes.events:
                yield _event(event.name, self._id(), event.json)
            for chunk in _chunks(changes.values):
                yield _event("values", self._id(), b"[" + b",".join(chunk) + b"]")
            if changes.values:
                await self._pause()
        yield _event("end", self._id(), b'{"reason":"the server is stopping"}')

    async def _pause(self) -> None:
        # Pacing, not waiting: a closing feed must not be held up by it.
        if not self._context.feed.closed:
            await asyncio.sleep(PACE_S)

    def _id(self) -> bytes:
        return f"{self._context.feed.run_id}-{self._subscription.sequence}".encode("ascii")

    def _state(self) -> Iterable[bytes]:
        """Everything as it is now."""
        devices = self._devices
        plant = self._context.plant.devices
        alarms = [
            shapes.alarm(event)
            for event in self._context.pipeline.alarms.retained()
            if devices is None or event.device_id in devices
        ]
        names = sorted(name for name in plant if devices is None or name in devices)
        yield _event("snapshot", self._id(), msgspec.json.encode({"devices": names, "alarms": alarms}))
        values = (
            msgspec.json.encode(
                {
                    "device_id": name,
                    "parameter": parameter,
                    "value": shapes.scalar(point.value),
                    "status": name_of(point.status),
                    "source_time": shapes.moment(point.source_time),
                }
            )
            for name in names
            if name in plant
            for parameter, point in plant[name].points.items()
        )
        for chunk in _chunks(values):
            yield _event("values", self._id(), b"[" + b",".join(chunk) + b"]")


def _event(name: str, identity: bytes, data: bytes) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (identity, name.encode("ascii"), data)


def _chunks(values: Iterable[bytes]) -> Iterable[list[bytes]]:
    waiting = iter(values)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk
