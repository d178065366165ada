"""Trip alarm: an enumeration holds the value that means tripped (OPC 10000-9, TripAlarmType, an off-normal alarm)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.values import Scalar
from server.model.device import Device

TRIPPED = "Tripped"


class Trip(OneInput):
    """Judges one enumerated parameter."""

    kind = "trip"

    def level(self, look: Look) -> str:
        return TRIPPED if look.value == self.spec.sources[TRIPPED] else ""

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 900)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        return f"{device.device_id}: {self.label()}" if level else f"{device.device_id}: {self.label()} is over"


CONDITION = ConditionKind(kind="trip", make=Trip)
