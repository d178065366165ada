"""Sinks and senders that only remember, for tests of the flow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.core.errors import RemoteError
from server.core.values import AlarmEvent, ModelChange, PointUpdate
from server.model.device_type import DeviceType, SpecChange


class Remembered:
    """Every sink of the flow at once; `seen` is the order in which things arrived."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []
        self.updates: list[PointUpdate] = []
        self.recorded: list[PointUpdate] = []
        self.events: list[AlarmEvent] = []
        self.changes: list[ModelChange] = []
        self.redeclared: list[str] = []
        self.saved_devices: list[tuple[object, ...]] = []
        self.audits: list[tuple[object, ...]] = []

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        self.updates += updates
        self.seen.append(("publish", tuple(updates)))

    async def specs_changed(self, changes: Sequence[SpecChange]) -> None:
        self.seen.append(("specs", tuple(changes)))

    async def conditions_changed(self, device_ids: Sequence[str]) -> None:
        self.redeclared += device_ids

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None:
        self.events += events
        self.seen.append(("alarms", tuple(events)))

    def save_devices(self, devices: Sequence[tuple[object, ...]]) -> None:
        self.saved_devices += devices

    def save_alarms(self, events: Sequence[AlarmEvent]) -> None:
        self.seen.append(("saved", tuple(events)))

    def audit(self, *record: object) -> None:
        self.audits.append(record)


class RememberedPoints(Remembered):
    async def prepare_type(self, device_type: DeviceType) -> None:
        pass

    async def model_changed(self, change: ModelChange) -> None:
        self.changes.append(change)
        self.seen.append(("change", change))


class RememberedHistory:
    """A historian whose commits the test makes."""

    def __init__(self) -> None:
        self.recorded: list[PointUpdate] = []
        self.commits: list[asyncio.Future[None]] = []

    def model_changed(self, change: ModelChange) -> None:
        pass

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        self.recorded += updates
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.commits.append(commit)
        return commit


class RememberedFeed:
    def __init__(self) -> None:
        self.offered: list[PointUpdate] = []

    def model_changed(self, change: ModelChange) -> None:
        pass

    def offer(self, updates: Sequence[PointUpdate]) -> None:
        self.offered += updates


class RememberedSender:
    """Carries commands nowhere; with `away` the broker is."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, str, dict[str, object]]] = []
        self.arrived = asyncio.Event()
        self.away = False

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        if self.away:
            raise RemoteError("the broker is away")
        self.sent.append((type_id, device_id, command_id, name, params))
        self.arrived.set()

    async def next_id(self) -> str:
        """The command_id of the newest command, when one has been sent."""
        await self.arrived.wait()
        self.arrived.clear()
        return self.sent[-1][2]
