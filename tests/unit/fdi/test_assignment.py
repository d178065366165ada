"""Device types chosen by hand: kept first, then carried out; every door closed that the rights and the lock close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.core.clock import ManualClock
from server.core.errors import DeniedError, IntegrationError, LockedError, NotFoundError, RemoteError
from server.core.values import Caller, ChangeKind, DeviceId
from server.fdi.assignment import TypeAssignments
from server.model.plant import Plant
from tests.kit.plant import measured, pump_type

ENGINEER, OPERATOR = Caller("emma", "engineer", "http"), Caller("olga", "operator", "http")
PUMP = DeviceId("pump-1")


class Around:
    """Plant with a pump, and fakes of all that the choices reach."""

    def __init__(self, clock: ManualClock) -> None:
        self.plant = Plant()
        for name in ("pump", "twin", "stranger"):
            self.plant.install(pump_type(name))
        self.plant.apply(measured(clock.now(), temperature=20.0), clock.now())
        self.rows: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.deleted: list[str] = []
        self.changes: list[tuple[ChangeKind, str]] = []
        self.audits: list[tuple[str, str, str]] = []
        self.locked = False
        self.disk: IntegrationError | None = None
        self.service = TypeAssignments(self.plant, self, self, self, self, self.audit, clock)

    # the pipeline
    async def retype(self, device_id: DeviceId, type_id: str) -> None:
        self.changes += [(change.kind, change.type_id) for change in self.plant.retype(device_id, type_id)]

    async def forget(self, device_id: DeviceId) -> None:
        self.changes += [(change.kind, change.type_id) for change in self.plant.forget(device_id)]

    # the bridge
    def assign(self, types: Mapping[str, str]) -> None:
        self.known = dict(types)

    def share(self, one: str, other: str) -> bool:
        return "stranger" not in (one, other)

    # the site database
    def assigned_types(self) -> dict[str, str]:
        return dict(self.rows)

    def assign_type(self, device_id: str, type_id: str | None) -> None:
        if self.disk is not None:
            raise self.disk
        self.rows.pop(device_id, None)
        if type_id is not None:
            self.rows[device_id] = type_id

    def delete_device(self, device_id: str) -> None:
        self.deleted.append(device_id)

    # the locks
    def require(self, device_id: DeviceId, caller: Caller) -> None:
        if self.locked:
            raise LockedError(f"{device_id} is locked")

    def audit(self, _time: int, user: str, _role: str, _door: str, _address: str, *record: Any) -> None:
        action, target, outcome, _detail = record
        self.audits.append((action, target, outcome))

    @property
    def kind(self) -> str:
        return self.plant.device(PUMP).device_type.type_id


@pytest.fixture
def around(clock: ManualClock) -> Around:
    return Around(clock)


async def test_a_device_becomes_what_was_chosen(around: Around) -> None:
    before = around.plant.device(PUMP)
    await around.service.assign(PUMP, "twin", ENGINEER)
    after = around.plant.device(PUMP)
    assert (around.kind, after.path, after.created_at) == ("twin", before.path, before.created_at)
    assert after.points["temperature"].value is None  # values of another type's parameters stay behind
    assert around.changes == [(ChangeKind.DEVICE_REMOVED, "pump"), (ChangeKind.DEVICE_ADDED, "twin")]
    assert around.rows == around.known == dict(around.service.types) == {PUMP: "twin"}
    assert around.audits == [("assign type", PUMP, "Good")]


async def test_the_log_tells_who_chose_which_type(around: Around) -> None:
    with capture_logs() as logs:
        await around.service.assign(PUMP, "twin", ENGINEER)
        await around.service.release(PUMP, ENGINEER)
    told = {"user": ENGINEER.user, "device": PUMP, "type": "twin", "log_level": "info"}
    assert logs == [{"event": "type_assigned", **told}, {"event": "type_released", **told}]


async def test_a_choice_may_come_before_the_device(around: Around) -> None:
    # No type fitted what it said, so that it could not be taken in.
    await around.service.assign("pump-9", "twin", ENGINEER)
    assert around.known == {"pump-9": "twin"}
    assert not around.changes


async def test_a_released_device_goes_until_its_next_message(around: Around, clock: ManualClock) -> None:
    await around.service.assign(PUMP, "twin", ENGINEER)
    await around.service.release(PUMP, ENGINEER)
    assert PUMP not in around.plant.devices
    assert (around.rows, around.known, around.deleted) == ({}, {}, [PUMP])
    around.plant.apply(measured(clock.now(), temperature=21.0), clock.now())
    assert around.kind == "pump"
    with pytest.raises(NotFoundError):
        await around.service.release(PUMP, ENGINEER)


async def test_what_was_chosen_counts_after_a_restart_and_when_the_type_comes_later(around: Around) -> None:
    around.rows = {PUMP: "twin", "pump-7": "pump"}
    await around.service.load()
    assert around.known == around.rows
    around.plant.uninstall("twin")
    await around.service.settle()
    assert around.kind == "pump"
    around.plant.install(pump_type("twin"))
    await around.service.settle()
    await around.service.settle()
    assert around.kind == "twin"
    assert len(around.changes) == 2


@pytest.mark.parametrize(
    ("device", "kind", "caller", "error"),
    [
        (PUMP, "twin", OPERATOR, DeniedError),
        (PUMP, "nothing", ENGINEER, NotFoundError),
        (PUMP, "stranger", ENGINEER, RemoteError),
        ("Plant", "twin", ENGINEER, RemoteError),
        ("../x", "twin", ENGINEER, RemoteError),
        ("x" * 65, "twin", ENGINEER, RemoteError),
    ],
    ids=["role", "no type", "no common topic", "reserved", "path", "long"],
)
async def test_what_is_refused_changes_nothing(
    around: Around, device: str, kind: str, caller: Caller, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await around.service.assign(device, kind, caller)
    assert (around.kind, around.rows, around.known, around.changes) == ("pump", {}, {}, [])
    ((action, _target, outcome),) = around.audits
    assert action == "assign type"
    assert outcome != "Good"


async def test_a_foreign_lock_and_a_full_disk_keep_the_type(around: Around) -> None:
    around.locked = True
    with pytest.raises(LockedError):
        await around.service.assign(PUMP, "twin", ENGINEER)
    around.locked, around.disk = False, IntegrationError("disk full")
    with pytest.raises(IntegrationError, match="disk full"):
        await around.service.assign(PUMP, "twin", ENGINEER)
    assert (around.kind, around.known) == ("pump", {})
