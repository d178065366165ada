"""Values as text: printf formats as prompts and DISPLAY_FORMAT use them, without the percent sign."""

from __future__ import annotations

import math
import re
from typing import Final

from server.fdi.methods.ctype import Raw

_FORMAT: Final = re.compile(r"%?([-+ 0#]{0,5})(\d{0,3})(?:\.(\d{0,2}))?(?:hh|h|ll|l|L)?([diuoxXcsfFeEgG]?)\Z", re.ASCII)
MAX_WIDTH: Final = 200  # characters


def plain(value: Raw, digits: int = 15) -> str:
    """A value without any format."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def formatted(spec: str, value: Raw) -> str:
    """A value in a printf format such as `5.2f`; in the plain form when the format does not fit it or is none."""
    match = _FORMAT.match(spec)
    if match is None or int(match[2] or 0) > MAX_WIDTH:
        return plain(value)
    flags, width, precision, letter = match.groups()
    letter = letter or ("s" if isinstance(value, str) else "f" if isinstance(value, float) else "d")
    lead = f"%{flags}{width}" + ("" if precision is None else f".{precision or 0}")
    if letter == "s":
        return (lead + "s") % (value if isinstance(value, str) else plain(value))
    if isinstance(value, str):
        return value
    if letter == "c":
        return chr(int(value) & 0xFF) if math.isfinite(value) else "?"
    if letter in "fFeEgG":
        return (lead + letter) % float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return plain(value)
        value = math.trunc(value)
    if letter in "oxXu" and value < 0:
        value &= 0xFFFF_FFFF if value >= -(2**31) else 0xFFFF_FFFF_FFFF_FFFF
    return (lead + {"i": "d", "u": "d"}.get(letter, letter)) % value
