"""Which updates become history rows, and at which time. Pure."""

from __future__ import annotations

from server.core.values import PointUpdate, UpdateKind
from server.history.store import HistoryRow
from server.history.values import storable


def row_of(update: PointUpdate) -> HistoryRow:
    """The row of one update.

    Live and late values keep the device's time. Silence has none: it becomes a marker when we noticed it, so that the
    gap shows: no value when the status is Bad, the last one with its Uncertain status before that. Where history cannot
    hold the value, the row's status differs from the update's (`storable`).
    """
    source_time = update.source_time
    if update.kind is UpdateKind.STALE:
        source_time = marker_time(max(update.server_time, update.source_time + 1))
    value, code = storable(update.value, update.status)
    return HistoryRow(update.device_id, update.parameter, source_time, update.server_time, value, code)


def marker_time(time: int) -> int:
    """Where a marker that belongs at this time, µs, takes nobody's place."""
    # A value that comes late for the very same microsecond would find its place taken (the first row stays). Devices
    # tell whole milliseconds or coarser; the last microsecond of one is nobody's.
    return time - time % 1000 + 999
