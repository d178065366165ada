"""Hostile request bodies before the stack decodes them (OPC 10000-6 v1.05 §5.2, OPC 10000-4 v1.05 §7.38.2)."""

from __future__ import annotations

import random
import struct
import tracemalloc
from datetime import datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_from_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from server.opcua.services import walkers
from server.opcua.services.dispatch import BROKEN
from server.opcua.services.guard import BoundedBuffer, MessageError, guarded, walked
from server.opcua.services.structure_walkers import walker_of
from server.opcua.services.walkers import walk_extension_object, walk_variant
from tests.kit.service_space import ServiceRig, ServiceSpace, answer_of, result_of
from tests.unit.opcua_services.test_view import Rig, browse, wanted

S = ua.StatusCodes
I32 = struct.Struct("<i").pack
LITERAL_OPERAND = b"\x01\x00" + struct.pack("<H", ua.ObjectIds.LiteralOperand_Encoding_DefaultBinary)
REQUESTS = [
    ua.ReadParameters,
    ua.WriteParameters,
    ua.CallParameters,
    ua.BrowseParameters,
    ua.TranslateBrowsePathsToNodeIdsParameters,
    ua.CreateMonitoredItemsParameters,
    ua.AddNodesParameters,
    ua.HistoryReadParameters,
    ua.HistoryUpdateParameters,
    ua.PublishParameters,
    ua.CreateSessionParameters,
    ua.ActivateSessionParameters,
    ua.QueryFirstParameters,
    ua.FindServersParameters,
]


def decoded(variant: bytes) -> Any:
    return variant_from_binary(walked(walk_variant, variant))


def code_of(variant: bytes) -> int:
    with pytest.raises(MessageError) as caught:
        walked(walk_variant, variant)
    return caught.value.code


def in_operand(content: bytes) -> bytes:
    """A Variant with a LiteralOperand, which holds another Variant."""
    return b"\x16" + LITERAL_OPERAND + b"\x01" + I32(len(content)) + content


