"""Request bodies by hand, and what comes back in a word."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from tests.kit.raw import EndedError, RawChannel, RawSession, RefusedError

NULL = b"\xff\xff\xff\xff"
WAIT_S = 20.0
_TYPE = struct.Struct("<BBH")


def name(code: int) -> str:
    """A StatusCode as people say it."""
    return "Good" if not code else str(ua.StatusCode(code).name)


def number_of(service: str) -> int:
    """Encoding NodeId of `<service>Request`."""
    return int(getattr(ua.ObjectIds, f"{service}Request_Encoding_DefaultBinary"))


def request(service: str, token: ua.NodeId | None, tail: bytes, *, hint_ms: int = 0, handle: int = 1) -> bytes:
    """A request body: header and whatever is to follow it."""
    head = _TYPE.pack(1, 0, number_of(service)) + (nodeid_to_binary(token) if token is not None else b"\x00\x00")
    return head + struct.pack("<qII", 0, handle, 0) + NULL + struct.pack("<I", hint_ms) + b"\x00\x00\x00" + tail


def code_of(body: bytes) -> int:
    """The service result of a response."""
    return int(struct.unpack_from("<I", body, 16)[0])


def first_result(body: bytes) -> int:
    """The first of an array of StatusCodes right behind the header (Write, Delete…), or the service result."""
    code = code_of(body)
    if code:
        return code
    (count,) = struct.unpack_from("<i", body, 28)
    return int(struct.unpack_from("<I", body, 32)[0]) if count > 0 else 0


async def ask(channel: RawChannel, body: bytes, *, operation: bool = False, wait_s: float = WAIT_S) -> str:
    """Send and say what came: a StatusCode, `ERR code`, `closed`, or `silence`."""
    try:
        answer = await channel.receive(await channel.send_request(body), wait_s)
    except RefusedError as error:
        return f"ERR {name(error.code)}"
    except EndedError:
        return "closed"
    except TimeoutError:
        return "silence"
    return name(first_result(answer) if operation else code_of(answer))


async def fate(channel: Any, wait_s: float = WAIT_S) -> str:
    """How a connection ends."""
    try:
        code = await channel.connection.refused(wait_s)
    except TimeoutError:
        return "open"
    return f"ERR {name(code)}" if code else "closed"


def said(answers: Iterable[str]) -> str:
    """Answers and how often each came."""
    return ", ".join(f"{answer} x{count}" if count > 1 else answer for answer, count in Counter(answers).most_common())


async def leave(*ones: RawSession | RawChannel | Any) -> None:
    """Close connections without a word."""
    for one in ones:
        connection = one.channel.connection if isinstance(one, RawSession) else getattr(one, "connection", one)
        connection.abort()
        await connection.close()
