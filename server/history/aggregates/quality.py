"""The StatusCode of an aggregate: by how many values, or for how long, data were Good (OPC 10000-13, 5.4.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.history.aggregates.bounds import Bound, simple
from server.history.aggregates.intervals import Interval
from server.history.aggregates.results import BAD, BAD_CODE, GOOD, UNCERTAIN, UNCERTAIN_DATA_SUB_NORMAL, Configuration
from server.history.aggregates.samples import Samples


def by_shares(configuration: Configuration, good: float, bad: float, whole: float) -> int:
    """Good, Bad or Uncertain_DataSubNormal by the parts of a whole that are Good and Bad."""
    if bad == 0 or whole == 0:
        return 0
    if 100.0 * bad / whole >= configuration.percent_data_bad:
        return BAD_CODE
    return 0 if 100.0 * good / whole >= configuration.percent_data_good else UNCERTAIN_DATA_SUB_NORMAL


def by_values(samples: Samples, places: slice) -> int:
    """PercentValues: by the number of values in an interval."""
    usable = samples.usable[places]
    good = int(np.count_nonzero(usable))
    return by_shares(samples.configuration, good, len(usable) - good, len(usable))


@dataclass(frozen=True, slots=True)
class Regions:
    """An interval divided by its values and simple bounds; a region begins with a value and ends with the next.

    Arrays: `times` n + 1 in µs; the others, of region starts, n + 1 too: the last is the bound at the end.
    """

    times: NDArray[np.int64]
    numbers: NDArray[np.float64]
    severity: NDArray[np.int64]
    usable: NDArray[np.bool_]

    @property
    def widths(self) -> NDArray[np.int64]:
        """Of each region, in µs."""
        return np.diff(self.times)


def regions(samples: Samples, interval: Interval) -> Regions:
    """The regions of an interval with Simple Bounding Values."""
    return between(samples, interval, simple(samples, interval.low), simple(samples, interval.high))


def between(samples: Samples, interval: Interval, first: Bound, last: Bound) -> Regions:
    """The regions of an interval with the given bounds."""
    inside = interval.inside(samples)
    return Regions(
        np.concatenate(([interval.low], samples.times[inside], [interval.high])),
        np.concatenate(([first.number], samples.numbers[inside], [last.number])),
        np.concatenate(([first.severity], samples.severity[inside], [last.severity])),
        np.concatenate(([first.usable], samples.usable[inside], [last.usable])),
    )


def by_time(configuration: Configuration, found: Regions, *, stepped: bool) -> int:
    """PercentTime: by how long regions are Good. With sloped lines a region that ends in a value that is not Good is
    Uncertain (5.4.3.2.2).
    """
    quality = found.severity[:-1].copy()
    if not stepped:
        quality[(quality == GOOD) & (found.severity[1:] != GOOD)] = UNCERTAIN
    least_bad = UNCERTAIN if configuration.treat_uncertain_as_bad else BAD
    widths = found.widths
    bad = int(widths[quality >= least_bad].sum())
    whole = int(widths.sum())
    return by_shares(configuration, whole - bad, bad, whole)
