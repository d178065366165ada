"""Filters of one request: what has to be decoded is bounded, the same long filter named often included."""

from __future__ import annotations

import pytest
from asyncua import ua

from server.opcua.services.fault import ServiceFault
from server.opcua.services.filters import DECODED_BYTES, FILTER_BYTES, FILTERS, require_few


def test_ten_thousand_items_with_short_filters_are_fine() -> None:
    require_few([b"deadband %17d" % number for number in range(10_000)])
    require_few([bytes(FILTER_BYTES)] * 10_000)
    require_few([b""] * 10_000)


@pytest.mark.parametrize(
    "filters",
    [
        [bytes(FILTER_BYTES + 1)] * 20,  # too long to be remembered: decoded for each item
        [bytes(DECODED_BYTES + 1)],
        [b"%9d" % (number % (FILTERS + 1)) + bytes(200) for number in range(10_000)],  # more than are remembered
    ],
)
def test_what_would_keep_everybody_waiting_is_refused(filters: list[bytes]) -> None:
    with pytest.raises(ServiceFault) as caught:
        require_few(filters)
    assert caught.value.code == ua.StatusCodes.BadEncodingLimitsExceeded
