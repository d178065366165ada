"""Channels that tell of alarms outside the console: how they do, a test message, another try."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from server.console.auth import AlarmManager, Console

router = APIRouter(prefix="/api/notifications", tags=["alarms"])

ChannelName = Annotated[str, Path(max_length=32)]


@router.get("")
async def list_channels(context: Console, caller: AlarmManager) -> list[dict[str, Any]]:  # noqa: ARG001  # its right counts
    """Every channel: messages that wait, were sent, were given up; what went wrong last."""
    return context.notifications.channels()


@router.post("/{channel}/test", status_code=202)
async def test_channel(channel: ChannelName, context: Console, caller: AlarmManager) -> dict[str, Any]:
    """Put a test message into the outbox of a channel."""
    await context.notifications.try_out(channel, caller)
    return {"queued": 1}


@router.post("/{channel}/retry", status_code=202)
async def retry_channel(channel: ChannelName, context: Console, caller: AlarmManager) -> dict[str, Any]:
    """Let everything that was given up wait anew."""
    return {"queued": await context.notifications.try_again(channel, caller)}