def nested(kind: str, levels: int) -> bytes:
    """Variants, or what stands in them, `levels` deep."""
    leaf = b"\x06\x05\x00\x00\x00"
    if kind == "variant":
        return b"\x18" * (levels) + leaf
    if kind == "array of variants":
        return b"\x98\x01\x00\x00\x00" * levels + leaf
    if kind == "data value":
        return b"\x17\x01" * levels + leaf
    if kind == "array of data values":
        return b"\x97\x01\x00\x00\x00\x01" * levels + leaf
    body = leaf
    for _ in range(levels // 2):
        body = in_operand(body)
    return body


@pytest.mark.parametrize(
    "kind", ["variant", "array of variants", "data value", "array of data values", "extension object"]
)
def test_a_hundred_levels_are_taken_and_one_more_is_not(kind: str) -> None:
    assert decoded(nested(kind, 100)) is not None
    step = 2 if kind == "extension object" else 1
    assert code_of(nested(kind, 100 + step)) == S.BadEncodingLimitsExceeded
    if kind != "extension object":
        assert code_of(nested(kind, 100_000)) == S.BadEncodingLimitsExceeded


def test_diagnostic_infos_in_each_other_are_counted_too() -> None:
    assert decoded(b"\x19\x01\x05\x00\x00\x00").Value.SymbolicId == 5
    assert code_of(b"\x19" + b"\x40" * 98 + b"\x00") == S.BadDecodingError
    assert code_of(b"\x19" + b"\x40" * 100 + b"\x00") == S.BadEncodingLimitsExceeded


@pytest.mark.parametrize(
    "variant",
    [
        b"\x83" + I32(100) + b"x" * 99,
        b"\x83" + I32(2**31 - 1),
        b"\x83" + I32(-2),
        b"\x80" + I32(2**31 - 1),
        b"\x80" + I32(1),
        b"\x98" + I32(2**31 - 1) + b"\x00",
        b"\x96" + I32(4) + b"\x00" * 11,
        b"\x0c" + I32(6) + b"12345",
        b"\x0c" + I32(-2) + b"12345",
        b"\x0f" + I32(-5),
        b"\x10" + I32(2**31 - 1),
        b"\x0c" + I32(2) + b"\xc3\x28",
        b"\x0c" + I32(3) + b"\xed\xa0\x80",  # a surrogate
        b"\x0c" + I32(2) + b"\xc0\x80",  # an overlong NUL
        b"\x15\x02" + I32(1) + b"\xff",
        b"\x14\x00\x00" + I32(1) + b"\xff",
        b"\x11\x06\x00",
        b"\x11\x3f\x00",
        b"\x11\x80\x05" + I32(0),  # a NodeId with the flag of an ExpandedNodeId
        b"\x46\x01\x00\x00\x00" + I32(1) + I32(1),  # scalar with dimensions
        b"\xc6" + I32(2) + I32(1) + I32(2) + I32(2) + I32(2) + I32(2),
        b"\xc6" + I32(2) + I32(1) + I32(2) + I32(0),
        b"\xc6" + I32(2) + I32(1) + I32(2) + I32(-1),
        b"\xc6" + I32(2) + I32(1) + I32(2) + I32(2) + I32(-1) + I32(-2),
        b"\x20\x00",
        b"\xa5" + I32(1) + b"\x00\x00\x00\x00",
        b"\x16" + LITERAL_OPERAND + b"\x01" + I32(3) + b"\x06\x01\x00\x00\x00",  # a body longer than it says
        b"\x16" + LITERAL_OPERAND + b"\x01" + I32(50) + b"\x06\x01\x00\x00\x00",
        b"\x16" + LITERAL_OPERAND + b"\x01" + I32(-1) + b"\x06\x01\x00\x00\x00",
        b"\x16" + LITERAL_OPERAND + b"\x01" + I32(-7) + b"\x06\x01\x00\x00\x00",
        b"\x16" + LITERAL_OPERAND + b"\x02" + I32(3) + b"<a>",
        b"\x16" + LITERAL_OPERAND + b"\x07" + I32(0),
        b"",
        b"\x06\x01",
        b"\x0d\x01",
    ],
)
def test_lies_and_broken_grammar_are_decoding_errors(variant: bytes) -> None:
    assert code_of(variant) == S.BadDecodingError


@pytest.mark.parametrize(
    "variant",
    [
        b"\x83" + I32(1_000_001) + bytes(1_000_001),
        b"\xc6" + I32(0) + I32(2) + I32(1_000_000) + I32(0) + b"",
        b"\xc6" + I32(1) + I32(0) + I32(33) + I32(1) * 33,
    ],
)
def test_what_would_take_too_much_is_a_limit(variant: bytes) -> None:
    # The dimensions of the second one would be filled up with a million lists.
    tracemalloc.start()
    assert code_of(variant) in (S.BadEncodingLimitsExceeded, S.BadDecodingError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize(
    "element",
    [(24, b"\x00"), (23, b"\x00"), (22, b"\x00\x00\x00"), (21, b"\x00"), (17, b"\x00\x01"), (12, I32(1) + b"a")],
)
def test_many_small_elements_end_at_the_cost_of_a_request(element: tuple[int, bytes]) -> None:
    kind, content = element
    arrays = (bytes((0x80 | kind,)) + I32(900_000) + content * 900_000) * 2
    assert code_of(b"\x98" + I32(2) + arrays) == S.BadEncodingLimitsExceeded


def test_good_values_come_through_as_they_are() -> None:
    for value in (
        ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32),
        ua.Variant([1.5, 2.5], ua.VariantType.Double),
        ua.Variant("žluťoučký 🐎", ua.VariantType.String),
        ua.Variant(ua.LocalizedText("Text", "en"), ua.VariantType.LocalizedText),
        ua.Variant([ua.NodeId("a", 1), ua.NodeId(b"b", 2), ua.NodeId(7, 3)], ua.VariantType.NodeId),
        ua.Variant(ua.Range(1.0, 2.0), ua.VariantType.ExtensionObject),
        ua.Variant([ua.Argument("A", ua.NodeId(11))], ua.VariantType.ExtensionObject),
        ua.Variant(None, ua.VariantType.String),
        ua.Variant([], ua.VariantType.Int32, is_array=True),
    ):
        encoded = ua.ua_binary.variant_to_binary(value)
        assert ua.ua_binary.variant_to_binary(decoded(encoded + b"more behind it")) == encoded


def test_unknown_structures_stay_opaque() -> None:
    # What is inside is nobody's business here: neither texts nor depth are looked at.
    body = b"\xff" * 40
    value = decoded(b"\x16\x01\x05\x39\x30\x01" + I32(40) + body).Value
    assert value.Body == body
    assert value.TypeId == ua.NodeId(12345, 5)


@pytest.mark.parametrize("ticks", [-(2**63), -1, 0, 1, 2**63 - 1])
def test_times_of_any_size_are_times(ticks: int) -> None:
    assert isinstance(decoded(b"\x0d" + struct.pack("<q", ticks)).Value, datetime)


def test_reserved_types_are_byte_strings() -> None:
    assert decoded(b"\x1f" + I32(2) + b"ab").Value == b"ab"


def test_null_identifiers_are_empty_ones() -> None:
    assert decoded(b"\x11\x03\x02\x00" + I32(-1)).Value == ua.NodeId("", 2)
    assert decoded(b"\x11\x05\x02\x00" + I32(-1)).Value == ua.NodeId(b"", 2)


def test_picoseconds_stand_behind_their_own_time() -> None:
    # OPC 10000-6, 5.2.2.17: SourceTimestamp, SourcePicoSeconds, ServerTimestamp, ServerPicoSeconds.
    first, second = 132_000_000_000_000_000, 133_000_000_000_000_000
    body = b"\x17\x3c" + struct.pack("<qHqH", first, 11, second, 22)
    value = decoded(body).Value
    assert value.SourceTimestamp == ua.uatypes.win_epoch_to_datetime(first)
    assert value.ServerTimestamp == ua.uatypes.win_epoch_to_datetime(second)
    assert (value.SourcePicoseconds, value.ServerPicoseconds) == (11, 22)


def test_an_unknown_direction_is_the_operation_s_own_error() -> None:
    rig = Rig()
    session = rig.session()
    plain = rig.body(session, browse(wanted(), wanted()))
    rig.dispatcher.message(rig.channel, 1, plain.replace(b"plant" + I32(0), b"plant" + I32(77), 1))
    first, second = answer_of(rig.channel.sent[-1][1]).Results
    assert first.StatusCode.value == S.BadBrowseDirectionInvalid
    assert second.StatusCode.value == S.Good


def test_the_dispatcher_answers_with_the_service_result() -> None:
    rig = ServiceRig(ServiceSpace())
    rig.dispatcher.register("Write", lambda request, params: ua.WriteResponse())
    session = rig.session()
    write = ua.WriteRequest()
    write.Parameters.NodesToWrite = [ua.WriteValue(ua.NodeId(1), 13, None, ua.DataValue(ua.Variant(7)))]
    plain = rig.body(session, write)
    at = plain.rindex(ua.ua_binary.variant_to_binary(ua.Variant(7)))
    size = len(ua.ua_binary.variant_to_binary(ua.Variant(7)))
    for variant, code in (
        (b"\x06\x01\x00\x00\x00", S.Good),
        (nested("variant", 101), S.BadEncodingLimitsExceeded),
        (b"\x0c" + I32(1) + b"\xff", S.BadDecodingError),
    ):
        rig.dispatcher.message(rig.channel, 1, plain[:at] + variant + plain[at + size :])
        body = rig.channel.sent[-1][1]
        assert int.from_bytes(body[16:20], "little") == code
    assert result_of(rig.ask(session, write)) == S.Good


def test_every_structure_the_stack_knows_can_be_walked() -> None:
    refused, walked_over = [], 0
    for kind in set(ua.extension_objects_by_typeid.values()):
        try:
            encoded = struct_to_binary(kind())
            end = walker_of(kind)(walkers.Walk(encoded, lambda key: None), 0)
            buffer = BoundedBuffer(encoded)
            struct_from_binary(kind, buffer)
        except (MessageError, AttributeError, NameError, TypeError, struct.error, ua.UaError):
            # Some structures the stack cannot make, or encodes an empty one in them without its length.
            refused.append(kind.__name__)
            continue
        assert end == buffer.cur_pos, kind.__name__
        walked_over += 1
    assert walked_over > 250, refused


# -- anything at all


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(REQUESTS), st.binary(max_size=300))
def test_random_bytes_are_refused_or_decoded(kind: type, body: bytes) -> None:
    _try(kind, body)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_good_requests_gone_bad_are_refused_or_decoded(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    parameters = chance.choice(_samples())
    body = bytearray(struct_to_binary(parameters))
    for _ in range(changes):
        place = chance.randrange(len(body))
        how = chance.randrange(4)
        if how == 0:
            body[place] = chance.randrange(256)
        elif how == 1:
            body[place : place + 4] = I32(chance.choice((-1, -2, 0, 1, 2**31 - 1, -(2**31), 100)))
        elif how == 2:
            del body[place : place + chance.randrange(1, 9)]
        else:
            body[place:place] = chance.randbytes(chance.randrange(1, 9))
        if not body:
            body = bytearray(b"\x00")
    _try(type(parameters), bytes(body))


_KNOWN = sorted(ua.extension_objects_by_typeid, key=lambda node_id: node_id.Identifier)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(_KNOWN), st.one_of(st.binary(max_size=60), st.integers(0, 80).map(bytes)))
def test_random_bodies_of_known_structures_are_refused_or_decoded(type_id: ua.NodeId, body: bytes) -> None:
    encoded = ua.ua_binary.nodeid_to_binary(type_id) + b"\x01" + I32(len(body)) + body
    try:
        ua.ua_binary.extensionobject_from_binary(walked(walk_extension_object, encoded))
    except BROKEN:
        pass


