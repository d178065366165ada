"""Times as the wire has them: 100 ns ticks since 1601 (OPC 10000-6, 5.2.2.5); 0 is no time."""

from __future__ import annotations

TICKS_1970 = 116_444_736_000_000_000


def to_ticks(time_us: int) -> int:
    """Ticks of a `TimeUs`; 0 stays 0."""
    return time_us * 10 + TICKS_1970 if time_us else 0


def to_us(ticks: int) -> int:
    """The `TimeUs` of ticks; 0 stays 0."""
    return (ticks - TICKS_1970) // 10 if ticks else 0
