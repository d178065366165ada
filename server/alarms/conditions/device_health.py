"""Device health alarms: DIAGNOSTIC bits of one NE 107 class are set (OPC 10000-100, DeviceHealthDiagnosticAlarm)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.alarms.condition import Look
from server.core import status
from server.core.clock import TimeUs
from server.core.texts import Texts
from server.core.values import Scalar
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device, Point
from server.model.device_type import HealthSpec


@dataclass(frozen=True, slots=True)
class HealthClass:
    """One class of DeviceHealthEnumeration and its alarm."""

    health: int
    kind: str  # AlarmEvent.kind
    name: str  # ConditionName
    severity: int
    label: Texts


CLASSES: tuple[HealthClass, ...] = (
    HealthClass(1, "failure", "Failure", 900, Texts.of("failure", ru="отказ")),
    HealthClass(2, "check_function", "CheckFunction", 500, Texts.of("function check", ru="функциональный контроль")),
    HealthClass(3, "off_spec", "OffSpec", 600, Texts.of("out of specification", ru="вне спецификации")),
    HealthClass(
        4, "maintenance_required", "MaintenanceRequired", 300, Texts.of("maintenance required", ru="нужно обслуживание")
    ),
)
"""In the order in which DeviceHealth prefers them."""
KINDS = frozenset(each.kind for each in CLASSES)
_SEPARATOR = ", "


class DeviceHealthAlarm:
    """All bits of one class, whatever parameters carry them: one alarm a device."""

    condition_class = "Maintenance"
    time_alone_activates = False

    def __init__(self, of: HealthClass, bits: Sequence[HealthSpec]) -> None:
        self._class = of
        self._bits = tuple(bits)
        self.kind = of.kind
        self.name = of.name
        self.input_parameter = self._bits[0].parameter
        self.spec = AlarmSpec(kind=of.kind, name=of.name, parameter=self.input_parameter, label=of.label)
        self._parameters = tuple(dict.fromkeys(bit.parameter for bit in self._bits))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceHealthAlarm) and (self._class, self._bits) == (other._class, other._bits)

    def __hash__(self) -> int:
        return hash((self.kind, self._parameters))

    def depends_on(self) -> frozenset[str]:
        return frozenset(self._parameters)

    def judged(self, device: Device) -> Point | None:
        """The first parameter that has usable bits; the others add theirs."""
        points = (device.points.get(name) for name in self._parameters)
        known = [point for point in points if point is not None and point.value is not None]
        return next((point for point in known if not status.is_bad(point.status)), known[0] if known else None)

    def active(self, device: Device) -> list[HealthSpec]:
        """The bits that are set now, in the order of the EDD."""
        return [bit for bit in self._bits if is_set(bit, device.points.get(bit.parameter))]

    def limits(self, device: Device) -> Mapping[str, float]:
        return {}

    def level(self, look: Look) -> str:
        """The bits that are set, as `parameter:mask`: another set of them is another level."""
        return _SEPARATOR.join(f"{bit.parameter}:{bit.mask:#x}" for bit in self.active(look.device))

    def again_at(self, look: Look) -> TimeUs | None:
        return None

    def worse(self, new: str, old: str) -> bool:
        """A further bit is a new reason to look."""
        return bool(set(new.split(_SEPARATOR)) - set(old.split(_SEPARATOR)))

    def severity(self, level: str) -> int:
        return self._class.severity

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        label = self._class.label.default
        if not level:
            return f"{device.device_id}: {label} is over"
        return f"{device.device_id}: {label}: {_SEPARATOR.join(bit.text.default for bit in self.active(device))}"


def is_set(bit: HealthSpec, point: Point | None) -> bool:
    """True when a usable value has all the bits of the mask."""
    if point is None or status.is_bad(point.status) or isinstance(point.value, bool):
        return False
    return isinstance(point.value, int) and point.value & bit.mask == bit.mask


def health_alarms(bits: Sequence[HealthSpec]) -> list[DeviceHealthAlarm]:
    """One condition for each class that has bits."""
    found = ((each, [bit for bit in bits if bit.health == each.health]) for each in CLASSES)
    return [DeviceHealthAlarm(each, members) for each, members in found if members]
