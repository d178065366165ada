"""Scripts of what happens to the plant: read from TOML, checked as a whole, played out the same for the same seed."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from simulator.faults import DEFAULT_MAGNITUDE, MEASURED, FaultKind

MAX_STEPS = 10_000
MAX_FILE_BYTES = 1024 * 1024


class ScenarioError(Exception):
    """A scenario cannot be played; the text lists every mistake."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: a fault for some seconds, or a command given at the device itself."""

    device: str
    at_s: float  # after the start of the scenario or of its round
    jitter_s: float = 0.0  # at most so much later, drawn anew each round
    fault: FaultKind | None = None
    duration_s: float = 0.0
    parameter: str | None = None
    magnitude: float = 0.0
    command: str | None = None

    @property
    def latest_end_s(self) -> float:
        """The last second of the round this step can reach."""
        return self.at_s + self.jitter_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a played scenario."""

    at_s: float  # plant seconds after the start of the simulation
    key: tuple[int, int]  # (round, step): the end carries the key of its beginning
    step: Step
    begins: bool  # False: the fault of `key` is over


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked script."""

    name: str
    steps: tuple[Step, ...]
    repeat_s: float = 0.0  # length of a round; 0 plays once

    def events(self, seed: int | str) -> Iterator[Event]:
        """All events in order of time, endless when the scenario repeats."""
        number = 0
        while self.steps:
            yield from self._round(number, seed)
            if not self.repeat_s:
                return
            number += 1

    def _round(self, number: int, seed: int | str) -> list[Event]:
        events = []
        for index, step in enumerate(self.steps):
            jitter = random.Random(f"{seed}/{self.name}/{number}/{index}").uniform(0.0, step.jitter_s)
            start_s = number * self.repeat_s + step.at_s + jitter
            events.append(Event(start_s, (number, index), step, True))
            if step.fault is not None:
                events.append(Event(start_s + step.duration_s, (number, index), step, False))
        return sorted(events, key=lambda event: (event.at_s, event.key, event.begins))


def names() -> list[str]:
    """The scenarios that come with the simulator."""
    folder = resources.files("simulator") / "scenarios"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> Scenario:
    """The scenario of that name, or of that file when `name` ends in .toml; every mistake in one ScenarioError."""
    if name.endswith(".toml"):
        path = Path(name)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ScenarioError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{name}: cannot be read: {error}") from error
    elif name in names():
        text = (resources.files("simulator") / "scenarios" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise ScenarioError(
            f"no scenario called {name!r}; there are: {', '.join(names())}, or the path of a .toml file"
        )
    return parse(Path(name).stem, text)


def parse(name: str, text: str) -> Scenario:
    """The scenario written in `text`; every mistake in one ScenarioError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"scenario {name}: not TOML: {error}") from error
    mistakes = [f"unknown key {key!r}" for key in sorted(set(table) - {"about", "repeat_s", "step"})]
    repeat_s = _number(table, "repeat_s", "scenario", mistakes)
    entries = table.get("step", [])
    if not isinstance(entries, list) or len(entries) > MAX_STEPS or not all(isinstance(e, dict) for e in entries):
        raise ScenarioError(f"scenario {name}: steps are [[step]] tables, at most {MAX_STEPS}")
    steps = [_step(entry, f"step {number}", mistakes) for number, entry in enumerate(entries, start=1)]
    if repeat_s:
        mistakes += [
            f"step {number}: ends after {step.latest_end_s:g} s, beyond repeat_s = {repeat_s:g}"
            for number, step in enumerate(steps, start=1)
            if step.latest_end_s > repeat_s
        ]
    if mistakes:
        raise ScenarioError(f"scenario {name}: " + "; ".join(mistakes))
    return Scenario(name, tuple(steps), repeat_s)


def _step(entry: Mapping[str, Any], where: str, mistakes: list[str]) -> Step:
    known = {"device", "at_s", "jitter_s", "fault", "duration_s", "parameter", "magnitude", "command"}
    mistakes += [f"{where}: unknown key {key!r}" for key in sorted(set(entry) - known)]
    texts: dict[str, str | None] = {}
    for key in ("device", "fault", "parameter", "command"):
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            mistakes.append(f"{where}: {key} takes a text")
            value = None
        texts[key] = value
    if not texts["device"]:
        mistakes.append(f"{where}: device is missing")
    if (texts["fault"] is None) == (texts["command"] is None):
        mistakes.append(f"{where}: takes either fault or command")
    fault = None
    if texts["fault"] is not None:
        try:
            fault = FaultKind(texts["fault"])
        except ValueError:
            mistakes.append(f"{where}: unknown fault {texts['fault']!r}; there are: {', '.join(FaultKind)}")
    duration_s = _number(entry, "duration_s", where, mistakes)
    if fault is not None and duration_s <= 0:
        mistakes.append(f"{where}: a fault takes duration_s above 0")
    if fault is not None and (fault in MEASURED) != (texts["parameter"] is not None):
        mistakes.append(f"{where}: {fault} takes {'a' if fault in MEASURED else 'no'} parameter")
    default = 0.0 if fault is None else DEFAULT_MAGNITUDE.get(fault, 0.0)
    return Step(
        device=texts["device"] or "",
        at_s=_number(entry, "at_s", where, mistakes),
        jitter_s=_number(entry, "jitter_s", where, mistakes),
        fault=fault,
        duration_s=duration_s,
        parameter=texts["parameter"],
        magnitude=_number(entry, "magnitude", where, mistakes, default),
        command=texts["command"],
    )


def _number(table: Mapping[str, Any], key: str, where: str, mistakes: list[str], default: float = 0.0) -> float:
    value = table.get(key, default)
    # Within a year or so either way; false for NaN and the infinities too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        mistakes.append(f"{where}: {key} takes a number")
        return default
    if value < 0 and key != "magnitude":
        mistakes.append(f"{where}: {key} must not be negative")
        return default
    return float(value)
