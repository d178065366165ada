"""What every history backend can do. Implementations stand in `stores/`, one file each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.core.values import Scalar


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One stored value of one parameter."""

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

    def close(self) -> None:
        """Release every resource."""
