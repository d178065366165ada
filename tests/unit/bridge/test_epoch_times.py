"""Numeric times: `time_form` of a message says what a number counts; ISO 8601 stays the default."""

from __future__ import annotations

import pytest

from bridge.codec import CodecLimits, Decoded
from bridge.codecs.pointer_json import CODEC
from bridge.routing import Router
from server.core.binding import DeviceBinding, ParameterBinding, RowBinding
from server.core.values import RawMessage

RECEIVED = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z


def decode(form: str, moment: str) -> Decoded:
    row = RowBinding(
        "pumps/{device}/raw", (ParameterBinding("level", "/level", "float"),), time_pointer="/t", time_form=form
    )
    router = Router([DeviceBinding("pump", "pointer_json", (row,))])
    route = router.route("pumps/p-1/raw")
    assert route is not None
    payload = f'{{"level": 1, "t": {moment}}}'.encode()
    return CODEC.decode(RawMessage("pumps/p-1/raw", payload, RECEIVED), route, CodecLimits())


@pytest.mark.parametrize(
    ("form", "moment", "expected"),
    [
        ("epoch_s", "1767600000", RECEIVED),
        ("epoch_s", "1767599999.5", RECEIVED - 500_000),
        ("epoch_ms", "1767599999500", RECEIVED - 500_000),
    ],
)
def test_a_number_counts_from_1970_in_the_unit_that_the_package_names(form: str, moment: str, expected: int) -> None:
    (measurement,) = decode(form, moment).measurements
    assert measurement.source_time == expected


@pytest.mark.parametrize(
    ("form", "moment", "reason"),
    [
        ("epoch_s", "1767600000000", "bad_time"),  # milliseconds are no seconds: the year 57982
        ("epoch_ms", "1767600000", "past_time"),  # seconds are no milliseconds: 1970-01-21
        ("epoch_s", "true", "bad_time"),
        ("epoch_s", "-1", "bad_time"),
        ("epoch_s", "1e300", "bad_time"),
        ("epoch_s", "9" * 400, "bad_time"),
        ("epoch_s", '"2026-01-05T08:00:00Z"', "bad_time"),
        ("epoch_s", "null", "bad_time"),
        ("epoch_s", "1767600061", "future_time"),
    ],
)
def test_what_is_no_time_in_that_unit_refuses_the_row(form: str, moment: str, reason: str) -> None:
    found = decode(form, moment)
    assert found.measurements == []
    assert [problem.reason for problem in found.problems] == [reason]
