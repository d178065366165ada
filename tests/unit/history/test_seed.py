"""Seeded history: the plant's ranges, repeatable, told as it goes."""

from server.core.clock import SECOND
from server.history.seed import DEMO_ASSETS, seed
from server.history.stores.memory import MemoryStore

END = 1_767_600_000 * SECOND
# Reference ranges of the plant's four values.
RANGES = {
    "temperature": (60, 120),
    "pressure": (1, 10),
    "power_consumption": (100, 500),
    "production_output": (50, 200),
}


def values(store: MemoryStore, parameter: str, device: str = "a.b") -> list[float]:
    page = store.read_raw(device, parameter, 0, None, 1_000_000)
    return [float(value.value) for value in page.values if value.value is not None]


def test_sixteen_assets_over_48_hours_at_30_s_are_368640_readings() -> None:
    assert len(set(DEMO_ASSETS)) == 16
    assert 16 * 4 * 48 * 120 == 368_640  # what the plant's own seed has
    steps: list[tuple[int, int]] = []
    # A tenth of the rate, otherwise the default: the count follows from hours and period.
    new = seed(
        MemoryStore(), DEMO_ASSETS, period_s=300, end=END, progress=lambda done, total: steps.append((done, total))
    )
    assert new == 36_864
    assert steps == [(10_000, 36_864), (20_000, 36_864), (30_000, 36_864), (36_864, 36_864)]


def test_values_stay_in_their_ranges_and_follow_the_day() -> None:
    store = MemoryStore()
    seed(store, ["a.b"], hours=24, period_s=60, end=END)
    for parameter, (low, high) in RANGES.items():
        found = values(store, parameter)
        assert len(found) == 1440
        assert low <= min(found) and max(found) <= high
    power, output = values(store, "power_consumption"), values(store, "production_output")
    # Between night and afternoon lies most of the load; END is a midnight and 8 h: the series starts at 08:00.
    assert max(power) - min(power) > 150
    mean_p, mean_o = sum(power) / 1440, sum(output) / 1440
    covariance = sum((p - mean_p) * (o - mean_o) for p, o in zip(power, output, strict=True))
    spread = (sum((p - mean_p) ** 2 for p in power) * sum((o - mean_o) ** 2 for o in output)) ** 0.5
    assert covariance / spread > 0.95  # production follows power


def test_a_second_run_adds_only_what_is_new() -> None:
    store = MemoryStore()
    assert seed(store, ["a.b"], hours=1, end=END) == 480
    before = values(store, "pressure")
    assert seed(store, ["a.b"], hours=1, end=END) == 0
    # A minute later two more readings per value have come to the grid; the old ones are the same.
    assert seed(store, ["a.b"], hours=1, end=END + 60 * SECOND) == 8
    assert values(store, "pressure")[:120] == before


def test_another_seed_gives_other_values() -> None:
    one, other = MemoryStore(), MemoryStore()
    seed(one, ["a.b"], hours=1, end=END)
    seed(other, ["a.b"], hours=1, end=END, random_seed=1)
    assert values(one, "temperature") != values(other, "temperature")
