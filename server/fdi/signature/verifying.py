"""All signatures of a package verified: structure and algorithms first, then digests, value, coverage, signer."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509

from server.core.clock import TimeUs, from_datetime, to_datetime
from server.fdi import part_names
from server.fdi.container import Container, Part
from server.fdi.errors import PackageError
from server.fdi.signature import names
from server.fdi.signature.algorithms import SHA1, digest, fits, hash_name, key_name, verifies
from server.fdi.signature.canonical import canonical, canonical_part, parse, parse_signature
from server.fdi.signature.chain import CODE_SIGNING, PathBuilder, common_name, load_der, public_key, thumbprint
from server.fdi.signature.coverage import certificate_parts, find_signatures, uncovered
from server.fdi.signature.reading import PartReference, XmlSignature, read_signature
from server.fdi.signature.relationship_transform import transform
from server.fdi.signature.result import (
    UNSIGNED,
    SignatureError,
    SignatureReport,
    SignatureResult,
    SignatureState,
    invalid,
    summed_up,
)
from server.fdi.signature.timestamp import check_token
from server.fdi.signature.xades import Properties, read_properties
from server.fdi.xml_reader import XmlLimits, read_xml

_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Trust:
    """What signatures are judged against.

    Attributes:
        certificates: trusted ones, of signers' authorities, signers themselves or time stamp authorities.
        now: when it is judged.
        accept_sha1: read old signatures made with SHA-1; they end ValidWithWarnings at best.
    """

    now: TimeUs
    certificates: tuple[x509.Certificate, ...] = ()
    accept_sha1: bool = False
    xml: XmlLimits = field(default_factory=XmlLimits)


def verify(container: Container, trust: Trust) -> SignatureReport:
    """The states of all signatures; a package without any is Unsigned. Never raises for what a package holds."""
    try:
        parts = find_signatures(container)
    except SignatureError as error:
        broken = SignatureResult(part="", state=error.state, rule=error.rule, reason=error.reason)
        return replace(summed_up((broken,)), signatures=())
    if not parts.origin:
        return UNSIGNED
    if not parts.signatures:
        return replace(UNSIGNED, reason="the package has a signature origin, but no signature")
    return summed_up(tuple(_verify_one(container, part, parts.own, trust) for part in parts.signatures))


def _verify_one(container: Container, part: Part, own: frozenset[str], trust: Trust) -> SignatureResult:
    job = _Job(container, part, own, trust)
    try:
        job.run()
    except SignatureError as error:
        return replace(job.result, state=error.state, rule=error.rule, reason=error.reason)
    except PackageError as error:
        return replace(job.result, state=SignatureState.INVALID, rule=error.rule, reason=error.reason)
    return job.result


class _Job:
    def __init__(self, container: Container, part: Part, own: frozenset[str], trust: Trust) -> None:
        self._container = container
        self._part = part
        self._own = own
        self._trust = trust
        self.result = SignatureResult(part=part.name, state=SignatureState.INVALID)

    def run(self) -> None:
        trust = self._trust
        root = parse_signature(self._part.data, part=self._part.name, limits=trust.xml)
        # From here on every algorithm and transform of the whole signature is one of the allowed ones.
        signature = read_signature(root, accept_sha1=trust.accept_sha1)
        properties = read_properties(signature, accept_sha1=trust.accept_sha1)
        self._tell(signing_time=properties.signing_time)
        certificates = self._certificates(signature)
        self._check_objects(signature)
        signer = self._signer(signature, properties, certificates)
        key = public_key(signer)
        self._tell(
            signer=common_name(signer),
            issuer=common_name(signer, issuer=True),
            thumbprint=thumbprint(signer),
            algorithm=f"{key_name(key)} {hash_name(signature.method.hash)}",
        )
        for reference in signature.parts:
            self._check_part(reference)
        warnings = self._sha1_warnings(signature)
        open_end = uncovered(self._container, signature.parts, self._own)
        if open_end:
            raise SignatureError(SignatureState.PARTIALLY_SIGNED, "signature.coverage", open_end)
        stamped, doubts = self._time_stamp(signature, properties, certificates)
        warnings += doubts
        self._tell(time_stamp=from_datetime(stamped) if stamped else None, warnings=tuple(warnings))
        builder = PathBuilder(certificates, trust.certificates, accept_sha1=trust.accept_sha1)
        builder.find(signer, at=stamped or to_datetime(trust.now), usage=CODE_SIGNING)
        if warnings:
            rule = "signature.sha1" if stamped else "signature.no-trusted-time"
            self._tell(state=SignatureState.VALID_WITH_WARNINGS, rule=rule, reason=warnings[0])
        else:
            self._tell(state=SignatureState.VALID)

    def _tell(self, **known: object) -> None:
        self.result = replace(self.result, **known)  # type: ignore[arg-type]

    # -- the signature itself

    def _certificates(self, signature: XmlSignature) -> tuple[x509.Certificate, ...]:
        raw = [*signature.certificates]
        raw += [part.data for part in certificate_parts(self._container, self._part.name)]
        if len(raw) > names.MAX_CERTIFICATES:
            raise invalid("signature.limit", f"more than {names.MAX_CERTIFICATES} certificates")
        return tuple(load_der(data) for data in dict.fromkeys(raw))

    def _check_objects(self, signature: XmlSignature) -> None:
        for reference in signature.objects:
            found = digest(reference.digest, canonical(reference.element, reference.canonicalization))
            if not hmac.compare_digest(found, reference.value):
                identifier = next(value for name, value in reference.element.attrib.items() if name.lower() == "id")
                raise invalid("signature.digest", f"the element {identifier} of the signature was changed")

    def _signer(
        self, signature: XmlSignature, properties: Properties, certificates: Sequence[x509.Certificate]
    ) -> x509.Certificate:
        """The certificate whose key made the signature value."""
        named = properties.certificate
        candidates = [entry for entry in certificates if named is None or named.names(entry)]
        if not candidates:
            what = "the certificate that the signature names" if named else "a certificate"
            raise invalid("signature.certificate", f"the signature does not carry {what}")
        signed = canonical(signature.signed_info, signature.canonicalization)
        weak: SignatureError | None = None
        for certificate in candidates:
            try:
                key = public_key(certificate)
            except SignatureError as error:
                weak = weak or error
                continue
            if fits(key, signature.method) and verifies(key, signature.method, signature.value, signed):
                return certificate
        raise weak or invalid("signature.value", "the signature value is not of any certificate it carries")

    def _check_part(self, reference: PartReference) -> None:
        part = self._container.part(reference.name)
        if part is None:
            raise invalid("signature.part-missing", f"{reference.name} was signed, but is not in the package")
        if part.content_type.casefold() != reference.content_type.casefold():
            raise invalid(
                "signature.content-type",
                f"{part.name} was signed as {reference.content_type[:80]}, but is {part.content_type}",
            )
        if not hmac.compare_digest(digest(reference.digest, self._bytes(part, reference)), reference.value):
            relationships = part_names.relationships_source(part.name) is not None
            what = f"the relationships in {part.name} were" if relationships else f"{part.name} was"
            raise invalid("signature.digest", f"{what} changed after signing")

    def _bytes(self, part: Part, reference: PartReference) -> bytes:
        limits = self._trust.xml
        if reference.canonicalization is None:
            return part.data
        if reference.selection is None:
            return canonical_part(parse(part.data, part=part.name, limits=limits), reference.canonicalization)
        root = read_xml(part.data, part=part.name, limits=limits)
        return transform(root, reference.selection, reference.canonicalization, part=part.name)

    @staticmethod
    def _sha1_warnings(signature: XmlSignature) -> list[str]:
        used = {signature.method.hash}
        used.update(entry.digest for entry in signature.objects)
        used.update(entry.digest for entry in signature.parts)
        return ["made with SHA-1"] if SHA1 in used else []

    # -- time

    def _time_stamp(
        self, signature: XmlSignature, properties: Properties, certificates: Sequence[x509.Certificate]
    ) -> tuple[datetime | None, list[str]]:
        """(the time a trusted authority certifies, what is doubtful about the time)."""
        if not properties.stamps:
            return None, ["no time stamp certifies when the package was signed"]
        reasons = []
        for stamp in properties.stamps:
            message = canonical(signature.value_element, stamp.canonicalization)
            try:
                time = check_token(
                    stamp.token,
                    message,
                    self._trust.certificates,
                    certificates,
                    accept_sha1=self._trust.accept_sha1,
                )
            except SignatureError as error:
                reasons.append(error.reason)
                continue
            if time > to_datetime(self._trust.now) + _CLOCK_TOLERANCE:
                reasons.append("the time stamp lies in the future")
                continue
            return time, []
        return None, reasons
