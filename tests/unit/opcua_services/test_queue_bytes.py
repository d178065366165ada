"""Long values in queues: bytes are bounded, not only their number."""

from __future__ import annotations

from typing import Any

import pytest

from server.opcua.services.queue_bytes import LONG_BYTES, QUEUED_BYTES, bound_queues
from server.opcua.wire.points import BOTH, VALUE
from tests.kit.twins import TWINS, require

NOW = 133_000_000_000_000_000


def _put(point: Any, number: int, size: int) -> None:
    body = b"\x0f" + size.to_bytes(4, "little") + number.to_bytes(4, "little") + bytes(size - 4)
    point.put(VALUE, body, NOW, NOW + number)
    bound_queues(point, len(body))


def _watched(twin: Any, queue: int) -> tuple[Any, Any]:
    wire = require(twin)
    point, ready = wire.Point(), wire.Ready()
    item = wire.Item(point, ready, 1, BOTH)
    item.set_queue(queue, True)
    item.set_mode(2)
    item.attach()
    return point, item


@pytest.mark.parametrize("twin", TWINS)
def test_a_queue_of_long_values_is_cut(twin: Any) -> None:
    point, item = _watched(twin, 1_000)
    size = 1 << 20
    for number in range(100):
        _put(point, number, size)
    waiting = item.waiting()
    assert 10 <= len(waiting) <= QUEUED_BYTES // size
    assert waiting[-1][6:10] == (99).to_bytes(4, "little"), "the newest stays"
    for number in range(100):
        _put(point, number, 16 * size)
    assert len(item.waiting()) == 1


@pytest.mark.parametrize("twin", TWINS)
def test_a_queue_of_short_values_is_left_alone(twin: Any) -> None:
    point, item = _watched(twin, 1_000)
    for number in range(1_000):
        _put(point, number, LONG_BYTES - 5)
    assert len(item.waiting()) == 1_000
