"""Publish and its answer at byte level (OPC 10000-4, 5.14.5 and 7.25; OPC 10000-6, 5.2.2.15)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

from server.opcua.wire.headers import read_header

PUBLISH_RESPONSE = 829
"""PublishResponse_Encoding_DefaultBinary."""
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_LIST = struct.Struct("<ii")
_MESSAGE = struct.Struct("<Iqi")
_DATA = b"\x01\x00\x2b\x03\x01"  # DataChangeNotification_Encoding_DefaultBinary (811), a byte string follows
_EVENTS = b"\x01\x00\x94\x03\x01"  # EventNotificationList (916)
_STATUS = b"\x01\x00\x34\x03\x01\x05\x00\x00\x00"  # StatusChangeNotification (820) of 5 bytes
NO_LIST = b"\x00\x00\x00\x00"
"""An empty array."""


class PublishError(ValueError):
    """Bytes that are no Publish request."""


def read_publish(body: bytes, at: int) -> Iterator[tuple[int, int]] | None:
    """Acknowledgements as (subscription id, sequence number); None for none.

    Raises:
        PublishError: the message ends too early or goes on behind its end.
    """
    size = len(body) - at
    if size < 4:
        raise PublishError("ends inside its acknowledgements")
    count = _I32.unpack_from(body, at)[0]
    if count <= 0:
        if size != 4:
            raise PublishError("goes on behind its end")
        return None
    if size != 4 + 8 * count:
        raise PublishError(f"{count} acknowledgements in {size - 4} bytes")
    return struct.iter_unpack("<II", memoryview(body)[at + 4 :])


def timeout_hint(body: bytes, at: int) -> int:
    """TimeoutHint of a request in ms, 0 for none; `at` is the offset behind its header."""
    if body[at - 3 : at] == b"\x00\x00\x00":
        return int(_U32.unpack_from(body, at - 7)[0])
    return read_header(body)[2] & 0xFFFFFFFF


def data_notification(items: bytes, count: int) -> bytes:
    """A DataChangeNotification of joined MonitoredItemNotifications, as ExtensionObject."""
    return b"".join((_DATA, _LIST.pack(len(items) + 8, count), items, NO_LIST))


def event_notification(events: bytes, count: int) -> bytes:
    """An EventNotificationList of joined EventFieldLists, as ExtensionObject."""
    return b"".join((_EVENTS, _LIST.pack(len(events) + 4, count), events))


def status_notification(code: int) -> bytes:
    """A StatusChangeNotification without diagnostics, as ExtensionObject."""
    return _STATUS + _U32.pack(code) + b"\x00"


def message(sequence: int, now: int, parts: Collection[bytes]) -> bytes:
    """A NotificationMessage of encoded notifications; `now` in ticks. Without parts it is a keep-alive."""
    return _MESSAGE.pack(sequence, now, len(parts)) + b"".join(parts)


def sequence_list(numbers: Collection[int]) -> bytes:
    """An array of UInt32."""
    count = len(numbers)
    return struct.pack(f"<i{count}I", count, *numbers)


def publish_result(subscription_id: int, available: bytes, more: bool, notification: bytes, results: bytes) -> bytes:
    """PublishResult and what follows it: everything of a PublishResponse behind the ResponseHeader."""
    return b"".join(
        (_U32.pack(subscription_id), available, b"\x01" if more else b"\x00", notification, results, NO_LIST)
    )
