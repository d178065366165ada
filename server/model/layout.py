"""`plant.toml`: facilities, areas and names of devices. Every mistake is reported at once, with file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.core.errors import ConfigurationError
from server.core.texts import Texts

_NAME = re.compile(r"[A-Za-z0-9._ -]{1,64}")
_FACILITY_KEYS = {"name", "name_ru", "location", "type", "areas"}
_DEVICE_KEYS = {"name", "facility", "area", "unit"}


@dataclass(frozen=True, slots=True)
class Facility:
    """A site of the plant (ISA-95 Site) with its areas."""

    facility_id: str
    name: Texts
    location: str = ""
    kind: str = ""
    areas: Mapping[str, str] = field(default_factory=dict)  # area id -> display name


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """What plant.toml says of one device."""

    name: str = ""
    path: tuple[str, ...] = ()  # (facility, area, unit), as far as given


@dataclass(frozen=True, slots=True)
class PlantLayout:
    """Where things stand. Devices that are not named here land under their facility or `unassigned`."""

    facilities: Mapping[str, Facility] = field(default_factory=dict)
    devices: Mapping[str, DeviceEntry] = field(default_factory=dict)

    def display_name(self, path: tuple[str, ...]) -> Texts:
        """The name of one folder below Plant."""
        facility = self.facilities.get(path[0])
        if facility is None:
            return Texts.of(path[-1])
        if len(path) == 1:
            return facility.name
        return Texts.of(facility.areas.get(path[1], path[1]) if len(path) == 2 else path[-1])


def load_layout(path: Path) -> PlantLayout:
    """Read a plant file; a missing file is an empty layout.

    Raises:
        ConfigurationError: every mistake with its key.
    """
    if not path.exists():
        return PlantLayout()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError([f"{path}: {error}"], what="plant file") from None
    problems = [
        f"{path}: {key}: unknown table; use [facility.<id>] and [device.<id>]"
        for key in content.keys() - {"facility", "device"}
    ]
    facilities = _facilities(content.get("facility", {}), str(path), problems)
    devices = _devices(content.get("device", {}), facilities, str(path), problems)
    if problems:
        raise ConfigurationError(sorted(problems), what="plant file")
    return PlantLayout(facilities, devices)


def _table(value: object, where: str, allowed: set[str], problems: list[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        problems.append(f"{where}: must be a table")
        return {}
    known = ", ".join(sorted(allowed))
    problems.extend(f"{where}.{key}: unknown key; known are {known}" for key in value.keys() - allowed)
    return {key: entry for key, entry in value.items() if key in allowed}


def _text(table: Mapping[str, object], key: str, where: str, problems: list[str]) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        problems.append(f"{where}.{key}: must be text")
        return ""
    return value


def _facilities(content: object, file: str, problems: list[str]) -> dict[str, Facility]:
    found: dict[str, Facility] = {}
    if not isinstance(content, dict):
        problems.append(f"{file}: facility: must be a table")
        return found
    for facility_id, value in content.items():
        where = f"{file}: facility.{facility_id}"
        if not _NAME.fullmatch(facility_id):
            problems.append(f"{where}: ids are letters, digits, '.', '_', '-' and blanks, 64 at most")
        table = _table(value, where, _FACILITY_KEYS, problems)
        name = _text(table, "name", where, problems) or facility_id
        name_ru = _text(table, "name_ru", where, problems)
        areas = table.get("areas", {})
        if not isinstance(areas, dict) or not all(isinstance(text, str) for text in areas.values()):
            problems.append(f'{where}.areas: must be a table of area = "name"')
            areas = {}
        found[facility_id] = Facility(
            facility_id,
            Texts.of(name, ru=name_ru) if name_ru else Texts.of(name),
            _text(table, "location", where, problems),
            _text(table, "type", where, problems),
            areas,
        )
    return found


def _devices(
    content: object, facilities: Mapping[str, Facility], file: str, problems: list[str]
) -> dict[str, DeviceEntry]:
    found: dict[str, DeviceEntry] = {}
    if not isinstance(content, dict):
        problems.append(f"{file}: device: must be a table")
        return found
    for device_id, value in content.items():
        where = f"{file}: device.{device_id}"
        table = _table(value, where, _DEVICE_KEYS, problems)
        parts = [_text(table, key, where, problems) for key in ("facility", "area", "unit")]
        for key, part in zip(("facility", "area", "unit"), parts, strict=True):
            if part and not _NAME.fullmatch(part):
                problems.append(f"{where}.{key}: {part!r} is no folder name")
        if parts[0] and parts[0] not in facilities:
            problems.append(f"{where}.facility: no [facility.{parts[0]}]")
        if ((parts[1] or parts[2]) and not parts[0]) or (parts[2] and not parts[1]):
            problems.append(f"{where}: an area needs its facility, a unit its area")
        found[device_id] = DeviceEntry(_text(table, "name", where, problems), tuple(part for part in parts if part))
    return found
