"""The smart breaker's METHODs from InvokeAction to their end, with the real machine and a device that obeys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from lxml import etree

from server.core import status
from server.core.clock import ManualClock
from server.core.values import Caller, Command, CommandResult, DeviceId, Measurement, Scalar
from server.fdi.access import DeviceAccess
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.service import ActionService
from server.fdi.build import assemble, check_package, read_sources
from server.fdi.logic.live import LiveLogic
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from tests.kit.actions import OPERATOR, settle

NS = "{http://fdi-cooperation.com/2010/client}"
SOURCE = Path(__file__).parents[3] / "fdi_packages" / "src" / "fieldloom.smart_breaker"
DEVICE = DeviceId("breaker-001")
CLOSED, TRIPPED = 1, 2
ACKNOWLEDGED = "<AcknowledgementResponse/>"


class Breaker:
    """A device behind the flow: trips and resets, or refuses."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.plant = Plant()
        self.plant.install(check_package(assemble(read_sources(SOURCE))[0]).device_types[0])
        self.commands: list[str] = []
        self.refuses = False
        self.mute = False  # obeys, but its state is not reported
        self.reported(status_breaker=CLOSED, current_phase_a=61.25, protection_trip_count=3)

    def reported(self, **values: Scalar) -> None:
        self.clock.advance(0.001)
        now = self.clock.now()
        told = tuple((name, value, status.GOOD) for name, value in values.items())
        self.plant.apply(Measurement("smart_breaker", DEVICE, told, now, now), now)

    async def submit(self, command: Command) -> CommandResult:
        self.commands.append(command.name)
        await asyncio.sleep(0)
        if self.refuses:
            return CommandResult(status.BAD_INVALID_STATE, "not now")
        state = TRIPPED if command.name == "trip" else CLOSED
        if not self.mute:
            self.reported(status_breaker=state)
        return CommandResult(status.GOOD, values={} if self.mute else {"status_breaker": state})

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult:
        return CommandResult(status.BAD_NOT_WRITABLE)

    async def offer(self, measurements: Sequence[Measurement]) -> object:
        return None


class Room:
    """The service over one breaker that an operator has locked."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        live = LiveLogic(self.breaker.plant)
        access = DeviceAccess(self.breaker, self.breaker.plant, live, self.breaker.clock)
        self.locks = Locks(self.breaker.clock)
        runner = ActionRunner(self.breaker.plant, live, access, self.breaker.clock)
        self.slept: list[float] = []
        self.service = ActionService(self.breaker.plant, self.locks, runner, sleep=self._sleep)
        self._told = asyncio.Event()
        self.service.on_changed.append(lambda _id: self._told.set())
        self.locks.init_lock(DEVICE, "", owner_of(OPERATOR))

    async def _sleep(self, seconds: float) -> None:
        if seconds == 30.0:
            await asyncio.Event().wait()  # results stay for the whole test
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def invoke(self, name: str) -> tuple[str, int]:
        return self.service.invoke(DEVICE, name, "", OPERATOR, online=True)

    def root(self, action: str, *locales: str) -> etree._Element:
        return etree.fromstring(self.service.value(action, locales).encode())

    async def reach(self, action: str, state: str) -> etree._Element:
        """The Action's value once it is in that state."""
        while self.root(action).get("State") != state:
            self._told.clear()
            await self._told.wait()
        return self.root(action)

    def answer(self, action: str, xml: str) -> int:
        return self.service.respond(action, xml, OPERATOR)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Room]:
        async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
            group.create_task(self.service.run())
            await settle(2)
            yield self
            await self.service.stop()


async def test_trip_asks_sends_waits_and_completes() -> None:
    async with Room().open() as room:
        action, error = room.invoke("trip")
        assert error == 0
        asked = await room.reach(action, "WaitingForResponse")
        assert asked.findtext(f".//{NS}Prompt") == "The load carries 61.2 A and will be disconnected. Continue?"
        russian = room.root(action, "ru").findtext(f".//{NS}Prompt")
        assert russian == "Ток нагрузки 61.2 А, она будет отключена. Продолжить?"
        assert room.breaker.commands == []
        assert room.answer(action, ACKNOWLEDGED) == 0
        await room.reach(action, "Completed")
        assert (room.breaker.commands, room.slept) == (["trip"], [])


async def test_trip_waits_while_the_contacts_are_still_reported_closed() -> None:
    async with Room().open() as room:
        room.breaker.mute = True
        action, _ = room.invoke("trip")
        await room.reach(action, "WaitingForResponse")
        room.answer(action, ACKNOWLEDGED)
        await room.reach(action, "Completed")
        assert room.slept == [1.0] * 5


async def test_a_breaker_that_refuses_is_told_and_the_action_aborts() -> None:
    async with Room().open() as room:
        room.breaker.refuses = True
        action, _ = room.invoke("trip")
        await room.reach(action, "WaitingForResponse")
        room.answer(action, ACKNOWLEDGED)
        # The next dialog is another request: an answer to the first one does not count for it.
        asked = await room.reach(action, "WaitingForResponse")
        assert asked.findtext(f".//{NS}Prompt") == "The breaker refused to trip."
        assert room.answer(action, '<AcknowledgementResponse RequestId="1"/>') == -3
        assert room.answer(action, '<AcknowledgementResponse RequestId="2"/>') == 0
        await room.reach(action, "Aborted")


async def test_giving_up_at_the_question_sends_nothing() -> None:
    async with Room().open() as room:
        action, _ = room.invoke("trip")
        await room.reach(action, "WaitingForResponse")
        assert room.service.abort(action, OPERATOR) == 0
        await room.reach(action, "Aborted")
        assert room.breaker.commands == []


async def test_reset_is_valid_after_a_trip_only_and_goes_by_a_choice() -> None:
    async with Room().open() as room:
        assert room.invoke("reset") == ("", -5)
        room.breaker.reported(status_breaker=TRIPPED)
        assert room.invoke("trip") == ("", -5)
        action, _ = room.invoke("reset")
        asked = await room.reach(action, "WaitingForResponse")
        labels = [each.text for each in asked.findall(f".//{NS}Option/{NS}Label")]
        assert labels == ["Yes, close the breaker", "No"]
        room.answer(action, "<SelectionResponse><Value>1</Value></SelectionResponse>")
        await room.reach(action, "Aborted")
        assert room.breaker.commands == []
        action, _ = room.invoke("reset")
        await room.reach(action, "WaitingForResponse")
        room.answer(action, "<SelectionResponse><Value>0</Value></SelectionResponse>")
        await room.reach(action, "Completed")
        assert room.breaker.commands == ["reset"]
