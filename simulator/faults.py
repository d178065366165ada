"""What can go wrong with a device: faults of what it measures, of its link, and of the process it stands in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from simulator.device import Readings, Value
from simulator.inputs import Inputs


class FaultKind(StrEnum):
    """The faults a scenario can name; `magnitude` means what stands beside each."""

    DRIFT = "drift"  # the value walks away by this much a second
    STUCK = "stuck"  # the value stays at what it was; magnitude unused
    SPIKE = "spike"  # one sample in five is off by this much, up or down
    DROPOUT = "dropout"  # this share of the messages never leaves, 0..1
    LINK_LOST = "link_lost"  # nothing leaves, nothing arrives; magnitude unused
    QUALITY = "quality"  # a loom's board reports this quality_flag: 1 uncertain, 2 bad
    OVERHEAT = "overheat"  # this share of the cooling is gone, 0..1
    OVERLOAD = "overload"  # the load is this many times what was asked
    GROUND_FAULT = "ground_fault"  # so many A flow to ground
    WORN_BEARING = "worn_bearing"  # the vibration is this many times the healthy one


MEASURED = frozenset({FaultKind.DRIFT, FaultKind.STUCK, FaultKind.SPIKE})  # these name a parameter
DEFAULT_MAGNITUDE = {
    FaultKind.DRIFT: 0.1,
    FaultKind.SPIKE: 50.0,
    FaultKind.DROPOUT: 0.5,
    FaultKind.QUALITY: 2.0,
    FaultKind.OVERHEAT: 0.6,
    FaultKind.OVERLOAD: 2.0,
    FaultKind.GROUND_FAULT: 1.0,
    FaultKind.WORN_BEARING: 2.0,
}
SPIKE_SHARE = 0.2

_PROCESS: dict[FaultKind, Callable[[Inputs, float], Inputs]] = {
    FaultKind.OVERHEAT: lambda inputs, magnitude: replace(inputs, cooling_loss=magnitude),
    FaultKind.OVERLOAD: lambda inputs, magnitude: replace(inputs, overload=inputs.overload * magnitude),
    FaultKind.GROUND_FAULT: lambda inputs, magnitude: replace(inputs, leakage_a=inputs.leakage_a + magnitude),
    FaultKind.WORN_BEARING: lambda inputs, magnitude: replace(inputs, wear=inputs.wear * magnitude),
}


@dataclass(slots=True)
class Fault:
    """One fault while it lasts; `since_s` is the plant second it began."""

    kind: FaultKind
    since_s: float
    magnitude: float
    parameter: str | None = None
    rng: random.Random = field(default_factory=random.Random)
    _held: Value | None = None

    def disturb(self, inputs: Inputs) -> Inputs:
        """The inputs as this fault leaves them."""
        change = _PROCESS.get(self.kind)
        return inputs if change is None else change(inputs, self.magnitude)

    def falsify(self, readings: Readings, at_s: float) -> None:
        """Changes what the device believes it measured, in place."""
        if self.kind is FaultKind.QUALITY:
            if "quality_flag" in readings:
                readings["quality_flag"] = int(self.magnitude)
            return
        if self.parameter is None or self.parameter not in readings:
            return
        value = readings[self.parameter]
        if self.kind is FaultKind.STUCK:
            if self._held is None:
                self._held = value
            readings[self.parameter] = self._held
        elif isinstance(value, float):
            if self.kind is FaultKind.DRIFT:
                readings[self.parameter] = value + self.magnitude * (at_s - self.since_s)
            elif self.kind is FaultKind.SPIKE and self.rng.random() < SPIKE_SHARE:
                readings[self.parameter] = value + self.rng.choice((-1.0, 1.0)) * self.magnitude

    def swallows(self) -> bool:
        """True when this message is one of those a dropout loses."""
        return self.kind is FaultKind.DROPOUT and self.rng.random() < self.magnitude


def cuts_link(faults: Iterable[Fault]) -> bool:
    """True while one of the faults keeps the device off the network."""
    return any(fault.kind is FaultKind.LINK_LOST for fault in faults)
