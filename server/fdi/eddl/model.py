"""The static view of an EDD: what a device type needs to know before any device speaks.

Where an attribute depends on the device, the view shows one branch and names the attribute in `conditional`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from server.fdi.eddl.commands import EddCommand, EddResponseCodes
from server.fdi.eddl.components import (
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
)
from server.fdi.eddl.errors import Problem
from server.fdi.eddl.graphics import (
    EddAxis,
    EddChart,
    EddEditDisplay,
    EddGraph,
    EddGrid,
    EddImage,
    EddPlugin,
    EddSource,
    EddWaveform,
)
from server.fdi.eddl.nodes import Construct, Position, RelationItem
from server.fdi.eddl.statements import Block
from server.fdi.eddl.storage import EddBlob, EddFile, EddList, EddTemplate
from server.fdi.eddl.texts import NO_TEXT, Member, Texts

__all__ = ["NO_TEXT", "Member", "Texts"]

MenuItemKind = Literal["variable", "menu", "method", "text", "collection", "layout", "other"]


@dataclass(frozen=True, slots=True)
class Enumerator:
    """One value of an ENUMERATED or one mask of a BIT_ENUMERATED VARIABLE."""

    value: int
    text: Texts
    help: Texts = field(default_factory=lambda: NO_TEXT)
    status: tuple[str, ...] = ()  # status class words of a BIT_ENUMERATED entry, such as DIAGNOSTIC, WARNING


@dataclass(frozen=True, slots=True)
class EddVariable:
    """A VARIABLE; `ranges` are (minimum, maximum) pairs before scaling, None where open.

    `edd_type` is the TYPE word; `size` its octets (bits for BITSTRING, characters for texts). `conditional` names the
    attributes that depend on the device.
    """

    name: str
    label: Texts
    help: Texts
    edd_type: str
    size: int | None
    classes: frozenset[str]
    readable: bool
    writable: bool
    private: bool
    constant_unit: Texts | None
    ranges: tuple[tuple[float | None, float | None], ...]
    default_value: int | float | str | None
    initial_value: int | float | str | None
    display_format: str | None
    edit_format: str | None
    enumerators: tuple[Enumerator, ...]
    conditional: frozenset[str]
    scaling_factor: float | None = None
    index_of: str | None = None  # the array an INDEX VARIABLE points into
    position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One entry of a MENU: `target` is the item shown (or the layout word), `text` only for static text.

    An item that stands inside IF or SELECT is listed with `conditional` set, whichever branch it stands in.
    """

    kind: MenuItemKind
    target: str | None
    text: Texts | None = None
    qualifiers: frozenset[str] = frozenset()
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class EddMenu:
    """A MENU with its entries in order."""

    name: str
    label: Texts
    help: Texts
    style: str | None
    items: tuple[MenuItem, ...]
    access: str | None = None
    position: Position | None = field(default=None, compare=False)
    conditional: frozenset[str] = field(default=frozenset(), compare=False)


class MethodParameter(NamedTuple):
    """A parameter of a METHOD; `by_reference` ones also carry a result out."""

    ctype: str
    name: str
    by_reference: bool
    is_array: bool


@dataclass(frozen=True, slots=True)
class EddMethod:
    """The signature of a METHOD and its program."""

    name: str
    label: Texts
    help: Texts
    classes: frozenset[str]
    access: str | None
    parameters: tuple[MethodParameter, ...]
    returns: str | None
    private: bool = False
    position: Position | None = field(default=None, compare=False)
    definition: Block | None = field(default=None, compare=False, repr=False)
    conditional: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class EddCollection:
    """A COLLECTION or RECORD; `kind` tells which."""

    name: str
    label: Texts
    help: Texts
    of: str | None
    members: Mapping[str, Member]
    kind: str = "COLLECTION"
    position: Position | None = field(default=None, compare=False)
    conditional: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class EddArray:
    """A value array (`element` and `count`) or a reference array (`of` and `elements` by index)."""

    name: str
    label: Texts
    help: Texts
    kind: Literal["value", "reference"]
    element: str | None  # the VARIABLE or other item that serves as type of a value array
    count: int | None
    of: str | None
    elements: Mapping[int, Member]
    position: Position | None = field(default=None, compare=False)
    conditional: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class EddRelation:
    """UNIT, REFRESH or WRITE_AS_ONE with the references of both sides as written; WRITE_AS_ONE has no effects."""

    kind: str
    name: str
    causes: tuple[str, ...]
    effects: tuple[str, ...]


class OtherConstruct(NamedTuple):
    """A construct of a kind that has no view of its own."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class EddModel:
    """Everything the static view knows, each kind by name in source order."""

    manufacturer: int | str
    device_type: int | str
    device_revision: int
    dd_revision: int
    variables: Mapping[str, EddVariable]
    menus: Mapping[str, EddMenu]
    methods: Mapping[str, EddMethod]
    collections: Mapping[str, EddCollection]
    arrays: Mapping[str, EddArray]
    relations: tuple[EddRelation, ...]
    other: tuple[OtherConstruct, ...]
    # The tree behind the view, for what must be evaluated: every construct after LIKE, IMPORT and changes, in order.
    constructs: Mapping[str, Construct | RelationItem] = field(default_factory=dict, compare=False, repr=False)
    dictionary: Mapping[str, Texts] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)  # what is odd but stands in no one's way
    commands: Mapping[str, EddCommand] = field(default_factory=dict)
    response_codes: Mapping[str, EddResponseCodes] = field(default_factory=dict)
    charts: Mapping[str, EddChart] = field(default_factory=dict)
    sources: Mapping[str, EddSource] = field(default_factory=dict)
    axes: Mapping[str, EddAxis] = field(default_factory=dict)
    graphs: Mapping[str, EddGraph] = field(default_factory=dict)
    waveforms: Mapping[str, EddWaveform] = field(default_factory=dict)
    grids: Mapping[str, EddGrid] = field(default_factory=dict)
    images: Mapping[str, EddImage] = field(default_factory=dict)
    plugins: Mapping[str, EddPlugin] = field(default_factory=dict)
    edit_displays: Mapping[str, EddEditDisplay] = field(default_factory=dict)
    files: Mapping[str, EddFile] = field(default_factory=dict)
    lists: Mapping[str, EddList] = field(default_factory=dict)
    blobs: Mapping[str, EddBlob] = field(default_factory=dict)
    templates: Mapping[str, EddTemplate] = field(default_factory=dict)
    components: Mapping[str, EddComponent] = field(default_factory=dict)
    component_folders: Mapping[str, EddComponentFolder] = field(default_factory=dict)
    component_references: Mapping[str, EddComponentReference] = field(default_factory=dict)
    component_relations: Mapping[str, EddComponentRelation] = field(default_factory=dict)
    interfaces: Mapping[str, EddInterface] = field(default_factory=dict)
    blocks: Mapping[str, EddBlock] = field(default_factory=dict)
    variable_lists: Mapping[str, EddVariableList] = field(default_factory=dict)
    programs: Mapping[str, EddProgram] = field(default_factory=dict)
    domains: Mapping[str, EddDomain] = field(default_factory=dict)
    connections: Mapping[str, EddConnection] = field(default_factory=dict)
    modules: Mapping[str, EddModule] = field(default_factory=dict)
