"""Exclusive deviation alarm: how far a value is from its setpoint (OPC 10000-9, ExclusiveDeviationAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.limits import Limits
from server.core.values import Scalar
from server.model.device import Device

SETPOINT = "Setpoint"


class ExclusiveDeviation(Limits):
    """Judges the value minus its setpoint; limits below the setpoint are negative."""

    kind = "exclusive_deviation"
    noun = "deviation"

    def measure(self, look: Look) -> float | None:
        return self.shown(look.device, look.value)

    def shown(self, device: Device, value: Scalar | None) -> float | None:
        measured, setpoint = super().shown(device, value), self.number(device, SETPOINT)
        return None if measured is None or setpoint is None else measured - setpoint


CONDITION = ConditionKind(kind="exclusive_deviation", make=ExclusiveDeviation)
