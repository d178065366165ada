"""What a message would become, told without doing it."""

from __future__ import annotations

from dataclasses import dataclass

from server.core.values import Measurement, RawMessage


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message, or a part of it, would be refused."""

    reason: str  # short word, as in the counters: "not_json", "wrong_type" …
    path: str = ""  # JSON Pointer
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One message and what would come of it."""

    message: RawMessage
    pattern: str = ""  # topic of the [[message]] that takes it; "" when none does
    counted_only: bool = False
    measurements: tuple[Measurement, ...] = ()
    problems: tuple[Problem, ...] = ()
    unit_mismatches: int = 0
    without_values: int = 0  # rows that are right and carry no parameter
