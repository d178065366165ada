"""A signature part read into references, methods and values; everything not allowed is refused before it is used.

Every element is taken from its fixed place under the one root, never looked up by name or Id somewhere in the document:
what is verified and what is believed are the same elements, whatever else an attacker wraps around them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from server.fdi import part_names
from server.fdi.errors import PackageError
from server.fdi.signature import names
from server.fdi.signature.algorithms import (
    INCLUSIVE,
    Canonicalization,
    SignatureMethod,
    canonicalization_named,
    digest_named,
    is_canonicalization,
    shown,
    signature_named,
)
from server.fdi.signature.canonical import Element
from server.fdi.signature.relationship_transform import Selection
from server.fdi.signature.result import invalid

_CONTENT_TYPE = "ContentType="
_ID_NAMES = frozenset({"id"})


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """A digest over an element of the signature part itself."""

    element: Element
    canonicalization: Canonicalization
    digest: str
    value: bytes


@dataclass(frozen=True, slots=True)
class PartReference:
    """A digest over a part of the package."""

    name: str
    content_type: str
    selection: Selection | None  # relationships transform
    canonicalization: Canonicalization | None  # None: the stored bytes
    digest: str
    value: bytes


@dataclass(frozen=True, slots=True)
class XmlSignature:
    """A whole signature, nothing computed yet."""

    signed_info: Element
    canonicalization: Canonicalization
    method: SignatureMethod
    value: bytes
    value_element: Element
    objects: tuple[ObjectReference, ...]
    parts: tuple[PartReference, ...]
    certificates: tuple[bytes, ...]  # DER, from KeyInfo
    package_object: Element
    signed_properties: Element | None  # XAdES SignedProperties, only when SignedInfo refers to them
    unsigned_properties: Element | None


def read_signature(root: Element, *, accept_sha1: bool) -> XmlSignature:
    """The signature of a parsed signature part.

    Raises:
        SignatureError: a structure, transform or algorithm that is not allowed, or a limit crossed.
    """
    return _Reader(root, accept_sha1).signature()


def tag(name: str, namespace: str = names.DSIG) -> str:
    """The qualified name of an element."""
    return f"{{{namespace}}}{name}"


def children(element: Element, name: str, namespace: str = names.DSIG) -> Iterator[Element]:
    """Direct children of one name."""
    return (child for child in element if child.tag == tag(name, namespace))


def only(element: Element, name: str, namespace: str = names.DSIG) -> Element:
    """The one direct child of a name. Raises SignatureError when there is none, or more than one."""
    found = optional(element, name, namespace)
    if found is None:
        raise invalid("signature.structure", f"line {element.sourceline}: {name} is missing")
    return found


def optional(element: Element, name: str, namespace: str = names.DSIG) -> Element | None:
    """The one direct child of a name, or None. Raises SignatureError when there is more than one."""
    found = list(children(element, name, namespace))
    if len(found) > 1:
        raise invalid("signature.structure", f"line {found[1].sourceline}: a second {name}")
    return found[0] if found else None


def text_of(element: Element) -> str:
    """The text of an element without children."""
    if len(element):
        raise invalid("signature.structure", f"line {element.sourceline}: elements where a text is expected")
    return (element.text or "").strip()


def decoded(element: Element, limit: int) -> bytes:
    """The bytes of a base64 text. Raises SignatureError: not base64, or more than `limit` bytes."""
    text = "".join(text_of(element).split())
    if len(text) > limit * 4 // 3 + 4:
        raise invalid("signature.limit", f"line {element.sourceline}: more than {limit} bytes")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("signature.structure", f"line {element.sourceline}: not base64") from None


class _Reader:
    def __init__(self, root: Element, accept_sha1: bool) -> None:
        self._root = root
        self._sha1 = accept_sha1
        self._count = 0
        self._by_id: dict[str, Element] = {}

    def signature(self) -> XmlSignature:
        root = self._root
        if root.tag != tag("Signature"):
            raise invalid("signature.structure", "the root element is not Signature")
        self._collect_ids()
        signed_info = only(root, "SignedInfo")
        if root[0] is not signed_info:
            raise invalid("signature.structure", "SignedInfo is not the first element of Signature")
        method_element = only(signed_info, "CanonicalizationMethod")
        canonicalization = canonicalization_named(self._algorithm(method_element))
        method = signature_named(self._algorithm(only(signed_info, "SignatureMethod")), accept_sha1=self._sha1)
        package_object = self._package_object()
        properties = self._qualifying_properties()
        signed_properties = optional(properties, "SignedProperties", names.XADES) if properties is not None else None
        objects = tuple(self._object_references(signed_info, signed_properties))
        targets = [entry.element for entry in objects]
        if package_object not in targets:
            raise invalid("signature.structure", f"SignedInfo does not refer to the object {names.PACKAGE_OBJECT}")
        value_element = only(root, "SignatureValue")
        return XmlSignature(
            signed_info=signed_info,
            canonicalization=canonicalization,
            method=method,
            value=decoded(value_element, names.MAX_SIGNATURE_BYTES),
            value_element=value_element,
            objects=objects,
            parts=tuple(self._part_references(only(package_object, "Manifest"))),
            certificates=tuple(self._certificates()),
            package_object=package_object,
            signed_properties=signed_properties if signed_properties in targets else None,
            unsigned_properties=(
                optional(properties, "UnsignedProperties", names.XADES) if properties is not None else None
            ),
        )

    def _collect_ids(self) -> None:
        for element in self._root.iter():
            for name, value in element.attrib.items():
                if name.rpartition("}")[2].lower() in _ID_NAMES:
                    if value in self._by_id:
                        raise invalid(
                            "signature.duplicate-id",
                            f"line {element.sourceline}: the Id {shown(value)} is on two elements",
                        )
                    self._by_id[value] = element

    def _package_object(self) -> Element:
        found = self._by_id.get(names.PACKAGE_OBJECT)
        if found is None or found.tag != tag("Object") or found.getparent() is not self._root:
            raise invalid("signature.structure", f"no Object {names.PACKAGE_OBJECT} directly under Signature")
        return found

    def _qualifying_properties(self) -> Element | None:
        found = [
            properties
            for entry in children(self._root, "Object")
            for properties in children(entry, "QualifyingProperties", names.XADES)
        ]
        if len(found) > 1:
            raise invalid("signature.structure", "XAdES QualifyingProperties twice")
        return found[0] if found else None

    # -- references

    def _counted(self, element: Element) -> Iterator[Element]:
        for child in element:
            self._count += 1
            if self._count > names.MAX_REFERENCES:
                raise invalid("signature.limit", f"more than {names.MAX_REFERENCES} references")
            yield child

    def _object_references(self, signed_info: Element, properties: Element | None) -> Iterator[ObjectReference]:
        seen = set()
        for reference in self._counted(signed_info):
            if reference.tag in (tag("CanonicalizationMethod"), tag("SignatureMethod")):
                continue
            if reference.tag != tag("Reference"):
                raise invalid("signature.structure", f"line {reference.sourceline}: not a Reference")
            uri = reference.get("URI", "")
            identifier = uri.removeprefix("#")
            if not uri.startswith("#") or not identifier:
                raise invalid(
                    "signature.reference", f"SignedInfo refers to {shown(uri) or 'nothing'}, not to an element by Id"
                )
            element = self._by_id.get(identifier)
            direct = element is not None and element.tag == tag("Object") and element.getparent() is self._root
            if element is None or not (direct or element is properties):
                raise invalid(
                    "signature.reference",
                    f"{shown(uri)} is neither an Object of this signature nor its SignedProperties",
                )
            if identifier in seen:
                raise invalid("signature.duplicate-reference", f"two references to {shown(uri)}")
            seen.add(identifier)
            method, value = self._digest(reference)
            selection, canonicalization = self._transforms(reference)
            if selection is not None:
                raise invalid("signature.transform", "the relationships transform on an element of the signature")
            yield ObjectReference(element, canonicalization or INCLUSIVE, method, value)

    def _part_references(self, manifest: Element) -> Iterator[PartReference]:
        seen = set()
        for reference in self._counted(manifest):
            if reference.tag != tag("Reference"):
                raise invalid("signature.structure", f"line {reference.sourceline}: not a Reference")
            name, content_type = _part_uri(reference.get("URI", ""))
            key = part_names.key_of(name)
            if key in seen:
                raise invalid("signature.duplicate-reference", f"two references to {name}")
            seen.add(key)
            method, value = self._digest(reference)
            selection, canonicalization = self._transforms(reference)
            if selection is not None and part_names.relationships_source(name) is None:
                raise invalid("signature.transform", f"the relationships transform on {name}, which holds none")
            yield PartReference(name, content_type, selection, canonicalization, method, value)
        if not seen:
            raise invalid("signature.structure", "the Manifest is empty")

    def _digest(self, reference: Element) -> tuple[str, bytes]:
        method = digest_named(self._algorithm(only(reference, "DigestMethod")), accept_sha1=self._sha1)
        return method, decoded(only(reference, "DigestValue"), 64)

    def _transforms(self, reference: Element) -> tuple[Selection | None, Canonicalization | None]:
        """Nothing, one canonicalisation, or the relationships transform and one canonicalisation after it."""
        element = optional(reference, "Transforms")
        if element is None:
            return None, None
        steps = list(element)
        if len(steps) > names.MAX_TRANSFORMS:
            raise invalid("signature.limit", f"{len(steps)} transforms in one reference")
        selection: Selection | None = None
        canonicalization: Canonicalization | None = None
        for number, step in enumerate(steps):
            if step.tag != tag("Transform"):
                raise invalid("signature.structure", f"line {step.sourceline}: not a Transform")
            uri = step.get("Algorithm", "")
            if uri == names.TRANSFORM_RELATIONSHIPS and number == 0:
                selection = self._selection(step)
            elif is_canonicalization(uri) and canonicalization is None and not len(step):
                canonicalization = canonicalization_named(uri)
            else:
                raise invalid("signature.transform", f"transform {shown(uri)} is not allowed here")
        if selection is not None and canonicalization is None:
            raise invalid("signature.transform", "the relationships transform without a canonicalisation after it")
        return selection, canonicalization

    def _selection(self, step: Element) -> Selection:
        if len(step) > names.MAX_SOURCES:
            raise invalid("signature.limit", f"{len(step)} relationships in one transform")
        ids, types = set(), set()
        for child in step:
            if child.tag == tag("RelationshipReference", names.MDSSI) and child.get("SourceId"):
                ids.add(child.get("SourceId"))
            elif child.tag == tag("RelationshipsGroupReference", names.MDSSI) and child.get("SourceType"):
                types.add(child.get("SourceType"))
            else:
                raise invalid("signature.transform", f"line {child.sourceline}: unknown content of the transform")
        return Selection(frozenset(ids), frozenset(types))

    def _algorithm(self, element: Element) -> str:
        if len(element):
            # Parameters such as HMACOutputLength or InclusiveNamespaces change what is computed.
            raise invalid("signature.method", f"line {element.sourceline}: algorithm parameters are not allowed")
        return str(element.get("Algorithm", ""))

    # -- certificates

    def _certificates(self) -> Iterator[bytes]:
        info = optional(self._root, "KeyInfo")
        if info is None:
            return
        count = 0
        for data in children(info, "X509Data"):
            for certificate in children(data, "X509Certificate"):
                count += 1
                if count > names.MAX_CERTIFICATES:
                    raise invalid("signature.limit", f"more than {names.MAX_CERTIFICATES} certificates")
                yield decoded(certificate, names.MAX_CERTIFICATE_BYTES)


def _part_uri(uri: str) -> tuple[str, str]:
    """(part name, content type) of a Manifest reference. Raises SignatureError: it leads elsewhere."""
    name, mark, query = uri.partition("?")
    if not name.startswith("/") or name.startswith("//") or "#" in uri:
        raise invalid("signature.reference", f"the Manifest refers to {shown(uri) or 'nothing'}, outside the package")
    if not mark or not query.startswith(_CONTENT_TYPE) or "&" in query:
        raise invalid("signature.reference", f"the reference {shown(uri)} does not name the content type")
    try:
        part_names.check_item_name(name[1:])
    except PackageError as error:
        raise invalid("signature.reference", f"the reference {shown(uri)} is no part name: {error.reason}") from None
    return name, unquote(query.removeprefix(_CONTENT_TYPE))
