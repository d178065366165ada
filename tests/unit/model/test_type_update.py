"""Another version of a device type takes over: values, Points and what conditions made of them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from server.core import status
from server.core.clock import ManualClock
from server.core.values import ChangeKind, DeviceId
from server.model.device_type import DataType, DeviceType
from server.model.plant import Plant
from tests.kit.plant import measured, parameter, pump_type, small_plant


def updated() -> DeviceType:
    """`note` went, `speed` came, `door_open` has another data type, `temperature` another range."""
    old = pump_type()
    parameters = {name: spec for name, spec in old.parameters.items() if name != "note"}
    parameters["speed"] = parameter("speed")
    parameters["door_open"] = replace(parameters["door_open"], data_type=DataType.BYTE)
    parameters["temperature"] = replace(parameters["temperature"], ranges=((0.0, 99.0),))
    return replace(old, version="2.0.0", parameters=parameters)


def fed(clock: ManualClock) -> Plant:
    plant = small_plant()
    plant.apply(measured(clock.now(), temperature=41.5, note="x", door_open=True, state=1), clock.now())
    plant.apply(measured(clock.now(), "pump-2", temperature=7.0), clock.now())
    return plant


def test_values_stay_where_their_type_does(clock: ManualClock) -> None:
    plant = fed(clock)
    before = plant.device("pump-1")
    before.name, before.attributes["model"] = "Main pump", "P1"
    plant.install(updated())
    device = plant.device("pump-1")
    assert device.points["temperature"].value == 41.5
    assert device.points["temperature"].spec.eu_range == (0.0, 99.0)
    assert device.points["door_open"].status == status.BAD_WAITING_FOR_INITIAL_DATA
    assert device.points["speed"].status == status.BAD_WAITING_FOR_INITIAL_DATA
    assert "note" not in device.points
    assert (device.name, device.attributes, device.path) == ("Main pump", {"model": "P1"}, before.path)
    assert (device.last_heard, device.newest, device.created_at) == (
        before.last_heard,
        before.newest,
        before.created_at,
    )


def test_points_of_unchanged_parameters_are_the_same_objects(clock: ManualClock) -> None:
    plant = fed(clock)
    before = plant.device("pump-1").points
    plant.install(updated())
    after = plant.device("pump-1").points
    assert after["state"] is before["state"]
    assert after["temperature"] is not before["temperature"]


def test_changes_come_device_by_device_and_tell_what_went(clock: ManualClock) -> None:
    plant = fed(clock)
    steps = plant.replacing(updated()).steps()
    assert plant.types["pump"].version == "1.0.0"  # nothing has happened yet
    change = next(steps)
    assert (change.kind, change.type_id) == (ChangeKind.TYPE_CHANGED, "pump")
    assert plant.device("pump-1").device_type.version == "1.0.0"
    change = next(steps)
    assert (change.kind, change.device_id, change.removed) == (ChangeKind.DEVICE_CHANGED, "pump-1", ("note",))
    assert plant.device("pump-1").device_type.version == "2.0.0"
    assert plant.device("pump-2").device_type.version == "1.0.0"
    assert [change.device_id for change in steps] == ["pump-2"]


def test_undo_brings_even_the_values_of_removed_parameters_back(clock: ManualClock) -> None:
    plant = fed(clock)
    devices, types = dict(plant.devices), dict(plant.types)
    update = plant.replacing(updated())
    steps = update.steps()
    next(steps), next(steps)  # the type and the first device
    plant.apply(measured(clock.now() + 1, state=2), clock.now() + 1)
    changes = list(update.undo())
    assert [(change.kind, change.device_id, change.removed) for change in changes] == [
        (ChangeKind.TYPE_CHANGED, None, ()),
        (ChangeKind.DEVICE_CHANGED, "pump-1", ("speed",)),
    ]
    assert (plant.devices, plant.types) == (devices, types)
    assert plant.device("pump-1").points["note"].value == "x"
    assert plant.device("pump-1").points["state"].value == 2  # came in between, through the shared Point
    assert list(plant.replacing(updated()).undo()) == []  # nothing was done


def test_undo_of_a_new_type_removes_it() -> None:
    plant = small_plant()
    update = plant.replacing(pump_type("fan"))
    assert [change.kind for change in update.steps()] == [ChangeKind.TYPE_ADDED]
    assert [change.kind for change in update.undo()] == [ChangeKind.TYPE_REMOVED]
    assert set(plant.types) == {"pump"}


def test_what_conditions_made_of_a_parameter_goes_along_while_they_exist(clock: ManualClock) -> None:
    plant = fed(clock)
    narrow = replace(plant.types["pump"].parameters["limit_high"], ranges=((0.0, 50.0),))
    plant.respecify(DeviceId("pump-1"), {"limit_high": narrow})
    conditional = replace(pump_type(), version="1.1.0", logic=SimpleNamespace(dynamic=frozenset({"limit_high"})))
    plant.install(conditional)
    assert plant.device("pump-1").points["limit_high"].spec is narrow
    plain = replace(pump_type(), version="1.2.0")
    plant.install(plain)
    assert plant.device("pump-1").points["limit_high"].spec is plain.parameters["limit_high"]
