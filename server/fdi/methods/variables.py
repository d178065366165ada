"""VARIABLEs in METHODs: what kind of number each type is there, and the way between it and the parameter's value.

A DATE is one packed number (day * 65536 + month * 256 + years since 1900), other points in time are whole seconds
since 1970 UTC, as the builtins for time take them. DURATIONs are milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from server.core import status
from server.core.floats import single
from server.core.values import Scalar
from server.fdi.logic.context import KINDS
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.ctype import TEXT, Raw, Shape
from server.fdi.methods.host import ValueRefusedError
from server.model.device_type import DataType, ParameterSpec

_SHAPES: Final[Mapping[DataType, Shape]] = {**KINDS, DataType.STRING: TEXT, DataType.BYTESTRING: TEXT}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_LAST_US = 253_402_300_799 * _SECOND_US  # 9999-12-31T23:59:59


def shape_of(spec: ParameterSpec) -> Shape:
    """What a parameter is in an expression."""
    return _SHAPES[spec.data_type]


def packed_date(day: date) -> int:
    """A DATE as one number."""
    return (day.day << 16) | (day.month << 8) | max(0, min(255, day.year - 1900))


def unpacked_date(packed: int) -> date | None:
    """The day a DATE number stands for, None for one that is no day."""
    try:
        return date(1900 + (packed & 0xFF), (packed >> 8) & 0xFF, (packed >> 16) & 0xFF)
    except ValueError:
        return None


def moment_text(raw: int, spec: ParameterSpec) -> str:
    """A moment of a METHOD for people: the day of a DATE, else day and time in UTC; the number where it is none."""
    if spec.edd_type == "DATE":
        day = unpacked_date(raw)
        return day.isoformat() if day is not None else str(raw)
    if not 0 <= raw * _SECOND_US <= _LAST_US:
        return str(raw)
    return f"{_EPOCH + timedelta(seconds=raw):%Y-%m-%d %H:%M:%S}"


def to_method(value: Scalar, spec: ParameterSpec) -> Raw:
    """A parameter's value as METHODs see it. Raises EvaluationError for one that is not of the parameter's type."""
    if shape_of(spec) is TEXT:
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if isinstance(value, str | bytes):
        raise EvaluationError(f"the value of {spec.name} is no number")
    if spec.data_type is DataType.DATETIME:
        moment_us = min(max(int(value), 0), _LAST_US)
        if spec.edd_type == "DATE":
            return packed_date((_EPOCH + timedelta(microseconds=moment_us)).date())
        return moment_us // _SECOND_US
    if shape_of(spec) is Kind.FLOAT:
        return single(float(value))
    return float(value) if shape_of(spec) is Kind.DOUBLE else int(value)


def from_method(raw: Raw, spec: ParameterSpec) -> Scalar:
    """A value of the METHOD as the parameter takes it; whether it is in range is the host's to say.

    Raises ValueRefusedError for a text where a number belongs, the other way round, NaN for a whole number, and a
    number that is no day.
    """
    refused = ValueRefusedError(status.BAD_TYPE_MISMATCH)
    if shape_of(spec) is TEXT:
        if not isinstance(raw, str):
            raise refused
        return raw.encode("latin-1", "replace") if spec.data_type is DataType.BYTESTRING else raw
    if isinstance(raw, str):
        raise refused
    if spec.data_type is DataType.BOOLEAN:
        return raw != 0
    if shape_of(spec) is Kind.FLOAT:
        return single(float(raw))
    if shape_of(spec) is Kind.DOUBLE:
        return float(raw)
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise ValueRefusedError(status.BAD_OUT_OF_RANGE)
        raw = math.trunc(raw)
    if spec.data_type is not DataType.DATETIME:
        return raw
    if spec.edd_type != "DATE":
        return raw * _SECOND_US
    day = unpacked_date(raw)
    if day is None:
        raise ValueRefusedError(status.BAD_OUT_OF_RANGE)
    return int((datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH).total_seconds()) * _SECOND_US
