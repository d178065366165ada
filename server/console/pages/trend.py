"""One trend: stored values thinned for the screen, live ones appended, the limits as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from server.console.context import History
from server.core.clock import SECOND, TimeUs
from server.core.status import is_bad
from server.core.values import Scalar
from server.history.store import StoredValue

WINDOWS_S: Mapping[str, int] = {"15 min": 900, "1 h": 3_600, "8 h": 28_800}
BUCKETS = 300  # pairs of lowest and highest drawn over the window
PAGE = 10_000
PAGES_LIMIT = 12  # a window with more values than this many pages is drawn from its first ones

Sample = tuple[float, float | None]
"""(milliseconds since 1970, value; None breaks the line)."""

INK = "#37474f"
FAINT = "#90a4ae"
LIMIT_COLOURS: Mapping[str, str] = {"HighHigh": "#b3261e", "LowLow": "#b3261e", "High": "#b26a00", "Low": "#b26a00"}
LIMIT_NAMES: Mapping[str, str] = {"HighHigh": "HH", "High": "H", "Low": "L", "LowLow": "LL"}


def sample(time_us: TimeUs, value: Scalar | None, code: int) -> Sample | None:
    """A value to draw; Bad ones break the line, texts are none."""
    if value is None or is_bad(code):
        return time_us / 1000, None
    if isinstance(value, bool):
        return time_us / 1000, float(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return time_us / 1000, float(value)
    return None


async def load(
    history: History, device_id: str, parameter: str, start: TimeUs, end: TimeUs, silence_s: float
) -> list[Sample]:
    """The stored values of a window, thinned; a silence longer than this breaks the line."""
    found: list[StoredValue] = []
    resume: TimeUs | None = None
    for _ in range(PAGES_LIMIT):
        page = await history.read_raw(device_id, parameter, start, end, PAGE, resume=resume)
        found += page.values
        resume = page.next_time
        if resume is None:
            break
    drawn = (sample(value.source_time, value.value, value.status) for value in found)
    samples = broken([entry for entry in drawn if entry is not None], silence_s * 1000)
    return thin(samples, start / 1000, end / 1000, BUCKETS)


def broken(samples: Sequence[Sample], silence_ms: float) -> list[Sample]:
    """The same with a break wherever nothing came for too long: a line there would claim to know."""
    found: list[Sample] = []
    for entry in samples:
        if found and entry[0] - found[-1][0] > silence_ms:
            found.append((found[-1][0] + 1.0, None))
        found.append(entry)
    return found


def thin(samples: Sequence[Sample], start: float, end: float, buckets: int) -> list[Sample]:
    """Lowest and highest of each of so many equal times, and one break in each that has any.

    No peak is lost, however short; at most five samples come of each bucket, however often quality changes.
    """
    if len(samples) <= 2 * buckets or end <= start:
        return list(samples)
    width = (end - start) / buckets
    kept: list[Sample] = []
    bucket: list[tuple[float, float]] = []
    current = broken_in = -1

    def close() -> None:
        if bucket:
            lowest = min(bucket, key=lambda entry: entry[1])
            highest = max(bucket, key=lambda entry: entry[1])
            kept.extend(sorted({lowest, highest}))
            bucket.clear()

    for moment, value in samples:
        number = min(int((moment - start) / width), buckets - 1)
        if number != current or (value is None and broken_in != number):
            close()
            current = number
        if value is not None:
            bucket.append((moment, value))
        elif broken_in != number:
            kept.append((moment, None))
            broken_in = number
    close()
    return kept


def options(
    limits: Mapping[str, float], samples: Sequence[Sample], *, start_ms: float = 0.0, end_ms: float = 0.0, steps: bool
) -> dict[str, Any]:
    """The chart's whole description."""
    lines = [_limit_line(name, value) for name, value in limits.items() if name in LIMIT_NAMES]
    return {
        "animation": False,
        "grid": {"left": 60, "right": 22, "top": 14, "bottom": 26},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "line", "lineStyle": {"color": FAINT}}},
        "xAxis": {
            "type": "time",
            "min": start_ms,
            "max": end_ms,
            "axisLabel": {"color": INK, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": FAINT}},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": {"color": INK},
            "splitLine": {"lineStyle": {"color": "#cfd4d7"}},
        },
        "series": [
            {
                "type": "line",
                "showSymbol": False,
                "connectNulls": False,
                "step": "end" if steps else False,
                "lineStyle": {"color": INK, "width": 1.6},
                "itemStyle": {"color": INK},
                "data": [list(entry) for entry in samples],
                "markLine": {"symbol": "none", "silent": True, "animation": False, "data": lines},
            }
        ],
    }


def _limit_line(name: str, value: float) -> dict[str, Any]:
    colour = LIMIT_COLOURS[name]
    return {
        "yAxis": value,
        "label": {"formatter": f"{LIMIT_NAMES[name]} {value:g}", "position": "insideEndTop", "color": colour},
        "lineStyle": {"color": colour, "type": "dashed", "width": 1},
    }


def trimmed(samples: list[Sample], start_ms: float) -> list[Sample]:
    """Without what has left the window, and never more than the screen can show."""
    kept = [entry for entry in samples if entry[0] >= start_ms]
    return thin(kept, start_ms, kept[-1][0], BUCKETS) if len(kept) > 4 * BUCKETS else kept


def window_start(now: TimeUs, window: str) -> TimeUs:
    """Where a window begins."""
    return now - WINDOWS_S[window] * SECOND
