"""Discrete alarm: a state holds the value that is an alarm (OPC 10000-9, DiscreteAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.values import Scalar
from server.model.device import Device

ACTIVE = "Active"


class Discrete(OneInput):
    """Judges one Boolean, whole number or enumeration."""

    kind = "discrete"

    def level(self, look: Look) -> str:
        active = self.number(look.device, ACTIVE)
        if active is None:
            return look.before
        return ACTIVE if look.value == active else ""

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 500)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        return f"{device.device_id}: {self.label()}" if level else f"{device.device_id}: {self.label()} is over"


CONDITION = ConditionKind(kind="discrete", make=Discrete)
