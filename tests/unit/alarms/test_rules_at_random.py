"""Rules that come, change and go at random while alarms are active, shelved, branched, disabled or waiting.

Whatever happens, what clients were told last is what stands, and the engine's own books are right.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from server.alarms.condition_set import group_ids
from server.alarms.engine import AlarmEngine
from server.alarms.rule import read_rule
from server.alarms.rules import AlarmRules
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import ManualClock
from server.core.errors import IntegrationError
from server.core.values import AlarmEvent, DeviceId
from tests.kit.plant import measured, small_plant

NAMES = ("temperature", "Trip", "extra")
STEPS = 400


def alarm(dice: random.Random) -> dict[str, Any]:
    """Any rule, most of which make sense."""
    name = dice.choice(NAMES)
    some: dict[str, Any] = {
        "on_delay_s": dice.choice([0, 0, 5]),
        "off_delay_s": dice.choice([0, 0, 5]),
        "branches": dice.choice([0, 1, 3]),
        "latch": dice.random() < 0.3,
        "confirm": dice.random() < 0.3,
        "enabled": dice.random() < 0.9,
        "re_alarm_s": dice.choice([0, 0, 7]),
        "groups": dice.choice([[], ["one"], ["one", "/two"]]),
        "first_in_group": dice.random() < 0.5,
        "priority": dice.choice(["", "high", "low"]),
        "suppressed_while": dice.choice([[], [{"name": "door", "inputs": {"door_open": True}}]]),
        "max_time_shelved_s": dice.choice([10, 100]),
        "audible": dice.choice(["", "horn"]),
    }
    keys = dice.sample(sorted(some), dice.randrange(5))
    changes = {"name": name, **{key: some[key] for key in keys}}
    kind = dice.choice(["change", "change", "remove", "limit", "bits", "rate", "discrepancy", "deviation"])
    if kind == "remove":
        return {"name": name, "remove": True}
    new: dict[str, dict[str, Any]] = {
        "change": {},
        "limit": {"kind": "non_exclusive_limit", "input": "temperature", "sources": {"High": 50, "Low": 5}},
        "bits": {"kind": "instrument_diagnostic", "input": "state", "sources": {"Mask": 3}},
        "rate": {"kind": "exclusive_rate_of_change", "input": "temperature", "sources": {"High": 10}},
        "discrepancy": {
            "kind": "discrepancy",
            "input": "temperature",
            "sources": {"Target": "limit_high", "ExpectedTime": 3, "Tolerance": 20},
        },
        "deviation": {
            "kind": "exclusive_deviation",
            "input": "temperature",
            "sources": {"Setpoint": "limit_high", "High": 1, "Low": -70},
        },
    }
    return {**changes, **new[kind]}


class Walk:
    def __init__(self, clock: ManualClock, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = clock
        self.plant = small_plant()
        self.rules = AlarmRules(self.plant)
        self.engine = AlarmEngine(self.plant, declared=self.rules.specs_of)
        self.told: dict[tuple[str, str], AlarmEvent] = {}
        self.ids: set[bytes] = set()

    def hear(self, events: list[AlarmEvent]) -> None:
        for event in events:
            assert event.event_id not in self.ids, "an EventId is told once"
            self.ids.add(event.event_id)
            self.told[event.condition_id, event.branch_id] = event

    def step(self) -> None:
        dice, engine = self.dice, self.engine
        self.clock.advance(dice.choice([0.5, 1, 4]))
        now = self.clock.now()
        what = dice.random()
        if what < 0.35:
            values = {
                "temperature": dice.choice([0.0, 20.0, 60.0, 90.0, 120.0]),
                "state": dice.choice([0, 1, 2]),
                "door_open": dice.random() < 0.3,
            }
            device = dice.choice(["pump-1", "pump-2"])
            chosen = {key: values[key] for key in dice.sample(sorted(values), 2)}
            self.hear(engine.judge(self.plant.apply(measured(now, device=device, **chosen), now).updates))
        elif what < 0.55:
            match = dice.choice([{}, {"devices": ["pump-1"]}, {"devices": ["*-2"]}])
            rule = read_rule(
                f"r{dice.randrange(6)}", {"match": match, "alarm": alarm(dice), "enabled": dice.random() < 0.9}
            )
            if not self.rules.effect(rule).problems:
                self.hear(engine.redeclared(self.rules.put(rule), now))
        elif what < 0.65:
            self.hear(engine.redeclared(self.rules.remove(f"r{dice.randrange(6)}"), now))
        elif what < 0.8:
            self.hear(engine.tick(now))
        else:
            identity = f"pump-{dice.choice([1, 2])}/Alarms/{dice.choice(NAMES)}"
            action = AlarmAction(
                dice.choice(list(Verb)),
                identity,
                self._event_id(),
                dice.choice([None, "", "said"]),
                dice.choice([1, 8]),
            )
            try:
                self.hear(engine.act(action, "olga", now))
            except IntegrationError:
                pass

    def _event_id(self) -> bytes | None:
        known = [event.event_id for event in self.told.values()]
        return self.dice.choice([None, b"", b"nothing", *self.dice.sample(known, min(3, len(known)))])

    def check(self) -> None:
        engine = self.engine
        stands = {(event.condition_id, event.branch_id): event for event in engine.retained()}
        shown = {key: event for key, event in self.told.items() if event.retain}
        assert {key: event.event_id for key, event in shown.items()} == {
            key: event.event_id for key, event in stands.items()
        }
        declared = {name for device in ("pump-1", "pump-2") for name in engine.condition_ids(device)}
        assert {identity for identity, _ in stands} <= declared
        counted: Counter[str] = Counter()
        for identity in declared:
            state, spec = engine.state(identity), engine.spec(identity)
            assert state is not None
            assert spec is not None
            assert state.kind == spec.kind
            if state.active and state.enabled:
                counted.update(group_ids(DeviceId(identity.partition("/")[0]), spec))
            assert state.shelving == "Unshelved" or state.unshelve_time is not None
        assert {name: count for name, count in engine._life.active_in.items() if count} == dict(counted)


@pytest.mark.parametrize("seed", range(40))
def test_what_was_told_is_what_stands(clock: ManualClock, seed: int) -> None:
    walk = Walk(clock, seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
    kept = list(walk.told.values())
    # And after a restart, of which clients know nothing.
    again = AlarmEngine(walk.plant, declared=walk.rules.specs_of)
    again.restore(kept)
    assert {event.event_id for event in again.retained()} == {event.event_id for event in walk.engine.retained()}
