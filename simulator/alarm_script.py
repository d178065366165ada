"""Alarm scripts: what happens to devices, what operators do, and what must be told of it, line by line.

    start 2026-03-02T08:00:00Z
    device engine-001 engine
    08:00:00 set temp_exhaust=450
    08:00:02 set temp_exhaust=505
      > temp_exhaust active High unacked retain 500      # an event that must come, in this order
    08:00:05 acknowledge temp_exhaust "load reduced" by operator
      > temp_exhaust active High acked retain 500 "load reduced" operator
    08:00:06 acknowledge temp_exhaust
      ! BadConditionBranchAlreadyAcked                    # an action that must be refused
    08:10:00 wait

The first device is meant where none is named; others stand before a colon (`set engine-002: vibration=16`). What is set
holds until it is set again; `?` is a value that the device cannot measure. Times are those of the day that starts, and
may go beyond 24 h. Behind # is a remark.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_LINES = 20_000
WITH_COMMENT = ("acknowledge", "confirm", "comment")
ACTIONS = (
    *WITH_COMMENT,
    "enable",
    "disable",
    "shelve",
    "shelve-once",
    "unshelve",
    "suppress",
    "unsuppress",
    "remove-from-service",
    "place-in-service",
    "silence",
    "reset",
)
OPERATOR = "operator"
_TIME = re.compile(r"(\d{2,3}):([0-5]\d):([0-5]\d(?:\.\d{1,6})?)")
_SETTING = re.compile(r"(\w+)=(\S+)")


class AlarmScriptError(Exception):
    """A script cannot be read; the text names the line."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Values that a device has from now on; None: it cannot measure it."""

    device: str
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to an alarm."""

    verb: str
    device: str
    condition: str  # ConditionName
    user: str
    comment: str | None = None
    shelve_s: float | None = None
    branch: bool = False  # the newest branch is meant, not the current state


@dataclass(slots=True)
class Step:
    """One moment."""

    line: int
    at_s: float  # after the start
    setting: Setting | None = None
    act: Act | None = None
    expected: list[str] = field(default_factory=list)  # "<device>/Alarms/<name> <words>"
    refused: str = ""  # StatusCode that answers the action


@dataclass(frozen=True, slots=True)
class AlarmScript:
    """A whole script."""

    start_us: int
    devices: Mapping[str, str]  # kind by id
    steps: tuple[Step, ...]


def parse(text: str) -> AlarmScript:
    """Read a script.

    Raises:
        AlarmScriptError: the first line that cannot be read.
    """
    reader = _Reader()
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise AlarmScriptError(f"{len(lines)} lines, at most {MAX_LINES}")
    for number, line in enumerate(lines, 1):
        try:
            reader.line(number, line)
        except ValueError as error:
            raise AlarmScriptError(f"line {number}: {error}") from None
    return reader.script()


class _Reader:
    def __init__(self) -> None:
        self._start: datetime | None = None
        self._devices: dict[str, str] = {}
        self._steps: list[Step] = []

    def script(self) -> AlarmScript:
        if self._start is None:
            raise AlarmScriptError("no line `start <time>`")
        if not self._devices:
            raise AlarmScriptError("no line `device <id> <kind>`")
        start_us = round(self._start.timestamp() * 1_000_000)
        return AlarmScript(start_us, self._devices, tuple(self._steps))

    def line(self, number: int, line: str) -> None:
        words = _words(line)
        if not words:
            return
        first, *rest = words
        if first == "start" and len(rest) == 1:
            self._start = _moment(rest[0])
        elif first == "device" and len(rest) == 2:
            self._devices[rest[0]] = rest[1]
        elif first == ">":
            self._last().expected.append(self._expected(rest))
        elif first == "!" and len(rest) == 1:
            self._refusal(rest[0])
        elif _TIME.fullmatch(first):
            self._step(number, first, rest)
        else:
            raise ValueError(f"{first!r} begins no line that is known")

    def _last(self) -> Step:
        if not self._steps:
            raise ValueError("there is no step yet")
        return self._steps[-1]

    def _refusal(self, code: str) -> None:
        step = self._last()
        if step.act is None:
            raise ValueError("only an action can be refused")
        step.refused = code

    def _step(self, number: int, time: str, words: list[str]) -> None:
        if self._start is None:
            raise ValueError("`start` must come first")
        hours, minutes, seconds = _TIME.fullmatch(time).groups()  # type: ignore[union-attr]
        begins = self._start.hour * 3_600 + self._start.minute * 60 + self._start.second
        at_s = round(int(hours) * 3_600 + int(minutes) * 60 + float(seconds) - begins, 6)
        if at_s < (self._steps[-1].at_s if self._steps else 0.0):
            raise ValueError(f"{time} lies before the step above")
        if not words:
            raise ValueError("nothing happens")
        what, *rest = words
        step = Step(number, at_s)
        if what == "set":
            step.setting = self._setting(rest)
        elif what in ACTIONS:
            step.act = self._act(what, rest)
        elif what != "wait" or rest:
            raise ValueError(f"{what!r} is none of set, wait, {', '.join(ACTIONS)}")
        self._steps.append(step)

    def _device(self, words: list[str]) -> str:
        if not self._devices:
            raise ValueError("`device` must come first")
        if words and words[0].endswith(":"):
            device = words.pop(0)[:-1]
            if device not in self._devices:
                raise ValueError(f"no device {device!r}")
            return device
        return next(iter(self._devices))

    def _setting(self, words: list[str]) -> Setting:
        device = self._device(words)
        values: dict[str, float | None] = {}
        for word in words:
            found = _SETTING.fullmatch(word)
            if found is None:
                raise ValueError(f"{word!r}: write parameter=number")
            values[found[1]] = None if found[2] == "?" else _number(found[2])
        if not values:
            raise ValueError("set names no value")
        return Setting(device, values)

    def _act(self, verb: str, words: list[str]) -> Act:
        device = self._device(words)
        if not words:
            raise ValueError(f"{verb} names no alarm")
        condition = words.pop(0)
        user, comment, seconds, branch = OPERATOR, None, None, False
        while words:
            word = words.pop(0)
            if word == "by" and words:
                user = words.pop(0)
            elif word == "branch":
                branch = True
            elif word.startswith('"'):
                comment = word[1:-1]
            elif verb == "shelve" and seconds is None:
                seconds = _number(word)
            else:
                raise ValueError(f"{word!r} means nothing behind {verb}")
        if verb == "shelve" and seconds is None:
            raise ValueError("shelve needs its seconds")
        return Act(verb, device, condition, user, comment, seconds, branch)

    def _expected(self, words: list[str]) -> str:
        device = self._device(words)
        if len(words) < 2:
            raise ValueError("write the alarm and what is told of it")
        return f"{device}/Alarms/{words[0]} {' '.join(words[1:])}"


def _words(line: str) -> list[str]:
    """The words of a line without its remark; texts keep their quotes."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.quotes = '"'
    lexer.commenters = "#"
    return list(lexer)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return moment.astimezone(UTC)


