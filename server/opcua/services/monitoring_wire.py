"""CreateMonitoredItems and ModifyMonitoredItems at byte level (OPC 10000-4, 5.13.2 and 5.13.3).

Read here and not by the stack's codec: it costs a tenth, and enumerations out of range have StatusCodes of their own.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from asyncua import ua

from server.opcua.nodes.keys import Key, NodeIdError, read_key

CREATE_RESPONSE = 754
MODIFY_RESPONSE = 766
MODE_RESPONSE = 772
"""Encodings of the responses."""
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_HEAD = struct.Struct("<IIi")
_PARAMETERS = struct.Struct("<Id")
_QUEUE = struct.Struct("<I?")
_CREATED = struct.Struct("<IIdI")
_MODIFIED = struct.Struct("<IdI")
_PLAIN_TAIL = b"\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff"  # no index range, no data encoding
_PLAIN_ITEM = struct.Struct("<I10sIIdBBBI?")
_NO_FILTER = b"\x00\x00\x00"
LEAST_BYTES = 40
"""Of one item to create; an array cannot have more elements than its bytes allow."""
LEAST_MODIFY_BYTES = 24
BROKEN = (NodeIdError, struct.error, IndexError, UnicodeDecodeError)
"""Raised for bytes that are no such request."""


class Wanted(NamedTuple):
    """One MonitoredItemCreateRequest."""

    key: Key
    attribute: int
    index_range: str | None
    encoding: ua.QualifiedName | None
    mode: int
    handle: int
    sampling: float
    filter: bytes  # ExtensionObject as it stands, b"" for none
    queue: int
    discard_oldest: bool


class Modified(NamedTuple):
    """One MonitoredItemModifyRequest."""

    item_id: int
    handle: int
    sampling: float
    filter: bytes
    queue: int
    discard_oldest: bool


def read_head(body: bytes, at: int, least_bytes: int) -> tuple[int, int, int]:
    """(subscription id, TimestampsToReturn, number of items, 0 for a null array). Raises one of BROKEN."""
    subscription_id, which, count = _HEAD.unpack_from(body, at)
    if count > (len(body) - at) // least_bytes:
        raise IndexError("more items than bytes")
    return subscription_id, which, max(count, 0)


def read_create(body: bytes, at: int, count: int) -> list[Wanted]:
    """The items of CreateMonitoredItems; `at` is the offset of the request's parameters. Raises one of BROKEN."""
    at += _HEAD.size
    found: list[Wanted] = []
    plain = _PLAIN_ITEM
    size = plain.size
    room = len(body) - size
    for _ in range(count):
        key, at = read_key(body, at)
        if at <= room:
            attribute, tail, mode, handle, sampling, one, two, three, queue, discard = plain.unpack_from(body, at)
            if tail == _PLAIN_TAIL and not (one or two or three):
                found.append(Wanted(key, attribute, None, None, mode, handle, sampling, b"", queue, discard))
                at += size
                continue
        attribute = _U32.unpack_from(body, at)[0]
        index_range, at = _text(body, at + 4)
        namespace = int.from_bytes(body[at : at + 2], "little")
        name, at = _text(body, at + 2)
        encoding = ua.QualifiedName(name, namespace) if name or namespace else None
        mode = _U32.unpack_from(body, at)[0]
        handle, sampling, wanted, queue, discard, at = _parameters(body, at + 4)
        found.append(
            Wanted(key, attribute, index_range or None, encoding, mode, handle, sampling, wanted, queue, discard)
        )
    if at != len(body):
        raise IndexError("bytes behind the last item")
    return found


def read_modify(body: bytes, at: int, count: int) -> list[Modified]:
    """The items of ModifyMonitoredItems. Raises one of BROKEN."""
    at += _HEAD.size
    found: list[Modified] = []
    for _ in range(count):
        item_id = _U32.unpack_from(body, at)[0]
        handle, sampling, wanted, queue, discard, at = _parameters(body, at + 4)
        found.append(Modified(item_id, handle, sampling, wanted, queue, discard))
    if at != len(body):
        raise IndexError("bytes behind the last item")
    return found


def read_mode(body: bytes, at: int) -> tuple[int, int, tuple[int, ...]]:
    """(subscription id, MonitoringMode, item ids) of SetMonitoringMode. Raises one of BROKEN."""
    subscription_id, mode, count = _HEAD.unpack_from(body, at)
    if len(body) != at + _HEAD.size + 4 * max(count, 0):
        raise IndexError("item ids and their number differ")
    return subscription_id, mode, struct.unpack_from(f"<{max(count, 0)}I", body, at + _HEAD.size)


def _text(body: bytes, at: int) -> tuple[str, int]:
    size = _I32.unpack_from(body, at)[0]
    at += 4
    end = at + max(size, 0)
    if end > len(body):
        raise IndexError("ends inside a text")
    return body[at:end].decode(), end


def _parameters(body: bytes, at: int) -> tuple[int, float, bytes, int, bool, int]:
    handle, sampling = _PARAMETERS.unpack_from(body, at)
    begin = at = at + _PARAMETERS.size
    type_key, at = read_key(body, at)
    kind = body[at]
    at += 1
    if kind:
        at += 4 + max(_I32.unpack_from(body, at)[0], 0)
    wanted = body[begin:at] if type_key != 0 else b""
    queue, discard = _QUEUE.unpack_from(body, at)
    return handle, sampling, wanted, queue, discard, at + _QUEUE.size


def created(code: int, item_id: int, sampling: float, queue: int, filter_result: bytes) -> bytes:
    """A MonitoredItemCreateResult."""
    return _CREATED.pack(code, item_id, sampling, queue) + (filter_result or _NO_FILTER)


def modified(code: int, sampling: float, queue: int, filter_result: bytes) -> bytes:
    """A MonitoredItemModifyResult."""
    return _MODIFIED.pack(code, sampling, queue) + (filter_result or _NO_FILTER)


def results(parts: list[bytes]) -> bytes:
    """The results and no diagnostics: a response behind its header."""
    return _I32.pack(len(parts)) + b"".join(parts) + b"\x00\x00\x00\x00"
