"""The offline data set and LOCAL values: what clients see, what survives, what is dropped."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import DeniedError, IntegrationError, LockedError, NotFoundError
from server.core.values import Caller, ChangeKind, DeviceId, ModelChange
from server.database.site import SiteDatabase
from server.fdi.configuration import Configuration
from server.model.device_type import DataType
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from server.security.audit import AuditTrail
from tests.kit.editing import ANNA, BOILER, BORIS, PARAMETERS, Disk, boiler_plant, boiler_type, report
from tests.kit.plant import parameter
from tests.kit.sinks import Remembered


@pytest.fixture
def plant(clock: ManualClock) -> Plant:
    return boiler_plant(clock, low=20.0, high=80.0)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def kept(disk: Disk, plant: Plant) -> Configuration:
    return Configuration(disk, plant)


def seen(kept: Configuration, name: str) -> tuple[object, int]:
    view = kept.view(BOILER, name)
    return view.value, view.status


async def test_an_offline_value_is_what_was_set_else_reported_else_the_default(
    kept: Configuration, plant: Plant, clock: ManualClock
) -> None:
    assert seen(kept, "low") == (20.0, status.GOOD)
    assert seen(kept, "odd") == (500.0, status.UNCERTAIN_INITIAL_VALUE)
    assert kept.view(BOILER, "odd").initial
    assert seen(kept, "unit") == (None, status.BAD_WAITING_FOR_INITIAL_DATA)
    await kept.set_offline(BOILER, {"low": 30.0})
    assert seen(kept, "low") == (30.0, status.GOOD_EDITED)
    report(plant, clock, low=30.0)
    assert seen(kept, "low") == (30.0, status.GOOD)
    assert kept.values(BOILER).value("low") == 30.0


async def test_names_and_devices_that_do_not_exist_are_refused(kept: Configuration, disk: Disk) -> None:
    # What is kept is bounded by what the types know: nobody can fill the disk with names.
    assert seen(kept, "nothing") == (None, status.BAD_NODE_ID_UNKNOWN)
    assert kept.view("nobody", "low").status == status.BAD_NODE_ID_UNKNOWN
    for device, name in ((BOILER, "nothing"), ("nobody", "low")):
        with pytest.raises(NotFoundError):
            await kept.set_offline(device, {name: 1.0})
    with pytest.raises(NotFoundError):
        kept.put_local(BOILER, "nothing", 1.0)
    assert disk.rows == {}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("low", 30.0, status.GOOD),
        ("low", 101.0, status.BAD_OUT_OF_RANGE),
        ("low", "warm", status.BAD_TYPE_MISMATCH),
        ("low", float("nan"), status.BAD_OUT_OF_RANGE),
        ("high", 15.0, status.BAD_OUT_OF_RANGE),  # its minimum is the value of low, 20
        ("pressure", 1.0, status.BAD_NOT_WRITABLE),
        ("secret", 1.0, status.BAD_NODE_ID_UNKNOWN),
        ("nothing", 1.0, status.BAD_NODE_ID_UNKNOWN),
        ("extra", "x" * 65_537, status.BAD_OUT_OF_RANGE),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_write_is_checked_against_the_offline_values(
    kept: Configuration, name: str, value: object, code: int
) -> None:
    assert await kept.write(BOILER, name, value, ANNA) == code  # type: ignore[arg-type]
    assert (name in kept.offline(BOILER)) == status.is_good(code)


async def test_a_write_needs_rights_and_respects_the_lock_and_is_recorded(
    disk: Disk, plant: Plant, clock: ManualClock
) -> None:
    locks, sink = Locks(clock), Remembered()
    kept = Configuration(disk, plant, guard=locks, trail=AuditTrail(sink.audit, clock))
    with pytest.raises(DeniedError):
        await kept.write(BOILER, "low", 1.0, Caller("v", "viewer", "opcua"))
    locks.init_lock(BOILER, "", owner_of(ANNA))
    with pytest.raises(LockedError):
        await kept.write(BOILER, "low", 1.0, BORIS)
    assert await kept.write(BOILER, "low", 1.0, ANNA) == status.GOOD
    assert [(record[1], record[5], record[6], record[7]) for record in sink.audits] == [
        ("v", "write", "boiler-1/Offline/low", "BadUserAccessDenied"),
        ("boris", "write", "boiler-1/Offline/low", "BadLocked"),
        ("anna", "write", "boiler-1/Offline/low", "Good"),
    ]


async def test_a_refusing_disk_leaves_everything_as_it_was(kept: Configuration, disk: Disk) -> None:
    await kept.set_offline(BOILER, {"low": 30.0})
    disk.error = IntegrationError("disk full")
    with pytest.raises(IntegrationError):
        await kept.set_offline(BOILER, {"low": 40.0, "high": 50.0})
    assert dict(kept.offline(BOILER)) == {"low": 30.0}


async def test_changes_are_told_with_their_names_and_only_when_something_changed(kept: Configuration) -> None:
    told: list[tuple[str, frozenset[str]]] = []
    kept.on_changed.append(lambda device, names: told.append((device, names)))
    await kept.set_offline(BOILER, {"low": 30.0, "high": 50.0})
    await kept.set_offline(BOILER, {"low": 30.0})
    await kept.clear_offline(BOILER, ["low"])
    await kept.clear_offline(BOILER)
    await kept.clear_offline(BOILER)
    # The range of high follows low: it means something else.
    assert told == [
        (BOILER, frozenset({"low", "high"})),
        (BOILER, frozenset({"low", "high"})),
        (BOILER, frozenset({"high"})),
    ]


async def test_a_parameter_that_is_not_valid_under_the_offline_values_cannot_be_read_there(
    kept: Configuration, plant: Plant, clock: ManualClock
) -> None:
    report(plant, clock, mode=1, extra="x")
    assert seen(kept, "extra") == ("x", status.GOOD)
    await kept.set_offline(BOILER, {"mode": 0})
    assert seen(kept, "extra") == ("x", status.BAD_NOT_READABLE)
    spec = kept.spec(BOILER, "extra")
    assert spec is not None
    assert not spec.valid
    assert (kept.spec(BOILER, "nothing"), kept.spec("nobody", "low")) == (None, None)


async def test_values_come_back_after_a_restart_with_their_types(tmp_path: Path, plant: Plant) -> None:
    site = SiteDatabase(tmp_path / "site.db")
    first = Configuration(site, plant)
    await first.load()
    await first.set_offline(BOILER, {"low": 30.0, "mode": 1})
    first.put_local(BOILER, "extra", "kept")
    await first.flush()
    again = Configuration(site, plant)
    await again.load()
    site.close()
    assert dict(again.offline(BOILER)) == {"low": 30.0, "mode": 1}
    assert again.local(BOILER, "extra") == "kept"


async def test_a_new_version_of_the_type_drops_only_what_it_does_not_know(
    kept: Configuration, plant: Plant, disk: Disk
) -> None:
    await kept.set_offline(BOILER, {"low": 30.0, "mode": 1, "extra": "x"})
    parameters = {name: spec for name, spec in PARAMETERS.items() if name != "mode"}
    parameters["extra"] = parameter("extra", DataType.DOUBLE, writable=True)
    for change in plant.install(boiler_type(parameters=parameters, version="2.0.0", logic=None)):
        kept.model_changed(change)
    assert dict(kept.offline(BOILER)) == {"low": 30.0}
    await kept.flush()
    assert disk.rows == {(BOILER, "offline", "low"): 30.0}


async def test_an_update_that_fails_and_a_roll_back_bring_the_values_back(
    kept: Configuration, plant: Plant, disk: Disk
) -> None:
    await kept.set_offline(BOILER, {"low": 30.0, "mode": 1, "extra": "x"})
    before = dict(disk.rows)
    parameters = {name: spec for name, spec in PARAMETERS.items() if name != "mode"}
    parameters["extra"] = parameter("extra", DataType.DOUBLE, writable=True)
    update = plant.replacing(boiler_type(parameters=parameters, version="2.0.0", logic=None))
    for change in (*update.steps(), *update.undo()):
        kept.model_changed(change)
    assert dict(kept.offline(BOILER)) == {"low": 30.0, "mode": 1, "extra": "x"}
    await kept.flush()
    assert disk.rows == before
    # An installed version that is given up again, the disk having followed meanwhile.
    for version, known in (("2.0.0", parameters), ("1.0.0", dict(PARAMETERS))):
        for change in plant.install(boiler_type(parameters=known, version=version, logic=None)):
            kept.model_changed(change)
        await kept.flush()
    assert dict(kept.offline(BOILER)) == {"low": 30.0, "mode": 1, "extra": "x"}
    assert disk.rows == before


async def test_values_of_a_device_go_when_its_type_is_uninstalled_and_only_then(
    kept: Configuration, plant: Plant, disk: Disk
) -> None:
    await kept.set_offline(BOILER, {"low": 30.0})
    # A device that went and came back within one change, as a replaced type announces it, keeps its values.
    kept.model_changed(ModelChange(ChangeKind.DEVICE_REMOVED, "boiler", BOILER))
    assert dict(kept.offline(BOILER)) == {"low": 30.0}
    for change in plant.uninstall("boiler"):
        kept.model_changed(change)
    assert dict(kept.offline(BOILER)) == {}
    await kept.flush()
    assert disk.rows == {}


async def test_a_device_uninstalled_while_its_value_is_stored_keeps_nothing(
    kept: Configuration, plant: Plant, disk: Disk
) -> None:
    class Slow(Disk):
        def save_device_values(self, rows: list[object]) -> None:  # type: ignore[override]
            super().save_device_values(rows)  # type: ignore[arg-type]
            plant.uninstall("boiler")

    slow = Slow()
    late = Configuration(slow, plant)
    await late.set_offline(BOILER, {"low": 30.0})
    await late.flush()
    assert (slow.rows, dict(late.offline(BOILER))) == ({}, {})
    assert kept.offline(BOILER) == {}
    assert disk.rows == {}


async def test_local_parameters_keep_their_last_good_value_for_the_next_start(clock: ManualClock, disk: Disk) -> None:
    plant = Plant()
    parameters = {
        "note": parameter("note", DataType.STRING, local=True, writable=True),
        "gain": replace(PARAMETERS["low"], name="gain", local=True, initial_value=2.0),
        "pressure": parameter("pressure"),
    }
    plant.install(boiler_type(parameters=parameters, logic=None, hidden={}))
    report(plant, clock, pressure=1.0)
    kept = Configuration(disk, plant)
    first = kept.local_measurement(BOILER, clock.now())
    assert first is not None
    # EDDL: INITIAL_VALUE is where LOCAL variables start.
    assert first.values == (("gain", 2.0, status.UNCERTAIN_INITIAL_VALUE),)
    kept.values_changed(plant.apply(first, clock.now()).updates)
    kept.values_changed(report(plant, clock, note="checked", pressure=2.0))
    await kept.flush()
    assert disk.rows == {(BOILER, "local", "note"): "checked"}
    again = kept.local_measurement(BOILER, clock.now())
    assert again is not None
    assert again.retained  # it says nothing about whether the device is there
    assert ("note", "checked", status.GOOD) in again.values


async def test_a_flush_that_fails_is_tried_again(kept: Configuration, disk: Disk) -> None:
    kept.put_local(BOILER, "extra", "x")
    disk.error = IntegrationError("disk full")
    with pytest.raises(IntegrationError):
        await kept.flush()
    disk.error = None
    await kept.flush()
    assert disk.rows == {(BOILER, "local", "extra"): "x"}


KILLED = """
import asyncio, sys
from pathlib import Path
from server.core.clock import ManualClock
from server.database.site import SiteDatabase
from server.fdi.configuration import Configuration
from tests.kit.editing import BOILER, boiler_plant

async def main():
    kept = Configuration(SiteDatabase(Path(sys.argv[1])), boiler_plant(ManualClock()))
    for number in range(1, 1000):
        await kept.set_offline(BOILER, {"low": float(number)})
        print(number, flush=True)

asyncio.run(main())
"""


async def test_an_acknowledged_value_survives_kill_9(tmp_path: Path, plant: Plant) -> None:
    killed = tmp_path / "site.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(killed), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = 0
    async with asyncio.timeout(60):
        while said < 5:
            said = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = (await process.communicate())[0].split()
    said = int(rest[-1]) if rest else said
    site = SiteDatabase(killed)
    kept = Configuration(site, plant)
    await kept.load()
    site.close()
    value = kept.offline(DeviceId(BOILER))["low"]
    assert value in (float(said), float(said + 1))  # the one on its way may have arrived too
