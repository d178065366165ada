"""Exclusive rate-of-change alarm: how fast a value moves (OPC 10000-9, ExclusiveRateOfChangeAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.limits import Limits
from server.core.clock import SECOND
from server.core.values import Scalar
from server.model.device import Device

_VALUE, _TIME, _RATE = "value", "time", "rate"


class ExclusiveRateOfChange(Limits):
    """Judges the change per second between one value and the next; there is none before the second value."""

    kind = "exclusive_rate_of_change"
    noun = "rate of change"
    per_time = "/s"

    def measure(self, look: Look) -> float | None:
        value, memory = super().measure(look), look.memory
        if value is None:
            return None
        if _TIME in memory:
            elapsed_us = look.sampled - memory[_TIME]
            if elapsed_us <= 0:
                return memory.get(_RATE)  # the same value again (another limit, a rule, Enable) says nothing new
            memory[_RATE] = (value - memory[_VALUE]) * SECOND / elapsed_us
        memory[_VALUE], memory[_TIME] = value, float(look.sampled)
        return memory.get(_RATE)  # none after a start or a gap: what stood goes on standing

    def shown(self, device: Device, value: Scalar | None) -> float | None:
        return None

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        words = super().message(device, value, level)
        return words.replace(f"{self.noun} no value", self.noun)


CONDITION = ConditionKind(kind="exclusive_rate_of_change", make=ExclusiveRateOfChange)
