"""What a dialog or an argument takes: C types as data types, texts as values, and how clients are told of it."""

from __future__ import annotations

from collections.abc import Iterable

from server.core import status
from server.core.clock import to_iso
from server.core.values import Scalar
from server.fdi.client_literals import NAMES_OF_TYPES
from server.fdi.client_xml import Element, leaf, optional_leaf, text_of, value_of
from server.model.device_type import DataType, ParameterSpec
from server.pipeline.commands import check_value

_SIGNED = {"char": DataType.SBYTE, "short": DataType.INT16, "int": DataType.INT32, "long": DataType.INT32}
_UNSIGNED = {"char": DataType.BYTE, "short": DataType.UINT16, "int": DataType.UINT32, "long": DataType.UINT32}
_REAL = {"float": DataType.FLOAT, "double": DataType.DOUBLE}


def type_of_ctype(ctype: str, *, array: bool = False) -> DataType | None:
    """The data type of a C type as METHODs write it; an array of char is a text, other arrays have none.

    `int` and `long` have 32 bits, `long long` 64.
    """
    words = ctype.replace("[]", " [] ").split()
    if "[]" in words:
        array = True
        words = [word for word in words if word != "[]"]
    if array:
        return DataType.STRING if "char" in words else None
    if "DD_STRING" in words:
        return DataType.STRING
    unsigned = "unsigned" in words
    kinds = [word for word in words if word not in ("unsigned", "signed")]
    if kinds.count("long") >= 2:
        return DataType.UINT64 if unsigned else DataType.INT64
    for word in ("double", "float"):
        if word in kinds:
            return _REAL[word]
    # `short int` and `long int` are the short and the long.
    kind = next((word for word in ("char", "short", "long", "int") if word in kinds), "int" if not kinds else None)
    if kind is None or not words:
        return None
    return (_UNSIGNED if unsigned else _SIGNED)[kind]


def read_input(text: str, data_type: DataType, *, longest: int) -> Scalar | None:
    """The value a user's text means for a variable of that type; None when it fits none or is too long."""
    value = value_of(text, data_type)
    if isinstance(value, str | bytes):
        return value if len(value) <= longest else None
    limits = data_type.limits
    if limits is not None and value is not None and not limits[0] <= value <= limits[1]:
        return None
    return value


def read_parameter(text: str, spec: ParameterSpec) -> Scalar | None:
    """The value a user's text means for a parameter; None when type, range, enumeration or length forbid it."""
    value = value_of(text, spec.data_type)
    if value is None or not status.is_good(check_value(spec, value)):
        return None
    return value


def variant(name: str, value: Scalar | None, data_type: DataType, **attributes: str | None) -> Element:
    """A value with its type."""
    shown = to_iso(value) if data_type is DataType.DATETIME and isinstance(value, int) else text_of(value)
    return leaf(name, shown, DataType=NAMES_OF_TYPES[data_type], **attributes)


def plain_type(data_type: DataType, length: int | None = None) -> Element:
    """The Type element of a local variable or argument."""
    name = NAMES_OF_TYPES[data_type]
    if data_type is DataType.BOOLEAN:
        inner = Element("EnumerationType", {"DataType": name}).add(
            *(_option("", word, "") for word in ("false", "true"))
        )
    elif data_type.numeric:
        inner = Element("NumericType", {"DataType": name})
    else:
        inner = Element("StringType", {"DataType": name, "Length": str(length) if length is not None else None})
    return Element("Type").add(inner)


def parameter_type(spec: ParameterSpec, locales: Iterable[str]) -> Element:
    """The Type element of a parameter as it is now: ranges, enumeration, unit, formats."""
    locales = tuple(locales)
    name = NAMES_OF_TYPES[spec.data_type]
    if spec.enum_values:
        inner = Element("EnumerationType", {"DataType": name, "Bits": "true" if spec.bit_enumerated else None}).add(
            *(
                _option(entry.text.best(locales)[1], str(entry.value), entry.help.best(locales)[1])
                for entry in spec.enum_values
            )
        )
    elif spec.data_type.numeric:
        inner = Element(
            "NumericType",
            {
                "DataType": name,
                "Unit": spec.unit_symbol,
                "DisplayFormat": spec.display_format,
                "ScalingFactor": text_of(spec.scaling_factor),
            },
        )
        for low, high in spec.ranges:
            inner.add(Element("Range", {"Minimum": text_of(float(low)), "Maximum": text_of(float(high))}))
    elif spec.data_type is DataType.BOOLEAN:
        return plain_type(spec.data_type)
    else:
        inner = Element(
            "StringType",
            {
                "DataType": name,
                "Length": str(spec.max_length) if spec.max_length is not None else None,
                "Password": "true" if spec.edd_type == "PASSWORD" else None,
            },
        )
    return Element("Type").add(inner)


def _option(label: str, value: str, help_text: str) -> Element:
    return Element("Option").add(optional_leaf("Label", label), optional_leaf("Help", help_text), leaf("Value", value))


def option(label: str, value: str) -> Element:
    """One entry of a list to choose from."""
    return _option(label, value, "")
