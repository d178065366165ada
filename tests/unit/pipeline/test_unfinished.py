"""Who asked may be gone before it is done: what was begun is kept, shown and recorded all the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from server.alarms.engine import AlarmEngine
from server.core.clock import ManualClock
from server.core.values import AlarmEvent, Caller, Command, CommandResponse, DeviceId
from server.model.plant import Plant
from server.pipeline import Pipeline
from tests.kit.plant import measured, pump_type
from tests.kit.sinks import RememberedFeed, RememberedHistory, RememberedPoints, RememberedSender
from tests.kit.until import until

OLGA = Caller("olga", "operator", "opcua")
ALARM = "pump-1/Alarms/temperature"
ACTION, OUTCOME = 5, 7
"""Places in an audit record."""


class SlowDisk(RememberedPoints):
    """Keeps alarms only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let = threading.Event()
        self.let.set()

    def save_alarms(self, events: Sequence[AlarmEvent]) -> None:
        self.asked.set()
        assert self.let.wait(30)
        super().save_alarms(events)


class Rig:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.disk, self.sender = SlowDisk(), RememberedSender()
        plant = Plant()
        self.pipeline = Pipeline(
            plant=plant,
            clock=clock,
            points=[self.disk],
            alarms=AlarmEngine(plant),
            alarm_sinks=[self.disk],
            history=RememberedHistory(),
            feeds=[RememberedFeed()],
            sender=self.sender,
            records=self.disk,
        )

    def outcomes(self) -> list[tuple[object, ...]]:
        return [(record[ACTION], record[OUTCOME]) for record in self.disk.audits]


@pytest.fixture
async def rig(clock: ManualClock) -> Rig:
    rig = Rig(clock)
    await rig.pipeline.install(pump_type())
    await rig.pipeline.offer([measured(clock.now(), temperature=120.0, state=1)])
    return rig


async def give_up(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_acknowledgement_whose_session_ends_meanwhile_is_kept_shown_and_recorded(rig: Rig) -> None:
    rig.disk.let.clear()
    rig.disk.asked.clear()
    task: asyncio.Task[object] = asyncio.create_task(rig.pipeline.acknowledge(ALARM, None, "seen", OLGA))
    assert await asyncio.to_thread(rig.disk.asked.wait, 30)
    await give_up(task)
    rig.disk.let.set()
    await rig.pipeline.settled()
    assert [event.cause for event in rig.disk.events] == ["transition", "acknowledged"]

    async def recorded() -> bool:
        return ("acknowledge", "Good") in rig.outcomes()

    await until(recorded, "the audit record")
    await rig.pipeline.stop()


async def test_a_command_whose_session_ends_before_the_answer_is_recorded(rig: Rig) -> None:
    command = Command(DeviceId("pump-1"), "trip", {}, OLGA)
    task: asyncio.Task[object] = asyncio.create_task(rig.pipeline.submit(command))
    command_id = await rig.sender.next_id()
    await give_up(task)
    rig.clock.advance(1)
    answer = CommandResponse(command_id, "done", "", {"state": 2}, rig.clock.now(), DeviceId("pump-1"))
    rig.pipeline.answered(answer)
    await rig.pipeline.tick()

    async def recorded() -> bool:
        return rig.outcomes() == [("command", "Good")]

    await until(recorded, "the audit record")


async def test_a_command_that_nobody_answers_before_the_stop_is_recorded(rig: Rig) -> None:
    task: asyncio.Task[object] = asyncio.create_task(rig.pipeline.submit(Command(DeviceId("pump-1"), "trip", {}, OLGA)))
    await rig.sender.next_id()
    await give_up(task)
    await rig.pipeline.stop()
    assert rig.outcomes() == [("command", "BadShutdown")]


async def test_a_look_waits_for_what_is_being_kept(rig: Rig) -> None:
    rig.disk.let.clear()
    rig.disk.asked.clear()
    acting = asyncio.create_task(rig.pipeline.acknowledge(ALARM, None, "", OLGA))
    assert await asyncio.to_thread(rig.disk.asked.wait, 30)
    looking = asyncio.create_task(rig.pipeline.settled())
    await asyncio.sleep(0)
    assert not looking.done()
    rig.disk.let.set()
    await looking
    assert [event.cause for event in rig.disk.events] == ["transition", "acknowledged"]
    assert (await acting).acked
