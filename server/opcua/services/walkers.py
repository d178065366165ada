"""Walks over encoded structures without making them (OPC 10000-6 v1.05 §5.2): bounds, depth, texts, memory.

A walker takes the Walk and an offset and gives the offset behind its value, which may be past the end: the enclosing
structure notices.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from asyncua import ua

from server.opcua.nodes.keys import Key, NodeIdError, read_key

_IN_ARRAY = 1_000
"""What an object in the array of a Variant costs beside what it costs elsewhere."""
_TEXTS = (12, 15, 16)
DIMENSIONS = 32
"""Dimensions of one array."""

# Measured with the stack's decoder in November 2026: its objects take 50 to 360 bytes, and 4 to 8 us each to be made,
# a DataValue 16 us.
_OBJECT, _DATA_VALUE, _TEXT, _EMPTY, _NUMBER, _SMALL = 400, 1_100, 200, 80, 48, 16

_I32 = struct.Struct("<i").unpack_from
_U32 = struct.Struct("<I").unpack_from
FIXED = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}
"""Sizes of the built-in types that have one."""
COSTS = {1: _SMALL, 2: _SMALL, 3: _SMALL, 13: _OBJECT, 14: _OBJECT, 19: _OBJECT}
"""Cost of one element of such a type in an array; `_NUMBER` for the others."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one request may ask the decoder to make."""

    depth: int = 100
    """Variants, ExtensionObjects and DiagnosticInfos inside each other (OPC 10000-6, 5.2.2.12: 100 must be taken)."""
    elements: int = 1_000_000
    """Elements of one array."""
    text_bytes: int = 16 << 20
    """A String, ByteString or XmlElement."""
    cost: int = 64 << 20
    """What decoding may cost; a unit is a byte of memory or 15 ns of time, whichever is more.

    Others wait meanwhile, for a second at most. A million numbers, or 10 000 nodes to write or monitor, fit.
    """
    strangers_cost: int = 2 << 20
    """The same on a channel on which nobody has signed in."""


DEFAULT_LIMITS = DecodeLimits()


