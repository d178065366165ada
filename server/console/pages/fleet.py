"""What the fleet table, the device panel and the alarm list show: rows of texts, made from the plant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from server.console import shapes
from server.console.pages.words import Words
from server.core.clock import SECOND, TimeUs
from server.core.status import is_bad, is_good, name_of
from server.core.values import AlarmEvent, Scalar
from server.model.device import Device, Point
from server.model.device_type import DataType, DeviceType, ParameterSpec
from server.model.plant import UNASSIGNED

COLUMNS = 7  # measured values in the fleet table
NOTHING = "—"
_DIGITS = re.compile(r"(\d+)")
_DECIMALS = re.compile(r"\.(\d)")


@dataclass(frozen=True, slots=True)
class Choice:
    """What part of the fleet is asked for."""

    type_id: str
    search: str = ""
    abnormal_only: bool = False
    page: int = 0
    page_size: int = 12


@dataclass(frozen=True, slots=True)
class Overview:
    """The plant in figures, counted once for all open pages."""

    devices: int = 0
    silent: int = 0
    active: int = 0
    unacked: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    troubled: Mapping[str, int] = field(default_factory=dict)  # type -> devices with an active alarm
    alarms: Sequence[AlarmEvent] = ()
    marks: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (device, parameter) -> priority 1…3
    worst: Mapping[str, int] = field(default_factory=dict)  # device -> priority 1…3


def overview(devices: Iterable[Device], alarms: Sequence[AlarmEvent]) -> Overview:
    """Count everything."""
    by_type: dict[str, int] = {}
    silent = total = 0
    type_of: dict[str, str] = {}
    for device in devices:
        type_id = device.device_type.type_id
        by_type[type_id] = by_type.get(type_id, 0) + 1
        type_of[device.device_id] = type_id
        total += 1
        silent += device.silent
    marks: dict[tuple[str, str], int] = {}
    worst: dict[str, int] = {}
    for event in alarms:
        if event.active:
            priority = priority_of(event.severity)
            key = (event.device_id, event.input_parameter)
            marks[key] = min(priority, marks.get(key, priority))
            worst[event.device_id] = min(priority, worst.get(event.device_id, priority))
    troubled: dict[str, int] = {}
    for device_id in worst:
        if device_id in type_of:
            troubled[type_of[device_id]] = troubled.get(type_of[device_id], 0) + 1
    return Overview(
        devices=total,
        silent=silent,
        active=sum(event.active for event in alarms),
        unacked=sum(not event.acked for event in alarms),
        by_type=by_type,
        troubled=troubled,
        alarms=sorted(alarms, key=_urgency),
        marks=marks,
        worst=worst,
    )


def _urgency(event: AlarmEvent) -> tuple[bool, bool, int, TimeUs]:
    """What is to be acknowledged first, then what is active, then by priority, then the newest."""
    return event.acked, not event.active, priority_of(event.severity), -event.time


def priority_of(severity: int) -> int:
    """1 urgent, 2 high, 3 low."""
    return 1 if severity >= 800 else 2 if severity >= 500 else 3


def columns_of(device_type: DeviceType) -> list[ParameterSpec]:
    """The values worth a column: those that can alarm first, then in the package's order."""
    judged = {spec.parameter for spec in device_type.alarms}
    measured = [spec for spec in device_type.parameters.values() if spec.dynamic and _fits_a_column(spec)]
    chosen = sorted(measured, key=lambda spec: spec.name not in judged)[:COLUMNS]
    return [spec for spec in measured if spec in chosen]


def _fits_a_column(spec: ParameterSpec) -> bool:
    return spec.data_type.numeric or spec.data_type is DataType.BOOLEAN


def fleet_columns(device_type: DeviceType, words: Words) -> list[dict[str, Any]]:
    """Columns as the table element wants them."""
    columns = [
        {"name": "device", "label": words("device"), "field": "device", "align": "left"},
        {"name": "place", "label": words("place"), "field": "place", "align": "left"},
        {"name": "connection", "label": words("connection"), "field": "connection", "align": "left"},
    ]
    for spec in columns_of(device_type):
        label = spec.label.best([words.language])[1] or spec.name
        unit = unit_text(spec, words)
        align = "left" if spec.enum_values else "right"
        columns.append({"name": spec.name, "label": label, "unit": unit, "field": spec.name, "align": align})
    return columns


def fleet_rows(
    devices: Iterable[Device],
    device_type: DeviceType,
    choice: Choice,
    found: Overview,
    words: Words,
    places: Mapping[str, str],
) -> tuple[list[dict[str, Any]], int]:
    """(the rows of one page, how many match)."""
    wanted = choice.search.strip().lower()
    matching = [
        device
        for device in devices
        if (not wanted or wanted in device.device_id.lower() or wanted in device.name.lower())
        and (not choice.abnormal_only or device.device_id in found.worst or device.silent)
    ]
    matching.sort(key=lambda device: natural(device.device_id))
    start = choice.page * choice.page_size
    specs = columns_of(device_type)
    return [_row(device, specs, found, words, places) for device in matching[start : start + choice.page_size]], len(
        matching
    )


