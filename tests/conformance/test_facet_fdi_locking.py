"""DI locking services over the wire (OPC 10000-100, LockingServicesType)."""

from __future__ import annotations

import pytest
from asyncua import ua

from tests.kit.asking import A, Subscriber, browse, contents, name_of, read, value, write
from tests.kit.facets import Room
from tests.kit.fdi import DI, call_of, outputs, services, user_of
from tests.kit.opcua import CLIENT_URI
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(timeout_s=30.0), "devices": ("pump-1", "pump-2")}
INIT, RENEW, EXIT, BREAK = 6393, 6396, 6398, 6400
NETWORK = "Network/MQTT/Lock"


async def _lock(room: Room, session: RawSession, device: str = "pump-1") -> int:
    (code,) = outputs(await call_of(room, session, f"{device}/Lock", INIT, "maintenance"))
    return int(code)


async def _property(room: Room, session: RawSession, name: str, path: str = "pump-1/Lock") -> object:
    return await value(session, room.rig.node(f"{path}/{name}"))


async def test_a_device_has_a_lock_of_the_types_methods_and_properties(room: Room, operator: RawSession) -> None:
    # OPC 10000-100: Lock is an AddIn of every TopologyElement.
    found = await browse(operator, room.rig.node("pump-2"))
    (lock,) = [row for row in found.References if row.BrowseName.Name == "Lock"]
    assert lock.TypeDefinition == ua.NodeId(6388, room.index(DI))
    inside = await browse(operator, lock.NodeId)
    assert {row.BrowseName.Name for row in inside.References if row.BrowseName.Name != "LockingServicesType"} == {
        "Locked",
        "LockingClient",
        "LockingUser",
        "RemainingLockTime",
        "InitLock",
        "RenewLock",
        "ExitLock",
        "BreakLock",
    }
    assert await _property(room, operator, "Locked", "pump-2/Lock") is False
    assert await _property(room, operator, "RemainingLockTime", "pump-2/Lock") == 0.0


async def test_the_longest_lock_without_activity_is_told(room: Room, session: RawSession) -> None:
    assert await value(session, ua.NodeId(6387, room.index(DI))) == 30_000.0


async def test_a_lock_is_shown_and_keeps_others_from_writing_and_calling(room: Room, operator: RawSession) -> None:
    # OPC 10000-100: modifying requests of others get BadLocked, reading still works.
    async with user_of(room, "emma") as engineer:
        await room.rig.live("pump-1", temperature=20.0, limit_high=80.0)
        room.rig.sender.values = lambda _name, params: {str(params["name"]): float(params["value"])}  # type: ignore[arg-type]
        limit = room.rig.node("pump-1/ParameterSet/limit_high")
        assert await write(operator, limit, 81.0) == "Good"
        assert await _lock(room, engineer) == 0
        assert await _property(room, operator, "Locked") is True
        assert await _property(room, operator, "LockingUser") == "emma"
        assert await _property(room, operator, "LockingClient") == CLIENT_URI
        assert 29_000 < float(str(await _property(room, operator, "RemainingLockTime"))) <= 30_000
        assert await write(operator, limit, 82.0) == "BadLocked"
        trip = await call_of(room, operator, "pump-1/MethodSet", 0)
        assert name_of(trip.StatusCode) == "BadMethodInvalid"  # control: no such method
        called = await operator.call(
            ua.CallRequest(
                Parameters=ua.CallParameters(
                    [ua.CallMethodRequest(room.rig.node("pump-1/MethodSet"), room.rig.node("pump-1/MethodSet/Trip"))]
                )
            )
        )
        assert name_of(called.Results[0].StatusCode) == "BadLocked"
        assert await value(operator, limit) == 81.0
        assert await write(engineer, limit, 83.0) == "Good"
        assert await _lock(room, operator) == -1
        assert await _lock(room, operator, "pump-2") == 0
        assert outputs(await call_of(room, operator, "pump-2/Lock", EXIT)) == [0]
        assert outputs(await call_of(room, engineer, "pump-1/Lock", RENEW)) == [0]
        assert outputs(await call_of(room, operator, "pump-1/Lock", RENEW)) == [-1]
        assert outputs(await call_of(room, operator, "pump-1/Lock", EXIT)) == [-1]
        assert outputs(await call_of(room, engineer, "pump-1/Lock", EXIT)) == [0]
        assert await _property(room, operator, "Locked") is False
        assert await _property(room, operator, "LockingUser") == ""
        assert await write(operator, limit, 84.0) == "Good"


async def test_methods_of_the_declaration_mean_the_same(room: Room, operator: RawSession) -> None:
    # OPC 10000-4, 5.12.2.2: the MethodId may be that of the type, here TopologyElementType.Lock.InitLock.
    assert outputs(await call_of(room, operator, "pump-1/Lock", 6166, "")) == [0]
    assert outputs(await call_of(room, operator, "pump-1/Lock", 6171)) == [0]


async def test_a_lock_ends_with_its_session(room: Room, operator: RawSession) -> None:
    async with user_of(room, "emma") as engineer:
        subscriber = await Subscriber.create(operator)
        await subscriber.watch(room.rig.node("pump-1/Lock/Locked"))
        assert await _lock(room, engineer) == 0
        assert contents(await subscriber.collect(1)) == [True]
        await engineer.close()
        assert contents(await subscriber.collect(1)) == [False]
        await subscriber.close()


async def test_only_administrators_break_locks(room: Room, operator: RawSession, admin: RawSession) -> None:
    async with user_of(room, "emma") as engineer:
        assert await _lock(room, engineer) == 0
        for session in (operator, engineer):
            refused = await call_of(room, session, "pump-1/Lock", BREAK)
            assert name_of(refused.StatusCode) == "BadUserAccessDenied"
        assert outputs(await call_of(room, admin, "pump-1/Lock", BREAK)) == [0]
        assert outputs(await call_of(room, admin, "pump-1/Lock", BREAK)) == [-1]
        assert outputs(await call_of(room, engineer, "pump-1/Lock", EXIT)) == [-1]


async def test_nobody_locks_without_signing_in(room: Room, session: RawSession) -> None:
    refused = await call_of(room, session, "pump-1/Lock", INIT, "")
    assert name_of(refused.StatusCode) == "BadUserAccessDenied"
    executable = await read(session, ua.NodeId(INIT, room.index(DI)), A.UserExecutable)
    assert executable.Value.Value is False


async def test_the_lock_of_the_network_covers_all_devices(room: Room, operator: RawSession) -> None:
    # OPC 10000-100: locking a Network is rejected while any of its devices is locked.
    async with user_of(room, "emma") as engineer:
        assert await _lock(room, operator, "pump-2") == 0
        assert outputs(await call_of(room, engineer, NETWORK, INIT, "shutdown")) == [-1]
        assert outputs(await call_of(room, operator, "pump-2/Lock", EXIT)) == [0]
        assert outputs(await call_of(room, engineer, NETWORK, INIT, "shutdown")) == [0]
        assert await _property(room, operator, "Locked") is True
        assert await _property(room, operator, "LockingUser", "pump-2/Lock") == "emma"
        assert await _lock(room, operator, "pump-2") == -1
        assert await write(operator, room.rig.node("pump-2/ParameterSet/limit_high"), 70.0) == "BadLocked"
        assert outputs(await call_of(room, engineer, NETWORK, EXIT)) == [0]
        assert await _property(room, operator, "Locked") is False
