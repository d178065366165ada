"""One alarm rule of the site: which devices it is for, and what it makes of their alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import RemoteError
from server.core.table import Table
from server.model.alarm_declaration import Declaration, read_alarm
from server.model.device import Device

RULE_ID = r"[A-Za-z0-9_-]{1,64}"
BODY_LIMIT = 64 * 1024
"""Bytes of a rule as JSON."""
_PATTERN = r"[A-Za-z0-9_.*?\[\]!-]{1,128}"
_PATTERN_HINT = "a device id; * and ? stand for any characters"


class RuleError(RemoteError):
    """A rule that makes no sense; `problems` names every mistake with its place."""

    status = status.BAD_INVALID_ARGUMENT

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems[:5]) + (f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""))


@dataclass(frozen=True, slots=True)
class Match:
    """Which devices a rule is for: all that fit every criterion that is given."""

    types: tuple[str, ...] = ()  # device types by their id
    devices: tuple[str, ...] = ()  # ids or patterns
    place: tuple[str, ...] = ()  # beginning of the place in the plant: facility, area …

    def fits(self, device: Device) -> bool:
        """Whether a device is meant."""
        return (
            (not self.types or device.device_type.type_id in self.types)
            and device.path[: len(self.place)] == self.place
            and (not self.devices or any(fnmatchcase(device.device_id, pattern) for pattern in self.devices))
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is in force."""

    rule_id: str
    match: Match
    alarm: Declaration
    enabled: bool
    note: str
    body: Mapping[str, Any]  # as its author wrote it
    changed_at: TimeUs = 0
    changed_by: str = ""

    @property
    def text(self) -> str:
        """The body as it is stored."""
        return json.dumps(self.body, ensure_ascii=False, sort_keys=True)


def read_rule(rule_id: str, body: object, *, changed_at: TimeUs = 0, changed_by: str = "") -> Rule:
    """Read a rule from its JSON: `match`, `alarm`, and perhaps `enabled` and `note`.

    Raises:
        RuleError: every mistake that can be seen without devices.
    """
    if not isinstance(body, dict):
        raise RuleError(["a rule is an object with match and alarm"])
    problems: list[str] = []
    root = Table(body, "", problems)
    match = root.table("match")
    criteria = Match(
        types=match.strings("types"),
        devices=match.strings("devices", pattern=_PATTERN, hint=_PATTERN_HINT),
        place=match.strings("place"),
    )
    match.finish()
    if "alarm" not in root:
        root.note("alarm", "is missing")
        alarm = Declaration(name="")
    else:
        alarm = read_alarm(root.table("alarm"))
    note = root.text("note")
    if len(note) > 2_000:
        root.note("note", "is longer than 2000 characters")
    enabled = root.flag("enabled", True)
    root.finish()
    try:
        size = len(json.dumps(body).encode())
    except (ValueError, RecursionError):
        raise RuleError(["a rule that cannot be written as JSON"]) from None
    if size > BODY_LIMIT:
        problems.append(f"{size} bytes of rule, at most {BODY_LIMIT}")
    if problems:
        raise RuleError(problems)
    return Rule(rule_id, criteria, alarm, enabled, note, body, changed_at, changed_by)
