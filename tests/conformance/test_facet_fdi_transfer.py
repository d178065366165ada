"""DI transfer services over the wire (OPC 10000-100, TransferServicesType)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import ua

from server.opcua.specs.structures import TransferResultDataDataType
from tests.kit.asking import Subscriber, browse, item, name_of, read, value, write
from tests.kit.facets import Room
from tests.kit.fdi import DI, call_of, editable_type, outputs, services, user_of
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "types": (editable_type(),), "devices": ("pump-1", "pump-2")}
TO_DEVICE, FROM_DEVICE, FETCH = 6527, 6529, 6531
SET = "pump-1/Transfer"


@asynccontextmanager
async def _engineer(room: Room, device: str = "pump-1") -> AsyncIterator[RawSession]:
    """An engineer who has locked the device, which has just reported."""
    room.rig.sender.outcome = "done"
    room.rig.sender.values = lambda _name, params: {str(params["name"]): params["value"]}  # type: ignore[dict-item]
    await room.rig.live(device, low=10.0, high=90.0, unit=0, span=100.0, mode=1, extra="x", pressure=1.0)
    async with user_of(room, "emma") as session:
        assert outputs(await call_of(room, session, f"{device}/Lock", 6393, "")) == [0]
        yield session


def _numbers(*values: int) -> list[ua.Variant]:
    return [ua.Variant(number, ua.VariantType.Int32) for number in values]


async def _fetch(
    room: Room, session: RawSession, transfer: int, sequence: int, most: int = 0, omit: bool = False
) -> Any:
    omitted = ua.Variant(omit, ua.VariantType.Boolean)
    return await call_of(room, session, SET, FETCH, *_numbers(transfer, sequence, most), omitted)


async def _all(room: Room, session: RawSession, transfer: int, most: int = 0) -> dict[str, str]:
    """Every result of a transfer by name, fetched in portions; the last one is acknowledged, and nothing is left."""
    found: dict[str, str] = {}
    sequence = 0
    while True:
        (portion,) = outputs(await _fetch(room, session, transfer, sequence, most))
        assert isinstance(portion, TransferResultDataDataType)
        if portion.SequenceNumber != sequence:
            found |= {row.NodePath[1].Name: name_of(row.StatusCode) for row in portion.ParameterDefs}
        sequence = portion.SequenceNumber
        if portion.EndOfResults:
            done = await _fetch(room, session, transfer, sequence)
            assert name_of(done.StatusCode) == "BadNothingToDo"
            return found


async def test_the_transfer_object_uses_the_methods_of_its_type(room: Room, operator: RawSession) -> None:
    found = await browse(operator, room.rig.node(SET))
    methods = {row.NodeId for row in found.References if row.NodeClass == ua.NodeClass.Method}
    assert methods == {ua.NodeId(number, room.index(DI)) for number in (TO_DEVICE, FROM_DEVICE, FETCH)}


async def test_only_who_holds_the_lock_starts_a_transfer(room: Room, operator: RawSession) -> None:
    refused = await call_of(room, operator, SET, TO_DEVICE)
    assert name_of(refused.StatusCode) == "BadUserAccessDenied"
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, SET, TO_DEVICE)) == [0, -1]
        assert outputs(await call_of(room, engineer, "pump-2/Lock", 6393, "")) == [0]
        assert outputs(await call_of(room, engineer, "pump-2/Transfer", FROM_DEVICE)) == [0, -2]


async def test_what_was_set_offline_goes_to_the_device(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        offline = room.rig.node("pump-1/Offline/ParameterSet/span")
        assert await write(engineer, offline, 200.0) == "Good"
        transfer, code = outputs(await call_of(room, engineer, SET, TO_DEVICE))
        assert code == 0
        assert await _all(room, engineer, transfer) == {"span": "Good"}
        assert room.rig.sender.sent[-1] == ("pump-1", "set_threshold", {"name": "span", "value": 200.0})
        assert await value(operator, room.rig.node("pump-1/ParameterSet/span")) == 200.0
        assert (await read(engineer, offline)).StatusCode.value == 0


async def test_its_progress_is_told_by_events(room: Room, operator: RawSession) -> None:
    # OPC 10000-5, 6.4.35: ProgressEventType.
    subscriber = await Subscriber.create(operator)
    names = ("SourceNode", "Context", "Progress")
    base, progress = ua.NodeId(ua.ObjectIds.BaseEventType), ua.NodeId(ua.ObjectIds.ProgressEventType)
    selects = [ua.SimpleAttributeOperand(base, [ua.QualifiedName(name)], ua.AttributeIds.Value, None) for name in names]
    of_type = ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(progress))])
    wanted = ua.EventFilter(selects, ua.ContentFilter([of_type]))
    await subscriber.add(
        item(room.rig.node("pump-1"), attribute=ua.AttributeIds.EventNotifier, filter=wanted, queue=10)
    )
    async with _engineer(room) as engineer:
        assert await write(engineer, room.rig.node("pump-1/Offline/ParameterSet/span"), 210.0) == "Good"
        transfer, _ = outputs(await call_of(room, engineer, SET, TO_DEVICE))
        assert await _all(room, engineer, transfer) == {"span": "Good"}
    rows = await subscriber.events(2)
    assert rows == [[room.rig.node(SET), transfer, 0], [room.rig.node(SET), transfer, 100]]
    await subscriber.close()


async def test_a_refused_value_ends_the_transfer_and_stays_set(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        offline = room.rig.node("pump-1/Offline/ParameterSet/span")
        assert await write(engineer, offline, 222.0) == "Good"
        room.rig.sender.outcome = "failed"
        room.rig.sender.values = lambda _name, _params: {}
        transfer, _ = outputs(await call_of(room, engineer, SET, TO_DEVICE))
        assert await _all(room, engineer, transfer) == {"span": "BadDeviceFailure"}
        room.rig.sender.outcome = "done"
        found = await read(engineer, offline)
        assert (found.StatusCode.value, found.Value.Value) == (0x00DC0000, 222.0)


async def test_the_offline_data_set_becomes_what_the_device_has(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        offline = room.rig.node("pump-1/Offline/ParameterSet/span")
        assert await write(engineer, offline, 234.0) == "Good"
        transfer, code = outputs(await call_of(room, engineer, SET, FROM_DEVICE))
        assert code == 0
        found = await _all(room, engineer, transfer, most=2)
        assert {"low", "high", "unit", "span", "mode", "extra", "pressure"} <= found.keys()
        assert found["span"] == "Good"
        shown = await read(engineer, offline)
        assert (shown.StatusCode.value, shown.Value.Value) == (0, 100.0)


async def test_results_come_in_portions_that_are_repeated_until_acknowledged(room: Room, operator: RawSession) -> None:
    # OPC 10000-100: SequenceNumber acknowledges the previous portion, 0 repeats the last one.
    async with _engineer(room) as engineer:
        transfer, _ = outputs(await call_of(room, engineer, SET, FROM_DEVICE))
        await _all(room, engineer, transfer, most=1)
        transfer, _ = outputs(await call_of(room, engineer, SET, FROM_DEVICE))
        first = None
        while first is None or not first.ParameterDefs:
            sequence = first.SequenceNumber if first is not None else 0
            (first,) = outputs(await _fetch(room, engineer, transfer, sequence, 1))
        (again,) = outputs(await _fetch(room, engineer, transfer, 0, 1))
        assert again == first
        path = first.ParameterDefs[0].NodePath
        assert (path[0].Name, path[0].NamespaceIndex) == ("ParameterSet", room.index(DI))
        assert path[1].NamespaceIndex == room.index(editable_type().namespace_uri)


async def test_wrong_numbers_are_an_invalid_argument(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        for wrong in ((12345, 0, 0), (0, 0, 0), (-1, -1, -1)):
            refused = await _fetch(room, engineer, *wrong)
            assert name_of(refused.StatusCode) == "BadInvalidArgument"