class MessageError(ValueError):
    """A body that breaks a limit or its grammar; `code` is the service result."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)


def broken(reason: str) -> MessageError:
    """Bytes that are no such structure."""
    return MessageError(ua.StatusCodes.BadDecodingError, reason)


def exceeded(reason: str) -> MessageError:
    """Bytes that are one, and too much."""
    return MessageError(ua.StatusCodes.BadEncodingLimitsExceeded, reason)


Walker: TypeAlias = "Callable[[Walk, int], int]"


class Walk:
    """One body on its walk."""

    __slots__ = ("data", "depth", "end", "left", "limits", "patches", "structure")

    def __init__(
        self,
        data: bytes,
        structure: Callable[[Key], Walker | None],
        limits: DecodeLimits = DEFAULT_LIMITS,
        *,
        trusted: bool = True,
    ) -> None:
        self.data = data
        self.end = len(data)  # of the message, or of the ExtensionObject body that the walk is in
        self.structure = structure  # encoding NodeId -> walker of a structure that the stack knows
        self.depth = 0
        self.limits = limits
        self.left = limits.cost if trusted else limits.strangers_cost
        self.patches: list[tuple[int, bytes]] = []
        """(offset, bytes to be there) where the stack's decoder reads otherwise than the standard writes."""

    def charge(self, size: int) -> None:
        """Something is going to be made. Raises MessageError when that is too much."""
        self.left -= size
        if self.left < 0:
            raise exceeded("costs too much to decode")

    def deeper(self) -> None:
        """One level down. Raises MessageError below the last one."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise exceeded(f"nested deeper than {self.limits.depth}")


def count_at(walk: Walk, at: int, least: int) -> int:
    """An array's length, -1 for null, backed by bytes of the elements' least size."""
    count: int = _I32(walk.data, at)[0]
    if count < -1:
        raise broken(f"array of length {count}")
    if count > 0:
        if count * least > walk.end - at - 4:
            raise broken(f"array of length {count} in {walk.end - at - 4} bytes")
        if count > walk.limits.elements:
            raise exceeded(f"array of length {count}")
    return count


def walk_bytes(walk: Walk, at: int) -> int:
    """A ByteString."""
    size: int = _I32(walk.data, at)[0]
    at += 4
    if size <= 0:
        if size < -1:
            raise broken(f"length {size}")
        walk.charge(_EMPTY)
        return at
    if size > walk.end - at:
        raise broken(f"length {size}, {walk.end - at} bytes are left")
    if size > walk.limits.text_bytes:
        raise exceeded(f"length {size}")
    walk.charge(size + _TEXT)
    return at + size


def walk_text(walk: Walk, at: int) -> int:
    """A String: UTF-8 without exceptions."""
    end = walk_bytes(walk, at)
    if end - at > 4:
        # Raises UnicodeDecodeError; the stack would smuggle broken bytes through as surrogates.
        walk.data[at + 4 : end].decode()
    return end


def _node_id(walk: Walk, at: int, flags: int) -> int:
    data = walk.data
    kind = data[at]
    if kind & ~0x3F & ~flags:
        raise broken("NodeId with the flags of an ExpandedNodeId")
    base = kind & 0x3F
    walk.charge(_OBJECT)
    if base == 0:
        end = at + 2
    elif base == 1:
        end = at + 4
    elif base == 2:
        end = at + 7
    elif base == 4:
        end = at + 19
    elif base in (3, 5):
        end = (walk_text if base == 3 else walk_bytes)(walk, at + 3)
        if data[at + 3 : at + 7] == b"\xff\xff\xff\xff":
            # The stack refuses a null identifier; it means the empty one.
            walk.patches.append((at + 3, b"\x00\x00\x00\x00"))
    else:
        raise broken(f"NodeId encoding {base}")
    if kind & 0x80:
        end = walk_text(walk, end)
    if kind & 0x40:
        end += 4
    return end


def walk_node_id(walk: Walk, at: int) -> int:
    """A NodeId."""
    return _node_id(walk, at, 0)


def walk_expanded_node_id(walk: Walk, at: int) -> int:
    """An ExpandedNodeId."""
    return _node_id(walk, at, 0xC0)


def walk_qualified_name(walk: Walk, at: int) -> int:
    """A QualifiedName."""
    walk.charge(_OBJECT)
    return walk_text(walk, at + 2)


def walk_localized_text(walk: Walk, at: int) -> int:
    """A LocalizedText."""
    walk.charge(_OBJECT)
    bits = walk.data[at]
    at += 1
    if bits & 1:
        at = walk_text(walk, at)
    if bits & 2:
        at = walk_text(walk, at)
    return at


def walk_data_value(walk: Walk, at: int) -> int:
    """A DataValue."""
    walk.charge(_DATA_VALUE)
    bits = walk.data[at]
    at += 1
    if bits & 1:
        at = walk_variant(walk, at)
    at += 4 * bool(bits & 2) + 8 * bool(bits & 4)
    if bits & 0x18 == 0x18:
        # On the wire picoseconds stand behind their own time; the stack reads both times first.
        walk.patches.append((at, walk.data[at + 2 : at + 10] + walk.data[at : at + 2]))
    return at + 8 * bool(bits & 8) + 2 * bool(bits & 0x10) + 2 * bool(bits & 0x20)


def walk_diagnostic_info(walk: Walk, at: int) -> int:
    """A DiagnosticInfo. One with another inside is refused: the stack takes the inner one for an ExtensionObject."""
    walk.charge(_OBJECT)
    walk.deeper()
    bits = walk.data[at]
    at += 1 + 4 * (bits & 0x0F).bit_count()
    if bits & 0x10:
        at = walk_text(walk, at)
    at += 4 * bool(bits & 0x20)
    if bits & 0x40:
        walk_diagnostic_info(walk, at)
        raise broken("DiagnosticInfo inside a DiagnosticInfo")
    walk.depth -= 1
    return at


def walk_variant(walk: Walk, at: int) -> int:
    """A Variant of any kind, dimensions included."""
    walk.charge(_OBJECT)
    kind = walk.data[at]
    at += 1
    base = kind & 0x3F
    if kind < 0x40:
        size = FIXED.get(base)
        if size is not None:
            return at + size
        if base == 0:
            return at
        walk.deeper()
        at = _of_type(base)(walk, at)
        walk.depth -= 1
        return at
    if kind < 0x80:
        raise broken("scalar with dimensions")
    walk.charge(_TEXT)
    walk.deeper()
    size = FIXED.get(base)
    if size is not None:
        count = count_at(walk, at, size)
        walk.charge(COSTS.get(base, _NUMBER) * max(count, 0))
        at += 4 + size * max(count, 0)
    else:
        each = _of_type(base)
        count = count_at(walk, at, LEAST.get(base, 4))
        if base == 0 and count > 0:
            raise broken("array of nothing")
        if base not in _TEXTS:
            # The only way to ask for so many objects with so few bytes, and hardly a value that anybody has.
            walk.charge(_IN_ARRAY * max(count, 0))
        at += 4
        for _ in range(count):
            at = each(walk, at)
        walk.charge(16 * max(count, 0))
    if kind & 0x40:
        at = _dimensions(walk, at, count)
    walk.depth -= 1
    return at


def _dimensions(walk: Walk, at: int, count: int) -> int:
    """ArrayDimensions: their product is the array's length (OPC 10000-6, 5.2.2.16)."""
    dimensions = count_at(walk, at, 4)
    if dimensions < 1:
        raise broken("array without its dimensions")
    if dimensions > DIMENSIONS:
        raise exceeded(f"{dimensions} dimensions")
    product = cells = 1
    for number in range(dimensions):
        length: int = _I32(walk.data, at + 4 + 4 * number)[0]
        if length < 0 or length > walk.limits.elements:
            raise broken(f"dimension of length {length}")
        product *= length
        # The stack fills up an array with empty lists as if a dimension of 0 were 1.
        cells *= length or 1
        if cells > walk.limits.elements:
            raise exceeded("too many elements")
    if product != max(count, 0):
        raise broken(f"dimensions of {product} elements, {count} are there")
    walk.charge(_SMALL * cells + _OBJECT * (cells - max(count, 0) + dimensions))
    return at + 4 + 4 * dimensions


