"""Exclusive limit alarm: a value is beyond at most one of its limits (OPC 10000-9, 5.8.19, ExclusiveLevelAlarmType)."""

from __future__ import annotations

from collections.abc import Mapping

from server.alarms.condition import ConditionKind, Look
from server.core.clock import TimeUs
from server.core.values import Scalar
from server.model.alarm_spec import LEVELS, AlarmSpec
from server.model.device import Device, Point

_WORDS = {"HighHigh": "high-high", "High": "high", "Low": "low", "LowLow": "low-low"}
_OUTER = frozenset({"HighHigh", "LowLow"})


class ExclusiveLimit:
    """Judges one numeric parameter against up to four limits."""

    kind = "exclusive_limit"

    def __init__(self, spec: AlarmSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.input_parameter = spec.parameter
        self._sources = tuple((level, spec.sources[level]) for level in LEVELS if level in spec.sources)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExclusiveLimit) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def depends_on(self) -> frozenset[str]:
        return frozenset({self.input_parameter} | {source for _, source in self._sources if isinstance(source, str)})

    def judged(self, device: Device) -> Point | None:
        return device.points.get(self.input_parameter)

    def limits(self, device: Device) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for level, source in self._sources:
            value = device.limit_value(source) if isinstance(source, str) else source
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[level] = float(value)
        return found

    def level(self, look: Look) -> str:
        value = look.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        limits = self.limits(look.device)
        # Part 9: the limit itself still belongs to the normal side.
        for level in ("HighHigh", "High"):
            if level in limits and value > limits[level]:
                return level
        for level in ("LowLow", "Low"):
            if level in limits and value < limits[level]:
                return level
        return ""

    def again_at(self, look: Look) -> TimeUs | None:
        return None

    def worse(self, new: str, old: str) -> bool:
        return new in _OUTER or new[:1] != old[:1]

    def severity(self, level: str) -> int:
        return self.spec.severity.get(level) or self.spec.severity.get("") or (800 if level in _OUTER else 500)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        label = self.spec.label.default or self.name
        parameter = device.device_type.parameters.get(self.input_parameter)
        unit = f" {parameter.unit_symbol}" if parameter is not None and parameter.unit_symbol else ""
        shown = f"{value:g}{unit}" if isinstance(value, int | float) else "no value"
        if not level:
            return f"{device.device_id}: {label} {shown} is back to normal"
        limit = self.limits(device).get(level)
        beyond = "above" if level.startswith("High") else "below"
        return f"{device.device_id}: {label} {shown} is {beyond} the {_WORDS[level]} limit {limit:g}{unit}"


CONDITION = ConditionKind(kind="exclusive_limit", make=ExclusiveLimit, some=LEVELS)
