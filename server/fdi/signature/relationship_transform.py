"""The relationships transform (ISO/IEC 29500-2, 13.2.4.24): some relationships of a part, in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from server.fdi import literals
from server.fdi.signature.algorithms import Canonicalization
from server.fdi.signature.canonical import canonical_part
from server.fdi.signature.result import invalid
from server.fdi.xml_reader import XmlElement

_KNOWN = frozenset({"Id", "Type", "Target", "TargetMode"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which relationships a signature covers."""

    ids: frozenset[str] = frozenset()  # RelationshipReference/@SourceId
    types: frozenset[str] = frozenset()  # RelationshipsGroupReference/@SourceType

    def takes(self, identifier: str, kind: str) -> bool:
        """True for a relationship that is covered."""
        return identifier in self.ids or kind in self.types


def transform(root: XmlElement, selection: Selection, method: Canonicalization, *, part: str) -> bytes:
    """The bytes that are digested.

    The relationships are those the container follows (one reading, no second parser); Targets as written.

    Args:
        root: the Relationships element.
        method: the canonicalisation that has to follow the transform.

    Raises:
        SignatureError: an attribute on a covered relationship that the digest would not protect.
    """
    chosen = []
    for child in root.children:
        get = child.attributes.get
        if not selection.takes(get("Id", ""), get("Type", "")):
            continue
        unknown = sorted(child.attributes.keys() - _KNOWN)
        if unknown:
            raise invalid("signature.relationships", f"{part}:{child.line}: unknown attribute {unknown[0]}")
        chosen.append(child.attributes)
    namespace = literals.RELATIONSHIPS_NAMESPACE
    result = etree.Element(f"{{{namespace}}}Relationships", nsmap={None: namespace})
    # Ordinal order: the standard sorts Ids as case-sensitive strings.
    for attributes in sorted(chosen, key=lambda entry: entry["Id"]):
        try:
            etree.SubElement(result, f"{{{namespace}}}Relationship", {"TargetMode": "Internal", **attributes})
        except ValueError:
            raise invalid("signature.relationships", f"{part}: a relationship that is no XML text") from None
    return canonical_part(result, method)