# -- what is told


def words(told: Mapping[str, Any]) -> str:
    """One event in words, always in this order; what is usual is left out.

    `told` holds: active, level, acked, confirmed, retain, severity, enabled, shelving ("", "timed", "once"),
    suppressed, out_of_service, latched, silenced, first, re_alarms, bad, branch.
    """
    if not told["enabled"]:
        return "disabled"
    found = ["active" if told["active"] else "inactive"]
    if told["active"] and told["level"]:
        found.append(told["level"])
    found.append("acked" if told["acked"] else "unacked")
    found += ["unconfirmed"] if not told["confirmed"] else []
    found += ["retain"] if told["retain"] else []
    found.append(str(told["severity"]))
    shelved = {"": [], "timed": ["shelved"], "once": ["shelved-once"]}
    found += shelved[told["shelving"]]
    found += [
        word
        for name, word in (
            ("suppressed", "suppressed"),
            ("out_of_service", "out-of-service"),
            ("latched", "latched"),
            ("silenced", "silenced"),
            ("first", "first"),
        )
        if told[name]
    ]
    found += [f"re-alarms={told['re_alarms']}"] if told["re_alarms"] else []
    found += ["bad"] if told["bad"] else []
    found += ["branch"] if told["branch"] else []
    return " ".join(found)


class AlarmLog:
    """Turns events into lines; who said what is in the line where it changed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._said: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, condition_id: str, told: Mapping[str, Any], comment: str, user: str) -> str:
        """One more event; the line it makes."""
        line = f"{condition_id} {words(told)}"
        branch = str(told["branch"] or "")
        before = self._said.get((condition_id, branch)) or self._said.get((condition_id, "")) or ("", "")
        if (comment, user) != before and told["enabled"]:
            line += f' "{comment}"' if comment != before[0] else ""
            line += f" {user}"
        self._said[condition_id, branch] = (comment, user)
        self.lines.append(line)
        return line


def differences(expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Where two logs differ, the first differences."""
    wanted, had = list(expected), list(found)
    told = [
        f"event {number}: expected {one!r}, found {other!r}"
        for number, (one, other) in enumerate(zip(wanted, had, strict=False), 1)
        if one != other
    ]
    told += [f"missing: {one!r}" for one in wanted[len(had) :]]
    told += [f"not expected: {one!r}" for one in had[len(wanted) :]]
    return told[:20]
