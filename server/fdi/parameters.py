"""EDD VARIABLEs as parameters: UA data types, units, ranges, enumerations, access (IEC 62769-5 as far as known)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

from server.core.texts import NO_TEXT, Texts
from server.core.units import unit_of
from server.core.values import Scalar as PlainValue
from server.fdi.eddl.model import EddModel, EddVariable
from server.fdi.eddl.nodes import Construct, RelationItem, Scalar
from server.fdi.eddl.static import DynamicError, StaticError, evaluate
from server.fdi.errors import PackageError
from server.fdi.logic.relations import Relations
from server.model.device_type import DataType, EnumValue, ParameterSpec

MAX_PARAMETERS = 10_000
"""Parameters of one device type, array elements included."""

_SIGNED = {1: DataType.SBYTE, 2: DataType.INT16, 3: DataType.INT32, 4: DataType.INT32}
_UNSIGNED = {1: DataType.BYTE, 2: DataType.UINT16, 3: DataType.UINT32, 4: DataType.UINT32}
_FIXED = {
    "BOOLEAN": DataType.BOOLEAN,
    "FLOAT": DataType.FLOAT,
    "DOUBLE": DataType.DOUBLE,
    "ASCII": DataType.STRING,
    "PACKED_ASCII": DataType.STRING,
    "VISIBLE": DataType.STRING,
    "EUC": DataType.STRING,
    "PASSWORD": DataType.STRING,
    "BITSTRING": DataType.BYTESTRING,
    "OCTET": DataType.BYTESTRING,
    "DATE": DataType.DATETIME,
    "DATE_AND_TIME": DataType.DATETIME,
    "TIME": DataType.DATETIME,
    "DURATION": DataType.DURATION,
}
_FLOAT_MAX = 3.4028234663852886e38
INTEGER_RANGES: Mapping[DataType, tuple[float, float]] = {
    DataType.SBYTE: (-(2.0**7), 2.0**7 - 1),
    DataType.BYTE: (0.0, 2.0**8 - 1),
    DataType.INT16: (-(2.0**15), 2.0**15 - 1),
    DataType.UINT16: (0.0, 2.0**16 - 1),
    DataType.INT32: (-(2.0**31), 2.0**31 - 1),
    DataType.UINT32: (0.0, 2.0**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),  # as floats their ends would be one too high
    DataType.UINT64: (0, 2**64 - 1),
}


def texts_of(languages: Mapping[str, str] | None) -> Texts:
    """An EDDL text as ours."""
    return Texts(dict(languages)) if languages else NO_TEXT


def translate_parameters(edd: EddModel, *, part: str) -> tuple[dict[str, ParameterSpec], dict[str, ParameterSpec]]:
    """The parameters shown outside and the PRIVATE ones, both by EDD identifier in source order.

    A VARIABLE that only serves as the element type of value arrays is no parameter; the elements are, as `<array>_<n>`.

    Raises:
        PackageError: a TYPE no parameter can have, or too many parameters.
    """
    templates = {array.element for array in edd.arrays.values() if array.kind == "value" and array.element}
    named = edd.constructs.get
    specs = [
        _parameter(variable, part, named(variable.name))
        for variable in edd.variables.values()
        if variable.name not in templates
    ]
    for array in edd.arrays.values():
        element = edd.variables.get(array.element or "")
        if array.kind != "value" or element is None:
            continue
        line = array.position.line if array.position else 0
        if (array.count or 0) > MAX_PARAMETERS:
            raise PackageError(
                f"array {array.name} has more than {MAX_PARAMETERS} elements", part=part, line=line, rule="edd.count"
            )
        if len(specs) + (array.count or 0) > MAX_PARAMETERS:
            # Said before they are made: a short source can ask for millions of elements.
            text = f"more than {MAX_PARAMETERS} parameters with the elements of array {array.name}"
            raise PackageError(text, part=part, line=line, rule="edd.count")
        base = _parameter(element, part, named(element.name))
        whole = named(array.name)
        base = replace(base, valid=base.valid and _holds(whole, "VALIDITY"))
        label = texts_of(array.label) or Texts.of(array.name)
        for index in range(array.count or 0):
            numbered = Texts({language: f"{text} [{index}]" for language, text in label.by_language.items()})
            name = f"{array.name}_{index}"
            if name in edd.variables:
                raise PackageError(
                    f"{name} is a VARIABLE and an element of {array.name}", part=part, line=line, rule="edd.name"
                )
            specs.append(replace(base, name=name, label=numbered, help=texts_of(array.help) or base.help))
    if len(specs) > MAX_PARAMETERS:
        raise PackageError(f"{len(specs)} parameters, at most {MAX_PARAMETERS}", part=part, rule="edd.count")
    relations = Relations(edd, frozenset(spec.name for spec in specs))
    with_units = relations.with_units()
    specs = [
        replace(spec, unit_from=relations.unit_variable(spec.name) or "") if spec.name in with_units else spec
        for spec in specs
    ]
    shown = {spec.name: spec for spec in specs if not spec.private}
    hidden = {spec.name: spec for spec in specs if spec.private}
    return shown, hidden


def _parameter(variable: EddVariable, part: str, construct: Construct | RelationItem | None) -> ParameterSpec:
    line = variable.position.line if variable.position else 0
    data_type = _data_type(variable)
    if data_type is None:
        raise PackageError(
            f"{variable.name}: TYPE {variable.edd_type} of size {variable.size} is no type of a parameter",
            part=part,
            line=line,
            rule="edd.type",
        )
    unit = texts_of(variable.constant_unit)
    symbol = unit.default if data_type.numeric else ""
    return ParameterSpec(
        name=variable.name,
        label=texts_of(variable.label) or Texts.of(variable.name),
        help=texts_of(variable.help),
        data_type=data_type,
        edd_type=variable.edd_type,
        unit=unit_of(symbol) if symbol else None,
        unit_symbol=symbol,
        ranges=_ranges(variable, data_type),
        enum_values=tuple(
            EnumValue(entry.value, texts_of(entry.text) or Texts.of(str(entry.value)), texts_of(entry.help))
            for entry in variable.enumerators
        ),
        readable=variable.readable and variable.edd_type != "PASSWORD",
        writable=variable.writable and "CONSTANT" not in variable.classes,
        dynamic="DYNAMIC" in variable.classes,
        classes=variable.classes,
        default_value=_scalar(variable.default_value, variable, data_type, part, line),
        initial_value=_scalar(variable.initial_value, variable, data_type, part, line),
        display_format=variable.display_format or "",
        max_length=variable.size if data_type is DataType.STRING else None,
        private=variable.private,
        local="LOCAL" in variable.classes,
        valid=_holds(construct, "VALIDITY"),
        visible=_holds(construct, "VISIBILITY"),
        scaling_factor=variable.scaling_factor,
    )


def _holds(construct: Construct | RelationItem | None, name: str) -> bool:
    """A flag of an item; true where it is absent or depends on the device."""
    attribute = construct.attribute(name) if isinstance(construct, Construct) else None
    if attribute is None or not isinstance(attribute.value, Scalar):
        return True
    try:
        return bool(evaluate(attribute.value.values[0]))
    except (DynamicError, StaticError):
        return True


def _data_type(variable: EddVariable) -> DataType | None:
    kind, size = variable.edd_type, variable.size or 1
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "INTEGER":
        return _SIGNED.get(size, DataType.INT64 if size <= 8 else None)
    if kind in ("UNSIGNED_INTEGER", "ENUMERATED", "BIT_ENUMERATED", "INDEX"):
        return _UNSIGNED.get(size, DataType.UINT64 if size <= 8 else None)
    if kind == "TIME_VALUE":
        return DataType.DATETIME if variable.size == 8 else DataType.DURATION
    return None


def _ranges(variable: EddVariable, data_type: DataType) -> tuple[tuple[float, float], ...]:
    """Legal pairs. A bound that depends on the device is open until the device is known."""
    if variable.enumerators:
        return ()
    depends = any(name.startswith(("MIN_VALUE", "MAX_VALUE")) for name in variable.conditional)
    return bounded(variable.ranges or ([(None, None)] if depends else ()), data_type)


def bounded(pairs: Iterable[tuple[float | None, float | None]], data_type: DataType) -> tuple[tuple[float, float], ...]:
    """Pairs of a range as a parameter has them: an open end becomes the end of what the type holds."""
    if not data_type.numeric:
        return ()
    limit = _FLOAT_MAX if data_type is DataType.FLOAT else sys.float_info.max
    lowest, highest = INTEGER_RANGES.get(data_type, (-limit, limit))
    return tuple(
        (float(lowest if low is None else low), float(highest if high is None else high)) for low, high in pairs
    )


def _scalar(
    value: float | str | None, variable: EddVariable, data_type: DataType, part: str, line: int
) -> PlainValue | None:
    def refuse(reason: str) -> PackageError:
        return PackageError(
            f"{variable.name}: the default {value!r} {reason}", part=part, line=line, rule="edd.default"
        )

    if value is None or data_type in (DataType.DATETIME, DataType.BYTESTRING):
        return None
    if data_type is DataType.STRING:
        return str(value)
    if isinstance(value, str):
        raise refuse("is a text, but the TYPE is a number")
    if data_type is DataType.BOOLEAN:
        return bool(value)
    if data_type.integer:
        low, high = INTEGER_RANGES[data_type]
        if value != int(value) or not low <= value <= high:
            raise refuse(f"is no whole number from {low:.0f} to {high:.0f}")
        return int(value)
    return float(value)
