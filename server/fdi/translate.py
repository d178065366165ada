"""EDD, catalog and binding become one `DeviceType`: the only shape of a device type that other rooms know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.core.binding import CommandBinding
from server.core.texts import NO_TEXT, Texts
from server.fdi.alarm_file import read_alarm_file
from server.fdi.alarm_specs import AlarmReader
from server.fdi.binding import BindingFile
from server.fdi.container import Part
from server.fdi.eddl.model import EddModel
from server.fdi.groups import offered_methods, translate_groups
from server.fdi.health_specs import health_specs
from server.fdi.logic.attributes import fixed
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.parameters import texts_of
from server.model.device_type import (
    ActionSpec,
    ArgumentSpec,
    Attachment,
    DataType,
    DeviceType,
    MethodSpec,
    ParameterSpec,
    UipSpec,
)

NAMESPACE_PREFIX = "urn:fieldloom:fdi:"
_ARGUMENT_TYPES = {
    "String": DataType.STRING,
    "Double": DataType.DOUBLE,
    "Boolean": DataType.BOOLEAN,
    "Int32": DataType.INT32,
}
_REPORT = ArgumentSpec(
    "Report",
    DataType.STRING,
    Texts.of("What the device reported, as JSON", ru="Сообщение устройства в виде JSON"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSource:
    """What catalog and container say about one device type."""

    package_id: str
    version: str
    manufacturer: Texts
    label: Texts
    description: Texts = NO_TEXT
    classification: str = ""
    device_revision: str = ""
    documents: tuple[Attachment, ...] = ()
    images: tuple[Attachment, ...] = ()
    icon: Attachment | None = None
    edd_part: str = ""
    uips: tuple[UipSpec, ...] = ()
    protocol_support: tuple[Attachment, ...] = ()
    manufacturer_id: str = ""
    model_id: str = ""
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Translated:
    """The device type, and what its author should look at."""

    device_type: DeviceType
    warnings: tuple[str, ...]


def translate(
    edd: EddModel,
    source: TypeSource,
    bound: BindingFile,
    parameters: Mapping[str, ParameterSpec],
    hidden: Mapping[str, ParameterSpec],
    alarm_file: Part | None = None,
) -> Translated:
    """Put a device type together.

    Args:
        parameters: the EDD's parameters shown outside, as `translate_parameters` gave them.
        hidden: its PRIVATE ones.
        alarm_file: `alarms.toml`, where the package has one.

    Raises:
        PackageError: an alarm that makes no sense.
    """
    binding = bound.binding
    methods = tuple(_method(command) for command in binding.commands if command.method)
    alarms = AlarmReader(edd, parameters, hidden, source.edd_part)
    declared = alarms.read()
    if alarm_file is not None:
        declared = read_alarm_file(alarm_file.data, part=alarm_file.name, parameters=parameters, declared=declared)
    groups, left_out = translate_groups(
        edd, parameters, {method.command: method.name for method in methods if method.command in edd.methods}
    )
    warnings = [*_dynamic_attributes(edd), *alarms.warnings, *left_out]
    device_type = DeviceType(
        type_id=binding.type_id,
        package_id=source.package_id,
        version=source.version,
        namespace_uri=NAMESPACE_PREFIX + source.package_id,
        label=source.label,
        description=source.description,
        manufacturer=source.manufacturer,
        model=source.label,
        device_revision=source.device_revision or str(edd.device_revision),
        classification=source.classification,
        parameters=parameters,
        methods=methods,
        actions=_actions(edd),
        groups=groups,
        alarms=declared,
        binding=binding,
        documents=source.documents,
        images=source.images,
        icon=source.icon,
        area=bound.area,
        hidden=hidden,
        logic=TypeLogic(edd, {**parameters, **hidden}),
        health=health_specs(edd, parameters),
        uips=source.uips,
        protocol_support=source.protocol_support,
        manufacturer_id=source.manufacturer_id,
        model_id=source.model_id,
        revisions=source.revisions,
    )
    return Translated(device_type, tuple(warnings))


def _method(command: CommandBinding) -> MethodSpec:
    return MethodSpec(
        name=command.method,
        command=command.name,
        label=Texts(command.label) if command.label else Texts.of(command.method),
        description=Texts(command.description) if command.description else NO_TEXT,
        inputs=tuple(
            ArgumentSpec(entry.name, _ARGUMENT_TYPES[entry.data_type], Texts(entry.description))
            for entry in command.arguments
        ),
        params=tuple(entry.param for entry in command.arguments),
        outputs=(_REPORT,) if command.answer == "report" else (),
        role=command.role,
    )


def _actions(edd: EddModel) -> tuple[ActionSpec, ...]:
    return tuple(
        ActionSpec(
            name=method.name,
            label=texts_of(method.label) or Texts.of(method.name),
            help=texts_of(method.help),
            parameters=tuple((entry.ctype, entry.name) for entry in method.parameters),
            access=method.access or "",
        )
        for method in map(edd.methods.__getitem__, offered_methods(edd))
    )


def _dynamic_attributes(edd: EddModel) -> list[str]:
    """Attributes that the EDD lets depend on the device, but that stay as they are: their form is a fixed choice."""
    found = ((variable.name, fixed(variable.conditional)) for variable in edd.variables.values())
    return [
        f"{name}: {', '.join(sorted(attributes))} depends on the device; one branch is used"
        for name, attributes in found
        if attributes
    ]
