"""Bounding values: what a Variable was at a time at which nothing may have been stored (OPC 10000-13, 3.1.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.core.clock import TimeUs
from server.core.values import Scalar
from server.history.aggregates.results import (
    BAD_NO_DATA,
    GOOD,
    INTERPOLATED,
    RAW,
    UNCERTAIN_DATA_SUB_NORMAL,
    severity_of,
)
from server.history.aggregates.samples import Samples


@dataclass(frozen=True, slots=True)
class Bound:
    """A value at a time."""

    value: Scalar | None
    code: int
    bits: int = RAW
    usable: bool = True

    @property
    def number(self) -> float:
        """NaN where there is none."""
        return float(self.value) if isinstance(self.value, bool | int | float) else np.nan

    @property
    def severity(self) -> int:
        """GOOD, UNCERTAIN or BAD."""
        return severity_of(self.code)


NONE = Bound(None, BAD_NO_DATA, usable=False)


def interpolated(samples: Samples, time: TimeUs, *, stepped: bool | None = None) -> Bound:
    """Interpolated Bounding Value: between the nearest usable values, whatever else stands between (3.1.8).

    Uncertain when something unusable was skipped, when one of the two is Uncertain, and beyond the last value.
    """
    configuration = samples.configuration
    by_steps = configuration.stepped if stepped is None else stepped
    at = int(np.searchsorted(samples.usable_times, time, "right")) - 1
    if at < 0:
        return NONE
    early = int(samples.usable_at[at])
    if int(samples.times[early]) == time:
        return Bound(samples.value(early), samples.raw[early].status)
    late = int(samples.usable_at[at + 1]) if at + 1 < len(samples.usable_at) else None
    sure = samples.severity[early] == GOOD
    if by_steps:
        sure = sure and samples.count_until(time) - 1 == early and int(samples.times[-1]) >= time
        return _estimate(samples.value(early), sure)
    if late is None:
        if configuration.use_sloped_extrapolation and at > 0:
            return _estimate(_line(samples, int(samples.usable_at[at - 1]), early, time), False)
        return _estimate(samples.value(early), False)
    sure = sure and late == early + 1 and samples.severity[late] == GOOD
    return _estimate(_line(samples, early, late, time), sure)


def simple(samples: Samples, time: TimeUs) -> Bound:
    """Simple Bounding Value: by the values right before and after the time, also when these are Bad (3.1.9).

    None before the first value and after the last one.
    """
    place = samples.count_until(time) - 1
    if place < 0:
        return NONE
    if int(samples.times[place]) == time:
        return Bound(samples.value(place), samples.raw[place].status, usable=bool(samples.usable[place]))
    if not samples.usable[place] or place + 1 == len(samples):
        return NONE
    sure = bool(samples.severity[place] == GOOD)
    if samples.configuration.stepped:
        value = samples.value(place)
    elif samples.usable[place + 1]:
        value = _line(samples, place, place + 1, time)
        sure = sure and bool(samples.severity[place + 1] == GOOD)
    else:
        value, sure = samples.value(place), False
    # A bound that is Uncertain counts like any other Uncertain value.
    usable = sure or not samples.configuration.treat_uncertain_as_bad
    return Bound(value, 0 if sure else UNCERTAIN_DATA_SUB_NORMAL, INTERPOLATED, usable)


def _estimate(value: Scalar | None, sure: bool | np.bool_) -> Bound:
    return Bound(value, 0 if sure else UNCERTAIN_DATA_SUB_NORMAL, INTERPOLATED)


def _line(samples: Samples, early: int, late: int, time: TimeUs) -> Scalar | None:
    """The value at a time on the line through two samples; what is no number holds."""
    before, after = float(samples.numbers[early]), float(samples.numbers[late])
    if np.isnan(before) or np.isnan(after):
        return samples.value(early)
    begin, end = int(samples.times[early]), int(samples.times[late])
    share = (time - begin) / (end - begin)
    # Neither sum nor difference of two finite numbers may leave what a double can hold.
    return before * (1.0 - share) + after * share if 0.0 <= share <= 1.0 else before + (after - before) * share