def _try(kind: type, body: bytes) -> None:
    tracemalloc.start()
    try:
        struct_from_binary(kind, guarded(kind, body, 0))
    except BROKEN:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 << 20


def _samples() -> list[Any]:
    node = ua.NodeId("pump-1/speed", 3)
    read = ua.ReadParameters()
    read.NodesToRead = [ua.ReadValueId(node, 13, "1:2", ua.QualifiedName("Default Binary"))] * 2
    write = ua.WriteParameters()
    matrix = ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32)
    write.NodesToWrite = [
        ua.WriteValue(node, 13, None, ua.DataValue(value))
        for value in (matrix, ua.Variant(["a", "b"]), ua.Variant(ua.Range(0.0, 1.0), ua.VariantType.ExtensionObject))
    ]
    call = ua.CallParameters()
    call.MethodsToCall = [ua.CallMethodRequest(node, node, [ua.Variant(1.5), ua.Variant(ua.LocalizedText("x", "en"))])]
    items = ua.CreateMonitoredItemsParameters()
    where = ua.ContentFilter(
        [ua.ContentFilterElement(ua.FilterOperator.Equals, [ua.LiteralOperand(ua.Variant(1)), ua.ElementOperand(1)])]
    )
    events = ua.EventFilter([ua.SimpleAttributeOperand(node, [ua.QualifiedName("Message")], 13, None)], where)
    items.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(
            ua.ReadValueId(node, 12), ua.MonitoringMode.Reporting, ua.MonitoringParameters(1, 0.0, events, 1, True)
        )
    ]
    add = ua.AddNodesParameters()
    add.NodesToAdd = [
        ua.AddNodesItem(node, node, node, ua.QualifiedName("x", 2), ua.NodeClass.Object, ua.ObjectAttributes(), node)
    ]
    return [read, write, call, items, add]


def test_buffers_never_go_backwards() -> None:
    buffer = BoundedBuffer(b"12345", 1)
    for size in (-1, -5, 5, 100):
        with pytest.raises(MessageError):
            buffer.read(size)
        with pytest.raises(MessageError):
            buffer.skip(size)
    assert len(buffer.copy(2)) == 2
    assert isinstance(buffer.copy(2), BoundedBuffer)
    assert buffer.read(4) == b"2345"
