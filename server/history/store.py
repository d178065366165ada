"""What every history backend can do. Implementations stand in `stores/`, one file each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import msgspec

from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.core.values import Scalar
from server.history.tiers import Ages


class HistoryRow(msgspec.Struct, frozen=True, gc=False):
    """One stored value of one parameter. A struct: it is made for every value, and takes a tenth of a dataclass."""

    device_id: str
    parameter: str
    source_time: TimeUs
    server_time: TimeUs
    value: Scalar | None
    status: StatusCode


@dataclass(frozen=True, slots=True)
class StoredValue:
    """One value read back."""

    source_time: TimeUs
    server_time: TimeUs
    value: Scalar | None
    status: StatusCode


@dataclass(frozen=True, slots=True)
class Page:
    """Values in the asked order, and where the next page starts (None: that was all)."""

    values: tuple[StoredValue, ...]
    next_time: TimeUs | None = None  # source time of the first value of the next page


@dataclass(frozen=True, slots=True)
class Bucket:
    """The Good numbers of one series in one interval: Count, Average, Minimum and Maximum of OPC 10000-13."""

    time: TimeUs  # where it begins
    count: int
    average: float
    minimum: float
    maximum: float
    rows: int = field(default=0, compare=False)  # values of any status and kind, the Good numbers among them


class Change(IntEnum):
    """How history was changed: HistoryUpdateType (OPC 10000-11, 6.8.1), the numbers of the wire."""

    INSERT = 1  # only where nothing stands
    REPLACE = 2  # only what stands there
    UPDATE = 3  # either
    DELETE = 4


@dataclass(frozen=True, slots=True)
class ModifiedValue:
    """A value that is not current any more, or never was, because another stood at its time."""

    value: StoredValue
    modified_at: TimeUs
    how: Change
    user: str  # "" when it came from a device
    entry: int  # its place among those of one time


@dataclass(frozen=True, slots=True)
class ModifiedPage:
    """Modified values in the asked order, and the place of the first one of the next page (None: that was all)."""

    values: tuple[ModifiedValue, ...]
    resume: tuple[TimeUs, int] | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What somebody noted on a value (OPC 10000-11, 6.9.6)."""

    time: TimeUs  # source time of the value
    message: str
    user: str
    annotated_at: TimeUs


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one step of maintenance did."""

    hours: int  # hours of series that have their figures now
    packed: int  # of these, packed into blocks
    more: bool  # there are further ones to do
    warnings: tuple[str, ...] = ()  # what the operator should look at
    problems: tuple[str, ...] = ()  # what could not be done


@dataclass(frozen=True, slots=True)
class Expired:
    """What was removed because of its age."""

    rows: int  # raw values
    cells: int  # figures of minutes and hours


class HistoryStore(Protocol):
    """Idempotent writes, ordered reads. All calls block: callers run them off the event loop."""

    def write(self, rows: Sequence[HistoryRow]) -> int:
        """Store rows in one transaction and return how many were new.

        A (series, source time) already there is left as it is.

        Raises:
            RemoteError: the database is away; nothing of the batch is stored.
            LocalError: the database refuses a row itself; nothing of the batch is stored, trying again will not help.
        """

    def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page:
        """Raw values (OPC 10000-11, 6.5.3): start inclusive, end exclusive; start > end (or only end) reads backwards.

        At least one of start and end is given. `limit` is the page size, >= 1. With `bounds` the value at or before
        the start and the first at or after the end belong to the result; a missing bound is a value None with
        BadBoundNotFound at that time (where that side is open: one second beyond the last value; where start and end
        are the same: one microsecond after them). start = end asks for the value at that very time.
        To continue, call again with the same arguments and resume = next_time: neither loss nor duplicate, whatever
        the page size.

        Raises:
            ValueError: neither start nor end, or a limit below 1.
            RemoteError: the database is away.
        """

    def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        """The newest stored value.

        Raises:
            RemoteError: the database is away.
        """

    def fetch(
        self,
        device_id: str,
        parameter: str,
        low: TimeUs | None,
        high: TimeUs | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[StoredValue]:
        """Values with low <= source time <= high (None: open) in order, at most `limit`.

        Raises:
            RemoteError: the database is away.
        """

    def buckets(
        self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int, *, every: bool = False
    ) -> dict[tuple[str, str], list[Bucket]]:
        """Good numbers with start <= source time < end of many (device, parameter), by intervals of `width` µs from
        start on, calculated where they lie. Intervals and series without such numbers are left out; with `every` those
        that have only other values are there, with a count of 0 and no numbers (NaN).

        Raises:
            ValueError: a width below 1.
            RemoteError: the database is away.
        """

    # -- changes

    def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]:
        """Insert, replace or update values, one after the other; what they replace is kept as modified.

        Returns GoodEntryInserted, GoodEntryReplaced, BadEntryExists, BadNoEntryExists or BadOutOfRange (a time that
        history cannot hold, or whose values went because of their age) for each.

        Raises:
            RemoteError: the database is away; nothing was changed.
        """

    def delete(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
        """Delete the values with start <= source time < end (the same: at that time), in either order; how many.

        They are kept as modified. Raises RemoteError: the database is away; nothing was deleted.
        """

    def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]:
        """Delete the values at these very times; which of them there were. As `delete`."""

    # -- what was changed

    def read_modified(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        resume: tuple[TimeUs, int] | None = None,
    ) -> ModifiedPage:
        """Modified values (OPC 10000-11, 6.5.3.3) by source time, of one time the one modified last first.

        start, end, limit and resume as in `read_raw`.
        """

    def delete_modified(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> int:
        """Forget modified values with start <= source time < end; how many."""

    def keep_modified(self, device_id: str, parameter: str, values: Sequence[ModifiedValue]) -> int:
        """Keep modified values that came from elsewhere, in this order, but for those already kept; how many."""

    # -- annotations

    def annotations(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, limit: int, *, after: int = 0
    ) -> list[Annotation]:
        """Annotations of values with start <= source time < end in order, `limit` of them from the `after`th on."""

    def annotate(
        self, device_id: str, parameter: str, annotations: Sequence[Annotation], how: Change
    ) -> list[StatusCode]:
        """Insert, replace, update or delete annotations; time, annotated_at and user name one. Codes as `change`."""

    def series(self) -> list[tuple[str, str]]:
        """(device, parameter) of everything that was ever recorded, in order.

        Raises:
            RemoteError: the database is away.
        """

    def begins(self, device_id: str, parameter: str) -> TimeUs | None:
        """Values before this went because of their age; None: none did. Raises RemoteError: the database is away."""

    def oldest(self) -> TimeUs | None:
        """A time before which there are no raw values (StartOfArchive of OPC 10000-11, 5.2.2); None: there are none.

        No later than the first one, and in the same hour. Raises RemoteError: the database is away.
        """

    # -- upkeep

    def maintain(self, now: TimeUs) -> Upkeep:
        """One short step: the figures of closed hours, and what else the backend does to keep small and fast.

        Raises:
            RemoteError: the database is away.
        """

    def expire(self, now: TimeUs, ages_of: Callable[[str], Ages]) -> Expired:
        """Remove what is older than its device's ages. Raw values stay until their hour has its figures.

        Raises:
            RemoteError: the database is away; what was removed stays removed.
        """

    def close(self) -> None:
        """Release every resource."""
