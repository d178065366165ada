"""What all limit alarms have in common: up to four limits, a deadband, one level at a time or several."""

from __future__ import annotations

from collections.abc import Mapping

from server.alarms.condition import Look
from server.alarms.judging import OneInput
from server.core.values import Scalar
from server.model.alarm_spec import LEVELS, AlarmSpec
from server.model.device import Device

OUTER = frozenset({"HighHigh", "LowLow"})
SEPARATOR = ", "
"""Between the levels of a non-exclusive limit."""
SEVERITY_OUTER, SEVERITY_INNER = 800, 500
_WORDS = {"HighHigh": "high-high", "High": "high", "Low": "low", "LowLow": "low-low"}


class Limits(OneInput):
    """Compares one number with its limits. What the number is, and its name in messages, subclasses say."""

    exclusive = True
    noun = ""  # "deviation", "rate of change"; "" = the value itself
    per_time = ""  # unit of the number beside the input's: "/s"

    def __init__(self, spec: AlarmSpec) -> None:
        super().__init__(spec)
        self._limits = tuple((level, spec.sources[level]) for level in LEVELS if level in spec.sources)

    def measure(self, look: Look) -> float | None:
        """The number that is compared; None when there is none yet."""
        value = look.value
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def shown(self, device: Device, value: Scalar | None) -> float | None:
        """The number for messages."""
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def limits(self, device: Device) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for level, _ in self._limits:
            limit = self.number(device, level)
            if limit is not None:
                found[level] = limit
        return found

    def level(self, look: Look) -> str:
        number = self.measure(look)
        if number is None:
            # What is not known, as after a start, ends nothing: only a number within its limits does.
            return look.before
        before = look.before.split(SEPARATOR)
        deadband = self.spec.life.deadband
        known = self.limits(look.device)
        # Part 9: the limit itself still belongs to the normal side.
        on = []
        for level, _ in self._limits:
            limit = known.get(level)
            if limit is None:
                if level in before:
                    on.append(level)
                continue
            slack = deadband if self._held(level, before) else 0.0
            if number > limit - slack if level.startswith("High") else number < limit + slack:
                on.append(level)
        for outer, inner in (("HighHigh", "High"), ("LowLow", "Low")):
            if outer in on and outer not in known and inner in known and inner not in on:
                on.remove(outer)  # nobody is past a limit beyond one that he has not reached
        if self.exclusive:
            high = [level for level in on if level.startswith("High")]
            low = [level for level in reversed(on) if level.startswith("Low")]
            return (high or low or [""])[0]
        # The outer limit lies beyond the inner one: whoever is past it is past both.
        for outer, inner in (("HighHigh", "High"), ("LowLow", "Low")):
            if outer in on and inner not in on and any(level == inner for level, _ in self._limits):
                on.append(inner)
        return SEPARATOR.join(level for level in ("HighHigh", "High", "LowLow", "Low") if level in on)

    def _held(self, level: str, before: list[str]) -> bool:
        """Whether the deadband counts for a level: it stands, or the one beyond it does."""
        return level in before or (level == "High" and "HighHigh" in before) or (level == "Low" and "LowLow" in before)

    def worse(self, new: str, old: str) -> bool:
        if not self.exclusive:
            return bool(set(new.split(SEPARATOR)) - set(old.split(SEPARATOR)))
        return new in OUTER or new[:1] != old[:1]

    def severity(self, level: str) -> int:
        given = self.spec.severity
        return max(
            given.get(name) or given.get("") or (SEVERITY_OUTER if name in OUTER else SEVERITY_INNER)
            for name in level.split(SEPARATOR)
        )

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        unit = self.unit(device)
        if self.per_time:
            unit = f"{unit or ' 1'}{self.per_time}"
        number = self.shown(device, value)
        shown = f"{number:g}{unit}" if number is not None else "no value"
        what = f"{self.label()} {self.noun} {shown}" if self.noun else f"{self.label()} {shown}"
        if not level:
            return f"{device.device_id}: {what} is back to normal"
        first = level.split(SEPARATOR, 1)[0]
        limit = self.limits(device).get(first)
        beyond = "above" if first.startswith("High") else "below"
        told = "" if limit is None else f" {limit:g}{unit}"
        return f"{device.device_id}: {what} is {beyond} the {_WORDS[first]} limit{told}"
