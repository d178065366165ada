"""COMPONENT and its family, function blocks and modules to the static view."""

from __future__ import annotations

from typing import TypedDict

from server.fdi.eddl.components import (
    Declared,
    EddBlock,
    EddComponent,
    EddComponentFolder,
    EddComponentReference,
    EddComponentRelation,
    EddConnection,
    EddDomain,
    EddInterface,
    EddModule,
    EddProgram,
    EddVariableList,
    RelatedComponent,
)
from server.fdi.eddl.expressions import Reference
from server.fdi.eddl.keywords import KINDS
from server.fdi.eddl.nodes import Group, TypeSpec
from server.fdi.eddl.reading import Reader, plain

RELATION_TYPES = frozenset({"CHILD_COMPONENT", "PARENT_COMPONENT", "NEXT_COMPONENT", "PREV_COMPONENT", "SIBLING"})


class _Place(TypedDict):
    classification: str | None
    component_parent: str | None
    component_path: str | None


def _place(reader: Reader) -> _Place:
    return _Place(
        classification=reader.word("CLASSIFICATION"),
        component_parent=reader.reference("COMPONENT_PARENT"),
        component_path=reader.string("COMPONENT_PATH"),
    )


def component(reader: Reader) -> EddComponent:
    """The static view of a COMPONENT."""
    return EddComponent(
        relations=reader.references("COMPONENT_RELATIONS"),
        declarations=_declared(reader),
        detect=reader.reference("DETECT"),
        scan=reader.reference("SCAN"),
        check_configuration=reader.reference("CHECK_CONFIGURATION"),
        initial_values=reader.assigned("INITIAL_VALUES"),
        protocol=reader.string("PROTOCOL"),
        product_uri=reader.string("PRODUCT_URI"),
        edd=reader.string("EDD"),
        can_delete=reader.flag("CAN_DELETE", otherwise=True),
        byte_order=reader.word("BYTE_ORDER"),
        connection_point=reader.reference("CONNECTION_POINT"),
        supplied_interface=_one_or_more(reader, "SUPPLIED_INTERFACE"),
        **_place(reader),
        **reader.common(),
    )


def _one_or_more(reader: Reader, name: str) -> tuple[str, ...]:
    """References of a list, or the single one of a scalar."""
    single = reader.reference(name)
    return (single,) if single is not None else reader.references(name)


def _declared(reader: Reader) -> tuple[Declared, ...]:
    """`KIND name { … }` in DECLARATION comes as two items: the kind, and a group with the name."""
    found: list[Declared] = []
    kind: str | None = None
    for item, _ in reader.listed("DECLARATION"):
        value = item.value
        named = value.name if isinstance(value, Reference | Group) else None
        if kind is not None and named is not None:
            found.append(Declared(kind, named))
            kind = None
        elif isinstance(value, Reference) and not value.steps and named in KINDS:
            kind = named
    return tuple(found)


def component_folder(reader: Reader) -> EddComponentFolder:
    """The static view of a COMPONENT_FOLDER."""
    return EddComponentFolder(**_place(reader), **reader.common())


def component_reference(reader: Reader) -> EddComponentReference:
    """The static view of a COMPONENT_REFERENCE."""
    return EddComponentReference(
        edd=reader.string("EDD"), protocol=reader.string("PROTOCOL"), **_place(reader), **reader.common()
    )


def component_relation(reader: Reader) -> EddComponentRelation:
    """The static view of a COMPONENT_RELATION."""
    kind = reader.word("RELATION_TYPE")
    if kind is not None and kind not in RELATION_TYPES:
        text = f"{reader.owner}: RELATION_TYPE {kind} is not known"
        reader.view.findings.warn(reader.construct.position, "relation", text)
    least, most = reader.whole("MINIMUM_NUMBER"), reader.whole("MAXIMUM_NUMBER")
    if least is not None and most is not None and least > most:
        text = f"{reader.owner}: MINIMUM_NUMBER {least} is above MAXIMUM_NUMBER {most}"
        reader.view.findings.add(reader.construct.position, "range", text)
    return EddComponentRelation(
        relation_type=kind,
        components=_related(reader),
        addressing=reader.references("ADDRESSING"),
        minimum_number=least,
        maximum_number=most,
        required_interface=_one_or_more(reader, "REQUIRED_INTERFACE"),
        **reader.common(),
    )


def _related(reader: Reader) -> tuple[RelatedComponent, ...]:
    found: list[RelatedComponent] = []
    for item, _ in reader.listed("COMPONENTS"):
        if isinstance(item.value, Group) and item.value.name is not None:
            arguments = reader.values("COMPONENTS", item.value.items)
            found.append(RelatedComponent(item.value.name, arguments))
        elif (shown := plain(item)) is not None:
            found.append(RelatedComponent(shown))
    return tuple(found)


def interface(reader: Reader) -> EddInterface:
    """The static view of an INTERFACE."""
    return EddInterface(declarations=_declared(reader), **reader.common())


def block(reader: Reader) -> EddBlock:
    """The static view of a BLOCK, BLOCK_A or BLOCK_B."""
    typed = reader.attribute("TYPE")
    listed = [each.name for each in reader.construct.attributes if each.name.endswith("_ITEMS")]
    return EddBlock(
        kind=reader.construct.kind,
        type=typed.value.reference.name if typed is not None and isinstance(typed.value, TypeSpec) else None,
        number=reader.whole("NUMBER"),
        characteristics=reader.reference("CHARACTERISTICS"),
        parameters=reader.members("PARAMETERS"),
        local_parameters=reader.members("LOCAL_PARAMETERS"),
        parameter_lists=reader.members("PARAMETER_LISTS"),
        items={name: reader.references(name) for name in listed},
        **reader.common(),
    )


def variable_list(reader: Reader) -> EddVariableList:
    """The static view of a VARIABLE_LIST."""
    return EddVariableList(members=reader.members(), **reader.common())


def program(reader: Reader) -> EddProgram:
    """The static view of a PROGRAM."""
    return EddProgram(arguments=reader.values("ARGUMENTS"), **reader.common())


def domain(reader: Reader) -> EddDomain:
    """The static view of a DOMAIN."""
    readable, writable = reader.access()
    return EddDomain(readable=readable, writable=writable, **reader.common())


def connection(reader: Reader) -> EddConnection:
    """The static view of a CONNECTION."""
    return EddConnection(app_instance=reader.whole("APPINSTANCE"), **reader.common())


def module(reader: Reader) -> EddModule:
    """The static view of a MODULE."""
    return EddModule(number=reader.whole("NUMBER"), **reader.common())
