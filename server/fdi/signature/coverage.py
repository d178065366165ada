"""Which parts and relationships a package needs to have signed, and which of them a signature leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from server.fdi import part_names
from server.fdi.container import Container, Part
from server.fdi.errors import PackageError
from server.fdi.signature import names
from server.fdi.signature.reading import PartReference
from server.fdi.signature.result import SignatureError, invalid


@dataclass(frozen=True, slots=True)
class SignatureParts:
    """The parts that make up the signatures of a package."""

    origin: str  # name of the origin part, "" when the package has none
    signatures: tuple[Part, ...]
    own: frozenset[str]  # keys of parts that signatures need not cover: origin, signatures, certificates, their .rels


def find_signatures(container: Container) -> SignatureParts:
    """The signature parts, reached the one way the standard knows: package, origin, signature, certificate.

    Raises:
        SignatureError: more than one origin, a wrong content type, a target that is nowhere, too many signatures.
    """
    arrows = [entry for entry in container.relationships("/") if entry.type == names.RELATIONSHIP_ORIGIN]
    strays = {
        part.name
        for part in container.parts.values()
        if part.content_type in (names.ORIGIN_CONTENT_TYPE, names.SIGNATURE_CONTENT_TYPE)
    }
    if not arrows:
        if strays:
            raise invalid("signature.origin", f"{min(strays)} is a signature part that no relationship leads to")
        return SignatureParts("", (), frozenset())
    if len(arrows) > 1:
        raise invalid("signature.origin", "more than one signature origin")
    origin = _follow(container, "/", arrows[0].id, names.ORIGIN_CONTENT_TYPE)
    signatures: dict[str, Part] = {}
    own = {_key(origin.name), _key(part_names.relationships_part(origin.name))}
    for arrow in container.relationships(origin.name):
        if arrow.type != names.RELATIONSHIP_SIGNATURE:
            continue
        part = _follow(container, origin.name, arrow.id, names.SIGNATURE_CONTENT_TYPE)
        if _key(part.name) in signatures:
            raise invalid("signature.origin", f"two relationships to the signature {part.name}")
        signatures[_key(part.name)] = part
        if len(signatures) > names.MAX_SIGNATURES:
            raise invalid("signature.limit", f"more than {names.MAX_SIGNATURES} signatures")
        own |= {_key(part.name), _key(part_names.relationships_part(part.name))}
        own |= {_key(entry.name) for entry in certificate_parts(container, part.name)}
    lost = sorted(name for name in strays if _key(name) not in own)
    if lost:
        raise invalid("signature.origin", f"{lost[0]} is a signature part that no relationship leads to")
    return SignatureParts(origin.name, tuple(signatures.values()), frozenset(own - _reachable(container)))


def certificate_parts(container: Container, signature: str) -> tuple[Part, ...]:
    """The certificate parts of a signature part. Raises SignatureError: limits, content type, nowhere."""
    found = [
        _follow(container, signature, entry.id, names.CERTIFICATE_CONTENT_TYPE)
        for entry in container.relationships(signature)
        if entry.type == names.RELATIONSHIP_CERTIFICATE
    ]
    if len(found) > names.MAX_CERTIFICATES:
        raise invalid("signature.limit", f"more than {names.MAX_CERTIFICATES} certificates")
    for part in found:
        if len(part.data) > names.MAX_CERTIFICATE_BYTES:
            raise invalid("signature.limit", f"{part.name}: more than {names.MAX_CERTIFICATE_BYTES} bytes")
    return tuple(found)


def uncovered(container: Container, references: tuple[PartReference, ...], own: frozenset[str]) -> str:
    """The first thing that a signature leaves open, in words; "" when it covers the package.

    Everything counts but the signatures themselves: a part that nothing leads to today is still part of what somebody
    may be shown. The only relationship left out is the package's to its signature origin.
    """
    by_key = {_key(reference.name): reference for reference in references}
    for key, part in container.parts.items():
        if key in own:
            continue
        reference = by_key.get(key)
        if reference is None:
            return f"{part.name} is not signed"
        selection = reference.selection
        if selection is None:
            continue
        source = part_names.relationships_source(part.name) or ""
        for entry in container.relationships(source):
            if source == "/" and entry.type == names.RELATIONSHIP_ORIGIN:
                continue
            if not selection.takes(entry.id, entry.type):
                return f"relationship {entry.id} of {part.name} is not signed"
    return ""


def _reachable(container: Container) -> set[str]:
    """Keys of the parts that lead somewhere without the signature origin, their relationships parts included."""
    found: set[str] = set()
    waiting = ["/"]
    while waiting:
        source = waiting.pop()
        found.add(_key(part_names.relationships_part(source)))
        for entry in container.relationships(source):
            if entry.external or (source == "/" and entry.type == names.RELATIONSHIP_ORIGIN):
                continue
            key = _key(entry.target)
            if key not in found and key in container.parts:
                found.add(key)
                waiting.append(entry.target)
    return found


def _follow(container: Container, source: str, identifier: str, content_type: str) -> Part:
    arrow = next(entry for entry in container.relationships(source) if entry.id == identifier)
    try:
        part = container.follow(arrow, source=source)
    except PackageError as error:
        raise _origin_error(error) from None
    if part.content_type != content_type:
        raise invalid("signature.origin", f"{part.name} has the content type {part.content_type}")
    return part


def _origin_error(error: PackageError) -> SignatureError:
    return invalid("signature.origin", f"{error.part}: {error.reason}")


def _key(name: str) -> str:
    return part_names.key_of(name)
