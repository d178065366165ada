"""How a batch of history rows lies in the spool: one block of MessagePack, columns rather than rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.core.errors import LocalError
from server.core.values import Scalar
from server.history.store import HistoryRow

_FORMAT = 1


class _Block(msgspec.Struct, array_like=True):
    format: int
    series: list[tuple[str, str]]  # (device id, parameter)
    which: list[int]  # index into series, one a row
    source_times: list[int]
    delays: list[int]  # server time minus source time
    values: list[object]
    statuses: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Block)


def pack(rows: Sequence[HistoryRow]) -> bytes:
    """One block; values are as `values.storable` leaves them."""
    index: dict[tuple[str, str], int] = {}
    which = [index.setdefault((row.device_id, row.parameter), len(index)) for row in rows]
    return _encoder.encode(
        _Block(
            _FORMAT,
            list(index),
            which,
            [row.source_time for row in rows],
            [row.server_time - row.source_time for row in rows],
            [_plain(row.value) for row in rows],
            [row.status for row in rows],
        )
    )


def unpack(block: bytes) -> list[HistoryRow]:
    """The rows of one block, in order.

    Raises:
        LocalError: not a block that this program wrote.
    """
    try:
        found = _decoder.decode(block)
        if found.format != _FORMAT:
            raise LocalError(f"a spooled batch has format {found.format}, this program knows {_FORMAT}")
        return [
            HistoryRow(*found.series[which], time, time + delay, _whole(value), code)
            for which, time, delay, value, code in zip(
                found.which, found.source_times, found.delays, found.values, found.statuses, strict=True
            )
        ]
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise LocalError(f"a spooled batch cannot be read: {error}") from error


def _plain(value: Scalar | None) -> object:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            # A lone surrogate is no UTF-8: it travels as bytes in a list of one.
            return [value.encode("utf-8", "surrogatepass")]
    return value


def _whole(value: object) -> Scalar | None:
    if isinstance(value, list):
        text = value[0]
        if not isinstance(text, bytes):
            raise ValueError("a list that is no escaped text")
        return text.decode("utf-8", "surrogatepass")
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise ValueError(f"a value of type {type(value).__name__}")
