"""How a value lies in three SQL columns (number, text, kind) without losing its type or a digit.

Kinds are stored: their numbers never change. 0 and 1 cost no byte in SQLite.
"""

from __future__ import annotations

import base64

from server.core import status
from server.core.clock import TimeUs, from_iso
from server.core.status import StatusCode
from server.core.values import Scalar

NUMBER = 0  # a float; without a number: no value
BOOLEAN = 1
INTEGER = 2  # number is the nearest double; text has the digits when that is not exact
TEXT = 3
BYTES = 4  # text is base64
ESCAPED = 5  # text is base64 of UTF-8: it holds what a database refuses (NUL, a lone surrogate)

TEXT_LIMIT = 65_536
"""Longest text or byte string kept in history, in characters or bytes."""

EARLIEST: TimeUs = from_iso("0001-01-01T00:00:00Z")
LATEST: TimeUs = from_iso("9999-12-31T00:00:00Z")
"""What every store can place in time."""

_EXACT = 2**53
_INTEGERS = range(-(2**63), 2**64)

Columns = tuple[float | None, str | None, int]


def storable(value: Scalar | None, code: StatusCode) -> tuple[Scalar | None, StatusCode]:
    """(value, StatusCode) as history keeps them.

    A bad status carries no value. What no store can hold (NaN, a text beyond `TEXT_LIMIT`, an integer beyond 64 bits)
    becomes no value with BadOutOfRange.
    """
    if code & 0x80000000 or value is None:  # the severity bit of Bad
        return None, code
    if isinstance(value, float):
        return (value, code) if value == value else (None, status.BAD_OUT_OF_RANGE)
    if isinstance(value, str | bytes):
        return (value, code) if len(value) <= TEXT_LIMIT else (None, status.BAD_OUT_OF_RANGE)
    return (value, code) if value in _INTEGERS else (None, status.BAD_OUT_OF_RANGE)


def to_columns(value: Scalar | None) -> Columns:
    """(number, text, kind) of a value; NaN is no value."""
    if value is None:
        return None, None, NUMBER
    if isinstance(value, float):
        return (value if value == value else None), None, NUMBER
    if isinstance(value, bool):
        return float(value), None, BOOLEAN
    if isinstance(value, int):
        return float(value), None if -_EXACT <= value <= _EXACT else str(value), INTEGER
    if isinstance(value, str):
        if "\0" not in value:
            try:
                value.encode("utf-8")
                return None, value, TEXT
            except UnicodeEncodeError:
                pass
        return None, base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii"), ESCAPED
    return None, base64.b64encode(value).decode("ascii"), BYTES


def from_columns(number: float | None, text: str | None, kind: int) -> Scalar | None:
    """The value that `to_columns` took apart, same type, same digits."""
    if kind == NUMBER:
        return number
    if kind == BOOLEAN:
        return number != 0
    if kind == INTEGER:
        return int(text) if text is not None else int(number or 0)
    if text is None:
        return None
    if kind == TEXT:
        return text
    plain = base64.b64decode(text)
    return plain if kind == BYTES else plain.decode("utf-8", "surrogatepass")


def in_time(source_time: TimeUs) -> bool:
    """True when every store can place it (years 1 to 9998)."""
    return EARLIEST <= source_time <= LATEST


def clamp(time_us: TimeUs) -> TimeUs:
    """The nearest time that every store can place."""
    return min(max(time_us, EARLIEST), LATEST)
