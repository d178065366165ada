"""Trip alarm: an enumeration holds the value that means tripped (OPC 10000-9, TripAlarmType, an off-normal alarm)."""

from __future__ import annotations

from collections.abc import Mapping

from server.alarms.condition import ConditionKind, Look
from server.core.clock import TimeUs
from server.core.values import Scalar
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device, Point

TRIPPED = "Tripped"


class Trip:
    """Judges one enumerated parameter."""

    kind = "trip"

    def __init__(self, spec: AlarmSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.input_parameter = spec.parameter

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trip) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def depends_on(self) -> frozenset[str]:
        return frozenset({self.input_parameter})

    def judged(self, device: Device) -> Point | None:
        return device.points.get(self.input_parameter)

    def limits(self, device: Device) -> Mapping[str, float]:
        return {}

    def level(self, look: Look) -> str:
        return TRIPPED if look.value == self.spec.sources["Tripped"] else ""

    def again_at(self, look: Look) -> TimeUs | None:
        return None

    def worse(self, new: str, old: str) -> bool:
        return False

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 900)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        label = self.spec.label.default or self.name
        return f"{device.device_id}: {label}" if level else f"{device.device_id}: {label} is over"


CONDITION = ConditionKind(kind="trip", make=Trip, required=("Tripped",), condition_class="Process")
