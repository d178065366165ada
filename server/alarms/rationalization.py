"""The master alarm database: every alarm as it is declared now, with its rationale and what is missing (ISA-18.2)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from server.alarms.kinds import condition_of
from server.alarms.standing import condition_class, severity_of
from server.core.cells import plain_cell
from server.model.alarm_declaration import written
from server.model.alarm_kinds import KINDS, PRIORITIES
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device

URGENT_SHARE = 0.2
"""Of all alarms at most so many should have the priority high or critical (ISA-18.2)."""
COLUMNS = (
    "type",
    "name",
    "label",
    "kind",
    "input",
    "limits",
    "priority",
    "severity",
    "class",
    "cause",
    "consequence",
    "action",
    "response_s",
    "on_delay_s",
    "off_delay_s",
    "deadband",
    "groups",
    "rule",
    "devices",
    "missing",
)


class Declared(Protocol):
    """How the alarms of a device are declared (`AlarmJudge.specs_of`)."""

    def __call__(self, device: Device) -> Sequence[AlarmSpec]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One alarm of a device type, for all devices that have it alike."""

    type_id: str
    spec: AlarmSpec
    severities: Mapping[str, int]  # by level
    priority: str
    devices: int

    @property
    def missing(self) -> tuple[str, ...]:
        """What rationalization still has to say."""
        why = self.spec.rationale
        said = {
            "cause": bool(why.cause),
            "consequence": bool(why.consequence),
            "action": bool(why.action),
            "response_s": why.response_s > 0,
        }
        return tuple(name for name, there in said.items() if not there)

    def as_json(self) -> dict[str, Any]:
        """The entry with everything it declares."""
        return {
            "type": self.type_id,
            **written(self.spec),
            "class": condition_class(condition_of(self.spec)),
            "priority": self.priority,
            "severity": dict(self.severities),
            "rule": self.spec.rule,
            "devices": self.devices,
            "missing": list(self.missing),
        }

    def as_row(self) -> dict[str, Any]:
        """One line of a table; texts in English."""
        spec, why = self.spec, self.spec.rationale
        return {
            "type": self.type_id,
            "name": spec.name,
            "label": spec.label.default,
            "kind": spec.kind,
            "input": spec.parameter,
            "limits": "; ".join(f"{name}={value}" for name, value in spec.sources.items()),
            "priority": self.priority,
            "severity": "; ".join(
                f"{level}={value}" if level else str(value) for level, value in self.severities.items()
            ),
            "class": condition_class(condition_of(spec)),
            "cause": why.cause.default,
            "consequence": why.consequence.default,
            "action": why.action.default,
            "response_s": why.response_s or "",
            "on_delay_s": spec.life.on_delay_s or "",
            "off_delay_s": spec.life.off_delay_s or "",
            "deadband": spec.life.deadband or "",
            "groups": "; ".join(spec.groups),
            "rule": spec.rule,
            "devices": self.devices,
            "missing": "; ".join(self.missing),
        }


def entries(devices: Iterable[Device], declared: Declared, severities: Mapping[str, int]) -> list[Entry]:
    """Every alarm that some device has; those of DeviceHealth, which no one declares, are left out."""
    counted: Counter[tuple[str, int]] = Counter()
    specs: dict[int, AlarmSpec] = {}
    for device in devices:
        for spec in declared(device):
            if spec.kind in KINDS:
                counted[device.device_type.type_id, id(spec)] += 1
                specs[id(spec)] = spec
    merged: list[Entry] = []
    for (type_id, identity), count in counted.items():
        spec = specs[identity]
        known = next((n for n, each in enumerate(merged) if (each.type_id, each.spec) == (type_id, spec)), None)
        if known is None:
            merged.append(_entry(type_id, spec, count, severities))
        else:
            merged[known] = _entry(type_id, spec, count + merged[known].devices, severities)
    return sorted(merged, key=lambda each: (each.type_id, each.spec.name, each.spec.rule))


def _entry(type_id: str, spec: AlarmSpec, devices: int, severities: Mapping[str, int]) -> Entry:
    condition = condition_of(spec)
    levels = (
        [level for level in KINDS[spec.kind].levels if level in spec.sources] or list(KINDS[spec.kind].levels) or [""]
    )
    found = {level: severity_of(condition, level, severities) for level in levels}
    gravest = max(found.values())
    return Entry(type_id, spec, {level: severity for level, (severity, _) in found.items()}, gravest[1], devices)


def check(found: Sequence[Entry]) -> Iterator[str]:
    """What an engineer should look at."""
    lacking = sum(1 for entry in found if entry.missing)
    if lacking:
        yield f"{lacking} of {len(found)} alarms are not rationalized: see `missing` of each"
    total = sum(entry.devices for entry in found)
    if not total:
        return
    share = {name: sum(entry.devices for entry in found if entry.priority == name) / total for name in PRIORITIES}
    urgent = share["critical"] + share["high"]
    if urgent > URGENT_SHARE:
        yield f"{urgent:.0%} of the alarms have the priority high or critical; at most {URGENT_SHARE:.0%} should"


def as_csv(found: Sequence[Entry]) -> str:
    """A table for a spreadsheet. Cells that a spreadsheet would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for entry in found:
        writer.writerow({name: plain_cell(value) for name, value in entry.as_row().items()})
    return text.getvalue()
