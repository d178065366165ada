"""Attacks on the decoder: depth, lengths that lie, arrays that grow when decoded, broken texts."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from tests.fuzz.opcua_abuse.site import PLANT, Site
from tests.fuzz.opcua_abuse.wire import NULL, ask, leave, request, said
from tests.kit.raw import RawSession

LITERAL = int(ua.ObjectIds.LiteralOperand_Encoding_DefaultBinary)
DEPTHS = (99, 100, 101, 5_000)


def write(token: ua.NodeId, node: ua.NodeId, variant: bytes) -> bytes:
    """Write of an encoded Variant to a node's Value."""
    tail = struct.pack("<i", 1) + nodeid_to_binary(node) + struct.pack("<I", 13) + NULL + b"\x01" + variant
    return request("Write", token, tail)


def nested_variants(depth: int) -> bytes:
    """An Int32 inside `depth` arrays of one Variant."""
    return (b"\x98" + struct.pack("<i", 1)) * depth + b"\x06\x00\x00\x00\x00"


def nested_data_values(depth: int) -> bytes:
    """A DataValue with a Variant of a DataValue with..."""
    return b"\x17\x01" * depth + b"\x06\x00\x00\x00\x00"


def nested_extension_objects(depth: int) -> bytes:
    """A LiteralOperand whose value is a LiteralOperand whose..."""
    head = b"\x16\x01\x00" + struct.pack("<H", LITERAL) + b"\x01"
    body = b"\x06\x00\x00\x00\x00"
    for _ in range(depth):
        body = head + struct.pack("<i", len(body)) + body
    return body


def nested_diagnostics(depth: int) -> bytes:
    """A Variant of a DiagnosticInfo with one inside with..."""
    return b"\x19" + b"\x40" * depth + b"\x00"


NESTS = (nested_variants, nested_data_values, nested_extension_objects, nested_diagnostics)


async def nodes(site: Site, session: RawSession) -> tuple[ua.NodeId, ua.NodeId]:
    """The test nodes that take any Variant and an Int32."""
    index = await site.index(session, PLANT)
    return ua.NodeId("Test/Static/Variant", index), ua.NodeId("Test/Static/Int32", index)


async def nesting(site: Site) -> str:
    """Values nested at the limit and beyond it, 20 times each."""
    answers = []
    session = await site.session()
    anything, _ = await nodes(site, session)
    for nest in NESTS:
        for depth in DEPTHS:
            for _ in range(20 * site.scale):
                answer = await ask(session.channel, write(session.token, anything, nest(depth)), operation=True)
            answers.append(f"{depth}: {answer}")
            assert "ERR" not in answer and answer not in ("closed", "silence"), (nest.__name__, depth, answer)
            if depth > 101:
                assert answer == "BadEncodingLimitsExceeded", (nest.__name__, depth, answer)
    # A filter of an event item may nest as well.
    await leave(session)
    return said(answers)


def lies() -> Iterator[tuple[str, bytes]]:
    """(service, parameters) whose array or text says it is longer than it is."""
    for count in (2**31 - 1, -2, -(2**31), 10_000_000, 1_000_000):
        length = struct.pack("<i", count)
        yield "Read", struct.pack("<dI", 0.0, 2) + length
        yield "Read", struct.pack("<dIi", 0.0, 2, 1) + b"\x03\x01\x00" + length + b"abc"
        yield "Write", length
        yield "Browse", b"\x00\x00" + bytes(16) + length
        yield "TranslateBrowsePathsToNodeIds", length
        yield "CreateMonitoredItems", struct.pack("<II", 1, 2) + length
        yield "Call", length
        yield "Publish", length
        yield "RegisterNodes", length
        yield "AddNodes", length
        yield "HistoryRead", b"\x00\x00\x00" + struct.pack("<IB", 2, 0) + length
        yield "GetEndpoints", length + b"opc.tcp"
        yield "ActivateSession", NULL + length + length
        yield "CreateSession", length + b"urn:x"


