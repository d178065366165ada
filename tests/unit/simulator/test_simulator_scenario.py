"""Scenarios: read strictly, played the same for the same seed, by a clock moved by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import fleet, scenario
from simulator.clock import ManualClock
from simulator.messages import Message
from simulator.scenario import ScenarioError
from simulator.simulation import Simulation

START_US = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z


def plant(script: str | None, counts: dict[str, int], seed: int = 1, speed: float = 1.0) -> Simulation:
    devices = fleet.build(counts, seed)
    played = None if script is None else scenario.load(script)
    simulation = Simulation(devices, start_us=START_US, seed=seed, speed=speed, scenario=played)
    simulation.connect(START_US)
    return simulation


def play(simulation: Simulation, seconds: float, step_s: float = 0.25) -> Iterator[Message]:
    clock = ManualClock(START_US)
    for _ in range(round(seconds / step_s)):
        yield from simulation.advance(clock.advance(step_s))


def bodies(messages: Iterator[Message] | list[Message], topic: str) -> list[Any]:
    return [json.loads(message.payload) for message in messages if message.topic == topic]


def test_every_scenario_that_ships_fits_the_demo_plant() -> None:
    assert scenario.names() == [
        "breaker-trips",
        "demo",
        "gpu-2-overheats",
        "loom-loses-link",
        "sensor-sticks",
    ]
    for name in scenario.names():
        simulation = Simulation(fleet.build(fleet.DEMO), start_us=START_US, scenario=scenario.load(name))
        assert simulation.absent == []


def test_gpu_2_overheats_over_both_limits_and_its_neighbour_does_not() -> None:
    messages = list(play(plant("gpu-2-overheats", {"engine": 2}), 300))
    hot = [row["temp_exhaust"] for row in bodies(messages, "engines/gpu-2/telemetry")]
    calm = [row["temp_exhaust"] for row in bodies(messages, "engines/gpu-1/telemetry")]
    assert max(hot) > 520.0
    assert hot[-1] < 500.0, "it cools down again within its round"
    assert max(calm) < 495.0


def test_breaker_trips_on_overcurrent_and_stays_tripped() -> None:
    rows = bodies(play(plant("breaker-trips", {"breaker": 1}), 60), "iot/breaker-001/raw")
    states = [row["measurements"]["status"]["breaker"] for row in rows]
    counts = [row["measurements"]["protection"]["trip_count"] for row in rows]
    assert states[:10] == [1] * 10
    assert states[-1] == 2
    assert [state for state, _ in itertools.groupby(states)] == [1, 2], "one change, from closed to tripped"
    assert counts[-1] == counts[0] + 1


def test_a_loom_without_link_is_silent_and_its_back_fill_covers_the_gap_exactly_once() -> None:
    messages = list(play(plant("loom-loses-link", {"loom": 2}), 200))
    topic = "kaldor/loom/loom-01/bbw/raw"
    arrived = bodies(messages, topic)
    live = [row for row in arrived if isinstance(row, dict)]
    arrays = [rows for rows in arrived if isinstance(rows, list)]
    assert [len(rows) for rows in arrays] == [60, 60], "120 s at one row a second, at most 60 rows a message"
    late = [row["time"] for rows in arrays for row in rows]
    times = sorted([row["time"] for row in live] + late)
    # loom-01 is the first of two: due at the start and every second after it.
    expected = [f"2026-01-05T08:{second // 60:02d}:{second % 60:02d}.000Z" for second in range(201)]
    assert times == expected
    assert late == expected[10:130], "off the network from second 10 up to second 130"
    neighbour = bodies(messages, "kaldor/loom/loom-02/bbw/raw")
    assert all(isinstance(row, dict) for row in neighbour)


def test_live_rows_go_on_while_the_back_fill_is_sent() -> None:
    messages = [
        json.loads(message.payload)
        for message in play(plant("loom-loses-link", {"loom": 1}), 140)
        if message.topic.endswith("bbw/raw")
    ]
    first_array = next(index for index, body in enumerate(messages) if isinstance(body, list))
    after = messages[first_array - 1 : first_array + 4]
    assert [type(body) for body in after] == [dict, list, dict, list, dict]


def test_a_loom_back_on_the_network_reports_its_status_again() -> None:
    status = bodies(play(plant("loom-loses-link", {"loom": 1}), 140), "kaldor/loom/loom-01/status")
    assert [body["online"] for body in status] == [True]


def test_a_loom_without_link_hears_no_command() -> None:
    simulation = plant("loom-loses-link", {"loom": 1})
    command = b'{"command_id":"a","command":"reset"}'
    list(play(simulation, 20))
    assert simulation.command("kaldor/loom/loom-01/config", command) is None
    simulation.advance(START_US + 131_000_000)
    assert simulation.command("kaldor/loom/loom-01/config", command) is not None


def test_a_sensor_sticks_and_moves_again() -> None:
    rows = bodies(play(plant("sensor-sticks", {"sensor": 1}), 340), "sensors/sensor-001/telemetry")
    currents = [row["current"] for row in rows]  # one every two seconds
    assert len(set(currents[5:155])) == 1
    assert len(set(currents[155:])) > 3
    assert len({row["temperature"] for row in rows[5:155]}) > 3, "only the named value sticks"


def test_the_demo_shows_all_four_troubles_within_one_round_and_again_in_the_next() -> None:
    simulation = plant("demo", dict(fleet.DEMO))
    for _ in range(2):
        clock_s = 0
        hot = trips = arrays = resets = 0
        stuck: list[float] = []
        breaker = None
        start_us = START_US + _ * 600_000_000
        while clock_s < 600:
            clock_s += 1
            for message in simulation.advance(start_us + clock_s * 1_000_000):
                if message.topic == "engines/gpu-2/telemetry":
                    hot += json.loads(message.payload)["temp_exhaust"] > 520.0
                elif message.topic == "iot/breaker-004/raw":
                    state = json.loads(message.payload)["measurements"]["status"]["breaker"]
                    trips += (breaker, state) == (1, 2)
                    resets += (breaker, state) == (2, 1)
                    breaker = state
                elif message.topic == "kaldor/loom/loom-03/bbw/raw":
                    arrays += message.payload.startswith(b"[")
                elif message.topic == "sensors/sensor-017/telemetry":
                    stuck.append(json.loads(message.payload)["current"])
        assert hot > 10
        assert (trips, resets) == (1, 1)
        assert arrays == 2
        assert max(len(list(same)) for _, same in itertools.groupby(stuck)) >= 85


def test_the_same_seed_plays_the_same_whatever_the_size_of_the_steps() -> None:
    counts = {"engine": 2, "breaker": 4, "loom": 3, "asset": 2, "sensor": 20}
    fine = list(play(plant("demo", counts), 300, step_s=0.05))
    coarse = list(play(plant("demo", counts), 300, step_s=5.0))
    other = list(play(plant("demo", counts, seed=2), 300, step_s=5.0))
    assert fine == coarse
    assert other != coarse


def test_speed_shortens_periods_and_scenarios_but_times_stay_those_of_the_clock() -> None:
    rows = bodies(play(plant("breaker-trips", {"breaker": 1}, speed=10.0), 6), "iot/breaker-001/raw")
    assert len(rows) == 61
    assert rows[-1]["timestamp"] == "2026-01-05T08:00:06.000000Z"
    assert rows[9]["measurements"]["status"]["breaker"] == 1
    assert rows[20]["measurements"]["status"]["breaker"] == 2, "second 10 of the plant is second 1 of the clock"


FAULTY = """
[[step]]
device = "{device}"
at_s = 5
fault = "{fault}"
{extra}
duration_s = 100
"""


def faulty(kind: str, device: str, fault: str, extra: str, topic: str) -> list[Any]:
    script = scenario.parse("one", FAULTY.format(device=device, fault=fault, extra=extra))
    simulation = Simulation(fleet.build({kind: 1}, 1), start_us=START_US, scenario=script, seed=1)
    simulation.connect(START_US)
    return bodies(play(simulation, 60), topic)


def test_drift_walks_away_at_its_rate() -> None:
    rows = faulty("loom", "loom-01", "drift", 'parameter = "bbw_value"\nmagnitude = 2.0', "kaldor/loom/loom-01/bbw/raw")
    assert rows[55]["bbw_value"] - rows[5]["bbw_value"] == pytest.approx(2.0 * 50, abs=8.0)


def test_spikes_are_rare_and_large() -> None:
    rows = faulty(
        "sensor", "sensor-001", "spike", 'parameter = "pressure"\nmagnitude = 9.0', "sensors/sensor-001/telemetry"
    )
    spikes = [row for row in rows if abs(row["pressure"] - 3.1) > 5.0]
    assert 1 <= len(spikes) <= len(rows) // 2


def test_dropout_loses_its_share_of_the_messages() -> None:
    rows = faulty("engine", "gpu-1", "dropout", "magnitude = 0.5", "engines/gpu-1/telemetry")
    assert 5 + 10 < len(rows) < 61 - 10


def test_bad_quality_is_told_by_the_board_itself() -> None:
    rows = faulty("loom", "loom-01", "quality", "magnitude = 2", "kaldor/loom/loom-01/bbw/raw")
    assert [row["quality_flag"] for row in rows] == [0] * 5 + [2] * 56


def test_a_worn_bearing_shakes_the_engine_over_its_limit() -> None:
    rows = faulty("engine", "gpu-1", "worn_bearing", "magnitude = 3.0", "engines/gpu-1/telemetry")
    assert max(row["vibration"] for row in rows[:5]) < 10.0 < min(row["vibration"] for row in rows[6:])


def test_ground_fault_opens_the_breaker() -> None:
    rows = faulty("breaker", "breaker-001", "ground_fault", "magnitude = 1.0", "iot/breaker-001/raw")
    assert [row["measurements"]["status"]["breaker"] for row in rows] == [1] * 5 + [2] * 56


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("repeat_s = ", ["not TOML"]),
        ("colour = 1", ["unknown key 'colour'"]),
        ("step = 1", ["[[step]]"]),
        ('[[step]]\nfault = "stuck"', ["device is missing", "duration_s", "takes a parameter"]),
        ('[[step]]\ndevice = "a"', ["either fault or command"]),
        ('[[step]]\ndevice = "a"\nfault = "melt"\nduration_s = 1', ["unknown fault 'melt'"]),
        ('[[step]]\ndevice = "a"\nfault = "drift"\nduration_s = nan\nparameter = "x"', ["duration_s takes a number"]),
        ('[[step]]\ndevice = "a"\nfault = "overheat"\nparameter = "x"\nduration_s = 1', ["takes no parameter"]),
        ('[[step]]\ndevice = 5\ncommand = "reset"\nat_s = -1\nfoo = 2', ["device takes a text", "at_s", "'foo'"]),
        ('repeat_s = 10\n[[step]]\ndevice = "a"\nfault = "overheat"\nat_s = 5\nduration_s = 6', ["beyond repeat_s"]),
    ],
)
def test_a_wrong_scenario_is_refused_with_every_mistake(text: str, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.parse("mine", text)
    assert "mine" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_scenario_that_asks_for_what_a_device_cannot_do_is_refused() -> None:
    script = scenario.parse(
        "mine",
        '[[step]]\ndevice="gpu-1"\nfault="stuck"\nparameter="bbw_value"\nduration_s=1\n'
        '[[step]]\ndevice="sensor-001"\ncommand="trip"\n'
        '[[step]]\ndevice="gpu-1"\nfault="quality"\nduration_s=1',
    )
    with pytest.raises(ScenarioError, match=r"step 1 .*bbw_value.*step 2 .*trip.*step 3 .*quality_flag"):
        Simulation(fleet.build({"engine": 1, "sensor": 1}), start_us=START_US, scenario=script)


def test_steps_of_devices_that_are_not_there_are_named_and_left_out() -> None:
    simulation = plant("demo", {"sensor": 20})
    assert simulation.absent == ["breaker-004", "gpu-2", "loom-03", "sensor-042"]
    assert len(list(play(simulation, 300))) > 100


def test_a_scenario_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[step]]\ndevice = "gpu-1"\ncommand = "trip"\n', encoding="utf-8")
    assert scenario.load(str(path)).name == "mine"
    with pytest.raises(ScenarioError, match="there are"):
        scenario.load("no-such")
    with pytest.raises(ScenarioError, match="cannot be read"):
        scenario.load(str(tmp_path / "absent.toml"))
