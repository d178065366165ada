"""Aggregates beside those of node-opcua on random data (OPC 10000-13): equal wherever both follow the clauses.

node-opcua calculates nine of them, its own way in places; `COMPARED` says for each in which intervals it can be asked,
and which clause the rest does not follow.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from server.history.aggregates.catalogue import BY_NAME
from server.history.aggregates.registry import processed
from server.history.aggregates.results import Configuration, severity_of
from server.history.aggregates.samples import Samples
from server.history.store import StoredValue
from tests.kit.parts import INTEROP, require_node_client

pytestmark = pytest.mark.interop
GOOD, UNCERTAIN, BAD = 0, 1, 2
CODES = {GOOD: 0, UNCERTAIN: 0x40900000, BAD: 0x808C0000}
CASES = 300
LEAST = 300
"""Results of each aggregate that have to be compared, or the test shows nothing."""
Value = list[Any]  # ms, number, severity


@dataclass(frozen=True)
class Place:
    """One interval of a case."""

    inside: list[Value]
    before: int  # severity of the last value before it
    starts_with: int | None  # severity of a value at its very start
    uncertain_is_bad: bool

    def has(self, severity: int) -> bool:
        return any(each[2] == severity for each in self.inside)


def always(place: Place) -> bool:
    return True


def clear_of_uncertain(place: Place) -> bool:
    """With TreatUncertainAsBad FALSE an Uncertain value counts as a Good one (4.2.1.2); node-opcua leaves it out.

    An interval without a Good value is 0 of Count, no value of the others; node-opcua has no 0 (5.4.3.19).
    """
    return place.has(GOOD) and (place.uncertain_is_bad or not place.has(UNCERTAIN))


def without_uncertain(place: Place) -> bool:
    """An Uncertain value lowers the status only beyond the best Good one (5.4.3.10); there it always does."""
    return place.has(GOOD) and not place.has(UNCERTAIN)


def with_a_good_change(place: Place) -> bool:
    """Regions of Uncertain values are neither Good nor Bad (5.4.3.31); there they are one of both.

    A region goes on into an interval in which nothing comes; there a Good value has to come after its start.
    """
    after_start = place.inside[1:] if place.starts_with is not None else place.inside
    return (
        place.before != UNCERTAIN and not place.has(UNCERTAIN) and any(severity == GOOD for *_, severity in after_start)
    )


def without_uncertain_start(place: Place) -> bool:
    """A raw value at the start is its own bound only when it is usable (3.1.8); there it is also when it is not."""
    return place.starts_with in (None, GOOD)


COMPARED: Mapping[str, Callable[[Place], bool]] = {
    "Average": clear_of_uncertain,
    "Count": clear_of_uncertain,
    "DurationBad": with_a_good_change,
    "DurationGood": with_a_good_change,
    "Interpolative": without_uncertain_start,
    "Maximum": without_uncertain,
    "Minimum": without_uncertain,
    "PercentBad": with_a_good_change,
    "PercentGood": with_a_good_change,
}
STATUS_COMPARED = frozenset(COMPARED) - {"Average", "Count"}
"""Those two have their status of the percentages of Good values (5.3.2); node-opcua asks for regions of time."""


def cases(chance: random.Random) -> list[dict[str, Any]]:
    """Good values well before the first interval and after the last one: node-opcua has no bounds beyond its data."""
    made = []
    for _ in range(CASES):
        times = sorted(chance.sample(range(4_000), chance.randint(1, 60)))
        values = [
            [-500, 1.0, GOOD],
            *([time, chance.randint(-8, 8) / 4, chance.choice([GOOD, GOOD, GOOD, UNCERTAIN, BAD])] for time in times),
            [4_100, 2.0, GOOD],
            [4_500, 1.5, GOOD],
        ]
        width, start = chance.choice([70, 100, 333, 500]), chance.randint(-200, 1_000)
        end = start + width * chance.randint(1, (4_400 - start) // width)
        made.append(
            {
                "values": values,
                "start": start,
                "end": end,
                "width": width,
                "stepped": chance.random() < 0.5,
                "uncertainIsBad": chance.random() < 0.5,
                "good": 100,
                "bad": 100,
                "sloped": False,
            }
        )
    return made


def place_of(case: dict[str, Any], start: int) -> Place:
    inside = [each for each in case["values"] if start <= each[0] < start + case["width"]]
    before = [each for each in case["values"] if each[0] < start]
    at_start = inside[0][2] if inside and inside[0][0] == start else None
    return Place(inside, before[-1][2], at_start, case["uncertainIsBad"])


def test_aggregates_are_those_of_node_opcua() -> None:
    node = require_node_client()
    made = cases(random.Random(13))
    answer = subprocess.run(
        [node, "aggregates.mjs"], cwd=INTEROP, input=json.dumps(made), stdout=subprocess.PIPE, text=True, check=True
    )
    compared: Counter[str] = Counter()
    for case, theirs in zip(made, json.loads(answer.stdout), strict=True):
        raw = [
            StoredValue(time * 1_000, time * 1_000, None if severity == BAD else number, CODES[severity])
            for time, number, severity in case["values"]
        ]
        samples = Samples(raw, Configuration(case["uncertainIsBad"], case["bad"], case["good"], False, case["stepped"]))
        for name, applies in COMPARED.items():
            ours = processed(BY_NAME[name], samples, case["start"] * 1_000, case["end"] * 1_000, case["width"] * 1_000)
            for mine, (time, value, code) in zip(ours, theirs[name], strict=True):
                assert mine.time == time * 1_000
                place = place_of(case, time)
                if not applies(place):
                    continue
                compared[name] += 1
                said = f"{name} at {time}: {mine.value} {mine.status:#x}, there {value} {code:#x}; {place}, {case}"
                assert (mine.value is None) == (value is None), said
                assert value is None or math.isclose(float(mine.value), value, abs_tol=1e-9), said  # type: ignore[arg-type]
                if name in STATUS_COMPARED:
                    assert severity_of(mine.status) == severity_of(code), said
    assert min(compared[name] for name in COMPARED) >= LEAST, compared
