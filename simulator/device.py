"""What every simulated device has in common: readings by EDD identifier, thresholds, status message, commands."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from simulator.inputs import Inputs
from simulator.messages import Message, iso_ms

Value = float | int | bool
Readings = dict[str, Value]  # keyed by EDD identifier, in the unit of the EDD


class CommandRejectedError(Exception):
    """The device will not do what it was told; the text is the reason it answers."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A parameter that operators write: its value as delivered and what the device accepts."""

    default: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Topics:
    """The MQTT topics of one device; those it does not have are None."""

    telemetry: str
    status: str | None = None
    command: str | None = None
    response: str | None = None


class Device(ABC):
    """One simulated device: seeded physics in `step`, the exact payload in `payload`; knows no clock and no socket."""

    KIND: ClassVar[str]
    PERIOD_S: ClassVar[float]  # between two telemetry messages
    QOS: ClassVar[int] = 1
    BUFFERS: ClassVar[bool] = False  # keeps its rows while the link is down and sends them later
    ID_KEY: ClassVar[str] = "device_id"  # how its status message names it
    TIME_KEY: ClassVar[str] = "timestamp"
    THRESHOLDS: ClassVar[Mapping[str, Threshold]] = {}

    def __init__(self, device_id: str, topics: Topics, seed: int | str) -> None:
        self.device_id = device_id
        self.topics = topics
        self.rng = random.Random(f"{seed}/{device_id}")
        self.thresholds: dict[str, float] = {name: spec.default for name, spec in self.THRESHOLDS.items()}

    @abstractmethod
    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """Moves the physics on by `dt_s` seconds and returns what the device would measure at the end of it."""

    @abstractmethod
    def readings(self) -> Readings:
        """What the device shows now, without any time passing."""

    @abstractmethod
    def payload(self, readings: Readings, time_us: int) -> bytes:
        """The telemetry message of these readings, stamped `time_us`."""

    def bursts(self, readings: Readings, dt_s: float, time_us: int) -> tuple[Message, ...]:
        """Further messages that fall due with this step; none for most kinds."""
        return ()

    def actions(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        """The commands this device knows."""
        return {}

    def identity(self) -> dict[str, str]:
        """The keys by which its status message names the device."""
        return {self.ID_KEY: self.device_id}

    def status(self, time_us: int, *, online: bool) -> Message | None:
        """The retained message that says whether the device is there and which thresholds it holds."""
        if self.topics.status is None:
            return None
        body = {
            **self.identity(),
            self.TIME_KEY: iso_ms(time_us),
            "online": online,
            "values": self.thresholds,
        }
        return Message(self.topics.status, msgspec.json.encode(body), qos=1, retain=True)

    def execute(self, command: str, params: Mapping[str, object]) -> Readings:
        """Obeys one command and returns every parameter it changed; raises CommandRejectedError, changing nothing."""
        actions = self.actions()
        if command not in actions:
            known = ", ".join(sorted(actions)) or "none"
            raise CommandRejectedError(f"unknown command {command!r}; this device knows: {known}")
        before: Readings = {**self.readings(), **self.thresholds}
        actions[command](params)
        after: Readings = {**self.readings(), **self.thresholds}
        if command == "get_diagnostics":
            return after
        # What was asked for is confirmed even when it was so already.
        asked = set(params) | {str(params.get("name", ""))}
        return {name: value for name, value in after.items() if before.get(name) != value or name in asked}

    def set_threshold(self, params: Mapping[str, object]) -> None:
        """Takes `name` (an EDD identifier) and `value` (its unit)."""
        unknown = set(params) - {"name", "value"}
        if unknown:
            raise CommandRejectedError(f"unknown parameter {sorted(unknown)[0]!r}; set_threshold takes name and value")
        if "name" not in params or "value" not in params:
            raise CommandRejectedError("set_threshold takes name and value; one of them is missing")
        self._take({str(params["name"]): params["value"]})

    def configure(self, params: Mapping[str, object]) -> None:
        """Takes any number of thresholds by their EDD identifier; all of them or none."""
        if not params:
            raise CommandRejectedError("configure names no parameter")
        self._take(params)

    def diagnose(self, params: Mapping[str, object]) -> None:
        """Changes nothing: the report is what the device shows."""
        no_parameters("get_diagnostics", params)

    def check_thresholds(self, wanted: Mapping[str, float]) -> None:  # noqa: B027  # most kinds have nothing to refuse
        """Refuses combinations that make no sense together; `wanted` is the whole set as it would become."""

    def _take(self, params: Mapping[str, object]) -> None:
        wanted = dict(self.thresholds)
        for name, value in params.items():
            spec = self.THRESHOLDS.get(name)
            if spec is None:
                raise CommandRejectedError(f"unknown parameter {name!r}; writable: {', '.join(self.THRESHOLDS)}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise CommandRejectedError(f"{name} takes a number, not {type(value).__name__}")
            if not spec.minimum <= value <= spec.maximum:  # false for NaN too
                raise CommandRejectedError(f"{name} must lie in {spec.minimum:g}..{spec.maximum:g}, got {value:g}")
            wanted[name] = float(value)
        self.check_thresholds(wanted)
        self.thresholds = wanted


def no_parameters(command: str, params: Mapping[str, object]) -> None:
    """Refuses parameters where a command takes none."""
    if params:
        raise CommandRejectedError(f"{command} takes no parameters, got {sorted(params)[0]!r}")


def ordered(thresholds: Mapping[str, float], low: str, high: str) -> None:
    """Refuses a lower limit that is not below its upper one."""
    if not thresholds[low] < thresholds[high]:
        raise CommandRejectedError(f"{low} ({thresholds[low]:g}) must stay below {high} ({thresholds[high]:g})")


def approach(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """`value` after `dt_s` seconds on its way to `target`, as a first-order lag with time constant `tau_s`."""
    return target + (value - target) * math.exp(-dt_s / tau_s)


def clamp(value: float, low: float, high: float) -> float:
    """`value`, but not outside `low`..`high`."""
    return low if value < low else high if value > high else value
