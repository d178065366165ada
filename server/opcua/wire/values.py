"""Encoded Variants: scalars made one by one or in rows, the form in which they are compared, their numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

_I32 = struct.Struct("<i")
FORMATS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d", 13: "q", 19: "I"}
"""Scalars of fixed size by built-in type, as `struct` calls them; a DateTime is given in ticks."""
_PACKERS = {kind: struct.Struct(f"<B{letter}").pack for kind, letter in FORMATS.items()}
_SIZES = {kind: struct.calcsize(f"<{letter}") for kind, letter in FORMATS.items()}
_NUMERIC = frozenset(range(2, 12))
_FLOATS = frozenset({10, 11})
_LISTS = frozenset({12, 15, 16})
"""String, ByteString and XmlElement: a null one equals an empty one."""
_NAN = {10: struct.pack("<f", math.nan), 11: struct.pack("<d", math.nan)}
_NULL, _EMPTY = _I32.pack(-1), _I32.pack(0)


def variant(kind: int, value: Any) -> bytes:
    """A scalar Variant of a fixed-size type, a String (12) or a ByteString (15).

    Raises:
        struct.error: the value is not one of the type's.
    """
    packer = _PACKERS.get(kind)
    if packer is not None:
        try:
            return packer(kind, value)
        except OverflowError as error:  # what struct has for a Float out of range
            raise struct.error(str(error)) from None
    if kind == 12 and isinstance(value, str):
        try:
            content = value.encode()
        except UnicodeEncodeError as error:
            raise struct.error(str(error)) from None
    elif kind == 15 and isinstance(value, bytes):
        content = value
    else:
        raise struct.error(f"{type(value).__name__} is no value of built-in type {kind}")
    return bytes((kind,)) + _I32.pack(len(content)) + content


def pack(kind: int, values: Sequence[Any]) -> bytes | None:
    """The values one after the other, without their encoding bytes; None when there may be a NaN among them.

    Raises:
        struct.error: a value is not one of the type's.
        ValueError: not a type of fixed size.
    """
    letter = FORMATS.get(kind)
    if letter is None:
        raise ValueError(f"built-in type {kind} is not of fixed size")
    try:
        packed = struct.pack(f"<{len(values)}{letter}", *values)
    except OverflowError as error:
        raise struct.error(str(error)) from None
    if kind in _FLOATS:
        # Only where the highest byte has all its exponent bits set can a NaN be.
        highest = packed[_SIZES[kind] - 1 :: _SIZES[kind]]
        if 0x7F in highest or 0xFF in highest:
            return None
    return packed


def rows(kind: int, packed: bytes, times: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(canonical form, whole DataValue with both times) of each value of `pack`; see `canonical`."""
    size = _SIZES[kind]
    head = bytes((1, kind)) + bytes(size)
    wire = bytes((13, kind)) + bytes(size) + times
    width = len(head) + len(wire)
    table = bytearray((head + wire) * (len(packed) // size))
    # Column by column: a byte of all rows costs one slice assignment, which beats packing row by row two to one.
    for column in range(size):
        values = packed[column::size]
        table[2 + column :: width] = values
        table[2 + column + len(head) :: width] = values
    return struct.iter_unpack(f"{len(head)}s{len(wire)}s", table)


def canonical(flags: int, body: bytes) -> bytes:
    """Flags and body with all that counts as equal made the same (OPC 10000-4, 7.10).

    Every NaN is one NaN; a null String, ByteString, XmlElement or array is an empty one.
    """
    head = bytes((flags,)) + body
    if not flags & 1 or not body:
        return head
    kind = body[0]
    if kind in _FLOATS:
        size = _SIZES[kind]
        if len(body) > size and body[size] & 0x7F == 0x7F:
            number = numbers(body)
            if number is not None and math.isnan(number[0]):
                return head[:2] + _NAN[kind] + head[2 + size :]
    elif kind in _LISTS or kind & 0x80:
        if body[1:5] == _NULL:
            return head[:2] + _EMPTY + head[6:]
        if kind & 0x3F in _FLOATS:
            array = numbers(body)
            if array is not None and any(map(math.isnan, array)):
                kind &= 0x3F
                content = b"".join([_NAN[kind] if n != n else struct.pack(f"<{FORMATS[kind]}", n) for n in array])
                return head[:6] + content + head[6 + len(content) :]
    return head


def numbers(body: bytes) -> tuple[float, ...] | None:
    """The numbers of an encoded numeric Variant, scalar or array; None for other types and broken ones."""
    if not body or body[0] & 0x3F not in _NUMERIC:
        return None
    letter = FORMATS[body[0] & 0x3F]
    try:
        if body[0] & 0x80:
            return struct.unpack_from(f"<{max(_I32.unpack_from(body, 1)[0], 0)}{letter}", body, 5)
        return struct.unpack_from(f"<{letter}", body, 1)
    except struct.error:
        return None


def apart(new: bytes, old: bytes, deadband: float) -> bool:
    """Whether one Variant leaves the absolute deadband around another (OPC 10000-4, 7.22.2).

    Another type, length or shape is always out; so is what is no number. NaN is apart from all but NaN.
    """
    if new[:1] != old[:1]:
        return True
    numbers_new, numbers_old = numbers(new), numbers(old)
    if numbers_new is None or numbers_old is None or len(numbers_new) != len(numbers_old):
        return True
    if new[0] & 0x40:
        end = 5 + _SIZES[new[0] & 0x3F] * len(numbers_new)
        if new[end:] != old[end:]:
            return True
    return any(
        not abs(a - b) <= deadband and (a == a or b == b)
        for a, b in zip(numbers_new, numbers_old, strict=True)
        if a != b
    )
