"""Small requests with large answers or long work: Browse, Translate, Read of large values, registrations, history."""

from __future__ import annotations

import asyncio
import struct

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary

from tests.fuzz.opcua_abuse.site import LOAD, PLANT, Site
from tests.fuzz.opcua_abuse.wire import NULL, ask, code_of, leave, name, request, said
from tests.kit.raw import RawSession

MOST = 10_000
_HIERARCHICAL = nodeid_to_binary(ua.NodeId(ua.ObjectIds.HierarchicalReferences))


async def asked_often(session: RawSession, body: bytes, times: int) -> str:
    """Send the same request in a row and take the answers; their codes and the largest."""
    answers, largest = [], 0
    for _ in range(times):
        body_back = await session.channel.request(body)
        answers.append(name(code_of(body_back)))
        largest = max(largest, len(body_back))
    return f"{said(answers)} (largest {largest / 2**20:.1f} MiB)"


async def browse_amplification(site: Site) -> str:
    """10 000 times the folder with the most references, in one Browse."""
    session = await site.session()
    index = await site.index(session, LOAD)
    one = nodeid_to_binary(ua.NodeId(1, index)) + struct.pack("<I", 0) + _HIERARCHICAL + struct.pack("<BII", 1, 0, 63)
    tail = b"\x00\x00" + bytes(16) + struct.pack("<i", MOST) + one * MOST
    answer = await asked_often(session, request("Browse", session.token, tail), 2 * site.scale)
    await leave(session)
    return answer


async def translate_amplification(site: Site) -> str:
    """10 000 paths over every hierarchical reference, each element without a name to stop at."""
    session = await site.session()
    element = _HIERARCHICAL + b"\x00\x01" + b"\x00\x00" + struct.pack("<i", 1) + b"x"
    start = nodeid_to_binary(ua.NodeId(ua.ObjectIds.RootFolder))
    path = start + struct.pack("<i", 3) + element * 3
    tail = struct.pack("<i", MOST) + path * MOST
    first = await asked_often(session, request("TranslateBrowsePathsToNodeIds", session.token, tail), 2 * site.scale)
    endless = start + struct.pack("<i", 5_000) + element * 5_000
    tail = struct.pack("<i", 10) + endless * 10
    second = await asked_often(session, request("TranslateBrowsePathsToNodeIds", session.token, tail), 2 * site.scale)
    await leave(session)
    return f"{first}; {second}"


async def read_amplification(site: Site) -> str:
    """A ByteString of 4 MiB, read 10 000 times in one request, by value, by range and beside other attributes."""
    session = await site.session()
    index = await site.index(session, PLANT)
    node = ua.NodeId("Test/Static/ByteString", index)
    encoded = nodeid_to_binary(node)
    size = 4 * 2**20
    head = struct.pack("<i", 1) + encoded + struct.pack("<I", 13) + NULL
    value = b"\x01\x0f" + struct.pack("<i", size) + bytes(size)
    written = await ask(session.channel, request("Write", session.token, head + value), operation=True)
    answers = [f"Write {written}"]
    one = encoded + struct.pack("<I", 13) + NULL + b"\x00\x00" + NULL
    part = struct.pack("<i", 9) + b"0:4000000"
    ranged = encoded + struct.pack("<I", 13) + part + b"\x00\x00" + NULL
    for item in (one, ranged):
        tail = struct.pack("<dIi", 0.0, 2, MOST) + item * MOST
        answers.append(await asked_often(session, request("Read", session.token, tail), 2 * site.scale))
    await ask(session.channel, request("Write", session.token, head + b"\x01\x0f" + struct.pack("<i", 1) + b"x"))
    await leave(session)
    return "; ".join(answers)


async def registered_nodes_flood(site: Site) -> str:
    """10 000 nodes registered again and again."""
    session = await site.session()
    index = await site.index(session, LOAD)
    answers = []
    for turn in range(10 * site.scale):
        nodes = b"".join(b"\x02" + struct.pack("<HI", index, 10_000 * turn + number) for number in range(MOST))
        answers.append(
            await ask(session.channel, request("RegisterNodes", session.token, struct.pack("<i", MOST) + nodes))
        )
    await leave(session)
    return said(answers)  # fmt: skip


