"""XML in canonical form (C14N 1.0 and exclusive), made by libxml2 from trees checked for DTDs and size before."""

from __future__ import annotations

from typing import Any

from lxml import etree

from server.fdi.signature.algorithms import Canonicalization
from server.fdi.signature.result import invalid
from server.fdi.xml_reader import XmlLimits, read_xml

_XML = "{http://www.w3.org/XML/1998/namespace}"
Element = Any
"""An lxml element; lxml ships no types."""


def parse(data: bytes, *, part: str, limits: XmlLimits) -> Element:
    """The root of an XML part, for canonical form.

    Raises:
        PackageError: what `read_xml` refuses: DTDs, entities, encodings, size, depth.
        SignatureError: libxml2 does not take what expat took.
    """
    read_xml(data, part=part, limits=limits)
    try:
        return etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise invalid("signature.xml", f"{part}: not well-formed XML: {error.msg}") from None


def parse_signature(data: bytes, *, part: str, limits: XmlLimits) -> Element:
    """The root of a signature part, in which what could be read in two ways is refused.

    Comments split texts, and attributes such as xml:base are inherited by what is canonicalised.

    Raises:
        PackageError, SignatureError: as `parse`, and for comments, processing instructions and xml: attributes.
    """
    root = parse(data, part=part, limits=limits)
    if root.getprevious() is not None or root.getnext() is not None:
        raise invalid("signature.xml", "comments or processing instructions around the signature")
    for element in root.iter():
        if not isinstance(element.tag, str):
            raise invalid("signature.xml", f"line {element.sourceline}: a comment or processing instruction")
        if any(name.startswith(_XML) for name in element.attrib):
            raise invalid("signature.xml", f"line {element.sourceline}: an attribute of the xml: namespace")
    return root


def canonical(element: Element, method: Canonicalization) -> bytes:
    """The canonical bytes of an element and what is in it, in the namespaces that hold where it stands.

    Raises:
        SignatureError: it has no canonical form (a relative namespace name).
    """
    # libxml2 gets the namespaces of elements deep inside a subtree wrong: it is made a document of its own first, which
    # keeps every namespace that holds there.
    alone = etree.fromstring(etree.tostring(element, with_tail=False), _parser())
    return canonical_part(alone, method)


def canonical_part(root: Element, method: Canonicalization) -> bytes:
    """The canonical bytes of a whole document, what stands around its root included.

    Raises:
        SignatureError: as `canonical`.
    """
    tree = root.getroottree()
    try:
        form = etree.tostring(tree, method="c14n", exclusive=method.exclusive, with_comments=method.comments)
    except etree.C14NError:
        raise invalid("signature.xml", "no canonical form (a relative namespace name)") from None
    return bytes(form)


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
