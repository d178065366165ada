"""The whole plant without I/O: time goes in, messages come out; commands go in, answers come out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.backlog import BATCH_ROWS, DAY_ROWS, Backlog
from simulator.clock import MICROSECONDS
from simulator.commands import CommandDesk
from simulator.device import CommandRejectedError, Device
from simulator.environment import inputs_at
from simulator.faults import Fault, FaultKind, cuts_link
from simulator.inputs import Inputs
from simulator.messages import Message
from simulator.scenario import Event, Scenario, ScenarioError, Step
from simulator.schedule import Staggered

MAX_STEP_S = 60.0  # physics never takes a longer stride, also after a pause
FLEET_BACKLOG_ROWS = 500_000  # kept by all boards together, about 100 MB


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    telemetry: int = 0  # messages with live values
    backfilled: int = 0  # rows sent later
    unsent: int = 0  # messages lost because the link was down
    swallowed: int = 0  # messages lost to a dropout fault
    skipped: int = 0  # messages never made because the process stood still
    commands: int = 0  # commands answered


@dataclass(slots=True)
class _Seat:
    """One device in its place."""

    device: Device
    desk: CommandDesk
    backlog: Backlog | None
    at_s: float = 0.0  # plant second of its last step
    faults: dict[tuple[int, int], Fault] = field(default_factory=dict)


class Simulation:
    """All devices, their schedule and the scenario.

    Plant time runs `speed` times as fast as the clock: physics, periods and scenarios follow it; the times written in
    payloads are the clock's, so that nothing comes from the future. What comes out depends on the seed and the moments
    alone, not on how often `advance` is called.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        start_us: int,
        seed: int = 0,
        speed: float = 1.0,
        scenario: Scenario | None = None,
        periods_s: Mapping[str, float] | None = None,
    ) -> None:
        if speed <= 0:
            raise ValueError("speed is above 0")
        self.counters = Counters()
        self._start_us = start_us
        self._speed = speed
        self._seed = seed
        self._connected = False
        boards = sum(device.BUFFERS for device in devices)
        keep_rows = max(BATCH_ROWS, min(DAY_ROWS, FLEET_BACKLOG_ROWS // max(boards, 1)))
        self._seats = {
            device.device_id: _Seat(device, CommandDesk(device), Backlog(keep_rows) if device.BUFFERS else None)
            for device in devices
        }
        self._by_command_topic = {
            seat.device.topics.command: seat for seat in self._seats.values() if seat.device.topics.command is not None
        }
        self._groups = self._grouped(periods_s or {})
        self.absent = bind(scenario, devices) if scenario is not None else []
        self._events: Iterator[Event] = scenario.events(seed) if scenario is not None else iter(())
        self._next_event = next(self._events, None)
        self._inputs_second = -1
        self._inputs = Inputs()

    @property
    def next_due_us(self) -> int:
        """When the next message falls due."""
        return min(group.due_us for group in self._groups)

    def advance(self, now_us: int) -> list[Message]:
        """Plays everything up to and including `now_us` and returns what is to be published, in order."""
        out: list[Message] = []
        groups = self._groups
        while True:
            group = groups[0]
            for other in groups:
                if other.due_us < group.due_us:
                    group = other
            if group.due_us > now_us:
                break
            due_us, seat = group.take()
            at_s = self._plant_s(due_us)
            self._play(at_s, out)
            self._measure(seat, due_us, at_s, out)
        self._play(self._plant_s(now_us), out)
        return out

    def skip_to(self, now_us: int) -> None:
        """Leaves out what fell due before `now_us`, as if the devices had been off."""
        self.counters.skipped += sum(group.skip_to(now_us) for group in self._groups)

    def connect(self, now_us: int) -> list[Message]:
        """The network is there: returns what every device says when it connects."""
        self._connected = True
        return self._statuses(now_us, online=True)

    def disconnect(self) -> None:
        """The network is gone: boards keep their rows, the others' messages are lost."""
        self._connected = False

    def farewell(self, now_us: int) -> list[Message]:
        """What every device says before it is switched off on purpose."""
        return self._statuses(now_us, online=False)

    def command(
        self,
        topic: str,
        payload: bytes,
        *,
        retained: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> Message | None:
        """The answer of the device behind `topic`; None when there is none or it is off the network."""
        seat = self._by_command_topic.get(topic)
        if seat is None or cuts_link(seat.faults.values()):
            return None
        self.counters.commands += 1
        return seat.desk.answer(payload, retained=retained, response_topic=response_topic, correlation=correlation)

    def _grouped(self, periods_s: Mapping[str, float]) -> list[Staggered[_Seat]]:
        kinds: dict[str, list[_Seat]] = {}
        for seat in self._seats.values():
            kinds.setdefault(seat.device.KIND, []).append(seat)
        groups = []
        for number, (kind, seats) in enumerate(kinds.items()):
            period_us = round(periods_s.get(kind, seats[0].device.PERIOD_S) * MICROSECONDS / self._speed)
            period_us = max(period_us, 1)
            # Kinds begin apart as well, so that slots of equal period do not fall together.
            phase_us = period_us * number // (len(kinds) * len(seats))
            groups.append(Staggered(seats, start_us=self._start_us, period_us=period_us, phase_us=phase_us))
        return groups

    def _plant_s(self, now_us: int) -> float:
        return (now_us - self._start_us) * self._speed / MICROSECONDS

    def _surroundings(self, at_s: float) -> Inputs:
        second = int(at_s)
        if second != self._inputs_second:
            self._inputs_second = second
            self._inputs = inputs_at(self._start_us + second * MICROSECONDS)
        return self._inputs

    def _measure(self, seat: _Seat, due_us: int, at_s: float, out: list[Message]) -> None:
        device = seat.device
        inputs = self._surroundings(at_s)
        faults = seat.faults.values()
        for fault in faults:
            inputs = fault.disturb(inputs)
        dt_s = min(at_s - seat.at_s, MAX_STEP_S)
        seat.at_s = at_s
        readings = device.step(dt_s, inputs)
        for fault in faults:
            fault.falsify(readings, at_s)
        payload = device.payload(readings, due_us)
        bursts = device.bursts(readings, dt_s, due_us)
        if not self._connected or cuts_link(faults):
            if seat.backlog is not None:
                seat.backlog.keep(payload)
            else:
                self.counters.unsent += 1
            return
        if any(fault.swallows() for fault in faults):
            self.counters.swallowed += 1
        else:
            out.append(Message(device.topics.telemetry, payload, device.QOS))
            self.counters.telemetry += 1
        out.extend(bursts)
        if seat.backlog:  # one batch a slot: 60 times as fast as it came, without a burst
            waiting = len(seat.backlog)
            out.append(Message(device.topics.telemetry, seat.backlog.batch(), qos=1))
            self.counters.backfilled += waiting - len(seat.backlog)

    def _statuses(self, now_us: int, *, online: bool) -> list[Message]:
        messages = []
        for seat in self._seats.values():
            message = seat.device.status(now_us, online=online)
            if message is not None and not cuts_link(seat.faults.values()):
                messages.append(message)
        return messages

    def _play(self, until_s: float, out: list[Message]) -> None:
        while self._next_event is not None and self._next_event.at_s <= until_s:
            event, self._next_event = self._next_event, next(self._events, None)
            seat = self._seats.get(event.step.device)
            if seat is None:
                continue
            if event.step.command is not None:
                try:
                    seat.device.execute(event.step.command, {})
                except CommandRejectedError:
                    continue  # a hand at the device finds nothing to do, for one reset it was not tripped
            elif event.begins:
                seat.faults[event.key] = self._fault(event)
            else:
                seat.faults.pop(event.key, None)
                if event.step.fault is FaultKind.LINK_LOST and self._connected:
                    event_us = self._start_us + round(event.at_s * MICROSECONDS / self._speed)
                    status = seat.device.status(event_us, online=True)
                    if status is not None and not cuts_link(seat.faults.values()):
                        out.append(status)

    def _fault(self, event: Event) -> Fault:
        step = event.step
        if step.fault is None:
            raise ValueError("a step without fault begins none")
        rng = random.Random(f"{self._seed}/{step.device}/{event.key}")
        return Fault(step.fault, event.at_s, step.magnitude, step.parameter, rng)


def bind(scenario: Scenario, devices: Sequence[Device]) -> list[str]:
    """The devices a scenario names that are not there; ScenarioError where it asks for what one cannot do."""
    by_id = {device.device_id: device for device in devices}
    absent = sorted({step.device for step in scenario.steps} - set(by_id))
    mistakes = []
    for number, step in enumerate(scenario.steps, start=1):
        device = by_id.get(step.device)
        if device is not None:
            mistakes += [f"step {number} ({step.device}): {mistake}" for mistake in _misfits(step, device)]
    if mistakes:
        raise ScenarioError(f"scenario {scenario.name}: " + "; ".join(mistakes))
    return absent


def _misfits(step: Step, device: Device) -> Iterator[str]:
    shown = device.readings()
    if step.parameter is not None and step.parameter not in shown:
        yield f"measures no {step.parameter!r}, only {', '.join(shown)}"
    if step.fault is FaultKind.QUALITY and "quality_flag" not in shown:
        yield "has no quality_flag"
    if step.command is not None and step.command not in device.actions():
        yield f"knows no command {step.command!r}"
