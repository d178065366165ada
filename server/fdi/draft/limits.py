"""What one draft may hold; whatever is beyond is counted and named in its report, never kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DraftLimits:
    """Bounds on the sample and on what is made of it."""

    messages: int = 20_000  # kept; listening ends when they are there
    sample_bytes: int = 16 * 1024 * 1024  # topics and payloads together; listening ends here, too
    payload_bytes: int = 262_144  # of one message
    depth: int = 32  # levels of one payload
    topics: int = 2_000  # different ones; messages of further ones are left out
    rows: int = 200  # looked at in one payload that is an array
    places: int = 500  # values of one kind of message
    kinds: int = 32  # kinds of messages, that is topic patterns
    parameters: int = 500  # of the draft
    elements: int = 16  # of a list inside a message
    metrics: int = 200  # named entries of a list of readings
    key_length: int = 128  # characters of a key in a payload
    values: int = 32  # different values remembered of one place
    text_length: int = 4_096  # characters of a text value
    devices: int = 256  # looked at one by one to tell what is constant
    listed: int = 20  # examples named in the report for one reason


DEFAULT_LIMITS = DraftLimits()
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
"""Microseconds of one in each form of a numeric time (`time_form` of mqtt.toml)."""
EARLIEST_US = 946_684_800_000_000
"""2000-01-01: what counts as a time; an earlier clock has never been set."""
AHEAD_US = 60_000_000
"""A device's clock may run ahead by so much."""
