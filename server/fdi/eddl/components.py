"""COMPONENT and its family in the static view, and the constructs of function blocks and modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.fdi.eddl.texts import Assigned, Described, Member


@dataclass(frozen=True, slots=True)
class Declared:
    """A construct named in the DECLARATION of a component."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Described):
    """Where a component stands: its kind, and the parent or path it belongs to."""

    classification: str | None = None
    component_parent: str | None = None
    component_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddComponent(Placed):
    """A COMPONENT; `detect`, `scan` and `check_configuration` name METHODs."""

    relations: tuple[str, ...] = ()
    declarations: tuple[Declared, ...] = ()
    detect: str | None = None
    scan: str | None = None
    check_configuration: str | None = None
    initial_values: tuple[Assigned, ...] = ()
    protocol: str | None = None
    product_uri: str | None = None
    edd: str | None = None
    can_delete: bool = True
    byte_order: str | None = None
    connection_point: str | None = None
    supplied_interface: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddComponentFolder(Placed):
    """A COMPONENT_FOLDER: a group in the catalogue of components."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EddComponentReference(Placed):
    """A COMPONENT_REFERENCE: a component described by another EDD."""

    edd: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class RelatedComponent:
    """A component of a relation; `arguments` are what stands in braces after it."""

    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddComponentRelation(Described):
    """A COMPONENT_RELATION: which components may stand in that relation, how they are addressed and how many."""

    relation_type: str | None = None
    components: tuple[RelatedComponent, ...] = ()
    addressing: tuple[str, ...] = ()
    minimum_number: int | None = None
    maximum_number: int | None = None
    required_interface: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddInterface(Described):
    """An INTERFACE: what a component offers to others."""

    declarations: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddBlock(Described):
    """A BLOCK, BLOCK_A or BLOCK_B; `items` are the names listed by each *_ITEMS attribute."""

    kind: str = "BLOCK"
    type: str | None = None
    number: int | None = None
    characteristics: str | None = None
    parameters: Mapping[str, Member] = field(default_factory=dict)
    local_parameters: Mapping[str, Member] = field(default_factory=dict)
    parameter_lists: Mapping[str, Member] = field(default_factory=dict)
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EddVariableList(Described):
    """A VARIABLE_LIST: VARIABLEs read together."""

    members: Mapping[str, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EddProgram(Described):
    """A PROGRAM of the device with what it is started with."""

    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddDomain(Described):
    """A DOMAIN: memory of the device."""

    readable: bool = True
    writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EddConnection(Described):
    """A CONNECTION to an application of the device."""

    app_instance: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddModule(Described):
    """A MODULE in a slot of the device."""

    number: int | None = None
