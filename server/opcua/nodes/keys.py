"""Node keys: what the node store is indexed by, and their one canonical wire form (OPC 10000-6, 5.2.2.9).

A numeric identifier is one integer, `namespace << 32 | identifier`; every other kind is `(namespace, identifier)` with
a str, bytes or UUID. Keys hash and compare at C speed; the stack's NodeId objects do not.
"""

from __future__ import annotations

import struct
import uuid

from asyncua import ua

Key = int | tuple[int, str] | tuple[int, bytes] | tuple[int, uuid.UUID]
NULL_KEY: Key = 0

_FOUR = struct.Struct("<BBH")
_NUMERIC = struct.Struct("<BHI")
_TEXT = struct.Struct("<BHi")


class NodeIdError(ValueError):
    """Bytes that are no NodeId, or end inside one."""


def key_of(node_id: ua.NodeId) -> Key:
    """The key of a NodeId, of plain types whatever subclasses the stack has put into it."""
    identifier: int | str | bytes | uuid.UUID = node_id.Identifier
    namespace: int = node_id.NamespaceIndex
    if isinstance(identifier, int):
        return namespace << 32 | int(identifier)
    if isinstance(identifier, str):
        return int(namespace), str(identifier)
    if isinstance(identifier, bytes):
        return int(namespace), bytes(identifier)
    return int(namespace), identifier


def node_id_of(key: Key) -> ua.NodeId:
    """The NodeId of a key."""
    if isinstance(key, int):
        return ua.NodeId(key & 0xFFFFFFFF, key >> 32)
    return ua.NodeId(key[1], key[0])


def namespace_of(key: Key) -> int:
    """The namespace index of a key."""
    return key >> 32 if isinstance(key, int) else key[0]


def wire_of(key: Key) -> bytes:
    """The shortest encoding of a NodeId."""
    if isinstance(key, int):
        namespace, number = key >> 32, key & 0xFFFFFFFF
        if namespace == 0 and number <= 0xFF:
            return bytes((0, number))
        if namespace <= 0xFF and number <= 0xFFFF:
            return _FOUR.pack(1, namespace, number)
        return _NUMERIC.pack(2, namespace, number)
    namespace, identifier = key
    if isinstance(identifier, str):
        content = identifier.encode()
        return _TEXT.pack(3, namespace, len(content)) + content
    if isinstance(identifier, bytes):
        return _TEXT.pack(5, namespace, len(identifier)) + identifier
    return struct.pack("<BH", 4, namespace) + identifier.bytes_le


def read_key(data: bytes | memoryview, offset: int) -> tuple[Key, int]:
    """(key, offset behind it) of an encoded NodeId; any of its encodings is taken.

    Raises:
        NodeIdError: the bytes are no NodeId (an ExpandedNodeId is none either) or end inside one.
    """
    try:
        kind = data[offset]
        if kind == 0:
            return data[offset + 1], offset + 2
        if kind == 1:
            _, namespace, number = _FOUR.unpack_from(data, offset)
            return namespace << 32 | number, offset + 4
        if kind == 2:
            _, namespace, number = _NUMERIC.unpack_from(data, offset)
            return namespace << 32 | number, offset + 7
        if kind == 4:
            content = bytes(data[offset + 3 : offset + 19])
            return (int.from_bytes(data[offset + 1 : offset + 3], "little"), uuid.UUID(bytes_le=content)), offset + 19
        if kind not in (3, 5):
            raise NodeIdError(f"no NodeId encoding {kind}")
        _, namespace, size = _TEXT.unpack_from(data, offset)
        begin = offset + 7
        end = begin + max(size, 0)
        if end > len(data):
            raise NodeIdError("ends inside an identifier")
        content = bytes(data[begin:end])
        return ((namespace, content.decode()) if kind == 3 else (namespace, content)), end
    except (IndexError, struct.error, ValueError) as error:
        raise NodeIdError(str(error)) from None
