"""Joined values have an upper size: a short request must not be able to ask for gigabytes."""

from __future__ import annotations

from typing import Any

import pytest

from server.opcua.wire.points import BOTH, JOINED_BYTES, NEITHER, VALUE
from tests.kit.twins import TWINS, require

NOW = 133_000_000_000_000_000
SIZE = 1 << 20
BIG = b"\x0f" + SIZE.to_bytes(4, "little") + bytes(SIZE)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("server", [NOW, 0], ids=["kept", "as of reading"])
@pytest.mark.parametrize("which", [BOTH, NEITHER])
def test_a_long_value_named_often_is_refused(twin: Any, server: int, which: int) -> None:
    wire = require(twin)
    big, small = wire.Point(), wire.Point()
    big.put(VALUE, BIG, 0, server)
    small.put_scalar(11, 1.5, 0, NOW, NOW)
    fitting = JOINED_BYTES // (SIZE + 32)
    assert len(wire.join_values([big] * fitting, which, NOW)) > fitting * SIZE
    for points in ([big] * (fitting + 1), [small, *[big] * 10_000], [*[big] * 10_000, small]):
        with pytest.raises(OverflowError):
            wire.join_values(points, which, NOW)


@pytest.mark.parametrize("twin", TWINS)
def test_ten_thousand_numbers_are_joined(twin: Any) -> None:
    wire = require(twin)
    point = wire.Point()
    point.put_scalar(11, 1.5, 0, NOW, NOW)
    assert wire.join_values([point] * 10_000, BOTH, NOW) == point.encoded(BOTH, NOW) * 10_000