def walk_extension_object(walk: Walk, at: int) -> int:
    """An ExtensionObject: a body of a known type is walked into, an unknown one stays opaque."""
    walk.charge(_OBJECT)
    walk.deeper()
    type_at = at
    at = walk_node_id(walk, at)
    encoding = walk.data[at]
    at += 1
    if encoding == 0:
        walk.depth -= 1
        return at
    if encoding != 1:
        # The stack would go on reading in the midst of an XML body.
        raise broken("ExtensionObject in XML" if encoding == 2 else f"ExtensionObject encoding {encoding}")
    end = walk_bytes(walk, at)
    if _I32(walk.data, at)[0] == -1:
        raise broken("ExtensionObject without the length of its body")
    try:
        key = read_key(walk.data, type_at)[0]
    except NodeIdError as error:
        raise broken(str(error)) from None
    known = walk.structure(key)
    if known is not None:
        outer = walk.end
        walk.end = end
        if known(walk, at + 4) > end:
            raise broken("ExtensionObject longer than its body")
        walk.end = outer
    walk.depth -= 1
    return end


def _null(_walk: Walk, at: int) -> int:
    return at


LEAST = {0: 1, 17: 2, 18: 2, 20: 6, 21: 1, 22: 3, 23: 1, 24: 1, 25: 1}
"""Least bytes of the built-in types of no fixed size; 4 for the others."""
BUILT_IN: dict[int, Walker] = {
    0: _null,
    12: walk_text,
    15: walk_bytes,
    16: walk_text,
    17: walk_node_id,
    18: walk_expanded_node_id,
    20: walk_qualified_name,
    21: walk_localized_text,
    22: walk_extension_object,
    23: walk_data_value,
    24: walk_variant,
    25: walk_diagnostic_info,
}
"""Walkers of the built-in types of no fixed size."""


def _of_type(base: int) -> Walker:
    walker = BUILT_IN.get(base)
    if walker is not None:
        return walker
    if base > 31:
        raise broken(f"Variant of type {base}")
    # 26 to 31 are reserved and decoded as ByteStrings (OPC 10000-6, 5.2.2.16).
    return walk_bytes
