"""Off-normal alarm: a state is another than its normal one (OPC 10000-9, OffNormalAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.values import Scalar
from server.model.device import Device

NORMAL, OFF_NORMAL = "Normal", "OffNormal"


class OffNormal(OneInput):
    """Judges one Boolean, whole number or enumeration; `Normal` may be a parameter."""

    kind = "off_normal"

    def level(self, look: Look) -> str:
        normal = self.number(look.device, NORMAL)
        if normal is None:
            return look.before
        return OFF_NORMAL if look.value != normal else ""

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 500)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        return f"{device.device_id}: {self.label()}" if level else f"{device.device_id}: {self.label()} is over"


CONDITION = ConditionKind(kind="off_normal", make=OffNormal)
