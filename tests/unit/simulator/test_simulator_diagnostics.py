"""The engine's optional `diagnostics` bits: what its controller says of the engine itself."""

from __future__ import annotations

import json

from simulator.device import Readings
from simulator.devices.engine import BEARINGS, COOLING, STOPPED_ITSELF, TEST_RUN, TRIPPED, Engine
from simulator.inputs import Inputs


def run(engine: Engine, seconds: int, inputs: Inputs) -> Readings:
    return [engine.step(1.0, inputs) for _ in range(seconds)][-1]


def sent(engine: Engine) -> dict[str, object]:
    body: dict[str, object] = json.loads(engine.payload(engine.readings(), 0))
    return body


def test_an_engine_that_is_well_sends_no_bits() -> None:
    # The payload of a sound engine stays that of the plant's sheet.
    engine = Engine("gpu-1", 1)
    run(engine, 600, Inputs(load=0.7))
    assert "diagnostics" not in sent(engine)


def test_worn_bearings_are_told() -> None:
    engine = Engine("gpu-1", 1)
    run(engine, 60, Inputs(load=0.9, wear=3.0))  # some 18 mm/s, the warning is at 10
    assert sent(engine)["diagnostics"] == BEARINGS


def test_a_load_above_what_was_asked_is_a_test_run() -> None:
    engine = Engine("gpu-1", 1)
    run(engine, 5, Inputs(load=0.5, overload=1.2))
    assert sent(engine)["diagnostics"] == TEST_RUN


def test_lost_cooling_is_told_and_then_that_the_protection_stopped_the_engine() -> None:
    engine = Engine("gpu-2", 0)
    seen = [engine.step(1.0, Inputs(load=0.9, cooling_loss=1.0)) for _ in range(300)]
    bits = [row.get("diagnostics", 0) for row in seen]
    assert COOLING in bits
    assert seen[-1]["status"] == TRIPPED
    assert int(bits[-1]) & STOPPED_ITSELF
    first = next(number for number, row in enumerate(seen) if row["status"] == TRIPPED)
    assert not any(int(each) & STOPPED_ITSELF for each in bits[:first])


def test_a_stop_by_command_is_no_failure() -> None:
    engine = Engine("gpu-1", 1)
    engine.actions()["trip"]({})
    run(engine, 5, Inputs(load=0.7))
    assert "diagnostics" not in sent(engine)


def test_that_all_is_well_again_is_told_for_a_minute() -> None:
    engine = Engine("gpu-1", 1)
    run(engine, 5, Inputs(load=0.5, overload=1.2))
    engine.step(1.0, Inputs(load=0.5))
    assert sent(engine)["diagnostics"] == 0
    run(engine, 60, Inputs(load=0.5))
    assert "diagnostics" not in sent(engine)
