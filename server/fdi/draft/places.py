"""Where values stand in one kind of message and what was seen there. Objects in, one `Place` per leaf path out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from server.core.clock import TimeUs, from_datetime
from server.core.values import RawMessage
from server.fdi.draft.limits import AHEAD_US, EARLIEST_US, EPOCH_UNITS, DraftLimits
from server.fdi.draft.names import LONE, TIME_WORDS, UNIT_WORDS, words
from server.fdi.draft.sample import Refusals

Path = tuple[str, ...]
METRIC_KEYS = ("name", "metric", "key", "tag", "parameter", "channel", "id")
"""Keys that name the entries of a list of readings, the likeliest first."""
ISO = "iso"


class Family(Enum):
    """What a JSON value can be."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class MetricList:
    """A list of named readings: `[{"name": "flow", "value": 1.5, "unit": "m³/h"}]`."""

    path: Path
    key: str
    value: str
    unit: str = ""


@dataclass(slots=True)
class Seen:
    """What was seen at one place."""

    families: Counter[Family] = field(default_factory=Counter)
    nulls: int = 0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True  # no number with a fraction
    huge: bool = False  # a whole number that a double cannot hold exactly
    values: Counter[Any] = field(default_factory=Counter)  # different values of the main kinds, the first ones
    many: bool = False  # more different values than are remembered
    longest: int = 0
    latin: bool = True
    unfit: int = 0  # texts and numbers that no parameter can carry
    times: Counter[str] = field(default_factory=Counter)  # how often it was a time in each form
    constant: bool = True  # one value per device
    by_device: dict[str, int] = field(default_factory=dict)
    timely: bool = False  # named like a time

    @property
    def count(self) -> int:
        """Values seen, of whatever kind."""
        return self.families.total() + self.nulls

    @property
    def family(self) -> Family | None:
        """The commonest kind of value; None when there was no value."""
        return max(self.families, key=lambda entry: self.families[entry]) if self.families else None

    def take(self, value: Any, device: str, received_at: TimeUs, limits: DraftLimits) -> None:
        """Take one value in."""
        if value is None:
            self.nulls += 1
            return
        if isinstance(value, bool):
            self.families[Family.BOOLEAN] += 1
        elif isinstance(value, str):
            if len(value) > limits.text_length or "\0" in value:
                self.unfit += 1
                return
            self.families[Family.TEXT] += 1
            self.longest = max(self.longest, len(value))
            self.latin = self.latin and value.isascii()
        elif not self._number(value):
            return
        self._remember(value, device, limits)
        if self.timely:
            for form in _time_forms(value, received_at):
                self.times[form] += 1

    def _number(self, value: int | float) -> bool:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.unfit += 1
            return False
        self.families[Family.NUMBER] += 1
        self.low, self.high = min(self.low, number), max(self.high, number)
        self.whole = self.whole and number.is_integer()
        self.huge = self.huge or (isinstance(value, int) and int(number) != value)
        return True

    def _remember(self, value: Any, device: str, limits: DraftLimits) -> None:
        # True == 1 in Python: the kind is part of what is remembered.
        key = (type(value).__name__ if isinstance(value, bool) else "", value)
        if key in self.values or len(self.values) < limits.values:
            self.values[key] += 1
        else:
            self.many = True
        known = self.by_device.setdefault(device, hash(key)) if self._room(device, limits) else hash(key)
        self.constant = self.constant and known == hash(key)

    def _room(self, device: str, limits: DraftLimits) -> bool:
        return device in self.by_device or len(self.by_device) < limits.devices

    def different(self) -> list[Any]:
        """The values remembered, in order of appearance."""
        return [value for _, value in self.values]

    def add(self, other: Seen) -> None:
        """Take in what was seen at another place of the same parameter."""
        self.families += other.families
        self.nulls += other.nulls
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.whole, self.huge = self.whole and other.whole, self.huge or other.huge
        self.values += other.values
        self.many = self.many or other.many
        self.longest, self.latin = max(self.longest, other.longest), self.latin and other.latin
        self.unfit += other.unfit
        self.constant = self.constant and other.constant


@dataclass(slots=True)
class Places:
    """All places of one kind of message, in order of appearance."""

    metrics: MetricList | None = None
    seen: dict[Path, Seen] = field(default_factory=dict)
    named: dict[str, Seen] = field(default_factory=dict)  # entries of the list of readings
    units: dict[Path, Counter[str]] = field(default_factory=dict)  # texts at places that name units
    named_units: dict[str, Counter[str]] = field(default_factory=dict)
    objects: int = 0


def look(
    objects: Iterable[tuple[RawMessage, dict[str, Any], str]],
    metrics: MetricList | None,
    limits: DraftLimits,
    refusals: Refusals,
) -> Places:
    """What stands where, in all objects (with the device of each) of one kind of message."""
    places = Places(metrics)
    for message, entry, device in objects:
        places.objects += 1
        for path, value in leaves(entry, limits, refusals, message.topic, without=metrics.path if metrics else None):
            seen = places.seen.get(path)
            if seen is None:
                if len(places.seen) >= limits.places:
                    refusals.add("more values in one kind of message than the limit", message.topic)
                    continue
                seen = places.seen[path] = Seen(timely=is_time(path[-1]))
            seen.take(value, device, message.received_at, limits)
            if isinstance(value, str) and is_unit(path[-1]):
                _count_unit(places.units.setdefault(path, Counter()), value, limits)
        if metrics is not None:
            _take_metrics(places, entry, device, message, limits, refusals)
    return places


