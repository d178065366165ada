"""Signs a package: every part and relationship in a Manifest, XAdES signing time and certificate, a time stamp.

Signed again, a package keeps its earlier signatures: stored bytes stay, only the origin's relationships grow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from lxml import etree

from server.core.clock import TimeUs, to_datetime, to_iso
from server.fdi import literals, part_names
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.container import Container, Part, Relationship
from server.fdi.errors import PackageError
from server.fdi.signature import names
from server.fdi.signature.algorithms import (
    C14N,
    DIGEST_SHA256,
    INCLUSIVE,
    PrivateKey,
    checked_key,
    digest,
    method_for,
    sign,
)
from server.fdi.signature.canonical import Element, canonical
from server.fdi.signature.chain import CODE_SIGNING, check_signer, common_name, der
from server.fdi.signature.coverage import SignatureParts, find_signatures
from server.fdi.signature.reading import tag
from server.fdi.signature.relationship_transform import Selection, transform
from server.fdi.signature.result import SignatureError
from server.fdi.signature.verifying import Trust, verify
from server.fdi.writer import relationships_xml, write_parts
from server.fdi.xml_reader import XmlElement, escape, read_xml

_PLAIN = "/+;=.-_!$^"  # of content types: what other signers write as it is
_FORMAT = "YYYY-MM-DDThh:mm:ssTZD"
TimeStamper = Callable[[bytes], bytes]
"""Asks a time stamp authority: the bytes to stamp go in, a DER time-stamp token comes out."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()  # authorities between it and the trusted one


def sign_package(
    data: bytes,
    signer: Signer,
    *,
    time: TimeUs,
    stamp: TimeStamper | None = None,
    limits: ContainerLimits = DEFAULT_LIMITS,
) -> bytes:
    """The package with one more signature, over everything in it.

    Args:
        time: the signing time that is claimed.
        stamp: gives the token that certifies the time; without it validators answer ValidWithWarnings.

    Raises:
        PackageError: no package, the key and the certificate do not belong together, or it may not sign code.
    """
    container = Container.read(data, limits)
    try:
        key = checked_key(signer.key.public_key())
        if signer.certificate.public_key() != key:
            raise PackageError(
                f"the key does not belong to the certificate of {common_name(signer.certificate)}", rule="sign.key"
            )
        check_signer(signer.certificate, CODE_SIGNING)
        parts = find_signatures(container)
        xml = _Writer(container, parts, signer, time, limits).xml(stamp)
        result = _add(container, parts, xml, limits)
        report = verify(Container.read(result, limits), Trust(now=time))
    except SignatureError as error:
        raise PackageError(error.reason, rule=error.rule) from None
    if any(entry.rule in ("signature.digest", "signature.value") for entry in report.signatures):
        raise PackageError(f"the package holds a broken signature: {report.reason}", rule=report.rule)
    return result


class _Writer:
    def __init__(
        self, container: Container, parts: SignatureParts, signer: Signer, time: TimeUs, limits: ContainerLimits
    ) -> None:
        self._container = container
        self._parts = parts
        self._signer = signer
        self._time = time
        self._limits = limits

    def xml(self, stamp: TimeStamper | None) -> bytes:
        root = etree.Element(tag("Signature"), {"Id": "idPackageSignature"}, nsmap={None: names.DSIG})
        signed_info = _child(root, "SignedInfo")
        value = _child(root, "SignatureValue")
        key_info = _child(_child(root, "KeyInfo"), "X509Data")
        for certificate in (self._signer.certificate, *self._signer.chain):
            _child(key_info, "X509Certificate", text=_base64(der(certificate)))
        package_object = self._package_object(root)
        properties, signed = self._properties(root)
        method = method_for(checked_key(self._signer.key.public_key()))
        _child(signed_info, "CanonicalizationMethod", Algorithm=C14N)
        _child(signed_info, "SignatureMethod", Algorithm=method)
        _reference(
            signed_info, f"#{names.PACKAGE_OBJECT}", canonical(package_object, INCLUSIVE), kind=names.TYPE_OBJECT
        )
        _reference(
            signed_info,
            "#idSignedProperties",
            canonical(signed, INCLUSIVE),
            kind=names.TYPE_SIGNED_PROPERTIES,
            transforms=[(C14N, None)],
        )
        value.text = _base64(sign(self._signer.key, method, canonical(signed_info, INCLUSIVE)))
        if stamp is not None:
            self._stamp(properties, stamp(canonical(value, INCLUSIVE)))
        return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))

    def _package_object(self, root: Element) -> Element:
        result = _child(root, "Object", Id=names.PACKAGE_OBJECT)
        manifest = _child(result, "Manifest")
        for key in sorted(self._container.parts):
            if key not in self._parts.own:
                self._part(manifest, self._container.parts[key])
        property_ = _child(
            _child(result, "SignatureProperties"),
            "SignatureProperty",
            Id="idSignatureTime",
            Target="#idPackageSignature",
        )
        time = etree.SubElement(property_, tag("SignatureTime", names.MDSSI), nsmap={"mdssi": names.MDSSI})
        etree.SubElement(time, tag("Format", names.MDSSI)).text = _FORMAT
        etree.SubElement(time, tag("Value", names.MDSSI)).text = f"{to_datetime(self._time):%Y-%m-%dT%H:%M:%SZ}"
        return result

    def _part(self, manifest: Element, part: Part) -> None:
        uri = f"{part.name}?ContentType={quote(part.content_type, safe=_PLAIN)}"
        source = part_names.relationships_source(part.name)
        if source is None:
            _reference(manifest, uri, part.data)
            return
        ids = frozenset(
            entry.id
            for entry in self._container.relationships(source)
            if not (source == "/" and entry.type == names.RELATIONSHIP_ORIGIN)
        )
        root = read_xml(part.data, part=part.name, limits=self._limits.xml)
        data = transform(root, Selection(ids), INCLUSIVE, part=part.name)
        _reference(manifest, uri, data, transforms=[(names.TRANSFORM_RELATIONSHIPS, tuple(sorted(ids))), (C14N, None)])

    def _properties(self, root: Element) -> tuple[Element, Element]:
        """(QualifyingProperties, SignedProperties)."""

        def add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
            return _child(parent, name, text=text, namespace=names.XADES, **attributes)

        holder = _child(root, "Object")
        qualifying = etree.SubElement(
            holder, tag("QualifyingProperties", names.XADES), {"Target": "#idPackageSignature"}, {"xd": names.XADES}
        )
        signed = add(qualifying, "SignedProperties", Id="idSignedProperties")
        properties = add(signed, "SignedSignatureProperties")
        add(properties, "SigningTime", to_iso(self._time))
        hashed = add(add(add(properties, "SigningCertificateV2"), "Cert"), "CertDigest")
        _child(hashed, "DigestMethod", Algorithm=DIGEST_SHA256)
        _child(hashed, "DigestValue", text=_base64(digest("sha256", der(self._signer.certificate))))
        return qualifying, signed

    @staticmethod
    def _stamp(qualifying: Element, token: bytes) -> None:
        unsigned = etree.SubElement(qualifying, tag("UnsignedProperties", names.XADES))
        properties = etree.SubElement(unsigned, tag("UnsignedSignatureProperties", names.XADES))
        stamp = etree.SubElement(properties, tag("SignatureTimeStamp", names.XADES), {"Id": "idTimeStamp"})
        _child(stamp, "CanonicalizationMethod", Algorithm=C14N)
        etree.SubElement(stamp, tag("EncapsulatedTimeStamp", names.XADES)).text = _base64(token)


