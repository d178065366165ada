"""A draft as package source: catalog.toml, device.ddl and mqtt.toml, commented for the engineer who goes on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from server.fdi.draft.model import DraftMessage, DraftModel, DraftParameter
from server.fdi.draft.names import MENUS, edd_comment, edd_text, pointer, toml_comment, toml_text

CATALOG_FILE, EDD_FILE, BINDING_FILE = "catalog.toml", "device.ddl", "mqtt.toml"
MANUFACTURER = "0xFFFF"
"""No manufacturer's number; the author puts the real one."""


def write(draft: DraftModel) -> dict[str, str]:
    """The source files by name; `fieldloom package build` takes them when there is at least one message."""
    return {CATALOG_FILE: catalog(draft), EDD_FILE: edd(draft), BINDING_FILE: binding(draft)}


def _model_number(draft: DraftModel) -> str:
    return f"0x{uuid.UUID(draft.package_id).int & 0x7FFF | 1:04X}"


def catalog(draft: DraftModel) -> str:
    """catalog.toml."""
    return f"""{toml_comment(f"Drafted from {draft.kept} messages. docs/examples/catalog.toml explains every field.")}

[package]
id = {toml_text(draft.package_id)}
version = "0.1.0"
manufacturer = {toml_text(draft.manufacturer)}

[device_type]
name = {{ en = {toml_text(draft.name)} }}
edd = {toml_text(EDD_FILE)}
binding = {toml_text(BINDING_FILE)}

[device_type.interface]
manufacturer = {toml_text(MANUFACTURER)}  # none yet: the manufacturer's number and the model's go here and into the EDD
device_model = {toml_text(_model_number(draft))}
"""


def edd(draft: DraftModel) -> str:
    """device.ddl."""
    lines = [
        edd_comment(f"Drafted from {draft.kept} messages. Labels, help, ranges and enumerations are yours to finish."),
        "",
        f"MANUFACTURER {MANUFACTURER}, DEVICE_TYPE {_model_number(draft)}, DEVICE_REVISION 1, DD_REVISION 1",
        "",
    ]
    for parameter in draft.parameters:
        lines += _variable(parameter)
    items = ",\n        ".join(f"{parameter.name} (READ_ONLY)" for parameter in draft.parameters)
    process, root = MENUS
    if items:
        lines += ["", f"MENU {process}", "{", '    LABEL "Process values";', "    STYLE WINDOW;"]
        lines += ["    ITEMS", "    {", f"        {items}", "    }", "}"]
        lines += [f"MENU {root} {{ LABEL {edd_text(draft.name)}; STYLE MENU; ITEMS {{ {process} }} }}"]
    return "\n".join(lines) + "\n"


def _variable(parameter: DraftParameter) -> Iterator[str]:
    yield f"VARIABLE {parameter.name}"
    yield "{"
    yield f"    LABEL {edd_text(parameter.label)};"
    yield "    CLASS DEVICE & DYNAMIC;"
    yield "    HANDLING READ;"
    if parameter.unit:
        yield f"    CONSTANT_UNIT {edd_text(parameter.unit)};"
    yield f"    {edd_comment(f'observed: {parameter.observed} ({parameter.count} values)')}"
    yield f"    TYPE {_type(parameter)}"
    yield "}"


def _type(parameter: DraftParameter) -> str:
    if parameter.edd_type == "ENUMERATED":
        entries = ", ".join(f'{{ {value}, "{value}" }}' for value in parameter.enumerators)
        return f"ENUMERATED ({parameter.size}) {{ {entries} }}  {edd_comment('name these values')}"
    size = f" ({parameter.size})" if parameter.size else ""
    if parameter.low is None or parameter.high is None:
        return f"{parameter.edd_type}{size};"
    low, high = edd_number(parameter.low), edd_number(parameter.high)
    return f"{parameter.edd_type}{size} {{ MIN_VALUE {low}; MAX_VALUE {high}; }}"


def edd_number(number: float) -> str:
    """A number as an EDD literal with a decimal point."""
    text = repr(float(number))
    mantissa, sign, exponent = text.partition("e")
    if not sign:
        return text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent)}"


def binding(draft: DraftModel) -> str:
    """mqtt.toml."""
    lines = [
        toml_comment(f"Drafted from {draft.kept} messages. docs/examples/mqtt.toml explains every field."),
        f"type = {toml_text(draft.type_id)}",
        f"device_id = {toml_text(draft.device_id)}",
        "",
        "# Silence, in seconds: values first become uncertain, then bad. Make it fit to how often the devices send.",
        "[silence]",
        "uncertain_after_s = 60.0",
        "bad_after_s = 300.0",
    ]
    lines += [toml_comment(note) for note in draft.notes]
    for message in draft.messages:
        lines += _message(message)
    lines += [
        "",
        "# Commands cannot be learned from listening; docs/examples/mqtt.toml shows how they are written.",
    ]
    return "\n".join(lines) + "\n"


def _message(message: DraftMessage) -> Iterator[str]:
    yield ""
    yield toml_comment(f"{message.messages} messages of {message.devices} devices")
    for note in message.notes:
        yield toml_comment(note)
    yield "[[message]]"
    yield f"topic = {toml_text(message.topic)}"
    for key in ("device", "time", "time_form", "quality"):
        text = getattr(message, key)
        if text:
            yield f"{key} = {toml_text(text)}"
    if message.quality:
        yield 'quality_map = "quality_flag"'
    if message.rows:
        yield "rows = true"
    if message.attributes:
        facts = ", ".join(f"{name} = {toml_text(place)}" for name, place in message.attributes.items())
        yield f"attributes = {{ {facts} }}"
    plain = [place for place in message.places if not place.metric]
    if plain:
        yield ""
        yield "[message.parameters]"
    for place in plain:
        if place.unit_pointer:
            yield f"{place.parameter} = {{ at = {toml_text(place.pointer)}, unit = {toml_text(place.unit_pointer)} }}"
        else:
            yield f"{place.parameter} = {toml_text(place.pointer)}"
    if message.metrics is not None:
        yield ""
        yield "[message.metrics]"
        yield f"list = {toml_text(pointer(message.metrics.path))}"
        yield f"key = {toml_text(message.metrics.key)}"
        yield f"value = {toml_text(message.metrics.value)}"
        if message.metrics.unit:
            yield f"unit = {toml_text(message.metrics.unit)}"
        yield ""
        yield "[message.metrics.parameters]"
        for place in message.places:
            if place.metric:
                yield f"{place.parameter} = {toml_text(place.metric)}"
