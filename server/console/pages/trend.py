"""One trend on the screen: stored values thinned for it, live ones appended, the limits as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.core.clock import SECOND, TimeUs
from server.history.downsample import Sample, thin

WINDOWS_S: Mapping[str, int] = {"15 min": 900, "1 h": 3_600, "8 h": 28_800}
BUCKETS = 300  # pairs of lowest and highest drawn over the window

INK = "#37474f"
FAINT = "#90a4ae"
LIMIT_COLOURS: Mapping[str, str] = {"HighHigh": "#b3261e", "LowLow": "#b3261e", "High": "#b26a00", "Low": "#b26a00"}
LIMIT_NAMES: Mapping[str, str] = {"HighHigh": "HH", "High": "H", "Low": "L", "LowLow": "LL"}


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
