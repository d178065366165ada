"""Numbers as single precision holds them: Python's own are double."""

from __future__ import annotations

import math
import struct

_SINGLE = struct.Struct("<f")


def single(value: float) -> float:
    """The nearest single precision number; an infinity beyond its range."""
    try:
        return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
