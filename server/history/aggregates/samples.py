"""Raw values as arrays, and which of them aggregates may use (OPC 10000-13, 4.2.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from server.core.clock import TimeUs
from server.core.values import Scalar
from server.history.aggregates.results import BAD, UNCERTAIN, Configuration
from server.history.store import StoredValue


class Samples:
    """Raw values of one Variable in the order of their times, each time once.

    They reach from the last usable value before a range to the first one after it, or to where the archive begins and
    ends: what is missing there does not exist.
    """

    def __init__(self, raw: Sequence[StoredValue], configuration: Configuration) -> None:
        count = len(raw)
        self.raw = raw
        self.configuration = configuration
        self.times: NDArray[np.int64] = np.fromiter((each.source_time for each in raw), np.int64, count)
        self.numbers: NDArray[np.float64] = np.fromiter((_number(each.value) for each in raw), np.float64, count)
        codes: NDArray[np.int64] = np.fromiter((each.status for each in raw), np.int64, count)
        self.severity: NDArray[np.int64] = np.minimum(codes >> 30, BAD)

    def __len__(self) -> int:
        return len(self.raw)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which ones count as Good: an Uncertain one does when the configuration says so."""
        return self.severity < (UNCERTAIN if self.configuration.treat_uncertain_as_bad else BAD)

    @cached_property
    def usable_at(self) -> NDArray[np.int64]:
        """Places of the usable ones."""
        return np.flatnonzero(self.usable)

    @cached_property
    def usable_times(self) -> NDArray[np.int64]:
        """Their times."""
        return self.times[self.usable_at]

    def value(self, place: int) -> Scalar | None:
        """The value there; none where the status is Bad."""
        return None if self.severity[place] == BAD else self.raw[place].value

    def count_until(self, time: TimeUs) -> int:
        """How many stand before or at a time."""
        return int(np.searchsorted(self.times, time, "right"))

    def count_before(self, time: TimeUs) -> int:
        """How many stand before a time."""
        return int(np.searchsorted(self.times, time, "left"))


def _number(value: Scalar | None) -> float:
    return float(value) if isinstance(value, bool | int | float) else np.nan
