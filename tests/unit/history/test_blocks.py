"""Blocks of packed hours: whatever goes in comes out bit by bit; what is no block is refused."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import LocalError
from server.history.blocks import Packed, pack, unpack
from server.history.values import EARLIEST, LATEST

numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 0.1, 1e15, 2.0**53, -(2.0**53), 5e-324]),
    st.decimals(-9999, 9999, places=2).map(float),
)
rows = st.lists(
    st.tuples(
        st.integers(EARLIEST, LATEST),
        st.integers(-(2**62), 2**62),
        st.integers(0, 2**32 - 1),
        st.tuples(numbers, st.one_of(st.none(), st.text(max_size=9)), st.integers(0, 5)),
    ),
    max_size=40,
    unique_by=lambda row: row[0],
).map(lambda found: sorted(found, key=lambda row: row[0]))


@given(rows)
def test_what_is_packed_comes_back_bit_by_bit(given_rows: list[Packed]) -> None:
    # As text: 0.0 and -0.0 are equal, but not the same.
    assert repr(unpack(pack(given_rows))) == repr(given_rows)


def test_readings_of_two_decimals_take_a_few_bytes() -> None:
    hour: list[Packed] = [
        (1_767_571_200_000_000 + second * 1_000_000, 5_000, 0, (round(50 + second % 97 / 100, 2), None, 0))
        for second in range(3_600)
    ]
    assert len(pack(hour)) < 2 * 3_600
    states: list[Packed] = [
        (time, delay, code, (float(time // 600_000_000 % 3), None, 2)) for time, delay, code, _ in hour
    ]
    assert len(pack(states)) < 600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no block",
        zlib.compress(b""),
        zlib.compress(b"\x93\x01\x02\x03"),
        pack([(1, 2, 0, (1.0, None, 0))])[:-3],
        zlib.compress(b"\x9a\x02\x00\xc4\x00\xc4\x00\x00\x00\x01\xc4\x00\x90\x80"),  # a format of the future
        zlib.compress(b"\x9a\x01\x02\xc4\x00\xc4\x00\x00\x00\x01\xc4\x00\x90\x80"),  # more rows than values
        zlib.compress(b"\x9a\x01\x01\xc4\x03abc\xc4\x00\x00\x00\x01\xc4\x00\x90\x80"),  # a column cut short
        zlib.compress(bytes(300 * 1024 * 1024), 9),  # a bomb
    ],
)
def test_what_is_no_block_is_refused(data: bytes) -> None:
    with pytest.raises(LocalError, match="a block of history cannot be read"):
        unpack(data)
