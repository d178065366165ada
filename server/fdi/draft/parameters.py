"""From what was seen at a place to the VARIABLE it becomes: type, unit, range, enumeration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from server.fdi.draft.model import DraftParameter
from server.fdi.draft.names import LONE, printable, words
from server.fdi.draft.places import Family, Path, Seen

COUNT_WORDS = frozenset({"count", "counter", "counts", "cycles"})
"""Whole numbers whose name ends so are counters; all other numbers are DOUBLE, fractions may still come."""
STATE_WORDS = frozenset({"mode", "state", "status"})
"""Small whole numbers with such a word in their name are candidates for ENUMERATED."""
STATES = 16
LARGEST_STATE = 255
UNIT_LENGTH = 32
TEXT_SIZES = (32, 64, 128, 256, 512, 1_024, 2_048, 4_096)
UNIT_SUFFIXES = {
    "kw": "kW", "mw": "MW", "kwh": "kWh", "mwh": "MWh", "kva": "kVA", "kvar": "kvar", "hz": "Hz", "bar": "bar",
    "mbar": "mbar", "kpa": "kPa", "mpa": "MPa", "pa": "Pa", "mm": "mm", "cm": "cm", "kg": "kg", "rpm": "r/min",
    "celsius": "°C", "degc": "°C", "kelvin": "K", "percent": "%", "percentage": "%", "pct": "%", "hours": "h",
    "minutes": "min", "seconds": "s", "ms": "ms", "volt": "V", "volts": "V", "amps": "A", "mv": "mV", "kv": "kV",
}  # fmt: skip
"""Last words of names that tell the unit. Single letters do not: `phase_a` is no current."""
NO_UNIT_WORDS = frozenset({"factor"})
"""Last words of names of plain ratios: the unit that a message names for a whole group is not theirs."""
EXACT = 2**53
"""Doubles hold every whole number up to here."""


def parameter(name: str, label: str, seen: Seen, units: Counter[str]) -> DraftParameter | None:
    """The VARIABLE for a place; None when nothing fit was seen there."""
    family = seen.family
    if family is None:
        return None
    if family is Family.BOOLEAN:
        return DraftParameter(
            name=name, label=label, edd_type="BOOLEAN", count=seen.count, observed=_texts(seen, Family.BOOLEAN)
        )
    if family is Family.TEXT:
        size = next((size for size in TEXT_SIZES if size >= 2 * seen.longest), TEXT_SIZES[-1])
        return DraftParameter(
            name=name,
            label=label,
            edd_type="ASCII" if seen.latin else "EUC",
            size=size,
            count=seen.count,
            observed=_texts(seen, Family.TEXT),
        )
    return _number(name, label, seen, units)


def _number(name: str, label: str, seen: Seen, units: Counter[str]) -> DraftParameter:
    observed = f"{_plain(seen.low)} to {_plain(seen.high)}"
    found = words(name)
    states = sorted({int(value) for value in _numbers(seen)}) if seen.whole and not seen.many else []
    if states and states[0] >= 0 and states[-1] <= LARGEST_STATE and len(states) <= STATES and STATE_WORDS & set(found):
        return DraftParameter(
            name=name,
            label=label,
            edd_type="ENUMERATED",
            size=1,
            enumerators=tuple(states),
            count=seen.count,
            observed=", ".join(map(str, states)),
        )
    low, high = widened(seen.low, seen.high)
    unit = unit_of(name, units)
    if unit == "%" and seen.low >= 0 and seen.high <= 100:
        low, high = 0.0, 100.0
    edd_type, size = "DOUBLE", 0
    if seen.whole and found and found[-1] in COUNT_WORDS and seen.low >= 0 and seen.high < 2**63:
        edd_type, size = "UNSIGNED_INTEGER", 4 if seen.high < 2**31 else 8
    elif seen.huge and seen.whole and seen.low >= 0 and seen.high < 2**64:
        edd_type, size = "UNSIGNED_INTEGER", 8
    elif seen.huge and seen.whole and seen.low > -(2**63) and seen.high < 2**63:
        edd_type, size = "INTEGER", 8
    if size:
        low = high = None  # a counter goes on to the end of its type
    return DraftParameter(
        name=name,
        label=label,
        edd_type=edd_type,
        size=size,
        unit=unit,
        low=low,
        high=high,
        count=seen.count,
        observed=observed,
    )


def widened(low: float, high: float) -> tuple[float | None, float | None]:
    """The observed span, half of it added on both sides, rounded outwards to steps of 1, 2 or 5 times a power of ten.

    A range of values that were never negative does not become negative. (None, None) when no double can hold it.
    """
    span = high - low
    if not math.isfinite(span):
        return None, None
    margin = (span or abs(high) or 1.0) / 2
    step = round_step(margin)
    if not step or max(abs(low), abs(high)) / step > EXACT:
        return None, None
    least = math.floor((low - margin) / step) * step
    most = math.ceil((high + margin) / step) * step
    if low >= 0:
        least = max(least, 0.0)
    least, most = _short(least), _short(most)
    return (
        (least, most) if math.isfinite(least) and math.isfinite(most) and least <= low <= high <= most else (None, None)
    )


def round_step(size: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `size`; 0 when it cannot be told."""
    if not 1e-290 < size < 1e290:
        return 0.0
    power = 10.0 ** math.floor(math.log10(size))
    return next((factor * power for factor in (5, 2, 1) if factor * power <= size), power)


def _short(number: float) -> float:
    return float(f"{number:.12g}")


def unit_of(name: str, units: Counter[str]) -> str:
    """The unit that messages name most often, else the one that the name ends with; "" when neither tells."""
    named = [text for text, _ in units.most_common() if text and len(text) <= UNIT_LENGTH and text == printable(text)]
    if named:
        return named[0]
    found = words(name)
    if found[-2:] == ["mm", "s"]:
        return "mm/s"
    return UNIT_SUFFIXES.get(found[-1], "") if found else ""


def unit_place(path: Path, siblings: set[Path]) -> Path | None:
    """Where a message names the unit of the value at `path`: `<key>_unit` beside it, else a lone `unit` beside it.

    A factor, such as a power factor among powers, takes no lone one.
    """
    key, above = path[-1], path[:-1]
    own = words(key)
    for other in sorted(siblings):
        found = words(other[-1])
        if other[:-1] == above and len(found) > 1 and found[:-1] == own:
            return other
    if own and own[-1] in NO_UNIT_WORDS:
        return None
    lone = [other for other in siblings if other[:-1] == above and len(words(other[-1])) == 1]
    return min(lone) if lone and (above or "_".join(own) in LONE) else None


def _numbers(seen: Seen) -> Sequence[float]:
    return [value for value in seen.different() if isinstance(value, int | float) and not isinstance(value, bool)]


def _texts(seen: Seen, family: Family) -> str:
    kind = bool if family is Family.BOOLEAN else str
    texts = [
        str(value).lower() if kind is bool else str(value) for value in seen.different() if isinstance(value, kind)
    ]
    shown = ", ".join(printable(text)[:40] for text in texts[:8])
    return shown + (", …" if len(texts) > 8 or seen.many else "")


def _plain(number: float) -> str:
    return f"{number:.12g}"
