"""Devices that show what an alarm script says, whatever their physics: the plant of `python -m simulator.play`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from simulator.alarm_script import AlarmScript, AlarmScriptError, Setting, Step
from simulator.clock import MICROSECONDS
from simulator.device import Device, Readings
from simulator.devices.breaker import Breaker
from simulator.devices.engine import Engine
from simulator.devices.loom import Loom
from simulator.devices.sensor import Sensor
from simulator.inputs import Inputs
from simulator.messages import Message
from simulator.simulation import Simulation

KINDS: Mapping[str, Callable[[str], Device]] = {"engine": Engine, "breaker": Breaker, "loom": Loom, "sensor": Sensor}


class Held:
    """A device as it is, but for what it measures: that stands still until the script moves it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._held: Readings = dict(device.readings())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def hold(self, values: Mapping[str, float]) -> None:
        """Show these from now on."""
        for name, value in values.items():
            self._held[name] = type(self._held[name])(value)

    def step(self, dt_s: float, inputs: Inputs) -> Readings:  # time and load change nothing
        """What the script says."""
        return dict(self._held)

    def readings(self) -> Readings:
        """What the script says."""
        return dict(self._held)

    def bursts(self, readings: Readings, dt_s: float, time_us: int) -> tuple[Message, ...]:
        """No further messages: they would tell of physics."""
        return ()


class ScriptedPlant(Simulation):
    """The devices of a script; its settings take effect at their moments, beside the periods of the devices."""

    def __init__(self, script: AlarmScript, *, start_us: int) -> None:
        """Raises AlarmScriptError: a kind or parameter that no simulated device has, a value that it cannot lack."""
        self._held = {device_id: Held(_device(device_id, kind)) for device_id, kind in script.devices.items()}
        super().__init__([cast(Device, held) for held in self._held.values()], start_us=start_us)
        self._settings: list[tuple[int, Setting]] = []
        for step in script.steps:
            if step.setting is not None:
                self._check(step, step.setting)
                self._settings.append((start_us + round(step.at_s * MICROSECONDS), step.setting))

    def _check(self, step: Step, setting: Setting) -> None:
        known = self._held[setting.device].readings()
        for name, value in setting.values.items():
            if name not in known:
                raise AlarmScriptError(f"line {step.line}: {setting.device} measures no {name!r}: {', '.join(known)}")
            if value is None:
                raise AlarmScriptError(f"line {step.line}: a simulated device always has a value of {name}")

    @property
    def next_due_us(self) -> int:
        """When the next message or setting falls due."""
        periodic = super().next_due_us
        return min(periodic, self._settings[0][0]) if self._settings else periodic

    def advance(self, now_us: int) -> list[Message]:
        """Everything up to and including `now_us`; a setting goes out at once."""
        out: list[Message] = []
        while self._settings and self._settings[0][0] <= now_us:
            due_us, setting = self._settings.pop(0)
            out += super().advance(due_us - 1)
            held = self._held[setting.device]
            held.hold({name: value for name, value in setting.values.items() if value is not None})
            out.append(Message(held.topics.telemetry, held.payload(held.readings(), due_us), 1))
        return out + super().advance(now_us)


def _device(device_id: str, kind: str) -> Device:
    make = KINDS.get(kind)
    if make is None:
        raise AlarmScriptError(f"device {device_id}: {kind!r} is none of {', '.join(KINDS)}")
    return make(device_id)


def expected_of(script: AlarmScript) -> dict[str, Sequence[str]]:
    """The lines that must come, by condition."""
    found: dict[str, list[str]] = {}
    for step in script.steps:
        for line in step.expected:
            found.setdefault(line.partition(" ")[0], []).append(line)
    return dict(found)