def _take_metrics(
    places: Places,
    entry: dict[str, Any],
    device: str,
    message: RawMessage,
    limits: DraftLimits,
    refusals: Refusals,
) -> None:
    form = places.metrics
    listed = at(entry, form.path) if form else None
    if form is None or not isinstance(listed, list):
        return
    # As the codec reads it: of entries with the same name the last counts.
    last = {item[form.key]: item for item in listed if isinstance(item, dict) and isinstance(item.get(form.key), str)}
    for name, item in last.items():
        value = item.get(form.value)
        if form.value not in item or isinstance(value, dict | list):
            continue
        if not name or len(name) > limits.key_length:
            refusals.add("keys that are empty or too long", message.topic)
            continue
        seen = places.named.get(name)
        if seen is None:
            if len(places.named) >= limits.metrics:
                refusals.add("more named readings than the limit", message.topic)
                continue
            seen = places.named[name] = Seen()
        seen.take(value, device, message.received_at, limits)
        unit = item.get(form.unit) if form.unit else None
        if isinstance(unit, str):
            _count_unit(places.named_units.setdefault(name, Counter()), unit, limits)


def _count_unit(units: Counter[str], text: str, limits: DraftLimits) -> None:
    if text in units or len(units) < limits.values:
        units[text] += 1


def is_unit(key: str) -> bool:
    """True for `unit`, `units`, `uom` and names that end so."""
    found = words(key)
    return bool(found) and found[-1] in UNIT_WORDS


def is_time(key: str) -> bool:
    """True for names whose last word means a time."""
    found = words(key)
    return bool(found) and found[-1] in TIME_WORDS


def leaves(
    entry: Mapping[str, Any], limits: DraftLimits, refusals: Refusals, topic: str, *, without: Path | None = None
) -> Iterator[tuple[Path, Any]]:
    """Every scalar and null of an object with its path, in document order; elements of lists by their index."""
    stack: list[Iterator[tuple[Path, Any]]] = [_children((), entry, limits, refusals, topic)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        path, value = found
        if path == without:
            continue
        if isinstance(value, dict | list):
            stack.append(_children(path, value, limits, refusals, topic))
        else:
            yield path, value


def _children(
    path: Path, value: Mapping[str, Any] | list[Any], limits: DraftLimits, refusals: Refusals, topic: str
) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, list):
        if len(value) > limits.elements:
            refusals.add("elements of lists beyond the limit", topic, len(value) - limits.elements)
        for index, inner in enumerate(value[: limits.elements]):
            yield (*path, str(index)), inner
        return
    for key, inner in value.items():
        if key and len(key) <= limits.key_length and "\0" not in key:
            yield (*path, key), inner
        else:
            refusals.add("keys that are empty or too long", topic)


def at(entry: Any, path: Path) -> Any:
    """What stands at a path, None when nothing does."""
    for step in path:
        if isinstance(entry, dict):
            entry = entry.get(step)
        elif isinstance(entry, list) and step.isdecimal() and int(step) < len(entry):
            entry = entry[int(step)]
        else:
            return None
    return entry


def metric_list(objects: Iterable[dict[str, Any]], limits: DraftLimits) -> MetricList | None:
    """The list of named readings that every object has; None when there is none, or not in every one."""
    found: MetricList | None = None
    for entry in objects:
        if found is None:
            found = next(_metric_lists(entry, limits), None)
            if found is None:
                return None
        listed = at(entry, found.path)
        if not isinstance(listed, list) or not all(
            isinstance(item, dict) and isinstance(item.get(found.key), str) for item in listed
        ):
            return None
    return found


def _metric_lists(entry: dict[str, Any], limits: DraftLimits) -> Iterator[MetricList]:
    layer: list[tuple[Path, Any]] = [((), entry)]
    while layer:
        deeper: list[tuple[Path, Any]] = []
        for path, value in layer:
            if isinstance(value, list):
                form = _form(path, value)
                if form is not None:
                    yield form
            elif isinstance(value, dict):
                deeper += [
                    ((*path, key), inner)
                    for key, inner in value.items()
                    if key and len(key) <= limits.key_length and "\0" not in key and isinstance(inner, dict | list)
                ]
        layer = deeper[: limits.places]


def _form(path: Path, listed: list[Any]) -> MetricList | None:
    if not listed or not all(isinstance(item, dict) for item in listed):
        return None
    value = next((key for key in listed[0] if "_".join(words(key)) in LONE), None)
    for key in METRIC_KEYS:
        names = [item.get(key) for item in listed]
        if value and all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names):
            unit = next((other for item in listed for other in item if is_unit(other)), "")
            return MetricList(path, key, value, unit)
    return None


def _time_forms(value: Any, received_at: TimeUs) -> Iterator[str]:
    """The forms in which a value is a moment between 2000 and now."""
    if isinstance(value, str):
        if 10 < len(value) <= 64:
            try:
                moment = from_datetime(datetime.fromisoformat(value))
            except (ValueError, OverflowError):
                return
            if EARLIEST_US <= moment <= received_at + AHEAD_US:
                yield ISO
    elif not isinstance(value, bool):
        for form, unit in EPOCH_UNITS.items():
            if EARLIEST_US <= value * unit <= received_at + AHEAD_US:
                yield form
