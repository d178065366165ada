"""How a closed hour of one series lies in one block: columns of differences, bytes of equal rank together, deflated.

What goes in comes out again bit by bit. Blocks are stored: a format once written stays readable.
"""

from __future__ import annotations

import math
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import msgspec

from server.core.clock import TimeUs
from server.core.errors import LocalError
from server.history.values import Columns

Packed = tuple[TimeUs, int, int, Columns]
"""(source time, server time - source time, StatusCode, (number, text, kind))."""
_FORMAT = 1
_LEVEL = 1
_SCALES = (1, 10, 100, 1000, 10_000)
_EXACT = 2.0**53
MOST_UNPACKED = 256 * 1024 * 1024
"""What one block may unfold to, bytes: far beyond an hour of the longest texts that come in."""


class _Block(msgspec.Struct, array_like=True):
    format: int
    count: int
    times: bytes  # of differences of differences
    delays: bytes  # of differences
    codes: int | list[int]  # one for all, or one each
    kinds: int | bytes
    scale: int  # numbers are whole multiples of 1/scale; 0: doubles as they are
    numbers: bytes
    missing: list[int]  # rows without a number
    texts: dict[int, str]  # by row


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Block)


def pack(rows: Sequence[Packed]) -> bytes:
    """One block of rows in order of time."""
    times = [row[0] for row in rows]
    codes = [row[2] for row in rows]
    kinds = bytes(row[3][2] for row in rows)
    numbers = [row[3][0] for row in rows]
    there = [number for number in numbers if number is not None]
    scale, packed = _numbers(there)
    return zlib.compress(
        _encoder.encode(
            _Block(
                _FORMAT,
                len(rows),
                _planes(_zigzag(_differences(_differences(times)))),
                _planes(_zigzag(_differences([row[1] for row in rows]))),
                codes[0] if len(set(codes)) == 1 else codes,
                kinds[0] if len(set(kinds)) == 1 else kinds,
                scale,
                packed,
                [at for at, number in enumerate(numbers) if number is None],
                {at: row[3][1] for at, row in enumerate(rows) if row[3][1] is not None},
            )
        ),
        _LEVEL,
    )


def unpack(data: bytes) -> list[Packed]:
    """The rows of one block, in order of time.

    Raises:
        LocalError: not a block that this program wrote.
    """
    try:
        unfolder = zlib.decompressobj()
        plain = unfolder.decompress(data, MOST_UNPACKED)
        if not unfolder.eof:
            raise ValueError("it is cut short or too large")
        block = _decoder.decode(plain)
        if block.format != _FORMAT:
            raise ValueError(f"it has format {block.format}, this program knows {_FORMAT}")
        count = block.count
        times = list(accumulate(accumulate(_unzigzag(_unplanes(block.times)))))
        delays = list(accumulate(_unzigzag(_unplanes(block.delays))))
        codes = [block.codes] * count if isinstance(block.codes, int) else block.codes
        kinds = bytes([block.kinds]) * count if isinstance(block.kinds, int) else block.kinds
        numbers: list[float | None] = list(_unnumbers(block.scale, block.numbers))
        for at in block.missing:
            numbers.insert(at, None)
        texts = block.texts
        if not texts:
            columns: Iterable[Columns] = ((number, None, kind) for number, kind in zip(numbers, kinds, strict=True))
        else:
            columns = (
                (number, texts.get(at), kind) for at, (number, kind) in enumerate(zip(numbers, kinds, strict=True))
            )
        found = list(zip(times, delays, codes, columns, strict=True))
        if len(found) != count:
            raise ValueError("its columns do not fit")
        return found
    except (msgspec.MsgspecError, ValueError, OverflowError, zlib.error) as error:
        raise LocalError(f"a block of history cannot be read: {error}") from error


def _differences(values: Sequence[int]) -> list[int]:
    return [*values[:1], *(after - before for before, after in pairwise(values))]


def _zigzag(values: Iterable[int]) -> list[int]:
    # Small negative numbers become small ones: their high bytes are then zero.
    return [value << 1 if value >= 0 else (-value << 1) - 1 for value in values]


def _unzigzag(values: Iterable[int]) -> Iterable[int]:
    return (value >> 1 if not value & 1 else -((value + 1) >> 1) for value in values)


def _planes(values: Sequence[int]) -> bytes:
    return _split(array("Q", values))


def _unplanes(data: bytes) -> array[int]:
    found = array("Q")
    _join(found, data)
    return found


def _split(values: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    plain = values.tobytes()
    return b"".join(plain[rank::8] for rank in range(8))


def _join(into: array[int] | array[float], data: bytes) -> None:
    count, rest = divmod(len(data), 8)
    if rest:
        raise ValueError("a column is cut short")
    plain = bytearray(len(data))
    for rank in range(8):
        plain[rank::8] = data[rank * count : (rank + 1) * count]
    into.frombytes(bytes(plain))
    if sys.byteorder == "big":
        into.byteswap()


def _numbers(values: Sequence[float]) -> tuple[int, bytes]:
    for scale in _SCALES:
        whole = _scaled(values, scale)
        if whole is not None:
            return scale, _planes(_zigzag(_differences(whole)))
    return 0, _split(array("d", values))


def _scaled(values: Sequence[float], scale: int) -> list[int] | None:
    """The numbers as whole multiples of 1/scale; None where one of them would not come back bit by bit."""
    found = []
    for value in values:
        times = value * scale
        if not -_EXACT < times < _EXACT:  # also what is no number or endless
            return None
        whole = round(times)
        if whole / scale != value or (whole == 0 and math.copysign(1.0, value) < 0):
            return None
        found.append(whole)
    return found


def _unnumbers(scale: int, data: bytes) -> Iterable[float]:
    if scale == 0:
        found = array("d")
        _join(found, data)
        return found
    return (whole / scale for whole in accumulate(_unzigzag(_unplanes(data))))