async def browse_points_flood(site: Site) -> str:
    """More continuation points than a session may hold, from several sessions, none of them released."""
    answers = []
    sessions = [await site.session() for _ in range(5)]
    for session in sessions:
        index = await site.index(session, LOAD)
        one = (
            nodeid_to_binary(ua.NodeId(1, index)) + struct.pack("<I", 0) + _HIERARCHICAL + struct.pack("<BII", 1, 0, 63)
        )
        tail = b"\x00\x00" + bytes(12) + struct.pack("<Ii", 1, 1_000) + one * 1_000
        body = await session.channel.request(request("Browse", session.token, tail))
        found = _results(session, body)
        answers += [name(result.StatusCode.value) for result in found]
    assert "BadNoContinuationPoints" in answers, said(answers)
    await leave(*sessions)
    return said(answers)


def _results(session: RawSession, body: bytes) -> list[ua.BrowseResult]:
    """Results of a Browse."""
    return list(session.channel.decoded(body).Results)


async def history_points_flood(site: Site) -> str:
    """HistoryRead one value at a time, its continuation points never used."""
    session = await site.session()
    index = await site.index(session, PLANT)
    node = ua.NodeId("Test/History", index)
    for number in range(5):
        write = ua.WriteRequest()
        write.Parameters.NodesToWrite = [
            ua.WriteValue(node, 13, None, ua.DataValue(ua.Variant(float(number), ua.VariantType.Double)))
        ]
        await session.call(write)
    details = ua.ReadRawModifiedDetails(False, ua.DateTime(2020, 1, 1), ua.DateTime(2100, 1, 1), 1, False)
    asked = ua.HistoryReadParameters(details, ua.TimestampsToReturn.Both, False, [ua.HistoryReadValueId(node)] * 150)
    tail = struct_to_binary(asked)
    answers = []
    for _ in range(3 * site.scale):
        body = await session.channel.request(request("HistoryRead", session.token, tail))
        answers += [name(result.StatusCode.value) for result in session.channel.decoded(body).Results]
    await leave(session)
    return said(answers)


async def discovery_flood(site: Site) -> str:
    """GetEndpoints and FindServers without a session, with long lists, on many channels at once."""

    async def one(local: str) -> list[str]:
        channel = await site.channel(local)
        locales = struct.pack("<i", 50_000) + (struct.pack("<i", 2) + b"en") * 50_000
        answers = []
        for _ in range(20 * site.scale):
            answers.append(await ask(channel, request("GetEndpoints", None, NULL + locales + NULL)))
            answers.append(await ask(channel, request("FindServers", None, NULL + locales + NULL)))
        await leave(channel)
        return answers

    found = await asyncio.gather(*(one(site.address()) for _ in range(10)))
    return said(answer for answers in found for answer in answers)


async def hoarded_texts(site: Site) -> str:
    """Sessions whose names and descriptions are as long as a message may be."""
    answers: list[str] = []
    channels = []
    big = struct.pack("<i", 900_000) + b"x" * 900_000
    for _ in range(50):
        channel = await site.channel(site.address())
        channels.append(channel)
        description = NULL + NULL + b"\x02" + big + struct.pack("<I", 1) + NULL + NULL + NULL
        tail = description + NULL + NULL + struct.pack("<i", 4) + b"name" + NULL + NULL + struct.pack("<dI", 60_000, 0)
        answers.append(await ask(channel, request("CreateSession", None, tail)))
        tail = (NULL + NULL + b"\x00" + struct.pack("<I", 1) + NULL + NULL + NULL) + NULL + NULL + big + NULL + NULL
        answers.append(await ask(channel, request("CreateSession", None, tail + struct.pack("<dI", 60_000, 0))))
    await leave(*channels)
    return said(answers)


ATTACKS = (
    browse_amplification,
    translate_amplification,
    read_amplification,
    registered_nodes_flood,
    browse_points_flood,
    history_points_flood,
    discovery_flood,
    hoarded_texts,
)
