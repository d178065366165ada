"""Method service set and Method Server facet (OPC 10000-4, 5.12; OPC 10000-3, 5.7 and 8.6)."""

from __future__ import annotations

import pytest
from asyncua import ua

from tests.kit.asking import A, I, browse, get, invoke, name_of, names, read, value
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOWHERE = ua.NodeId("nowhere", 2)
TEXT = ua.Variant("no number", ua.VariantType.String)


def _add(room: Room) -> tuple[ua.NodeId, ua.NodeId]:
    return room.test("Methods"), room.test("Methods/Add")


async def test_a_call_answers_with_outputs_of_the_declared_types(room: Room, session: RawSession) -> None:
    result = await invoke(session, *_add(room), 1.5, 2.25)
    assert name_of(result.StatusCode) == "Good"
    assert [(found.Value, found.VariantType) for found in result.OutputArguments] == [(3.75, ua.VariantType.Double)]
    assert not result.InputArgumentResults or set(names(result.InputArgumentResults)) == {"Good"}


async def test_too_few_and_too_many_arguments_have_codes_of_their_own(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.12.2.4.
    for count, expected in ((0, "BadArgumentsMissing"), (1, "BadArgumentsMissing"), (3, "BadTooManyArguments")):
        result = await invoke(session, *_add(room), *[1.0] * count)
        assert name_of(result.StatusCode) == expected
        assert not result.OutputArguments


async def test_a_wrong_argument_is_pointed_at(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.12.2.2: one inputArgumentResult per argument, Bad at the culprit only.
    result = await invoke(session, *_add(room), 1.0, TEXT)
    assert name_of(result.StatusCode) == "BadInvalidArgument"
    assert names(result.InputArgumentResults) == ["Good", "BadTypeMismatch"]
    result = await invoke(session, *_add(room), ua.Variant([1.0], ua.VariantType.Double, is_array=True), 1.0)
    assert names(result.InputArgumentResults) == ["BadTypeMismatch", "Good"]


async def test_what_is_no_method_of_the_object_is_refused(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.12.2.4.
    holder, method = _add(room)
    server = ua.NodeId(I.Server)
    for target, called, expected in (
        (NOWHERE, method, "BadNodeIdUnknown"),
        (holder, NOWHERE, "BadMethodInvalid"),
        (server, method, "BadMethodInvalid"),
        (holder, room.test("ReadOnly"), "BadMethodInvalid"),
        (holder, ua.NodeId(I.Server_GetMonitoredItems), "BadMethodInvalid"),
    ):
        assert name_of((await invoke(session, target, called, 1.0, 2.0)).StatusCode) == expected, (target, called)


async def test_one_bad_call_spoils_no_other(room: Room, session: RawSession) -> None:
    good = ua.CallMethodRequest(*_add(room), [ua.Variant(1.0), ua.Variant(2.0)])
    bad = ua.CallMethodRequest(NOWHERE, NOWHERE, [])
    answer = await get(session, "Call", MethodsToCall=[good, bad, good])
    assert names(result.StatusCode for result in answer.Results) == ["Good", "BadNodeIdUnknown", "Good"]


async def test_who_may_not_call_is_denied(room: Room, session: RawSession, operator: RawSession) -> None:
    # OPC 10000-4, 5.12.2.4 and OPC 10000-3, 5.7: UserExecutable says beforehand what Call answers.
    holder, trip = room.rig.node("pump-1/MethodSet"), room.rig.node("pump-1/MethodSet/Trip")
    assert (await read(session, trip, A.Executable)).Value.Value is True
    assert (await read(session, trip, A.UserExecutable)).Value.Value is False
    assert name_of((await invoke(session, holder, trip)).StatusCode) == "BadUserAccessDenied"
    assert not room.rig.sender.sent
    assert (await read(operator, trip, A.UserExecutable)).Value.Value is True
    await room.rig.live(temperature=20.0)
    assert name_of((await invoke(operator, holder, trip)).StatusCode) == "Good"


async def test_arguments_are_described(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 5.7 and 8.6: properties of namespace 0 that hold Argument[].
    _, method = _add(room)
    found = await browse(session, method, ReferenceTypeId=ua.NodeId(I.HasProperty))
    properties = {reference.BrowseName.Name: reference for reference in found.References}
    assert set(properties) == {"InputArguments", "OutputArguments"}
    assert all(reference.BrowseName.NamespaceIndex == 0 for reference in properties.values())
    inputs = await value(session, properties["InputArguments"].NodeId)
    assert [(entry.Name, entry.DataType.Identifier, entry.ValueRank) for entry in inputs] == [
        ("A", I.Double, -1),
        ("B", I.Double, -1),
    ]
    (output,) = await value(session, properties["OutputArguments"].NodeId)
    assert (output.Name, output.DataType.Identifier, output.ValueRank) == ("Sum", I.Double, -1)


async def test_the_types_method_is_called_on_the_instance(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.12.2.2: the MethodId may be that of the instance or of its type definition.
    number = ua.Variant(4_000_000, ua.VariantType.UInt32)
    server = ua.NodeId(I.Server)
    for method in (I.Server_GetMonitoredItems, I.ServerType_GetMonitoredItems):
        result = await invoke(session, server, ua.NodeId(method), number)
        assert name_of(result.StatusCode) == "BadSubscriptionIdInvalid"
