"""What a declaration of each kind of alarm must say, and what is wrong with one: for packages and for rules alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from server.model.alarm_spec import CLASSES, LEVELS, AlarmSpec
from server.model.device_type import DataType, ParameterSpec

HEALTH_NAMES = ("Failure", "CheckFunction", "OffSpec", "MaintenanceRequired")
"""Names of the alarms of DeviceHealth, which come by themselves."""
PRIORITIES = ("critical", "high", "medium", "low")
LONGEST_TIME_S = 100 * 365 * 86_400.0
"""Greatest ExpectedTime and ExpirationLimit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFacts:
    """What one kind asks of its declaration."""

    required: tuple[str, ...] = ()  # sources that must be there
    optional: tuple[str, ...] = ()  # further ones that it knows
    some: tuple[str, ...] = ()  # of these at least one must be there
    levels: tuple[str, ...] = ()  # whose severity may be told apart
    input: str = "number"  # "number", "state", "bits", "time"
    deadband: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """All that it knows."""
        return (*self.required, *self.some, *self.optional)


_LIMIT = KindFacts(some=LEVELS, levels=LEVELS, deadband=True)
_DEVIATION = KindFacts(required=("Setpoint",), some=LEVELS, levels=LEVELS, deadband=True)
_STATE = KindFacts(required=("Normal",), input="state")
_BITS = KindFacts(required=("Mask",), input="bits")
KINDS: Mapping[str, KindFacts] = {
    "exclusive_limit": _LIMIT,
    "non_exclusive_limit": _LIMIT,
    "exclusive_deviation": _DEVIATION,
    "non_exclusive_deviation": _DEVIATION,
    "exclusive_rate_of_change": _LIMIT,
    "non_exclusive_rate_of_change": _LIMIT,
    "discrete": KindFacts(required=("Active",), input="state"),
    "off_normal": _STATE,
    "system_off_normal": _STATE,
    "trip": KindFacts(required=("Tripped",), input="state"),
    "discrepancy": KindFacts(required=("Target", "ExpectedTime"), optional=("Tolerance",)),
    "certificate_expiration": KindFacts(required=("ExpirationLimit",), levels=("Expiring", "Expired"), input="time"),
    "instrument_diagnostic": _BITS,
    "system_diagnostic": _BITS,
}
"""By kind: a file of server/alarms/conditions. Those of DeviceHealth are not declared."""


def mistakes(spec: AlarmSpec, parameters: Mapping[str, ParameterSpec]) -> list[str]:
    """What is wrong with a declaration for devices of these parameters, a sentence each; empty when it is right."""
    facts = KINDS.get(spec.kind)
    if facts is None:
        return [f"kind {spec.kind!r} is none of {', '.join(KINDS)}"]
    return [
        *_of_name(spec),
        *_of_input(spec, facts, parameters),
        *_of_sources(spec, facts, parameters),
        *_of_limits(spec, facts),
        *_of_severity(spec, facts),
        *_of_suppression(spec, parameters),
    ]


def _of_name(spec: AlarmSpec) -> Iterator[str]:
    if spec.name in HEALTH_NAMES:
        yield f"{spec.name} is the name of an alarm of DeviceHealth"
    if spec.rationale.condition_class not in ("", *CLASSES):
        yield f"class {spec.rationale.condition_class!r} is none of {', '.join(CLASSES)}"


def _of_input(spec: AlarmSpec, facts: KindFacts, parameters: Mapping[str, ParameterSpec]) -> Iterator[str]:
    parameter = parameters.get(spec.parameter)
    if parameter is None:
        yield f"input {spec.parameter!r} is no parameter"
        return
    kind = parameter.data_type
    fits = {
        "number": kind.numeric,
        "state": kind.integer or kind is DataType.BOOLEAN,
        "bits": kind.integer,
        "time": kind is DataType.DATETIME,
    }
    words = {
        "number": "a number",
        "state": "an enumeration, a whole number or a Boolean",
        "bits": "a whole number",
        "time": "a DateTime",
    }
    if not fits[facts.input]:
        yield f"input {spec.parameter} must be {words[facts.input]}, not {kind.name}"
    if spec.life.deadband and not facts.deadband:
        yield f"deadband means nothing for {spec.kind}"


def _of_sources(spec: AlarmSpec, facts: KindFacts, parameters: Mapping[str, ParameterSpec]) -> Iterator[str]:
    for name in facts.required:
        if name not in spec.sources:
            yield f"{name} is missing"
    if facts.some and not any(name in spec.sources for name in facts.some):
        yield f"names none of {', '.join(facts.some)}"
    for name, source in spec.sources.items():
        if name not in facts.sources:
            yield f"{name} means nothing for {spec.kind}; known: {', '.join(facts.sources)}"
        elif isinstance(source, str):
            parameter = parameters.get(source)
            if parameter is None:
                yield f"{name}: {source!r} is no parameter"
            elif not (parameter.data_type.numeric or parameter.data_type is DataType.BOOLEAN):
                yield f"{name}: {source} must be a number"
    if spec.kind == "trip" and isinstance(spec.sources.get("Tripped"), str):
        yield "Tripped must be a number"


def _of_limits(spec: AlarmSpec, facts: KindFacts) -> Iterator[str]:
    numbers = {name: float(value) for name, value in spec.sources.items() if not isinstance(value, str)}
    if facts.some == LEVELS:
        values = [(level, numbers[level]) for level in LEVELS if level in numbers]
        for (upper, high), (lower, low) in pairwise(values):
            if high < low:
                yield f"{upper} ({high:g}) lies below {lower} ({low:g})"
        gap = numbers["High"] - numbers["Low"] if {"High", "Low"} <= set(numbers) else None
        if gap is not None and gap >= 0 and spec.life.deadband >= gap > 0:
            yield f"the deadband {spec.life.deadband:g} is as wide as what lies between High and Low"
    for name in ("ExpectedTime", "ExpirationLimit", "Tolerance"):
        if numbers.get(name, 0.0) < 0:
            yield f"{name} ({numbers[name]:g}) must not be negative"
    for name in ("ExpectedTime", "ExpirationLimit"):
        if numbers.get(name, 0.0) > LONGEST_TIME_S:
            yield f"{name} ({numbers[name]:g} s) must be at most {LONGEST_TIME_S:g} s"
    mask = numbers.get("Mask")
    if mask is not None and not (0 < mask < 2**63 and mask == int(mask)):
        yield f"Mask must be a whole number above 0, not {mask:g}"


def _of_severity(spec: AlarmSpec, facts: KindFacts) -> Iterator[str]:
    for level in spec.severity:
        if level and level not in facts.levels:
            known = ", ".join(facts.levels) if facts.levels else "none, one number for all"
            yield f"severity: {level!r} is no level of {spec.kind}; known: {known}"


def _of_suppression(spec: AlarmSpec, parameters: Mapping[str, ParameterSpec]) -> Iterator[str]:
    for group in spec.suppression:
        for name, _ in group.inputs:
            parameter = parameters.get(name)
            if parameter is None:
                yield f"suppressed by {group.name}: {name!r} is no parameter"
            elif not (parameter.data_type.numeric or parameter.data_type is DataType.BOOLEAN):
                yield f"suppressed by {group.name}: {name} must be a number or a Boolean"
