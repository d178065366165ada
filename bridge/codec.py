"""What a codec does: one message in, measurements out, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.routing import Route
from server.core.clock import TimeUs
from server.core.values import Measurement, RawMessage, Scalar


class PayloadError(Exception):
    """A payload, or a part of it, that is not what the package says."""

    def __init__(self, reason: str, path: str = "", expected: str = "") -> None:
        super().__init__(f"{reason} at {path or '/'}: expected {expected}" if expected else reason)
        self.reason = reason  # short word, used as a counter: "not_json", "wrong_type", "not_a_number" …
        self.path = path
        self.expected = expected


@dataclass(frozen=True, slots=True)
class CodecLimits:
    """What one payload may be."""

    payload_bytes: int = 262_144
    depth: int = 32
    rows: int = 10_000
    text_length: int = 4_096
    future_s: float = 60.0
    earliest: TimeUs = 946_684_800_000_000  # 2000-01-01: an earlier clock has never been set


@dataclass(slots=True)
class Decoded:
    """What one message gave."""

    measurements: list[Measurement] = field(default_factory=list)
    problems: list[PayloadError] = field(default_factory=list)  # of single rows or values; the others stand
    unit_mismatches: int = 0
    empty: int = 0  # rows that were right and carried no parameter


class Codec(Protocol):
    """One payload format."""

    def decode(self, message: RawMessage, route: Route, limits: CodecLimits) -> Decoded:
        """Measurements of a message.

        Raises:
            PayloadError: nothing of it can be used.
        """

    def identify(self, message: RawMessage, route: Route, limits: CodecLimits) -> tuple[str, Mapping[str, str]]:
        """(device id, nameplate facts) that the first row of a message tells; "" when it tells no id.

        Raises:
            PayloadError: nothing of it can be used.
        """

    def decode_answer(
        self, message: RawMessage, route: Route, limits: CodecLimits, problems: list[PayloadError] | None = None
    ) -> tuple[str, str, str, dict[str, Scalar]]:
        """(command_id, outcome, reason, values) of an answer; the values of parameters are of their kind.

        A value that its parameter cannot hold is left out and told in `problems`.

        Raises:
            PayloadError: it is none.
        """

    def encode_command(self, command_id: str, name: str, params: dict[str, object]) -> bytes:
        """The payload of a command."""
