"""NumericRange: parts of arrays, matrices, Strings and ByteStrings, read and written (OPC 10000-4, 7.27)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from asyncua import ua

_S = ua.StatusCodes
_DIMENSION = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?")
_LONGEST = 255
"""Characters of a range; three dimensions of the longest bounds need 65."""
_TEXTS = (str, bytes)
_OCTETS = b"\x83"
"""Encoding byte of a Variant with an array of Byte without dimensions."""

Ranges = list[tuple[int, int]]
"""(first, last) of each dimension, both included."""


class RangeError(ValueError):
    """A part that cannot be replaced; `code` is the operation result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = int(code)


def parse_range(text: str) -> Ranges | None:
    """The bounds of each dimension, None for wrong syntax."""
    if len(text) > _LONGEST:
        return None
    found: Ranges = []
    for part in text.split(","):
        match = _DIMENSION.fullmatch(part)
        if match is None:
            return None
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        if match[2] is not None and last <= first:
            return None
        found.append((first, last))
    return found


def depth_of(value: Any) -> int:
    """Number of array dimensions: 0 for a scalar."""
    depth = 0
    while isinstance(value, list | tuple):
        depth += 1
        value = value[0] if value else None
    return depth


def _cut(value: Any, ranges: Ranges) -> Any:
    """The part that exists; None when nothing does."""
    first, last = ranges[0]
    if first >= len(value):
        return None
    part = value[first : last + 1]
    if len(ranges) == 1:
        return part
    inner = [_cut(item, ranges[1:]) if item is not None else None for item in part]
    if all(item is None for item in inner):
        return None
    # A text that is too short for the range gives an empty one: its neighbours keep their places.
    return [
        item if item is not None else type(whole)() if whole is not None else None
        for item, whole in zip(inner, part, strict=True)
    ]


def _texts_below(value: Any) -> bool:
    while isinstance(value, list | tuple):
        value = next((item for item in value if item is not None), None)
    return isinstance(value, _TEXTS)


def _reaches(value: Any, ranges: Ranges) -> bool:
    """True when the range names all dimensions, or those and the characters of texts."""
    depth = depth_of(value)
    return len(ranges) == depth > 0 or (len(ranges) == depth + 1 and _texts_below(value))


def cut(held: ua.Variant, ranges: Ranges) -> ua.Variant | None:
    """The part of a value that a range names, as far as it exists; None when nothing of it does."""
    value = held.Value
    if not _reaches(value, ranges):
        return None
    part = _cut(value, ranges)
    if part is None:
        return None
    depth = depth_of(value)
    dimensions = list(ua.uatypes.get_shape(part))[:depth] if depth > 1 else None
    return ua.Variant(part, held.VariantType, Dimensions=dimensions, is_array=depth > 0)


def octets(encoded: bytes, ranges: Ranges) -> ua.Variant | None:
    """The part of an encoded array of Byte, cut without decoding the rest; None when it is none, or nothing is there.

    A plug-in is millions of octets that clients fetch piece by piece.
    """
    if len(ranges) != 1 or encoded[:1] != _OCTETS:
        return None
    first, last = ranges[0]
    part = encoded[5 + first : 6 + last]
    return ua.Variant(list(part), ua.VariantType.Byte, is_array=True) if part else None


def _replace(whole: Any, part: Any, ranges: Ranges) -> Any:
    first, last = ranges[0]
    if whole is None or last >= len(whole):
        raise RangeError(_S.BadIndexRangeNoData)
    if part is None or len(part) != last - first + 1:
        raise RangeError(_S.BadIndexRangeDataMismatch)
    if len(ranges) == 1:
        if isinstance(whole, _TEXTS):
            return whole[:first] + part + whole[last + 1 :]
        return [*whole[:first], *part, *whole[last + 1 :]]
    inner = [_replace(old, new, ranges[1:]) for old, new in zip(whole[first : last + 1], part, strict=True)]
    return [*whole[:first], *inner, *whole[last + 1 :]]


def _same_make(whole: Any, part: Any) -> bool:
    return depth_of(whole) == depth_of(part) and (isinstance(whole, _TEXTS) is isinstance(part, _TEXTS))


def replaced(held: ua.Variant, given: ua.Variant, ranges: Ranges) -> ua.Variant:
    """The whole value after a Write of a part of it (OPC 10000-4, 5.11.4).

    Raises:
        RangeError: BadIndexRangeNoData, some of it is outside; BadIndexRangeDataMismatch, the sizes differ;
            BadTypeMismatch, the types differ.
    """
    value = held.Value
    if not _reaches(value, ranges):
        raise RangeError(_S.BadIndexRangeNoData)
    part = given.Value
    if given.VariantType == ua.VariantType.ByteString and held.VariantType == ua.VariantType.Byte:
        part = list(part) if isinstance(part, bytes) else part
    elif given.VariantType != held.VariantType:
        raise RangeError(_S.BadTypeMismatch)
    if not _same_make(value, part):
        raise RangeError(_S.BadTypeMismatch)
    whole = _replace(value, part, ranges)
    return ua.Variant(whole, held.VariantType, Dimensions=_dimensions(held), is_array=held.is_array)


def _dimensions(held: ua.Variant) -> Sequence[int] | None:
    return list(held.Dimensions) if held.Dimensions is not None else None
