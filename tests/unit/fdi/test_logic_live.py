"""Business logic of live devices: what is evaluated when, over which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest

from server.core import status
from server.core.errors import NotFoundError
from server.core.values import ChangeKind, DeviceId, ModelChange, Scalar
from server.fdi.build import check_package
from server.fdi.logic.live import LiveLogic
from server.fdi.logic.type_logic import TypeLogic
from server.model.device_type import SpecChange
from server.model.plant import Plant
from tests.kit.packages import make_package
from tests.kit.plant import measured

EDD = """
MANUFACTURER 0x7777, DEVICE_TYPE 0x0001, DEVICE_REVISION 1, DD_REVISION 1
VARIABLE s { LABEL "S"; CLASS DEVICE; TYPE INTEGER (4); }
VARIABLE other { LABEL "O"; CLASS DEVICE; TYPE INTEGER (4); }
VARIABLE memory { LABEL "L"; CLASS LOCAL; TYPE INTEGER (4) { INITIAL_VALUE 5; } }
VARIABLE hidden { LABEL "H"; PRIVATE TRUE; TYPE INTEGER (4) { DEFAULT_VALUE 6; } }
VARIABLE x { LABEL "X"; CLASS DEVICE; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE s + memory + hidden; } }
MENU main { LABEL "M"; ITEMS { IF (s) { x } } }
"""
NAMES = ("s", "other", "memory", "x")
BINDING = """
type = "thing"
[silence]
uncertain_after_s = 60
bad_after_s = 120
[[message]]
topic = "things/{device}/telemetry"
time = "/time"
[message.parameters]
""" + "\n".join(f'{name} = "/{name}"' for name in NAMES)


class Bench:
    """A plant of one device and its logic."""

    def __init__(self) -> None:
        self.kept: dict[str, Scalar] = {}
        self.type = check_package(make_package("thing", edd=EDD, binding=BINDING)).device_types[0]
        assert isinstance(self.type.logic, TypeLogic)
        self.logic = self.type.logic
        self.plant = Plant()
        self.plant.install(self.type)
        self.live = LiveLogic(self.plant, lambda _device, name: self.kept.get(name))
        self.now = 1_000

    def report(self, *, late: bool = False, **values: Scalar) -> Sequence[SpecChange]:
        self.now += 1
        time = 1 if late else self.now
        applied = self.plant.apply(measured(time, "thing-1", type_id="thing", **values), self.now)
        found: list[SpecChange] = []
        for change in applied.changes:
            found += self.live.model_changed(change)
        return [*found, *self.live.evaluate(applied.updates)]

    @property
    def high(self) -> float:
        return self.plant.device("thing-1").points["x"].spec.ranges[0][1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_value_changes_the_meaning_of_what_depends_on_it(bench: Bench) -> None:
    (change,) = bench.report(s=1)
    assert (change.device_id, change.parameter) == ("thing-1", "x")
    assert change.old is bench.type.parameters["x"]
    assert change.new.ranges == ((0.0, 12.0),)  # 1, the LOCAL one's INITIAL_VALUE 5, the PRIVATE one's DEFAULT_VALUE 6
    assert bench.high == 12.0


def test_what_nothing_depends_on_and_what_is_not_new_evaluates_nothing(bench: Bench) -> None:
    bench.report(s=1)
    before = bench.logic.evaluations
    assert bench.report(other=3) == []
    assert bench.report(s=1) == []  # the same again
    assert bench.report(s=2, late=True) == []  # older than the live value
    assert bench.logic.evaluations == before
    assert len(bench.report(s=2)) == 1
    assert bench.logic.evaluations == before + 1


def test_silence_leaves_meanings_alone(bench: Bench) -> None:
    bench.report(s=1)
    before = bench.logic.evaluations
    updates = bench.plant.decay(bench.now + 10**12)
    assert bench.live.evaluate(updates) == []
    assert bench.logic.evaluations == before


def test_a_device_that_has_said_nothing_keeps_the_static_choice(bench: Bench) -> None:
    bench.report(other=1)
    assert bench.plant.device("thing-1").points["x"].spec is bench.type.parameters["x"]


def test_values_the_server_keeps_come_before_those_the_edd_begins_with(bench: Bench) -> None:
    bench.report(s=1)
    bench.kept.update(memory=10, hidden=20)
    (change,) = bench.live.changed("thing-1", ["memory", "hidden"])
    assert change.new.ranges[0][1] == 31.0
    assert bench.live.changed("thing-1", ["memory", "hidden"]) == ()  # the same values
    assert bench.live.changed("nobody", ["memory"]) == ()


def test_values_of_a_device(bench: Bench) -> None:
    bench.report(s=1)
    values = bench.live.values("thing-1")
    assert [values.value(name) for name in ("s", "other", "memory", "hidden", "nothing")] == [1, None, 5, 6, None]
    bench.report(memory=7)
    assert values.value("memory") == 7
    with pytest.raises(NotFoundError):
        bench.live.values("nobody")


def test_menus_and_methods_that_may_look_different_are_told(bench: Bench) -> None:
    told: list[tuple[str, frozenset[str]]] = []
    bench.live.on_items.append(lambda device, items: told.append((device, items)))
    bench.report(other=1)
    bench.report(s=1)
    assert told == [("thing-1", frozenset({"menu:main"}))]


def test_a_device_that_comes_back_or_changes_its_type_is_evaluated_whole(bench: Bench) -> None:
    bench.report(s=1)
    changes = bench.plant.install(replace(bench.type, version="2.0.0"))
    assert bench.plant.device("thing-1").points["x"].spec.ranges != ((0.0, 12.0),) or bench.high == 12.0
    for change in changes:
        bench.live.model_changed(change)
    assert bench.high == 12.0


def test_a_type_without_conditions_costs_nothing(bench: Bench) -> None:
    plain = replace(bench.type, type_id="plain", logic=None)
    bench.plant.install(plain)
    applied = bench.plant.apply(measured(5, "plain-1", type_id="plain", s=1), 5)
    assert [bench.live.model_changed(change) for change in applied.changes] == [()]
    assert bench.live.evaluate(applied.updates) == []
    assert bench.live.changed("plain-1", ["s"]) == ()
    gone = ModelChange(ChangeKind.DEVICE_REMOVED, "plain", DeviceId("plain-1"))
    assert bench.live.model_changed(gone) == ()
    assert bench.live.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "plain")) == ()


def test_a_bad_value_is_unknown(bench: Bench) -> None:
    bench.report(s=1)
    bench.now += 1
    broken = replace(measured(bench.now, "thing-1", type_id="thing"), values=(("s", None, status.BAD_SENSOR_FAILURE),))
    applied = bench.plant.apply(broken, bench.now)
    (change,) = bench.live.evaluate(applied.updates)
    assert change.new is bench.type.parameters["x"]


def test_the_type_stays_as_it_is(bench: Bench) -> None:
    before = MappingProxyType(dict(bench.type.parameters))
    bench.report(s=1)
    assert all(bench.type.parameters[name] is spec for name, spec in before.items())
