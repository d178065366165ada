"""XML from strangers: no DTD, no entities, nothing fetched, bounded size, depth and count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from server.fdi.errors import PackageError

_SEPARATOR = " "
_ENCODINGS = frozenset({"utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """How much XML is read from one part."""

    max_bytes: int = 4 * 1024 * 1024
    max_depth: int = 64
    max_elements: int = 100_000
    max_attributes: int = 64  # of one element, and namespaces declared there or around it


@dataclass(slots=True)
class XmlElement:
    """One element; attributes by local name, those in a namespace as `{uri}name`; `text` is its own, stripped."""

    namespace: str
    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[XmlElement] = field(default_factory=list)

    def named(self, name: str) -> Iterator[XmlElement]:
        """Children of this local name in no namespace."""
        return (child for child in self.children if child.name == name and not child.namespace)

    def first(self, name: str) -> XmlElement | None:
        """The first such child, or None."""
        return next(self.named(name), None)


class _Builder:
    def __init__(self, part: str, limits: XmlLimits) -> None:
        self.part = part
        self.limits = limits
        self.root: XmlElement | None = None
        self._open: list[XmlElement] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self._namespaces = 0  # declared here and around
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.StartNamespaceDeclHandler = self._namespace
        self.parser.EndNamespaceDeclHandler = self._namespace_end
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse(self, reason: str, rule: str) -> PackageError:
        return PackageError(reason, part=self.part, line=self.parser.CurrentLineNumber, rule=rule)

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise self.refuse(f"encoding {encoding} is not allowed, only UTF-8 and UTF-16", "xml.encoding")

    def _doctype(self, *details: object) -> None:
        raise self.refuse("a document type or entity declaration is not allowed in package XML", "xml.dtd")

    def _namespace(self, prefix: str | None, uri: str) -> None:
        self._namespaces += 1

    def _namespace_end(self, prefix: str | None) -> None:
        self._namespaces -= 1

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > self.limits.max_elements:
            raise self.refuse(f"more than {self.limits.max_elements} elements", "xml.count")
        if len(self._open) >= self.limits.max_depth:
            raise self.refuse(f"elements nested deeper than {self.limits.max_depth}", "xml.depth")
        # A schema check takes time with the third power of attributes, the second of namespaces (xmlschema 4.3).
        if max(len(attributes), self._namespaces) > self.limits.max_attributes:
            reason = f"an element with more than {self.limits.max_attributes} attributes or namespaces"
            raise self.refuse(reason, "xml.attributes")
        namespace, _, name = tag.rpartition(_SEPARATOR)
        element = XmlElement(namespace, name, self.parser.CurrentLineNumber)
        for key, value in attributes.items():
            uri, _, local = key.rpartition(_SEPARATOR)
            element.attributes[f"{{{uri}}}{local}" if uri else local] = value
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, tag: str) -> None:
        element = self._open.pop()
        element.text = "".join(self._texts.pop()).strip()

    def _data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)


def read_xml(data: bytes, *, part: str, limits: XmlLimits) -> XmlElement:
    """The root element of an XML part.

    Raises:
        PackageError: not well-formed, a DTD or entity, an encoding other than UTF-8/UTF-16, or a limit crossed.
    """
    if len(data) > limits.max_bytes:
        raise PackageError(f"{len(data)} bytes of XML, at most {limits.max_bytes}", part=part, rule="xml.size")
    builder = _Builder(part, limits)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = f"not well-formed XML: {expat.ErrorString(error.code)}"
        raise PackageError(reason, part=part, line=error.lineno, rule="xml.syntax") from None
    except (UnicodeError, ValueError) as error:
        raise PackageError(f"not readable XML: {error}", part=part, rule="xml.syntax") from None
    finally:
        # The handlers hold the builder and the builder the parser: cut the circle at once.
        with contextlib.suppress(AttributeError):
            parser = builder.parser
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            parser.StartNamespaceDeclHandler = parser.EndNamespaceDeclHandler = None
            parser.XmlDeclHandler = parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = None
    if builder.root is None:
        raise PackageError("no root element", part=part, rule="xml.syntax")
    return builder.root


def escape(text: str) -> str:
    """Text as XML character data or a double-quoted attribute value."""
    replaced = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return replaced.replace('"', "&quot;")