def _add(container: Container, found: SignatureParts, xml: bytes, limits: ContainerLimits) -> bytes:
    parts = dict(container.parts)
    root_name = part_names.relationships_part("/")
    root_key = part_names.key_of(root_name)
    origin = found.origin
    if not origin:
        origin = _free(container, names.ORIGIN_PART)
        parts[part_names.key_of(origin)] = Part(origin, names.ORIGIN_CONTENT_TYPE, b"")
        root = read_xml(parts[root_key].data, part=root_name, limits=limits.xml)
        parts[root_key] = Part(
            parts[root_key].name, literals.RELATIONSHIPS_CONTENT_TYPE, _with_origin(root, container, origin)
        )
    signature = _free(container, names.SIGNATURE_PART.format(len(found.signatures) + 1))
    parts[part_names.key_of(signature)] = Part(signature, names.SIGNATURE_CONTENT_TYPE, xml)
    arrows = list(container.relationships(origin))
    arrows.append(Relationship(_free_id(arrows, "rIdSignature"), names.RELATIONSHIP_SIGNATURE, signature))
    name = part_names.relationships_part(origin)
    parts[part_names.key_of(name)] = Part(name, literals.RELATIONSHIPS_CONTENT_TYPE, relationships_xml(arrows))
    return write_parts(list(parts.values()))


def _with_origin(root: XmlElement, container: Container, origin: str) -> bytes:
    """The package's relationships as they are written, and one more."""
    entries = [dict(child.attributes) for child in root.children]
    identifier = _free_id(container.relationships("/"), "rIdSignatureOrigin")
    entries.append({"Id": identifier, "Type": names.RELATIONSHIP_ORIGIN, "Target": origin})
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Relationships xmlns="{literals.RELATIONSHIPS_NAMESPACE}">',
        *(
            "  <Relationship " + " ".join(f'{name}="{escape(value)}"' for name, value in entry.items()) + "/>"
            for entry in entries
        ),
        "</Relationships>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _free(container: Container, name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    number = 1
    while container.part(name) is not None:
        number += 1
        name = f"{stem}-{number}{dot}{suffix}"
    return name


def _free_id(known: Sequence[Relationship], stem: str) -> str:
    taken = {entry.id for entry in known}
    number = 1
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def _reference(
    parent: Element,
    uri: str,
    data: bytes,
    *,
    kind: str = "",
    transforms: Sequence[tuple[str, tuple[str, ...] | None]] = (),
) -> None:
    reference = _child(parent, "Reference", **({"Type": kind} if kind else {}), URI=uri)
    if transforms:
        holder = _child(reference, "Transforms")
        for algorithm, ids in transforms:
            step = _child(holder, "Transform", Algorithm=algorithm)
            for identifier in ids or ():
                etree.SubElement(
                    step,
                    tag("RelationshipReference", names.MDSSI),
                    {"SourceId": identifier},
                    {"mdssi": names.MDSSI},
                )
    _child(reference, "DigestMethod", Algorithm=DIGEST_SHA256)
    _child(reference, "DigestValue", text=_base64(digest("sha256", data)))


def _child(parent: Element, name: str, *, text: str = "", namespace: str = names.DSIG, **attributes: str) -> Element:
    element = etree.SubElement(parent, tag(name, namespace), attributes)
    if text:
        element.text = text
    return element


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
