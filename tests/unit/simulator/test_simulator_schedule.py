"""Load is spread evenly; outages of the broker and pauses of the process lose only what they must."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from simulator import fleet
from simulator.backlog import Backlog
from simulator.broker import Broker, BrokerError, parse_broker
from simulator.clock import ManualClock
from simulator.schedule import Staggered
from simulator.simulation import Simulation

START_US = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z


def test_slots_of_a_group_are_evenly_spaced_and_do_not_drift() -> None:
    group = Staggered("abc", start_us=0, period_us=1_000_000)
    taken = [group.take() for _ in range(7)]
    assert [due for due, _ in taken] == [0, 333_333, 666_666, 1_000_000, 1_333_333, 1_666_666, 2_000_000]
    assert [member for _, member in taken] == list("abcabca")


@pytest.mark.parametrize(
    ("now_us", "due_us", "skipped"), [(0, 0, 0), (500_000, 666_666, 2), (3_333_333, 3_333_333, 10)]
)
def test_a_skip_goes_to_the_first_slot_that_is_not_over(now_us: int, due_us: int, skipped: int) -> None:
    group = Staggered("abc", start_us=0, period_us=1_000_000)
    assert group.skip_to(now_us) == skipped
    assert group.due_us == due_us


def test_two_thousand_devices_are_spread_evenly_over_the_second() -> None:
    simulation = Simulation(fleet.build({"engine": 200, "breaker": 200, "loom": 1600}), start_us=START_US)
    simulation.connect(START_US)
    clock = ManualClock(START_US)
    simulation.advance(clock.advance(1.0))
    per_10_ms = []
    senders: Counter[str] = Counter()
    for _ in range(100):
        messages = [m for m in simulation.advance(clock.advance(0.01)) if not m.topic.endswith("/trends")]
        per_10_ms.append(len(messages))
        senders.update(m.topic for m in messages)
    assert sum(per_10_ms) == 2000
    assert set(senders.values()) == {1}, "each device once in this second"
    assert max(per_10_ms) <= 23 and min(per_10_ms) >= 17, "20 in each hundredth of a second"


def test_an_outage_of_the_broker_costs_looms_nothing_and_is_counted_for_the_others() -> None:
    simulation = Simulation(fleet.build({"engine": 1, "loom": 1}), start_us=START_US)
    clock = ManualClock(START_US)
    simulation.connect(START_US)
    first = simulation.advance(clock.advance(9.5))
    simulation.disconnect()
    assert simulation.advance(clock.advance(90.0)) == []
    assert simulation.counters.unsent == 90
    simulation.connect(clock.now_us())
    then = simulation.advance(clock.advance(10.0))
    rows = []
    for message in first + then:
        if message.topic.startswith("kaldor"):
            body = json.loads(message.payload)
            rows += body if isinstance(body, list) else [body]
    times = [row["time"] for row in rows]
    assert len(times) == len(set(times)) == 110
    assert simulation.counters.backfilled == 90


def test_a_standstill_leaves_its_messages_out_and_counts_them() -> None:
    simulation = Simulation(fleet.build({"sensor": 10}), start_us=START_US)
    simulation.connect(START_US)
    clock = ManualClock(START_US)
    simulation.advance(clock.advance(2.0))
    simulation.skip_to(clock.advance(3600.0))
    assert simulation.counters.skipped == pytest.approx(10 * 3600 / 2, abs=10)
    assert len(simulation.advance(clock.advance(2.0))) == pytest.approx(10, abs=1)


def test_a_full_backlog_gives_up_the_oldest_row_and_counts_it() -> None:
    backlog = Backlog(limit=3)
    for number in range(5):
        backlog.keep(str(number).encode())
    assert backlog.batch() == b"[2,3,4]"
    assert backlog.lost == 2


def test_a_period_can_be_set_per_kind() -> None:
    simulation = Simulation(
        fleet.build({"engine": 1, "asset": 1}), start_us=START_US, periods_s={"engine": 0.5, "asset": 2.0}
    )
    simulation.connect(START_US)
    topics = Counter(message.topic.split("/")[0] for message in simulation.advance(START_US + 9_999_999))
    assert topics == {"engines": 20, "plant": 5}


def test_the_manual_clock_never_runs_backwards() -> None:
    clock = ManualClock(5)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1.0)
    assert clock.now_us() == 5


def test_a_broker_url_carries_account_and_tls() -> None:
    assert parse_broker("mqtt://127.0.0.1:1884") == Broker("127.0.0.1", 1884)
    assert parse_broker("mqtt://host") == Broker("host", 1883)
    assert parse_broker("mqtts://ann:p%40ss@host?ca=/ca.pem&cert=/c.pem&key=/k.pem") == Broker(
        "host", 8883, True, "ann", "p@ss", "/ca.pem", "/c.pem", "/k.pem"
    )
    assert parse_broker("mqtt://ann@host", "secret").password == "secret"


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "mqtt://",
        "mqtt://host:99999",
        "mqtt://host/path",
        "mqtt://host?ca=x",
        "mqtts://host?cert=x",
        "mqtts://host?colour=x",
        "mqtts://host?ca",
        "127.0.0.1:1883",
    ],
)
def test_an_unusable_broker_url_is_refused(url: str) -> None:
    with pytest.raises(BrokerError):
        parse_broker(url)


def test_the_password_is_in_no_text_of_the_broker() -> None:
    broker = parse_broker("mqtt://ann:topsecret@host")
    assert "topsecret" not in repr(broker) + str(broker)
    with pytest.raises(BrokerError) as caught:
        parse_broker("http://ann:topsecret@host")
    assert "topsecret" not in str(caught.value)
