"""Attribute service set: Read and Write (OPC 10000-4, 5.11, 7.27 and 7.39; OPC 10000-3, 5.6.2)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from server.opcua.test_nodes import STATIC
from tests.kit.asking import A, I, ask, browse, fault, get, name_of, names, plain, read, value, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
T, V = ua.TimestampsToReturn, ua.VariantType
STATUS = ua.NodeId(I.Server_ServerStatus)
COMMON = (A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName)
MANDATORY = {
    # OPC 10000-3, 5.9 table of attributes
    ua.NodeId(I.Server): (*COMMON, A.EventNotifier),
    ua.NodeId(I.Server_ServerStatus_State): (
        *COMMON, A.Value, A.DataType, A.ValueRank, A.AccessLevel, A.UserAccessLevel, A.Historizing,
    ),
    ua.NodeId(I.Server_GetMonitoredItems): (*COMMON, A.Executable, A.UserExecutable),
    ua.NodeId(I.BaseObjectType): (*COMMON, A.IsAbstract),
    ua.NodeId(I.BaseDataVariableType): (*COMMON, A.DataType, A.ValueRank, A.IsAbstract),
    ua.NodeId(I.HasComponent): (*COMMON, A.IsAbstract, A.Symmetric, A.InverseName),
    ua.NodeId(I.Argument): (*COMMON, A.IsAbstract, A.DataTypeDefinition),
}  # fmt: skip
ABSENT = (
    (ua.NodeId(I.Server), A.Value),
    (ua.NodeId(I.Server), A.Executable),
    (ua.NodeId(I.Server_ServerStatus_State), A.EventNotifier),
    (ua.NodeId(I.Server_ServerStatus_State), A.IsAbstract),
    (ua.NodeId(I.Server_GetMonitoredItems), A.Value),
    (ua.NodeId(I.HasComponent), A.DataType),
    (ua.NodeId(I.Server), 99),
    (ua.NodeId(I.Server), 0),
)
SAMPLES: dict[str, Any] = {
    "Boolean": True, "SByte": -128, "Byte": 255, "Int16": -32768, "UInt16": 65535, "Int32": -(2**31),
    "UInt32": 2**32 - 1, "Int64": -(2**63), "UInt64": 2**64 - 1, "Float": 0.5, "Double": -1e300, "String": "Tür",
    "DateTime": datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC), "Guid": uuid.UUID(int=7), "ByteString": b"\x00\xff",
    "NodeId": ua.NodeId("there", 1), "LocalizedText": ua.LocalizedText("Tür", "de"), "Variant": 5,
}  # fmt: skip
KINDS = {name: kind for name, kind, _, _ in STATIC}


@pytest.mark.parametrize("node", MANDATORY, ids=str)
async def test_mandatory_attributes_of_each_node_class_are_read(session: RawSession, node: ua.NodeId) -> None:
    answer = await get(session, "Read", NodesToRead=[ua.ReadValueId(node, attribute) for attribute in MANDATORY[node]])
    assert set(names(found.StatusCode for found in answer.Results)) == {"Good"}
    assert all(found.Value is not None and found.Value.Value is not None for found in answer.Results)
    assert answer.Results[0].Value.Value == node


@pytest.mark.parametrize(("node", "attribute"), ABSENT)
async def test_an_attribute_that_the_class_has_not_is_invalid(
    session: RawSession, node: ua.NodeId, attribute: int
) -> None:
    # OPC 10000-4, 5.11.2.4: BadAttributeIdInvalid.
    assert name_of((await read(session, node, attribute)).StatusCode) == "BadAttributeIdInvalid"


async def test_user_access_is_within_access(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 5.6.2: UserAccessLevel never grants what AccessLevel does not.
    for reference in (await browse(session, room.test(""), NodeClassMask=2)).References:
        levels = [(await read(session, reference.NodeId, a)).Value.Value for a in (A.AccessLevel, A.UserAccessLevel)]
        assert levels[1] & ~levels[0] == 0
    read_only = await read(session, room.test("ReadOnly"), A.UserAccessLevel)
    assert read_only.Value.Value & 3 == 1


@pytest.mark.parametrize("which", [T.Source, T.Server, T.Both, T.Neither])
async def test_exactly_the_timestamps_asked_for_come(
    room: Room, session: RawSession, which: ua.TimestampsToReturn
) -> None:
    # OPC 10000-4, 7.39 and 5.11.2.1: source timestamps only with the Value attribute.
    for node in (room.test("ReadOnly"), ua.NodeId(I.Server_ServerStatus_CurrentTime)):
        found = await read(session, node, which=which)
        if node == room.test("ReadOnly"):
            assert (found.SourceTimestamp is not None) == (which in (T.Source, T.Both))
        assert (found.ServerTimestamp is not None) == (which in (T.Server, T.Both))
    name = await read(session, room.test("ReadOnly"), A.DisplayName, which=which)
    assert name.SourceTimestamp is None


@pytest.mark.parametrize("name", SAMPLES)
async def test_every_built_in_type_comes_back_as_written(room: Room, session: RawSession, name: str) -> None:
    node, sample, kind = room.test(f"Static/{name}"), SAMPLES[name], KINDS[name]
    assert await write(session, node, plain(sample, kind)) == "Good"
    found = (await read(session, node)).Value
    assert found.VariantType == kind
    expected = sample.replace(tzinfo=None) if isinstance(sample, datetime) else sample
    content = found.Value.replace(tzinfo=None) if isinstance(found.Value, datetime) else found.Value
    assert content == expected
    array = room.test(f"StaticArray/{name}")
    assert await write(session, array, ua.DataValue(ua.Variant([sample] * 3, kind, is_array=True), None)) == "Good"
    assert len((await read(session, array)).Value.Value) == 3


@pytest.mark.parametrize(
    ("index_range", "expected"),
    [("0", [10]), ("3", [13]), ("2:4", [12, 13, 14]), ("0:7", list(range(10, 18))), ("6:20", [16, 17])],
)
async def test_a_part_of_an_array_is_read(
    room: Room, session: RawSession, index_range: str, expected: list[int]
) -> None:
    # OPC 10000-4, 7.27: "i" and "i:j"; partly outside gives the part that exists.
    node = room.test("StaticArray/Int32")
    assert await write(session, node, plain(list(range(10, 18)), V.Int32)) == "Good"
    found = await read(session, node, index_range=index_range)
    assert name_of(found.StatusCode) == "Good"
    assert list(found.Value.Value) == expected


@pytest.mark.parametrize("kind", ["String", "ByteString"])
async def test_a_part_of_a_text_is_read(room: Room, session: RawSession, kind: str) -> None:
    # OPC 10000-4, 7.27: String and ByteString have ranges like arrays.
    node = room.test(f"Static/{kind}")
    content = "fieldloom" if kind == "String" else b"fieldloom"
    assert await write(session, node, plain(content, V[kind])) == "Good"
    assert (await read(session, node, index_range="5:8")).Value.Value == content[5:9]
    assert (await read(session, node, index_range="0")).Value.Value == content[:1]
    assert name_of((await read(session, node, index_range="9")).StatusCode) == "BadIndexRangeNoData"


@pytest.mark.parametrize("index_range", ["abc", "3:1", "2:2", "-1", "1:", ":1", "1:2:3", "1,", " 1", "1-2"])
async def test_a_range_of_wrong_syntax_is_invalid(room: Room, session: RawSession, index_range: str) -> None:
    # OPC 10000-4, 7.27: the lower bound is below the upper one; nothing but digits, colons and commas.
    found = await read(session, room.test("StaticArray/Int32"), index_range=index_range)
    assert name_of(found.StatusCode) == "BadIndexRangeInvalid"


@pytest.mark.parametrize(("path", "index_range"), [("StaticArray/Double", "1000"), ("StaticArray/Double", "0:1,0:1"),
                                                   ("Static/Double", "0")])  # fmt: skip
async def test_a_range_where_nothing_is_has_no_data(
    room: Room, session: RawSession, path: str, index_range: str
) -> None:
    # OPC 10000-4, 7.27: right syntax, but nothing there.
    found = await read(session, room.test(path), index_range=index_range)
    assert name_of(found.StatusCode) == "BadIndexRangeNoData"


async def test_encodings_are_for_structures_only(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11.2.2 and 5.11.2.4: dataEncoding of a structure's Value.
    assert name_of((await read(session, STATUS, encoding="Default Binary")).StatusCode) == "Good"
    assert (
        name_of((await read(session, STATUS, encoding="Default Nonsense")).StatusCode) == "BadDataEncodingUnsupported"
    )
    other = await read(session, STATUS, A.DisplayName, encoding="Default Binary")
    assert name_of(other.StatusCode) == "BadDataEncodingInvalid"
    number = await read(session, room.test("Static/Double"), encoding="Default Binary")
    assert name_of(number.StatusCode) == "BadDataEncodingInvalid"


async def test_max_age_of_any_size_is_answered(session: RawSession) -> None:
    # OPC 10000-4, 5.11.2.2: 0 is from the source, larger than Int32 is a cached value; both are read.
    for age in (0.0, 500.0, 2.0**31, 1e300):
        assert (await read(session, ua.NodeId(I.Server_ServerStatus_State), max_age=age)).Value.Value == 0


async def test_another_type_or_rank_is_a_mismatch_and_changes_nothing(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11.4.4: BadTypeMismatch.
    node = room.test("Static/Int32")
    assert await write(session, node, plain(7, V.Int32)) == "Good"
    for wrong in (plain(7.0), plain("7", V.String), plain([7], V.Int32), plain(7, V.Int16), ua.DataValue()):
        assert await write(session, node, wrong) == "BadTypeMismatch"
    array = room.test("StaticArray/Int32")
    assert await write(session, array, plain(7, V.Int32)) == "BadTypeMismatch"
    assert await value(session, node) == 7


async def test_what_may_not_be_written_says_so(room: Room, session: RawSession, operator: RawSession) -> None:
    # OPC 10000-4, 5.11.4.4: BadNotWritable for everybody, BadUserAccessDenied for this user.
    assert await write(session, room.test("ReadOnly"), 1.0) == "BadNotWritable"
    assert await write(operator, room.test("ReadOnly"), 1.0) == "BadNotWritable"
    assert await write(session, room.test("Nothing"), 1.0) == "BadNodeIdUnknown"
    assert await write(session, ua.NodeId(I.Server), 1.0) in ("BadAttributeIdInvalid", "BadNotWritable")
    name = ua.DataValue(ua.Variant(ua.LocalizedText("x"), V.LocalizedText), None)
    assert await write(session, room.test("Static/Double"), name, attribute=A.DisplayName) == "BadNotWritable"
    limit = room.rig.node("pump-1/ParameterSet/high_limit")
    if name_of((await read(session, limit)).StatusCode) != "BadNodeIdUnknown":
        assert await write(session, limit, 1.0) == "BadUserAccessDenied"


async def test_a_part_of_an_array_is_written(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11.4.2: just these elements change; sizes must agree; outside there is nothing to write.
    node = room.test("StaticArray/Double")
    assert await write(session, node, plain([0.0] * 8)) == "Good"
    assert await write(session, node, plain([1.0, 2.0]), "2:3") == "Good"
    assert await write(session, node, plain([9.0]), "7") == "Good"
    expected = [0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 9.0]
    assert list(await value(session, node)) == expected
    assert await write(session, node, plain([1.0]), "2:3") == "BadIndexRangeDataMismatch"
    assert await write(session, node, plain([1.0, 2.0]), "20:21") == "BadIndexRangeNoData"
    assert await write(session, node, plain([1.0]), "3:1") == "BadIndexRangeInvalid"
    assert await write(session, node, plain(["x"], V.String), "0") == "BadTypeMismatch"
    assert list(await value(session, node)) == expected


async def test_status_and_timestamps_of_a_write_are_kept(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11.4.1: stored as written and read back; a plain write is Good and of now.
    node = room.test("Static/Double")
    source = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    uncertain = ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
    sent = ua.DataValue(ua.Variant(4.5, V.Double), uncertain, SourceTimestamp=source)
    assert await write(session, node, sent) == "Good"
    found = await read(session, node)
    assert (found.Value.Value, name_of(found.StatusCode)) == (4.5, "UncertainLastUsableValue")
    assert found.SourceTimestamp.replace(tzinfo=UTC) == source
    before = datetime.now(UTC)
    assert await write(session, node, 5.5) == "Good"
    found = await read(session, node)
    assert name_of(found.StatusCode) == "Good"
    assert (before - found.SourceTimestamp.replace(tzinfo=UTC)).total_seconds() < 0.1


async def test_a_thousand_values_come_in_one_read(room: Room, session: RawSession) -> None:
    nodes = [room.test(f"Static/{name}") for name in SAMPLES]
    answer = await session.call(ask("Read", NodesToRead=[ua.ReadValueId(nodes[n % 18], A.Value) for n in range(1000)]))
    assert len(answer.Results) == 1000
    assert set(names(found.StatusCode for found in answer.Results)) == {"Good"}


async def test_a_read_without_timestamps_kind_is_refused_as_a_whole(session: RawSession) -> None:
    wanted = [ua.ReadValueId(STATUS, A.Value)]
    assert await fault(session, "Read", TimestampsToReturn=99, NodesToRead=wanted) == "BadTimestampsToReturnInvalid"


async def test_structures_are_read_and_written_whole(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11: a structure goes as one value; another structure is another type.
    node = room.test("Static/Argument")
    sample = ua.Argument(Name="there", DataType=ua.NodeId(I.Double), ValueRank=-1)
    assert await write(session, node, plain(sample, V.ExtensionObject)) == "Good"
    found = await value(session, node)
    assert (found.Name, found.DataType, found.ValueRank) == ("there", ua.NodeId(I.Double), -1)
    assert await write(session, node, plain(ua.Range(0.0, 1.0), V.ExtensionObject)) == "BadTypeMismatch"
    assert (await value(session, node)).Name == "there"


async def test_access_level_ex_says_how_values_are_read_and_written(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 5.6.2 and 8.58: the low byte is AccessLevel; no NonatomicRead, NonatomicWrite, WriteFullArrayOnly,
    # as a value is always whole and ranges of arrays can be written.
    node = room.test("StaticArray/Double")
    level = (await read(session, node, A.AccessLevel)).Value.Value
    extended = (await read(session, node, A.AccessLevelEx)).Value.Value
    assert extended & 0xFF == level
    assert extended & 0x700 == 0
