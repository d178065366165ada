"""What most kinds of conditions have in common: one input parameter, equality by what is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from server.alarms.condition import Look
from server.core.clock import SECOND, TimeUs
from server.core.values import Scalar
from server.model.alarm_kinds import LONGEST_TIME_S
from server.model.alarm_spec import AlarmSpec, Source
from server.model.device import Device, Point


class OneInput:
    """A condition on one parameter; subclasses say what its levels are."""

    kind: ClassVar[str] = ""
    condition_class: ClassVar[str] = "Process"
    time_alone_activates: ClassVar[bool] = False

    def __init__(self, spec: AlarmSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.input_parameter = spec.parameter

    def _judges(self) -> tuple[object, ...]:
        spec = self.spec
        sources, severity = tuple(sorted(spec.sources.items())), tuple(sorted(spec.severity.items()))
        return spec.kind, spec.name, spec.parameter, spec.label, sources, severity, spec.life.deadband

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneInput) and self._judges() == other._judges()

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.input_parameter))

    def depends_on(self) -> frozenset[str]:
        """The input and every parameter that a source names."""
        return frozenset(
            {self.input_parameter, *(name for name in self.spec.sources.values() if isinstance(name, str))}
        )

    def judged(self, device: Device) -> Point | None:
        """The input's point."""
        return device.points.get(self.input_parameter)

    def again_at(self, look: Look) -> TimeUs | None:
        """Values alone ask for a judgement."""
        return None

    def worse(self, new: str, old: str) -> bool:
        """There is one level."""
        return False

    def limits(self, device: Device) -> Mapping[str, float]:
        """No numbers to show."""
        return {}

    def number(self, device: Device, source: str) -> float | None:
        """What a source says now; None when it is not there or no number."""
        return number(device, self.spec.sources.get(source))

    def span(self, device: Device, source: str) -> int:
        """A source in seconds as microseconds; what a device reports may be beyond all time."""
        return round(min(max(self.number(device, source) or 0.0, 0.0), LONGEST_TIME_S) * SECOND)

    def unit(self, device: Device) -> str:
        """The unit of the input with a blank before it, or nothing."""
        parameter = device.spec(self.input_parameter)
        return f" {parameter.unit_symbol}" if parameter is not None and parameter.unit_symbol else ""

    def label(self) -> str:
        """What it is called in messages."""
        return self.spec.label.default or self.name


def number(device: Device, source: Source | None) -> float | None:
    """The value of a source: a constant, or the parameter of that name."""
    value: Scalar | None = device.limit_value(source) if isinstance(source, str) else source
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