async def length_lies(site: Site) -> str:
    """Lengths that no bytes stand behind, in every service."""
    answers: list[str] = []
    session = await site.session()
    _, number = await nodes(site, session)
    for _ in range(site.scale):
        for service, tail in lies():
            answers.append(await ask(session.channel, request(service, session.token, tail)))
        for kind in (1, 6, 12, 15, 17, 21, 22, 23, 24, 25):
            for count in (2**31 - 1, -2, 50_000_000):
                variant = bytes([0x80 | kind]) + struct.pack("<i", count)
                answers.append(await ask(session.channel, write(session.token, number, variant), operation=True))
            # Dimensions whose product is not the length, or enormous
            for sizes in ((2**31 - 1, 2**31 - 1), (1000, 1000, 1000, 1000), (0, 5), (-1, 3)):
                dims = struct.pack(f"<i{len(sizes)}i", len(sizes), *sizes)
                variant = bytes([0xC0 | kind]) + struct.pack("<i", 0) + dims
                answers.append(await ask(session.channel, write(session.token, number, variant), operation=True))
    assert not {"closed", "silence"} & set(answers), said(answers)
    assert "Good" not in answers, said(answers)
    await leave(session)
    return said(answers)


async def swelling_arrays(site: Site) -> str:
    """A maximal message full of elements of one or two bytes, which are hundreds of bytes each when decoded."""
    answers = []
    session = await site.session()
    anything, _ = await nodes(site, session)
    size = 15 * 2**20
    for kind, least in ((24, b"\x00"), (23, b"\x00"), (25, b"\x00"), (21, b"\x00"), (17, b"\x00\x00"),
                        (22, b"\x00\x00\x00"), (12, NULL), (1, b"\x01"), (24, b"\x98\x00\x00\x00\x00")):  # fmt: skip
        for count in (size // len(least), 100_000, 40_000):
            variant = bytes([0x80 | kind]) + struct.pack("<i", count) + least * count
            answer = await ask(session.channel, write(session.token, anything, variant), operation=True)
            assert answer not in ("closed", "silence") and not answer.startswith("ERR"), (kind, count, answer)
            answers.append(answer)
    await session.call(_cleared(anything))
    await leave(session)
    return said(answers)


def _cleared(node: ua.NodeId) -> ua.WriteRequest:
    cleared = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(0, ua.VariantType.Int32))
    cleared.Parameters.NodesToWrite = [ua.WriteValue(node, ua.AttributeIds.Value, None, value)]
    return cleared


async def broken_texts(site: Site) -> str:
    """Bytes that are no UTF-8, wherever a String may stand."""
    answers = []
    session = await site.session()
    index = await site.index(session, PLANT)
    for bad in (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xe2\x82", b"\x80" * 1000):
        text = struct.pack("<i", len(bad)) + bad
        node = b"\x03" + struct.pack("<H", index) + text
        written = nodeid_to_binary(ua.NodeId("Test/Static/String", index)) + struct.pack("<I", 13) + NULL
        for service, tail in (
            ("Read", struct.pack("<dIi", 0.0, 2, 1) + node + struct.pack("<I", 13) + NULL + b"\x00\x00" + NULL),
            ("RegisterNodes", struct.pack("<i", 1) + node),
            ("Write", struct.pack("<i", 1) + written + b"\x01\x0c" + text),
            ("TranslateBrowsePathsToNodeIds",
             struct.pack("<i", 1) + b"\x00\x55" + struct.pack("<i", 1) + b"\x00\x00\x00\x01\x00\x00" + text),
            ("GetEndpoints", text + NULL + NULL),
        ):  # fmt: skip
            answer = await ask(session.channel, request(service, session.token, tail))
            assert answer not in ("closed", "silence", "Good"), (service, bad, answer)
            answers.append(answer)
    await leave(session)
    return said(answers)


ATTACKS = (nesting, length_lies, swelling_arrays, broken_texts)
