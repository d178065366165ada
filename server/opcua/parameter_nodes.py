"""One parameter as a Variable with its properties: AnalogItem, discrete or plain (OPC 10000-8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua

from server.core import status
from server.model.device_type import DataType, ParameterSpec
from server.opcua.datavalues import eu_information, stack_status, text
from server.opcua.history_nodes import configure
from server.opcua.names import FDI5_URI, TYPES_URI
from server.opcua.nodes.values import Encoded, encoded
from server.opcua.space import HISTORY_READ, HISTORY_WRITE, READ, WRITE, Space, data_value

ANALOG_ITEM = ua.NodeId(ua.ObjectIds.AnalogItemType)
BASE_ANALOG = ua.NodeId(ua.ObjectIds.BaseAnalogType)
MULTI_STATE = ua.NodeId(ua.ObjectIds.MultiStateValueDiscreteType)
OPTION_SET = ua.NodeId(ua.ObjectIds.OptionSetType)
PLAIN = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
NO_VALUE = Encoded()
"""What an instance declaration has."""
WAITING = encoded(ua.DataValue(StatusCode=stack_status(status.BAD_WAITING_FOR_INITIAL_DATA)))
"""What a parameter shows before its device has said anything."""
_NO_TEXT = encoded(data_value(ua.LocalizedText(None), ua.VariantType.LocalizedText))


def variable_type(spec: ParameterSpec) -> ua.NodeId:
    """The VariableType that fits a parameter."""
    if spec.bit_enumerated:
        return OPTION_SET
    if spec.enum_values:
        return MULTI_STATE
    if spec.data_type.numeric and spec.eu_range is not None:
        return ANALOG_ITEM
    if spec.data_type.numeric and (spec.unit is not None or spec.unit_from):
        return BASE_ANALOG
    return PLAIN


def data_type_id(data_type: DataType) -> ua.NodeId:
    """The DataType node of namespace 0."""
    return ua.NodeId(int(data_type))


def recorded(spec: ParameterSpec) -> bool:
    """True for what goes to history: numbers, flags and texts."""
    return spec.data_type is not DataType.BYTESTRING


def access_of(spec: ParameterSpec) -> int:
    """CurrentRead and CurrentWrite: what HANDLING says, nothing while the parameter is not valid."""
    return (READ if spec.readable and spec.valid else 0) | (WRITE if spec.writable and spec.valid else 0)


def add_parameter(
    space: Space,
    spec: ParameterSpec,
    node_id: ua.NodeId,
    package_uri: str,
    parent: ua.NodeId,
    rule: ua.NodeId | None = None,
    type_id: str = "",
) -> None:
    """The Variable of a parameter below its ParameterSet; of the type when `rule` is given.

    `type_id` is the type of the device that has it.
    """
    access = access_of(spec)
    history = rule is None and spec.readable and recorded(spec)
    space.variable(
        node_id,
        space.name(package_uri, spec.name),
        WAITING if rule is None else NO_VALUE,
        data_type_id(spec.data_type),
        type_definition=variable_type(spec),
        parent=parent,
        display=spec.label,
        description=spec.help,
        access=access | (HISTORY_READ | HISTORY_WRITE if history else 0),
        historizing=history,
        rule=rule,
    )
    _properties(space, spec, node_id, rule)
    if history:
        configure(space, node_id, spec.data_type, type_id)


@dataclass(frozen=True, slots=True)
class PropertyForm:
    """How one Property of a parameter is made."""

    name: str
    make: Callable[[ParameterSpec], ua.DataValue]
    data_type: int
    rank: int = -1
    uri: str = ""  # namespace of its BrowseName, "" for the standard's


def properties_of(spec: ParameterSpec) -> list[PropertyForm]:
    """The Properties that a parameter has with this meaning, ValueAsText apart (it goes with the value)."""
    forms = []
    if spec.bit_enumerated:
        forms.append(PropertyForm("OptionSetValues", _option_texts, ua.ObjectIds.LocalizedText, 1))
    elif spec.enum_values:
        forms.append(PropertyForm("EnumValues", _enum_values, ua.ObjectIds.EnumValueType, 1))
    elif spec.data_type.numeric:
        if spec.eu_range is not None:
            forms.append(PropertyForm("EURange", _eu_range, ua.ObjectIds.Range))
        if spec.unit is not None:
            forms.append(PropertyForm("EngineeringUnits", _unit, ua.ObjectIds.EUInformation))
        if len(spec.ranges) > 1:
            forms.append(PropertyForm("Min_Max_Values", _ranges, ua.ObjectIds.Range, 1, TYPES_URI))
    if spec.scaling_factor is not None:
        forms.append(PropertyForm("ScalingFactor", _scaling, ua.ObjectIds.Double, -1, FDI5_URI))
    return forms


def add_property(
    space: Space, form: PropertyForm, value: Encoded, parent: ua.NodeId, rule: ua.NodeId | None = None
) -> None:
    """One Property below its parameter."""
    space.property(
        ua.NodeId(f"{parent.Identifier}/{form.name}", parent.NamespaceIndex),
        space.name(form.uri, form.name) if form.uri else ua.QualifiedName(form.name, 0),
        value,
        ua.NodeId(form.data_type),
        parent=parent,
        rank=form.rank,
        rule=rule,
    )


def _properties(space: Space, spec: ParameterSpec, node_id: ua.NodeId, rule: ua.NodeId | None) -> None:
    for form in properties_of(spec):
        add_property(space, form, _shared(space, spec, form.make), node_id, rule)
    if spec.enum_values and not spec.bit_enumerated:
        add_property(space, _TEXT_FORM, _NO_TEXT, node_id, rule)


def _shared(space: Space, spec: ParameterSpec, make: Callable[[ParameterSpec], ua.DataValue]) -> Encoded:
    """The same property value for every instance of a type: made and encoded once per specification."""
    key = (make.__name__, id(spec))
    found = space.property_values.get(key)
    if found is None or found[0] is not spec:
        found = space.property_values[key] = (spec, encoded(make(spec)))
    return found[1]


def _eu_range(spec: ParameterSpec) -> ua.DataValue:
    low, high = spec.eu_range or (0.0, 0.0)
    return data_value(ua.Range(low, high), ua.VariantType.ExtensionObject)


def _unit(spec: ParameterSpec) -> ua.DataValue:
    if spec.unit is None:
        return ua.DataValue(ua.Variant(None, ua.VariantType.Null))
    return data_value(eu_information(spec.unit), ua.VariantType.ExtensionObject)


def _enum_values(spec: ParameterSpec) -> ua.DataValue:
    entries = [ua.EnumValueType(entry.value, text(entry.text), text(entry.help)) for entry in spec.enum_values]
    return data_value(entries, ua.VariantType.ExtensionObject, is_array=True)


def _option_texts(spec: ParameterSpec) -> ua.DataValue:
    # EDD masks become bit positions; masks of several bits have no entry (OPC 10000-5, OptionSetType).
    by_bit = {e.value.bit_length() - 1: e.text for e in spec.enum_values if e.value > 0 and e.value.bit_count() == 1}
    texts = [text(by_bit[bit]) if bit in by_bit else ua.LocalizedText("") for bit in range(max(by_bit, default=-1) + 1)]
    return data_value(texts, ua.VariantType.LocalizedText, is_array=True)


def _ranges(spec: ParameterSpec) -> ua.DataValue:
    pairs = [ua.Range(low, high) for low, high in spec.ranges]
    return data_value(pairs, ua.VariantType.ExtensionObject, is_array=True)


def _scaling(spec: ParameterSpec) -> ua.DataValue:
    return data_value(float(spec.scaling_factor or 1.0), ua.VariantType.Double)


def _value_as_text(spec: ParameterSpec) -> ua.DataValue:
    return data_value(value_text(spec, None), ua.VariantType.LocalizedText)


_TEXT_FORM = PropertyForm("ValueAsText", _value_as_text, ua.ObjectIds.LocalizedText)


def value_text(spec: ParameterSpec, value: object) -> ua.LocalizedText:
    """ValueAsText of an enumeration; unknown numbers are shown as such (EDDL: reading them is legal)."""
    for entry in spec.enum_values:
        if entry.value == value:
            return text(entry.text)
    return ua.LocalizedText(None) if value is None else ua.LocalizedText(f"unknown ({value})", "en")
