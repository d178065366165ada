"""What one NodeSet2 file says, free of namespace indexes and of the stack: plain values that compare and sort."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from server.core.errors import ConfigurationError

UA_URI = "http://opcfoundation.org/UA/"


class NodeClass(IntEnum):
    """OPC UA NodeClass; the numbers are those of the wire."""

    OBJECT = 1
    VARIABLE = 2
    METHOD = 4
    OBJECT_TYPE = 8
    VARIABLE_TYPE = 16
    REFERENCE_TYPE = 32
    DATA_TYPE = 64
    VIEW = 128


@dataclass(frozen=True, slots=True, order=True)
class NodeKey:
    """A NodeId with its namespace as URI. `identifier` is the text form with its kind: i=85, s=name, g=…, b=…."""

    uri: str
    identifier: str

    def __str__(self) -> str:
        return self.identifier if self.uri == UA_URI else f"nsu={self.uri};{self.identifier}"


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A QualifiedName with its namespace as URI."""

    uri: str
    text: str

    def __str__(self) -> str:
        return self.text if self.uri == UA_URI else f"{self.uri}:{self.text}"


@dataclass(frozen=True, slots=True, order=True)
class Text:
    """One LocalizedText; an empty locale means none is given."""

    locale: str
    text: str


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One reference as declared at its node; `forward` false means that `target` is the source of it."""

    type: NodeKey
    target: NodeKey
    forward: bool = True
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Body:
    """One XML element of a structure value: text, or children in order.

    NodeIds and NamespaceIndex elements are already rewritten to URIs, so a body means the same in every file.
    """

    name: str
    text: str = ""
    children: tuple[Body, ...] = ()


@dataclass(frozen=True, slots=True)
class Structure:
    """An ExtensionObject: the encoding id and its content."""

    type_id: NodeKey
    body: Body


ValueItem = bool | int | float | str | bytes | NodeKey | Name | Text | Structure


@dataclass(frozen=True, slots=True)
class Value:
    """An initial value: the built-in type's XML name and one item, or all items of a one-dimensional array."""

    type: str
    items: tuple[ValueItem, ...]
    array: bool = False


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field of a structure or one value of an enumeration (`value` given)."""

    name: str
    value: int | None = None
    data_type: NodeKey = field(default_factory=lambda: NodeKey(UA_URI, "i=24"))
    value_rank: int = -1
    array_dimensions: tuple[int, ...] = ()
    optional: bool = False
    allow_subtypes: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """The DataTypeDefinition of a DataType node."""

    name: Name
    fields: tuple[FieldDef, ...] = ()
    option_set: bool = False
    union: bool = False

    @property
    def is_enumeration(self) -> bool:
        """True when the fields carry numbers."""
        return any(item.value is not None for item in self.fields)


@dataclass(frozen=True, slots=True)
class Node:
    """One node. Attributes that the class does not have keep their default."""

    node_id: NodeKey
    node_class: NodeClass
    browse_name: Name
    display_name: tuple[Text, ...]
    references: tuple[Reference, ...] = ()
    parent: NodeKey | None = None
    description: tuple[Text, ...] = ()
    inverse_name: tuple[Text, ...] = ()
    is_abstract: bool = False
    symmetric: bool = False
    data_type: NodeKey | None = None
    value_rank: int = -1
    array_dimensions: tuple[int, ...] = ()
    access_level: int = 1
    user_access_level: int | None = None
    write_mask: int = 0
    event_notifier: int = 0
    historizing: bool = False
    minimum_sampling_interval: float = 0.0
    executable: bool = True
    contains_no_loops: bool = False
    method_declaration: NodeKey | None = None
    release_status: str = "Released"
    value: Value | None = None
    definition: Definition | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RequiredModel:
    """A model another one needs, at least in this version or of this date (ISO 8601, may be empty)."""

    uri: str
    version: str = ""
    publication_date: str = ""
    schema_uri: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class NodeSetFile:
    """One parsed NodeSet2 file with one model; `path` is where it came from."""

    path: Path
    model_uri: str
    version: str
    publication_date: str
    required_models: tuple[RequiredModel, ...]
    nodes: tuple[Node, ...]
    namespace_uris: tuple[str, ...]
    schema_uri: str = ""

    def by_id(self) -> dict[NodeKey, Node]:
        """The nodes under their id; the reader has refused duplicates."""
        return {node.node_id: node for node in self.nodes}


class NodeSetError(ConfigurationError):
    """NodeSet files or their sources are wrong; every problem says the file, the line where known, and the reason."""

    def __init__(self, problems: list[str] | tuple[str, ...]) -> None:
        super().__init__(problems, what="nodesets")


def at(path: Path, line: int, reason: str) -> str:
    """One problem as an operator reads it: file, line, reason."""
    return f"{path.name}, line {line}: {reason}" if line else f"{path.name}: {reason}"


def base(number: int) -> NodeKey:
    """A numeric node of the base namespace."""
    return NodeKey(UA_URI, f"i={number}")


HAS_MODELLING_RULE = base(37)
HAS_ENCODING = base(38)
HAS_DESCRIPTION = base(39)
HAS_TYPE_DEFINITION = base(40)
HAS_SUBTYPE = base(45)
HAS_PROPERTY = base(46)
HAS_COMPONENT = base(47)

NODE_CLASS_TAGS = {
    "UAObject": NodeClass.OBJECT,
    "UAVariable": NodeClass.VARIABLE,
    "UAMethod": NodeClass.METHOD,
    "UAObjectType": NodeClass.OBJECT_TYPE,
    "UAVariableType": NodeClass.VARIABLE_TYPE,
    "UAReferenceType": NodeClass.REFERENCE_TYPE,
    "UADataType": NodeClass.DATA_TYPE,
    "UAView": NodeClass.VIEW,
}
"""Element names of OPC 10000-6 Annex F for the classes of nodes."""
