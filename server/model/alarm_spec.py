"""Alarms as they are declared: by packages for every device of a type, or by operators as rules. No state in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.core.texts import NO_TEXT, Texts

Source = str | float
"""Where a number comes from: a parameter of the same device, by name, or a constant."""
LEVELS = ("HighHigh", "High", "Low", "LowLow")
"""Levels of a limit alarm from the greatest limit to the least (OPC 10000-9, LimitAlarmType)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How an alarm lives (OPC 10000-9, 5.7 and 5.8; ISA-18.2). Times in seconds."""

    enabled: bool = True  # as it begins; operators change it
    confirm: bool = False  # it has ConfirmedState: after the acknowledgement somebody confirms that it is dealt with
    latch: bool = False  # it has LatchedState: stays retained until somebody resets it
    branches: int | None = None  # earlier unacknowledged states kept beside the current one, at most; None: the site's
    on_delay_s: float = 0.0  # so long the value must be abnormal before the alarm becomes active
    off_delay_s: float = 0.0  # so long it must be normal before the alarm becomes inactive
    deadband: float = 0.0  # in the unit of the input: a level is left only so far on the normal side of its limit
    re_alarm_s: float = 0.0  # after so long active it asks for acknowledgement again; 0: never
    max_time_shelved_s: float | None = (
        None  # greatest ShelvingTime, and the end of a one-shot shelving; None: the site's
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionGroup:
    """Suppresses its alarms by design while any of its inputs has its value (AlarmSuppressionGroupType)."""

    name: str
    inputs: tuple[tuple[str, float], ...]  # (parameter of the same device, value)
    label: Texts = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rationale:
    """What the master alarm database says of an alarm (ISA-18.2, rationalization)."""

    priority: str = ""  # "critical", "high", "medium", "low": decides Severity; "" = by the severity of the level
    condition_class: str = ""  # a name of `CLASSES`; "" = what the kind says
    cause: Texts = NO_TEXT
    consequence: Texts = NO_TEXT
    action: Texts = NO_TEXT  # what the operator does
    response_s: float = 0.0  # time he has for it; 0: not said


CLASSES = ("Process", "Maintenance", "System", "Safety", "HighlyManagedAlarm", "Statistical", "Testing", "Training")
"""ConditionClasses of OPC 10000-9, 5.9, without their ending ConditionClassType."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpec:
    """One alarm that every device of a type has, or that a rule gives to devices."""

    kind: str  # a file of server/alarms/conditions: "exclusive_limit", "trip" …
    name: str  # ConditionName, last part of its id; unique within a device
    parameter: str  # the input that is judged
    label: Texts = NO_TEXT
    sources: Mapping[str, Source] = field(
        default_factory=dict
    )  # what the kind judges by: "High", "Setpoint", "Tripped"
    severity: Mapping[str, int] = field(
        default_factory=dict
    )  # by level; "" for all levels not named; else the kind's own
    life: Life = field(default_factory=Life)
    rationale: Rationale = field(default_factory=Rationale)
    groups: tuple[str, ...] = ()  # alarm groups: "name" is one of the device, "/name" one of the whole site
    first_in_group: bool = False  # the first active alarm of its groups carries FirstInGroupFlag
    suppression: tuple[SuppressionGroup, ...] = ()
    audible: str = ""  # name of the sound that announces it; "" = it has no AudibleSound
    rule: str = ""  # id of the rule that made or changed it; "" = from the package

    @property
    def shape(self) -> tuple[object, ...]:
        """What decides which fields and references a condition has: where it differs, its nodes are others."""
        return (
            self.kind,
            self.parameter,
            frozenset(self.sources),
            tuple(sorted(self.severity.items())),
            self.life,
            self.rationale,
            self.groups,
            self.first_in_group,
            self.suppression,
            self.audible,
            self.rule,
        )


def exclusive_limit(
    *,
    parameter: str,
    label: Texts,
    high_high: Source | None = None,
    high: Source | None = None,
    low: Source | None = None,
    low_low: Source | None = None,
    **more: object,
) -> AlarmSpec:
    """An exclusive level alarm that is called like its input."""
    limits = zip(LEVELS, (high_high, high, low, low_low), strict=True)
    sources = {level: limit for level, limit in limits if limit is not None}
    return AlarmSpec(
        kind="exclusive_limit",
        name=parameter,
        parameter=parameter,
        label=label,
        sources=sources,
        **more,  # type: ignore[arg-type]
    )


def trip(*, name: str, parameter: str, tripped_value: int, label: Texts, **more: object) -> AlarmSpec:
    """A trip alarm: active while an enumeration holds one value."""
    return AlarmSpec(
        kind="trip",
        name=name,
        parameter=parameter,
        label=label,
        sources={"Tripped": tripped_value},
        **more,  # type: ignore[arg-type]
    )
