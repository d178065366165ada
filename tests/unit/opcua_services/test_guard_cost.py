"""What decoding one request may cost: full-sized decent requests fit, arrays that swell when decoded do not."""

from __future__ import annotations

import struct

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_from_binary, struct_to_binary

from server.opcua.services.guard import MessageError, guarded

OPERATIONS = 10_000
NODE = ua.NodeId("pump-1/ParameterSet/speed", 3)


def _write_of(kind: int, element: bytes, count: int) -> bytes:
    head = struct.pack("<i", 1) + nodeid_to_binary(NODE) + struct.pack("<Ii", ua.AttributeIds.Value, -1)
    return head + b"\x01" + bytes([0x80 | kind]) + struct.pack("<i", count) + element * count


def test_requests_with_as_many_operations_as_allowed_fit() -> None:
    """10 000 is the published limit of operations: it must not be out of reach."""
    events = ua.EventFilter([ua.SimpleAttributeOperand(NODE, [ua.QualifiedName("Message")], 13, None)])
    item = ua.MonitoredItemCreateRequest(
        ua.ReadValueId(NODE, 13), ua.MonitoringMode.Reporting, ua.MonitoringParameters(1, 0.0, None, 1, True)
    )
    event_item = ua.MonitoredItemCreateRequest(
        ua.ReadValueId(NODE, 12), ua.MonitoringMode.Reporting, ua.MonitoringParameters(1, 0.0, events, 1, True)
    )
    step = ua.RelativePathElement(NODE, False, True, ua.QualifiedName("speed", 3))
    write = ua.WriteValue(NODE, 13, None, ua.DataValue(ua.Variant(1.5)))
    requests = (
        ua.TranslateBrowsePathsToNodeIdsParameters([ua.BrowsePath(NODE, ua.RelativePath([step] * 3))] * OPERATIONS),
        ua.WriteParameters([write] * OPERATIONS),
        ua.CreateMonitoredItemsParameters(ItemsToCreate=[item] * OPERATIONS),
        ua.CreateMonitoredItemsParameters(ItemsToCreate=[event_item] * 1_000),
        ua.ReadParameters(NodesToRead=[ua.ReadValueId(NODE, 13, "1:2")] * OPERATIONS),
        ua.BrowseParameters(NodesToBrowse=[ua.BrowseDescription(NODE, ua.BrowseDirection.Both, NODE)] * OPERATIONS),
    )
    for request in requests:
        guarded(type(request), struct_to_binary(request), 0)


def test_a_million_numbers_fit() -> None:
    body = _write_of(11, struct.pack("<d", 1.5), 1_000_000)
    value = struct_from_binary(ua.WriteParameters, guarded(ua.WriteParameters, body, 0)).NodesToWrite[0].Value
    assert len(value.Value.Value) == 1_000_000


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        (12, b"\xff\xff\xff\xff"),
        (17, b"\x00\x00"),
        (21, b"\x00"),
        (22, b"\x00\x00\x00"),
        (23, b"\x00"),
        (24, b"\x00"),
        (24, b"\x98\x00\x00\x00\x00"),
        (25, b"\x00"),
    ],
)
def test_swelling_arrays_are_refused(kind: int, element: bytes) -> None:
    """A million elements of a byte or two would be hundreds of megabytes, and seconds without an answer to others."""
    with pytest.raises(MessageError) as caught:
        guarded(ua.WriteParameters, _write_of(kind, element, 1_000_000), 0)
    assert caught.value.code == ua.StatusCodes.BadEncodingLimitsExceeded


def test_strangers_may_cost_less() -> None:
    """Before anybody has signed in, requests are short."""
    locales = ua.GetEndpointsParameters("opc.tcp://127.0.0.1", [""] * 50_000)
    body = struct_to_binary(locales)
    guarded(ua.GetEndpointsParameters, body, 0)
    with pytest.raises(MessageError) as caught:
        guarded(ua.GetEndpointsParameters, body, 0, trusted=False)
    assert caught.value.code == ua.StatusCodes.BadEncodingLimitsExceeded
    few = struct_to_binary(ua.GetEndpointsParameters("opc.tcp://127.0.0.1", ["en"] * 100))
    guarded(ua.GetEndpointsParameters, few, 0, trusted=False)
