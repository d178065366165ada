"""Initial values of NodeSet2 files: XML in, our plain values out, and back again.

The XML data encoding of the built-in types is followed; structures stay generic trees until a stack class is known.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from server.opcua.nodesets.model import UA_URI, Body, Name, NodeKey, Structure, Text, Value, ValueItem

TYPES_NS = "http://opcfoundation.org/UA/2008/02/Types.xsd"

INTEGER_RANGES = {
    "SByte": (-(2**7), 2**7 - 1),
    "Byte": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
    "StatusCode": (0, 2**32 - 1),
}
_TEXT_TYPES = {"String", "DateTime", "Guid", "XmlElement"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?)?")
_NODE_ID = re.compile(r"(?:ns=(\d{1,5});|nsu=([^;]+);)?(i=\d{1,10}|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/=]+)", re.S)
_NUMERIC_MAX = 2**32 - 1


class ValueFormatError(ValueError):
    """A text that is not what its type asks for."""


@dataclass(frozen=True, slots=True)
class Context:
    """How one file writes namespaces: index 0 is the base namespace, then its NamespaceUris table."""

    uris: tuple[str, ...]

    def uri(self, index: int) -> str:
        """The URI of a namespace index of the file."""
        if not 0 <= index < len(self.uris):
            raise ValueFormatError(f"namespace index {index} is not in NamespaceUris ({len(self.uris) - 1} entries)")
        return self.uris[index]

    def node_id(self, text: str) -> NodeKey:
        """The NodeId written as text in this file."""
        found = _NODE_ID.fullmatch(text.strip())
        if found is None:
            raise ValueFormatError(f"'{text[:80]}' is not a NodeId")
        index, uri, identifier = found.groups()
        if identifier.startswith("i=") and int(identifier[2:]) > _NUMERIC_MAX:
            raise ValueFormatError(f"'{text[:80]}' is not a NodeId: the number is above {_NUMERIC_MAX}")
        return NodeKey(uri if uri else self.uri(int(index or 0)), identifier)

    def name(self, text: str) -> Name:
        """The QualifiedName written as `index:name` or `name` in this file."""
        found = re.match(r"(\d{1,5}):(.*)", text, re.S)
        if found is None:
            return Name(UA_URI, text)
        return Name(self.uri(int(found.group(1))), found.group(2))


def local_name(element: etree._Element) -> str:
    """The element's tag without its namespace; an empty string for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: etree._Element) -> list[etree._Element]:
    """The child elements without comments."""
    return [child for child in element if isinstance(child.tag, str)]


def read_value(element: etree._Element, context: Context) -> Value:
    """The initial value inside a `Value` element (its only child names the type)."""
    kind = local_name(element)
    if kind.startswith("ListOf"):
        inner = kind.removeprefix("ListOf")
        return Value(inner, tuple(_item(inner, child, context) for child in children(element)), array=True)
    return Value(kind, (_item(kind, element, context),))


def _item(kind: str, element: etree._Element, context: Context) -> ValueItem:
    text = (element.text or "").strip()
    if kind in _SIMPLE:
        return _SIMPLE[kind](text)
    if kind in INTEGER_RANGES:
        return _integer(kind, _child_text(element, "Code") or text if kind == "StatusCode" else text)
    if kind in ("NodeId", "ExpandedNodeId"):
        return context.node_id(_child_text(element, "Identifier") or text)
    if kind == "QualifiedName":
        index = _child_text(element, "NamespaceIndex")
        return Name(context.uri(_integer("UInt16", index or "0")), _child_text(element, "Name"))
    if kind == "LocalizedText":
        return Text(_child_text(element, "Locale"), _child_text(element, "Text") or text)
    if kind == "ExtensionObject":
        return _structure(element, context)
    raise ValueFormatError(f"values of type {kind} are not supported")


def _structure(element: etree._Element, context: Context) -> Structure:
    type_id, content = "", None
    for child in children(element):
        if local_name(child) == "TypeId":
            type_id = _child_text(child, "Identifier")
        elif local_name(child) == "Body":
            content = next(iter(children(child)), None)
    if not type_id or content is None:
        raise ValueFormatError("an ExtensionObject needs TypeId and Body")
    return Structure(context.node_id(type_id), _body(content, context))


def _body(element: etree._Element, context: Context) -> Body:
    name = local_name(element)
    inner = tuple(_body(child, context) for child in children(element))
    text = "" if inner else (element.text or "").strip()
    if name == "Identifier" and text:
        text = str(context.node_id(text))
    elif name == "NamespaceIndex" and text:
        text = context.uri(_integer("UInt16", text))
    # Empty leaves say nothing: tools write or leave them out at will.
    return Body(name, text, tuple(child for child in inner if child.text or child.children))


def _child_text(element: etree._Element, name: str) -> str:
    for child in children(element):
        if local_name(child) == name:
            return (child.text or "").strip()
    return ""


def _boolean(text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueFormatError(f"'{text[:40]}' is not a Boolean")


def _integer(kind: str, text: str) -> int:
    low, high = INTEGER_RANGES[kind]
    if re.fullmatch(r"[+-]?\d{1,20}", text) is None or not low <= int(text) <= high:
        raise ValueFormatError(f"'{text[:40]}' is not a {kind}")
    return int(text)


def _real(text: str) -> float:
    try:
        return {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}.get(text) or float(text)
    except ValueError:
        raise ValueFormatError(f"'{text[:40]}' is not a number") from None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueFormatError(f"a ByteString is not base64: {error}") from None


def _date(text: str) -> str:
    if text and _DATE.fullmatch(text) is None:
        raise ValueFormatError(f"'{text[:40]}' is not a DateTime")
    return text


_SIMPLE: dict[str, Callable[[str], ValueItem]] = {
    "Boolean": _boolean,
    "Float": _real,
    "Double": _real,
    "ByteString": _bytes,
    "DateTime": _date,
    # White space alone is the layout of the file, not the value.
    "String": str,
    "Guid": str,
    "XmlElement": str,
}


def boolean(text: str) -> bool:
    """A Boolean attribute of a NodeSet2 file."""
    return _boolean(text.strip())


def integer(kind: str, text: str) -> int:
    """An integer attribute of the named built-in type, its range checked."""
    return _integer(kind, text.strip())


def real(text: str) -> float:
    """A floating point attribute."""
    return _real(text.strip())
