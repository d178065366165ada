"""One alarm rule of the site: which devices it is for, and what it makes of their alarms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import translate
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
_SENTENCE_LIMIT = 500
"""Characters of one problem: what was sent is repeated in it."""
_PATTERN = r"[A-Za-z0-9_.*?\[\]!-]{1,128}"
_MARKS = "*?["
MOST_PATTERNS = 100
"""Patterns of one rule; ids without * and ? cost nothing and are not counted."""
_PATTERN_HINT = "a device id; * and ? stand for any characters"


class RuleError(RemoteError):
    """A rule that makes no sense; `problems` names every mistake with its place."""

    status = status.BAD_INVALID_ARGUMENT

    def __init__(self, problems: list[str]) -> None:
        problems = [text if len(text) <= _SENTENCE_LIMIT else f"{text[:_SENTENCE_LIMIT]}…" for text in problems]
        self.problems = tuple(problems)
        super().__init__("; ".join(problems[:5]) + (f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""))


def _is_pattern(device: str) -> bool:
    return any(mark in device for mark in _MARKS)


@dataclass(frozen=True, slots=True)
class Match:
    """Which devices a rule is for: all that fit every criterion that is given."""

    types: tuple[str, ...] = ()  # device types by their id
    devices: tuple[str, ...] = ()  # ids or patterns
    place: tuple[str, ...] = ()  # beginning of the place in the plant: facility, area …
    _ids: frozenset[str] = field(init=False, repr=False, compare=False)
    _patterns: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once a rule, not once a device: a thousand rules may name hundreds of patterns each.
        patterns = [each for each in self.devices if _is_pattern(each)]
        object.__setattr__(self, "_ids", frozenset(self.devices).difference(patterns))
        object.__setattr__(self, "_patterns", re.compile("|".join(map(translate, patterns))) if patterns else None)

    def fits(self, device: Device) -> bool:
        """Whether a device is meant."""
        return (
            (not self.types or device.device_type.type_id in self.types)
            and device.path[: len(self.place)] == self.place
            and (not self.devices or self._names(device.device_id))
        )

    def _names(self, device_id: str) -> bool:
        return device_id in self._ids or (self._patterns is not None and bool(self._patterns.match(device_id)))


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
    _require_document(body)
    problems: list[str] = []
    root = Table(body, "", problems)
    match = root.table("match")
    devices = match.strings("devices", pattern=_PATTERN, hint=_PATTERN_HINT)
    if sum(map(_is_pattern, devices)) > MOST_PATTERNS:
        match.note("devices", f"has more than {MOST_PATTERNS} patterns")
        devices = ()
    criteria = Match(types=match.strings("types"), devices=devices, place=match.strings("place"))
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
    if problems:
        raise RuleError(problems)
    return Rule(rule_id, criteria, alarm, enabled, note, body, changed_at, changed_by)


def _require_document(body: Mapping[str, Any]) -> None:
    """Before a sentence about it is made: it has its size, and can be kept, sent and shown."""
    try:
        size = len(json.dumps(body, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise RuleError(["a text with half a character: a surrogate without the other one of its pair"]) from None
    except (ValueError, RecursionError):
        raise RuleError(["a rule that cannot be written as JSON"]) from None
    if size > BODY_LIMIT:
        raise RuleError([f"{size} bytes of rule, at most {BODY_LIMIT}"])
