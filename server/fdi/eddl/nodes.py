"""The tree of an EDD as written: constructs, attributes, lists and conditionals; nothing is interpreted here.

Expressions stand in `expressions.py`, the statements of the METHOD language in `statements.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from server.fdi.eddl.errors import Problem
    from server.fdi.eddl.expressions import Expression, Reference
    from server.fdi.eddl.statements import Block


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the source; line and column count from 1."""

    file: str
    line: int
    column: int


# ---- values of attributes


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, or several between commas, up to the semicolon."""

    values: tuple[Expression, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Case:
    """One branch; `label` is the CASE value, None for the branch of an IF."""

    label: Expression | None
    content: tuple[Content, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Conditional:
    """IF or SELECT around values, list items, type items or references; `default` is ELSE or DEFAULT."""

    kind: str  # "IF" or "SELECT"
    subject: Expression
    cases: tuple[Case, ...]
    default: tuple[Content, ...] | None
    position: Position


@dataclass(frozen=True, slots=True)
class Group:
    """Items between braces inside a list, with the name before them if there is one."""

    name: str | None
    items: tuple[Content, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class ListItem:
    """One item of a list.

    `qualifiers` are the words after it, as in `(READ_ONLY)` or `(INFO, INDEX)`; `mask` is the number in `<0xF0>`;
    `assigned` is what follows an equals sign; `separator` is what ended the item: ',', ';', ':' or ''.
    """

    value: Expression | Group | Block
    mask: int | None
    qualifiers: tuple[str, ...]
    assigned: Expression | None
    modifier: str | None  # ADD, REDEFINE, DELETE
    separator: str
    position: Position


@dataclass(frozen=True, slots=True)
class ItemList:
    """The content of a list attribute in source order."""

    items: tuple[Content, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """A TYPE attribute: `reference` is the type word or the item that serves as type, `target` what INDEX points at."""

    reference: Reference
    size: Expression | None
    target: Reference | None
    items: tuple[Content, ...]  # ListItem with a Group for each enumerator, Attribute, Deletion, Conditional
    position: Position


@dataclass(frozen=True, slots=True)
class Deletion:
    """DELETE of one enumerator (by value) or of one attribute inside a TYPE."""

    value: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Transaction:
    """A TRANSACTION of a COMMAND with its number, if it has one."""

    number: Expression | None
    attributes: tuple[Attribute, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named attribute; value None means `DELETE name;`."""

    name: str
    value: Scalar | Conditional | ItemList | TypeSpec | Transaction | Block | None
    modifier: str | None
    position: Position


# ---- top-level items


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a METHOD."""

    ctype: str
    name: str
    by_reference: bool
    is_array: bool
    position: Position


@dataclass(frozen=True, slots=True)
class Construct:
    """`kind name { … }`, with the kind after OF and the parameters of a METHOD."""

    kind: str
    name: str
    of: str | None
    parameters: tuple[Parameter, ...] | None
    attributes: tuple[Attribute, ...]
    modifier: str | None
    position: Position

    def attribute(self, name: str) -> Attribute | None:
        """The last attribute of that name."""
        for attribute in reversed(self.attributes):
            if attribute.name == name:
                return attribute
        return None


@dataclass(frozen=True, slots=True)
class Like:
    """`name LIKE [kind] base { changes }`."""

    name: str
    kind: str | None
    base: str
    attributes: tuple[Attribute, ...]
    modifier: str | None
    position: Position


@dataclass(frozen=True, slots=True)
class RelationItem:
    """UNIT, REFRESH (two sides) or WRITE_AS_ONE (members in `causes`, no effects)."""

    kind: str
    name: str
    causes: tuple[Reference | Conditional, ...]
    effects: tuple[Reference | Conditional, ...]
    modifier: str | None
    position: Position


@dataclass(frozen=True, slots=True)
class Removal:
    """`DELETE kind name;`."""

    kind: str
    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """One entry of the identification, such as `DEVICE_REVISION 1`."""

    name: str
    value: int | str
    position: Position


@dataclass(frozen=True, slots=True)
class Selection:
    """What an IMPORT takes: `EVERYTHING;`, `VARIABLES;` (kind only) or `VARIABLE name;`."""

    kind: str
    name: str | None
    position: Position


@dataclass(frozen=True, slots=True)
class Import:
    """An IMPORT of another EDD with what is taken and what is redefined."""

    identification: tuple[HeaderEntry, ...]
    selections: tuple[Selection, ...]
    redefinitions: tuple[Item, ...]
    position: Position


Item: TypeAlias = Construct | Like | RelationItem | Removal
Content: TypeAlias = "Scalar | ListItem | Conditional | Deletion | Attribute | Reference"


@dataclass(frozen=True, slots=True)
class Edd:
    """A whole EDD: `declarations` in source order, `items` by name (the first of a name)."""

    identification: Mapping[str, HeaderEntry]
    imports: tuple[Import, ...]
    declarations: tuple[Item, ...]
    items: Mapping[str, Item]
    dictionary: Mapping[str, Mapping[str, str]] | None
    file: str
    sources: Mapping[str, str] = field(compare=False, repr=False)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)  # what is odd but stands in no one's way
