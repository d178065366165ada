"""Whether a value fits a parameter: what every door to a device asks."""

from __future__ import annotations

import pytest

from server.core import status
from server.core.floats import single
from server.core.values import Scalar
from server.model.device_type import DataType
from server.pipeline.commands import check_value
from tests.kit.plant import parameter

TENTH = single(0.1)  # 0.100000001490116…: what a Float on the wire holds for 0.1


@pytest.mark.parametrize(
    ("data_type", "value", "code"),
    [
        (DataType.FLOAT, 0.1, status.GOOD),
        (DataType.FLOAT, TENTH, status.GOOD),  # above 0.1 as a double, the very bound as a FLOAT
        (DataType.FLOAT, -TENTH, status.GOOD),
        (DataType.FLOAT, 0.10000001, status.BAD_OUT_OF_RANGE),  # the next FLOAT above the bound
        (DataType.FLOAT, float("nan"), status.BAD_OUT_OF_RANGE),
        (DataType.FLOAT, 10**400, status.BAD_OUT_OF_RANGE),
        (DataType.DOUBLE, 0.1, status.GOOD),
        (DataType.DOUBLE, TENTH, status.BAD_OUT_OF_RANGE),
    ],
    ids=["bound", "wire", "lower-wire", "next", "nan", "huge", "double", "double-above"],
)
def test_a_range_of_a_float_is_compared_in_single_precision(
    data_type: DataType, value: Scalar, code: status.StatusCode
) -> None:
    """eddl.md 7.7: a client that writes back the limit it has read is not refused."""
    assert check_value(parameter("x", data_type, ranges=((-0.1, 0.1),)), value) == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1_700_000_000_000_000, status.GOOD),
        (-2_208_988_800_000_000, status.GOOD),  # 1900, the first year of HART's DATE
        (253_402_300_800_000_000, status.BAD_OUT_OF_RANGE),  # the year 10000
        (-11_644_473_600_000_001, status.BAD_OUT_OF_RANGE),  # before 1601
        (10**400, status.BAD_OUT_OF_RANGE),
        (True, status.BAD_TYPE_MISMATCH),
        (1.5, status.BAD_TYPE_MISMATCH),
        ("2026-01-01", status.BAD_TYPE_MISMATCH),  # a text would break every reader of the value
    ],
    ids=["now", "1900", "10000", "1600", "huge", "boolean", "fraction", "text"],
)
def test_a_moment_is_microseconds_that_a_datetime_can_hold(value: Scalar, code: status.StatusCode) -> None:
    assert check_value(parameter("x", DataType.DATETIME), value) == code
