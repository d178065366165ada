"""Values, argument lists and enumerations as they are written in the sources."""

from __future__ import annotations

import re
from collections.abc import Callable

from server.opcua.nodesets.model import Body, Definition, FieldDef, Name, Structure, Text, Value, ValueItem, base
from server.opcua.nodesets.values import INTEGER_RANGES, ValueFormatError, boolean, integer, real

ARGUMENT_XML_ENCODING = base(297)
ENUM_VALUE_XML_ENCODING = base(7616)


def unquote(word: str) -> str:
    """A word without its quotation marks."""
    if len(word) >= 2 and word.startswith('"') and word.endswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """`(Name: Type, …)` as pairs of name and type."""
    if len(words) != 1 or not words[0].startswith("("):
        raise ValueFormatError("write the list as (Name: Type, Name: Type)")
    inner = words[0][1:-1].strip()
    found = []
    for part in inner.split(",") if inner else ():
        # The type may carry an alias: the first colon followed by a blank separates.
        name, separator, type_word = part.strip().partition(": ")
        if not separator or not name or not type_word.strip() or " " in name:
            raise ValueFormatError(f"'{part.strip()}' is not 'Name: Type'")
        found.append((name, type_word.strip()))
    return found


def numbered(words: list[str]) -> list[tuple[str, int]]:
    """`NAME=0 OTHER=1` as pairs."""
    found = []
    for word in words:
        name, _, number = word.rpartition("=")
        if not name:
            raise ValueFormatError(f"'{word}' is not NAME=number")
        found.append((name, integer("Int64", number)))
    return found


def argument(item: FieldDef) -> Structure:
    """One method argument; its description stays empty."""
    lengths = tuple(Body("UInt32", str(length)) for length in item.array_dimensions or (0,))
    dimensions = (Body("ArrayDimensions", children=lengths),) if item.value_rank == 1 else ()
    body = Body(
        "Argument",
        children=(
            Body("Name", item.name),
            Body("DataType", children=(Body("Identifier", str(item.data_type)),)),
            Body("ValueRank", str(item.value_rank)),
            *dimensions,
        ),
    )
    return Structure(ARGUMENT_XML_ENCODING, body)


def names(definition: Definition) -> Value:
    """The value of EnumStrings or OptionSetValues: the names in order."""
    return Value("LocalizedText", tuple(Text("", item.name) for item in definition.fields), array=True)


def enum_values(definition: Definition) -> Value:
    """The value of EnumValues: number and name of each."""
    items = tuple(
        Structure(
            ENUM_VALUE_XML_ENCODING,
            Body(
                "EnumValueType",
                children=(Body("Value", str(item.value)), Body("DisplayName", children=(Body("Text", item.name),))),
            ),
        )
        for item in definition.fields
    )
    return Value("ExtensionObject", items, array=True)


def value(kind: str, words: list[str], *, array: bool, browse_name: Callable[[str], Name]) -> Value:
    """A literal of a built-in type; the words of an array are its items."""
    if not array and len(words) != 1:
        raise ValueFormatError(f"{len(words)} values for one {kind or 'value'}")
    return Value(kind, tuple(_item(kind, word, browse_name) for word in words), array=array)


def _item(kind: str, word: str, browse_name: Callable[[str], Name]) -> ValueItem:
    if kind == "Boolean":
        return boolean(word)
    if kind in INTEGER_RANGES:
        return integer(kind, word)
    if kind in ("Float", "Double"):
        return real(word)
    if kind == "DateTime" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", word):
        return word
    if kind == "String":
        return unquote(word)
    if kind == "LocalizedText":
        return Text("", unquote(word))
    if kind == "QualifiedName":
        return browse_name(word)
    raise ValueFormatError(f"'{word}' cannot be written as a value of type {kind or 'unknown'}; add as=TYPE")
