"""The flow: measurements in, plant, sinks in their order; commands out, echo back. One of these per server.

The Protocols here are what rooms above implement; `app.py` passes them in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from server.core.values import AlarmEvent, Measurement, ModelChange, PointUpdate


class PointSink(Protocol):
    """Takes accepted values, in order, a whole batch at a time."""

    async def model_changed(self, change: ModelChange) -> None:
        """A type or device came or went; called before any value of it, after its last."""

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show these. Late ones (`UpdateKind.LATE`) never replace a live value."""


class AlarmJudge(Protocol):
    """Judges values once; everybody else shows the result."""

    def model_changed(self, change: ModelChange) -> None: ...

    def judge(self, updates: Sequence[PointUpdate]) -> Sequence[AlarmEvent]:
        """Transitions that these updates cause, in order. Pure: takes times from the updates."""


class AlarmSink(Protocol):
    """Shows what alarms did: condition events, journal, streams."""

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None: ...


class DurableSink(Protocol):
    """The historian's inlet."""

    def model_changed(self, change: ModelChange) -> None: ...

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        """Take these for history; the future is done when they are on disk (spool commit). Never drops silently."""


class LatestSink(Protocol):
    """A feed that may skip to the latest value; must return at once."""

    def model_changed(self, change: ModelChange) -> None: ...

    def offer(self, updates: Sequence[PointUpdate]) -> None: ...


class CommandSender(Protocol):
    """Carries one command to its device's broker."""

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        """Publish it, QoS 1.

        Raises:
            RemoteError: the broker is away or refuses.
        """


Inlet = Callable[[Sequence[Measurement]], Awaitable["asyncio.Future[None]"]]
"""What the bridge calls: returns a future that is done when the batch is durable, so that MQTT can be acknowledged."""
