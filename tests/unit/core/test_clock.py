"""Times as text: what a datetime would write, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.clock import from_datetime, from_iso, to_datetime, to_iso

FIRST, LAST = from_iso("0001-01-01T00:00:00Z"), from_iso("9999-12-31T23:59:59.999999Z")


@given(st.integers(FIRST, LAST))
def test_a_time_is_written_as_a_datetime_writes_it(time: int) -> None:
    assert to_iso(time) == to_datetime(time).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert from_iso(to_iso(time)) == time
    assert from_datetime(to_datetime(time)) == time


@pytest.mark.parametrize("time", [FIRST - 1, LAST + 1, 1 << 62, -(1 << 62)])
def test_what_no_calendar_has_is_no_time(time: int) -> None:
    with pytest.raises(OverflowError):
        to_iso(time)
