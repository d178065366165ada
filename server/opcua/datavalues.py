"""Our values and times as the wire has them, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs, from_datetime, to_datetime
from server.core.status import StatusCode
from server.core.texts import Texts
from server.core.units import EUInformation
from server.core.values import Scalar
from server.model.device_type import DataType
from server.opcua.wire import Point, to_ticks

VARIANT = {
    DataType.BOOLEAN: ua.VariantType.Boolean,
    DataType.SBYTE: ua.VariantType.SByte,
    DataType.BYTE: ua.VariantType.Byte,
    DataType.INT16: ua.VariantType.Int16,
    DataType.UINT16: ua.VariantType.UInt16,
    DataType.INT32: ua.VariantType.Int32,
    DataType.UINT32: ua.VariantType.UInt32,
    DataType.INT64: ua.VariantType.Int64,
    DataType.UINT64: ua.VariantType.UInt64,
    DataType.FLOAT: ua.VariantType.Float,
    DataType.DOUBLE: ua.VariantType.Double,
    DataType.DURATION: ua.VariantType.Double,
    DataType.STRING: ua.VariantType.String,
    DataType.DATETIME: ua.VariantType.DateTime,
    DataType.BYTESTRING: ua.VariantType.ByteString,
}
_GOOD = ua.StatusCode(status.GOOD)
_CODES: dict[int, ua.StatusCode] = {status.GOOD: _GOOD}
_FLOATS = frozenset({DataType.DOUBLE, DataType.FLOAT, DataType.DURATION})
_BAD = 0x80000000


def stack_status(code: StatusCode) -> ua.StatusCode:
    """The stack's StatusCode object; one per code, nobody changes them."""
    found = _CODES.get(code)
    if found is None:
        found = _CODES[code] = ua.StatusCode(code)
    return found


def moment(time_us: TimeUs) -> datetime | None:
    """The time of a DataValue; None for no time."""
    return to_datetime(time_us) if time_us else None


def to_variant(value: Scalar | None, data_type: DataType) -> ua.Variant:
    """A parameter's value as its UA type."""
    if value is None:
        return ua.Variant(None, ua.VariantType.Null)
    if data_type in _FLOATS:
        return ua.Variant(float(value), VARIANT[data_type])
    if data_type is DataType.DATETIME:
        return ua.Variant(to_datetime(int(value)), ua.VariantType.DateTime)
    if data_type.integer:
        return ua.Variant(int(value), VARIANT[data_type])
    return ua.Variant(value, VARIANT[data_type])


def to_data_value(
    value: Scalar | None, data_type: DataType, code: StatusCode, source_time: TimeUs, server_time: TimeUs
) -> ua.DataValue:
    """A DataValue; a Bad one carries no value (OPC 10000-4, 7.11), and what its type cannot carry becomes Bad."""
    shown = None if status.is_bad(code) else value
    limits = data_type.limits
    if limits is not None and shown is not None and not limits[0] <= shown <= limits[1]:  # type: ignore[operator]
        # One value that cannot be encoded would silence every subscription that has it.
        shown, code = None, status.BAD_OUT_OF_RANGE
    return ua.DataValue(
        to_variant(shown, data_type),
        stack_status(code),
        SourceTimestamp=moment(source_time),
        ServerTimestamp=moment(server_time),
    )


KIND = {data_type: int(variant) for data_type, variant in VARIANT.items()}
"""Built-in type of a parameter's Variant, as a plain number."""


def show(
    point: Point,
    value: Scalar | None,
    data_type: DataType,
    code: StatusCode,
    source_time: TimeUs,
    server_time: TimeUs,
    *,
    whole: bool = False,
) -> None:
    """Put a parameter's value into its point; the same rules as `to_data_value`, without the stack's classes.

    `whole`: the value is shown beside a Bad status too: an edited value that is not acceptable is still that value.
    """
    if value is not None:
        if code & _BAD and not whole:
            value = None
        elif data_type in _FLOATS:
            value = float(value)
        elif data_type is DataType.DATETIME:
            value = to_ticks(int(value))
        elif data_type.integer:
            value = int(value)
        limits = data_type.limits
        if limits is not None and value is not None and not limits[0] <= value <= limits[1]:  # type: ignore[operator]
            value, code = None, status.BAD_OUT_OF_RANGE
    point.put_scalar(KIND[data_type], value, code, to_ticks(source_time), to_ticks(server_time))


def from_variant(variant: ua.Variant) -> Scalar | None:
    """A scalar that came from a client; None for null, arrays and structures."""
    value: Any = variant.Value
    if isinstance(value, datetime):
        return from_datetime(value)
    if isinstance(value, bool | int | float | str | bytes):
        return value
    return None


def fits(variant: ua.Variant | None, data_type: DataType) -> bool:
    """True when a client's value has exactly the parameter's type and is a scalar (OPC 10000-4, 5.11.4)."""
    return (
        variant is not None
        and variant.VariantType == VARIANT[data_type]
        and variant.Value is not None
        and not isinstance(variant.Value, list)
    )


def eu_information(unit: EUInformation) -> ua.EUInformation:
    """The structure of an engineering unit."""
    language, symbol = unit.display_name.best()
    return ua.EUInformation(
        NamespaceUri=unit.namespace_uri,
        UnitId=unit.unit_id,
        DisplayName=ua.LocalizedText(symbol, language),
        Description=ua.LocalizedText(unit.description.default, language),
    )


def text(value: Texts | str) -> ua.LocalizedText:
    """A LocalizedText in the default language."""
    if isinstance(value, str):
        return ua.LocalizedText(value, "en") if value else ua.LocalizedText(None)
    language, chosen = value.best()
    return ua.LocalizedText(chosen, language) if chosen else ua.LocalizedText(None)
