"""Queues of long values: a thousand numbers are little, a thousand texts of a megabyte are all memory there is."""

from __future__ import annotations

from server.opcua.wire import Point

LONG_BYTES = 16 * 1024
"""Values up to this size may fill any queue."""
QUEUED_BYTES = 16 * 1024 * 1024
"""What the queue of one item may hold of longer ones."""


def bound_queues(point: Point, size: int) -> None:
    """A value of so many bytes was put into a point: items with long queues get shorter ones, for good.

    What no longer fits is dropped as by any full queue, with the Overflow bit.
    """
    if size <= LONG_BYTES or not point.items:
        return
    most = max(1, QUEUED_BYTES // size)
    for item in point.items:
        if item.size > most:
            item.set_queue(most, item.discard_oldest)
