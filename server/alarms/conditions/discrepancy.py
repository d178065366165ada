"""Discrepancy alarm: a value does not reach its target in the expected time (OPC 10000-9, DiscrepancyAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.clock import TimeUs
from server.core.values import Scalar
from server.model.device import Device

TARGET, EXPECTED_TIME, TOLERANCE, DISCREPANCY = "Target", "ExpectedTime", "Tolerance", "Discrepancy"
_SINCE, _TARGET = "since", "target"


class Discrepancy(OneInput):
    """Active when the input has been away from its target for longer than ExpectedTime since the target changed."""

    kind = "discrepancy"
    time_alone_activates = True

    def _away(self, device: Device, value: Scalar | None) -> float | None:
        """How far the value is from the target; None where one of them is no number."""
        target = self.number(device, TARGET)
        if target is None or not isinstance(value, int | float):
            return None
        return abs(float(value) - target)

    def level(self, look: Look) -> str:
        away, target, memory = self._away(look.device, look.value), self.number(look.device, TARGET), look.memory
        if away is None or target is None:
            memory.clear()
            return look.before
        if away <= (self.number(look.device, TOLERANCE) or 0.0):
            memory.clear()
            return ""
        if _SINCE not in memory or (memory[_TARGET] != target and not look.before):
            memory[_SINCE] = float(look.time)
        memory[_TARGET] = target
        return DISCREPANCY if look.before or look.time >= self._due(look) else ""

    def _due(self, look: Look) -> int:
        return round(look.memory[_SINCE]) + self.span(look.device, EXPECTED_TIME)

    def again_at(self, look: Look) -> TimeUs | None:
        if look.before or _SINCE not in look.memory:
            return None
        due = self._due(look)
        return due if due > look.time else None

    def limits(self, device: Device) -> dict[str, float]:
        known = ((name, self.number(device, name)) for name in (TARGET, EXPECTED_TIME, TOLERANCE))
        return {name: value for name, value in known if value is not None}

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 500)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        unit = self.unit(device)
        if not level:
            return f"{device.device_id}: {self.label()} has reached its target"
        shown = f"{value:g}{unit}" if isinstance(value, int | float) else "no value"
        target = self.number(device, TARGET)
        return f"{device.device_id}: {self.label()} {shown} has not reached its target {target or 0.0:g}{unit} in time"


CONDITION = ConditionKind(kind="discrepancy", make=Discrepancy)
