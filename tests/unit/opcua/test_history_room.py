"""Pages of history are cut to what the client takes, and nothing is lost by that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua

from server.core.values import Scalar
from server.history.store import StoredValue
from server.model.device_type import DataType
from server.opcua.datavalues import moment, to_variant
from server.opcua.history_room import fitting, fitting_modified, room_of


def request(channel: int, session: int | None) -> Any:
    return SimpleNamespace(
        channel=SimpleNamespace(max_response_bytes=channel),
        session=None if session is None else SimpleNamespace(max_response_bytes=session),
    )


def value(held: Scalar | None) -> StoredValue:
    return StoredValue(1_767_571_200_000_000, 1_767_571_200_000_001, held, 0x40920000)


def test_the_smaller_bound_of_channel_and_session_is_shared_by_the_nodes() -> None:
    assert room_of(request(0, 0), 5) is None
    assert room_of(request(104_096, 0), 1) == 100_000
    assert room_of(request(104_096, 54_096), 5) == 10_000
    assert room_of(request(0, 8_192), 1) == 4_096
    assert room_of(request(8_192, None), 0) == 4_096
    assert room_of(request(100, 0), 1) == 0


def test_as_many_as_fit_and_one_at_least() -> None:
    many = [value(1.0)] * 100
    assert fitting(many, None) == 100
    assert fitting(many, 31 * 40) == 40
    assert fitting(many, 31 * 41 - 1) == 40
    assert fitting(many, 0) == 1
    assert fitting([], 0) == 0
    assert fitting([value("x" * 1_000), value("y")], 1_031) == 1
    assert fitting([value(b"12345"), value("\N{SNOWMAN}")], 31 + 5 + 31 + 3) == 2
    assert fitting_modified(many, ["anna"], (31 + 64 + 4) * 7) == 7


@pytest.mark.parametrize(
    ("data_type", "held"),
    [(DataType.DOUBLE, 1.5), (DataType.INT64, -(2**63)), (DataType.BOOLEAN, True), (DataType.STRING, "Ж" * 50)],
)
def test_no_value_takes_more_than_is_counted(data_type: DataType, held: Scalar) -> None:
    stored = value(held)
    encoded = ua.ua_binary.struct_to_binary(
        ua.DataValue(
            to_variant(held, data_type),
            ua.StatusCode(stored.status),
            SourceTimestamp=moment(stored.source_time),
            ServerTimestamp=moment(stored.server_time),
        )
    )
    assert fitting([stored, stored], len(encoded) * 2 - 1) == 1