def _row(
    device: Device, specs: Iterable[ParameterSpec], found: Overview, words: Words, places: Mapping[str, str]
) -> dict[str, Any]:
    state = shapes.connection(device)
    classes: dict[str, str] = {"connection": "" if state == "live" else f"fl-{state}"}
    row: dict[str, Any] = {
        "id": device.device_id,
        "device": device.name or device.device_id,
        "place": places.get(device.path[0]) or (words(UNASSIGNED) if device.path[0] == UNASSIGNED else device.path[0]),
        "connection": words(state),
        "worst": found.worst.get(device.device_id, 0),
    }
    for spec in specs:
        point = device.points[spec.name]
        row[spec.name] = value_text(spec, point.value, words)
        classes[spec.name] = point_class(point, found.marks.get((device.device_id, spec.name), 0))
    row["classes"] = classes
    return row


def point_class(point: Point, priority: int) -> str:
    """How a value looks: normal ones like everything else."""
    looks = [f"fl-p{priority}"] if priority else []
    if is_bad(point.status):
        looks.append("fl-bad")
    elif not is_good(point.status):
        looks.append("fl-uncertain")
    return " ".join(looks)


def panel_rows(device: Device, found: Overview, words: Words, now: TimeUs) -> list[dict[str, Any]]:
    """Every value of one device with unit, quality and age."""
    return [
        {
            "id": name,
            "parameter": point.spec.label.best([words.language])[1] or name,
            "value": value_text(point.spec, point.value, words),
            "unit": unit_text(point.spec, words),
            "quality": name_of(point.status),
            "age": age_text(now - point.source_time, words) if point.source_time else NOTHING,
            "draws": drawable(point.spec),
            "classes": point_class(point, found.marks.get((device.device_id, name), 0)),
        }
        for name, point in device.points.items()
    ]


def alarm_rows(found: Overview, words: Words, names: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
    """The alarm list: what is to be acknowledged first, then by priority, then the newest."""
    return [
        {
            "id": event.condition_id,
            "event": event.event_id.hex(),
            "device": event.device_id,
            "name": names.get(event.device_id) or event.device_id,
            "parameter": event.input_parameter,
            "priority": priority_of(event.severity),
            "time": event.active_time // 1000 if event.active_time else event.time // 1000,
            "message": event.message,
            "active": event.active,
            "acked": event.acked,
            "state": words("active") if event.active else words("returned"),
        }
        for event in found.alarms[:limit]
    ]


def drawable(spec: ParameterSpec) -> bool:
    """True for what a trend can show."""
    return spec.dynamic and (spec.data_type.numeric or spec.data_type is DataType.BOOLEAN)


def value_text(spec: ParameterSpec, value: Scalar | None, words: Words) -> str:
    """A value as an operator reads it; as many decimals as its range deserves, always the same."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return words("yes") if value else words("no")
    if isinstance(value, int | float) and spec.enum_values and not spec.bit_enumerated:
        for entry in spec.enum_values:
            if entry.value == value:
                return entry.text.best([words.language])[1]
    shown = shapes.scalar(value)
    if isinstance(shown, int | float):
        return f"{shown:,.{decimals_of(spec)}f}".replace(",", "\u2009")
    return NOTHING if shown is None else str(shown)[:60]


def decimals_of(spec: ParameterSpec) -> int:
    """Digits behind the point: the EDD's display format, else what the range deserves."""
    if spec.data_type.integer:
        return 0
    told = _DECIMALS.search(spec.display_format)
    if told is not None:
        return int(told.group(1))
    hull = spec.eu_range
    if hull is None:
        return 2
    width = hull[1] - hull[0]
    return 0 if width > 5_000 else 1 if width >= 50 else 2 if width >= 1 else 3


def unit_text(spec: ParameterSpec, words: Words) -> str:
    """The unit's symbol in the page's language."""
    if spec.unit is None:
        return spec.unit_symbol
    return spec.unit.display_name.best([words.language])[1] or spec.unit_symbol


def age_text(age_us: int, words: Words) -> str:
    """Seconds, minutes, hours or days, whichever is short."""
    seconds = max(0, age_us // SECOND)
    for unit, size, limit in (("seconds", 1, 120), ("minutes", 60, 7_200), ("hours", 3_600, 172_800)):
        if seconds < limit:
            return f"{seconds // size} {words(unit)}"
    return f"{seconds // 86_400} {words('days')}"


@lru_cache(maxsize=10_000)
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which sensor-9 stands before sensor-10."""
    parts = (part for part in _DIGITS.split(text) if part)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts)
