"""Runs an alarm script against an OPC UA room: the clock is moved by hand, a foreign client acts and writes the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.core import status
from server.core.clock import SECOND, TimeUs
from server.core.values import DeviceId, Measurement, Scalar
from server.model.device_type import DeviceType
from simulator.alarm_script import AlarmLog, AlarmScript, Step, parse
from tests.kit.alarm_clients import AlarmClient, condition_of, time_of, told
from tests.kit.alarm_room import PlantClock, every_kind
from tests.kit.opcua import OpcUaRig, running

DATA = Path(__file__).resolve().parents[1] / "data" / "alarms"
USERS = {"operator": ["olga", "turn"], "engineer": ["emma", "build"]}
NAMES = {"olga": "operator", "emma": "engineer", "": ""}


def script(name: str) -> AlarmScript:
    """A script of tests/data/alarms."""
    return parse((DATA / name).read_text(encoding="utf-8"))


def patient() -> DeviceType:
    """The device with an alarm of every kind, never taken for silent."""
    pump = every_kind()
    return replace(pump, binding=replace(pump.binding, uncertain_after_s=1e6, bad_after_s=1e6))


def measurement(step: Step, pump: DeviceType, now: TimeUs) -> Measurement:
    """What a step sets, as the bridge would hand it in."""
    assert step.setting is not None

    def value(name: str, number: float | None) -> tuple[str, Scalar | None, status.StatusCode]:
        if number is None:
            return name, None, status.BAD_NO_COMMUNICATION
        whole = pump.parameters[name].data_type.integer
        return name, int(number) if whole else number, status.GOOD

    values = tuple(value(name, number) for name, number in step.setting.values.items())
    return Measurement("pump", DeviceId(step.setting.device), values, now, now)


@asynccontextmanager
async def day_room(folder: Path, day: AlarmScript, **more: Any) -> AsyncIterator[OpcUaRig]:
    """A room with the devices of a script, at its beginning."""
    clock = PlantClock(day.start_us)
    async with running(folder, clock=clock, types=[patient()], devices=tuple(day.devices), **more) as rig:
        yield rig


def lines_expected(day: AlarmScript) -> list[str]:
    """The log as it stands in the script, with the time of each line's step."""
    return [
        f"{_clock(day.start_us + round(step.at_s * SECOND))} {line}" for step in day.steps for line in step.expected
    ]


async def run_day(rig: OpcUaRig, day: AlarmScript, client: AlarmClient) -> list[str]:
    """Play a script; the log that the client writes."""
    clock, pump = rig.clock, patient()
    assert isinstance(clock, PlantClock)
    log, times = AlarmLog(), list[str]()
    event_ids: dict[tuple[str, bool], str] = {}  # newest by (condition, branch)
    seen = 0
    for step in day.steps:
        due = day.start_us + round(step.at_s * SECOND)
        clock.advance((due - clock.now()) / SECOND)
        await rig.pipeline.tick()
        if step.setting is not None:
            await rig.pipeline.offer([measurement(step, pump, clock.now())])
        if step.act is not None:
            act = step.act
            condition = f"{act.device}/Alarms/{act.condition}"
            event_id = event_ids.get((condition, act.branch), "")
            answer = await client.act(act.verb, condition, event_id, act.comment, act.shelve_s, act.user)
            assert answer == (step.refused or "Good"), f"line {step.line}: {act.verb} {condition}: {answer}"
        for fields in await client.events(seen, len(step.expected)):
            facts = told(fields)
            condition = condition_of(fields)
            event_ids[condition, bool(facts["branch"])] = fields["eventId"]
            log.add(condition, facts, fields.get("comment") or "", NAMES[fields.get("clientUserId") or ""])
            times.append(time_of(fields))
            seen += 1
    # Nothing may come late.
    for fields in await client.events(seen, 0):
        log.add(condition_of(fields), told(fields), fields.get("comment") or "", "")
        times.append(time_of(fields))
    return [f"{time} {line}" for time, line in zip(times, log.lines, strict=True)]


def _clock(time: TimeUs) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).strftime("%H:%M:%S")
