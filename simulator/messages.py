"""What leaves the simulator: MQTT messages, and how moments are written in their payloads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    correlation: bytes | None = None  # MQTT 5 CorrelationData of the command this answers


@lru_cache(maxsize=64)
def _seconds_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso_ms(time_us: int) -> str:
    """The moment as ISO 8601 UTC with milliseconds (cut, not rounded) and Z."""
    seconds, rest = divmod(time_us, 1_000_000)
    return f"{_seconds_text(seconds)}.{rest // 1000:03d}Z"


def iso_us(time_us: int) -> str:
    """The moment as ISO 8601 UTC with microseconds and Z."""
    seconds, rest = divmod(time_us, 1_000_000)
    return f"{_seconds_text(seconds)}.{rest:06d}Z"
