"""Our values as the wire carries them."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import to_binary

from server.core import status
from server.core.values import Scalar
from server.model.device_type import DataType
from server.opcua.datavalues import to_data_value


@pytest.mark.parametrize(
    ("value", "data_type", "good"),
    [
        (255, DataType.BYTE, True),
        (256, DataType.BYTE, False),
        (-1, DataType.UINT64, False),
        (2**63, DataType.INT64, False),
        (3.4e38, DataType.FLOAT, True),
        (1e300, DataType.FLOAT, False),
        (1e300, DataType.DOUBLE, True),
    ],
)
def test_what_its_type_cannot_carry_becomes_bad_instead_of_breaking_the_message(
    value: Scalar, data_type: DataType, good: bool
) -> None:
    made = to_data_value(value, data_type, status.GOOD, 1, 1)
    assert made.StatusCode.value == (status.GOOD if good else status.BAD_OUT_OF_RANGE)
    assert (made.Value.Value is not None) is good
    to_binary(ua.DataValue, made)
