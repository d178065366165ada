"""What a processed read asks for and answers, and its StatusCodes (OPC 10000-13, 4.2.1.2 and 5.3)."""

from __future__ import annotations

from dataclasses import dataclass

from server.core import status
from server.core.clock import TimeUs
from server.core.values import Scalar

GOOD, UNCERTAIN, BAD = 0, 1, 2
"""Severities: the two highest bits of a StatusCode."""
BAD_CODE, BAD_NO_DATA, UNCERTAIN_DATA_SUB_NORMAL = status.BAD, status.BAD_NO_DATA, status.UNCERTAIN_DATA_SUB_NORMAL
RAW, CALCULATED, INTERPOLATED, PARTIAL, EXTRA_DATA, MULTI_VALUE = 0, 1, 2, 4, 8, 16
"""Aggregate bits (OPC 10000-4, 7.39.1): where a value comes from, and what a client has to know of it."""
_INFO_TYPE_DATA_VALUE = 0x0400


@dataclass(frozen=True, slots=True)
class Configuration:
    """AggregateConfiguration of a request (OPC 10000-13, 4.2.1.2), and Stepped of its Variable."""

    treat_uncertain_as_bad: bool = True
    percent_data_bad: int = 100
    percent_data_good: int = 100
    use_sloped_extrapolation: bool = False
    stepped: bool = False


DEFAULTS = Configuration()
"""AggregateConfigurationDefaults of the server."""


@dataclass(frozen=True, slots=True)
class Processed:
    """One value of a processed read."""

    time: TimeUs
    value: Scalar | None
    status: int  # with its aggregate bits


def with_bits(code: int, bits: int) -> int:
    """A StatusCode with aggregate bits; without any it stays what it is."""
    return code | _INFO_TYPE_DATA_VALUE | bits if bits else code


def severity_of(code: int) -> int:
    """GOOD, UNCERTAIN or BAD."""
    return min(code >> 30, BAD)


@dataclass(frozen=True, slots=True)
class ProcessedPage:
    """Values of a processed read, and where the next page starts (None: that was all)."""

    values: tuple[Processed, ...]
    next_start: TimeUs | None = None
