"""The whole flow with the FDI services around one thing that takes every threshold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.alarms.engine import AlarmEngine
from server.core import status
from server.core.clock import ManualClock
from server.core.values import CommandResponse, DeviceId, Measurement, Scalar
from server.fdi.runtime import FdiRuntime
from server.model.plant import Plant
from server.pipeline import Pipeline
from server.settings import FdiSettings
from tests.kit.actions import ENGINEER, thing
from tests.kit.fdi import MemoryRecords
from tests.kit.sinks import RememberedFeed, RememberedHistory, RememberedPoints

THING = DeviceId("thing-1")


class ThingFlow:
    """The flow, the FDI services, and a device that takes every threshold."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.plant = Plant()
        self.sent: list[tuple[str, dict[str, object]]] = []
        points = self.points = RememberedPoints()
        self.fdi = FdiRuntime(self.plant, self.clock, FdiSettings(), MemoryRecords(), points.audit)
        self.pipeline = Pipeline(
            plant=self.plant,
            clock=self.clock,
            points=[points, self.fdi],
            alarms=AlarmEngine(self.plant),
            alarm_sinks=[points],
            history=RememberedHistory(),
            feeds=[RememberedFeed()],
            sender=self,
            records=points,
            logic=self.fdi.live,
            guard=self.fdi.locks,
        )
        self.fdi.attach(self.pipeline)

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        self.sent.append((name, dict(params)))
        values: dict[str, Scalar] = {str(params["name"]): params["value"]} if "name" in params else {}  # type: ignore[dict-item]
        self.clock.advance(0.001)
        response = CommandResponse(command_id, "done", "", values, self.clock.now(), THING)
        asyncio.get_running_loop().call_soon(self.pipeline.answered, response)

    async def write(self, name: str, value: Scalar) -> int:
        return (await self.pipeline.write_parameter(THING, name, value, ENGINEER)).status

    def value(self, name: str) -> Scalar | None:
        return self.plant.device(THING).points[name].value


@asynccontextmanager
async def thing_flow(edd: str, **reported: Scalar) -> AsyncIterator[ThingFlow]:
    """A flow with one thing of the EDD that has reported these values."""
    made = ThingFlow()
    await made.pipeline.install(thing(edd))
    now = made.clock.now()
    told = tuple((name, value, status.GOOD) for name, value in reported.items())
    await made.pipeline.offer([Measurement("thing", THING, told, now, now)])
    yield made
