"""Attacks on packages, each made from a good signed package; what they should meet stands in the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree

from server.core.clock import to_datetime
from server.fdi.build import assemble
from server.fdi.signature.signing import Signer, sign_package
from tests.kit.packages import Item, container, make_package, members, package_files, raw_zip, repacked
from tests.kit.signing import (
    CODE,
    DAY,
    DSIG,
    NOW,
    SIGNATURE,
    Identity,
    certify,
    maker,
    middle,
    resigned,
    root,
    rsa_key,
    signed,
    stamper,
)

RELS = "_rels/.rels"
CATALOG_RELS = "_rels/catalog.xml.rels"
ORIGIN_RELS = "package/services/digital-signature/_rels/origin.psdsor.rels"
EXTERNAL = 'Id="rIdOut" Type="urn:x:y" Target="http://example.com/evil" TargetMode="External"'
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@cache
def good() -> bytes:
    """A package with a valid signature and a trusted time stamp."""
    return signed(with_plug_in(), stamped=stamper())


def with_plug_in(extra: bytes = b"PK plug-in bytes") -> bytes:
    """An unsigned package with a plug-in and a registration certificate."""
    more = '[[device_type.supported_uip]]\nid = "0f5a5b52-6e39-4d4b-8d8d-4a0f6d3d1c01"\nversion = "1.0.0"\n'
    uip = (
        '\n[[uip]]\nid = "0f5a5b52-6e39-4d4b-8d8d-4a0f6d3d1c01"\nversion = "1.0.0"\nname = "Tuner"\n'
        '[[uip.variant]]\nversion = "1.0.0"\nplatform = "WORKSTATION"\nruntime = "HTML5"\nfile = "tuner.zip"\n'
    )
    files = package_files(more=more)
    text = files["catalog.toml"].replace(b"[package]\n", b'[package]\nregistration = "registration.xml"\n')
    files["catalog.toml"] = text + uip.encode()
    return assemble({**files, "tuner.zip": extra, "registration.xml": REGISTRATION})[0]


REGISTRATION = """<fdi:FdiRegistrationCert
xmlns:fdi="http://fdi-cooperation.com/2010/package"><ListOfRegDeviceTypes><RegDeviceType>
<Manufacturer>0x7777</Manufacturer><DeviceModel>0x0001</DeviceModel><ListOfRegistrations><Registration>
<RegAuthorityIdent>Test Authority</RegAuthorityIdent><RegistrationData><value>Registered</value>
<value lang="ru">Зарегистрировано</value></RegistrationData></Registration></ListOfRegistrations></RegDeviceType>
</ListOfRegDeviceTypes></fdi:FdiRegistrationCert>""".encode()


# --- archive -----------------------------------------------------------------------------------------------


def item_named(name: str) -> bytes:
    """An archive with one more item of this name."""
    return raw_zip([*_items(good()), Item(name=name, data=b"evil")])


def _items(data: bytes) -> list[Item]:
    return [Item(name=name, data=content) for name, content in members(data).items()]


def with_item(item: Item) -> bytes:
    """An archive with one more item."""
    return raw_zip([*_items(good()), item])


def many_large_parts() -> bytes:
    """Parts that are small each, too large together, and compress little enough for the ratio."""
    block = bytes(range(256)) * 4096 + b"".join(
        struct.pack("<I", number * 2654435761 % 2**32) for number in range(4096)
    )
    return container(*(Item(name=f"{number}.txt", data=block * 8) for number in range(18)))


def nested_bomb() -> bytes:
    """A plug-in that is a bomb when somebody unpacks it."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    return signed(with_plug_in(inner.getvalue()), stamped=stamper())


def hidden_item() -> bytes:
    """An item that stands in the archive, but not in its directory."""
    whole = raw_zip([*_items(good()), Item(name="zz.txt", data=b"hidden", method=0)])
    entry = whole.rindex(b"PK\1\2")
    end = whole.rindex(b"PK\5\6")
    count, size, offset = struct.unpack_from("<HII", whole, end + 10)
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count - 1, count - 1, size - (end - entry), offset, 0)
    return whole[:entry] + tail


def lying_local_header() -> bytes:
    """The directory and the item's own header name different sizes."""
    whole = bytearray(repacked(members(good())))
    struct.pack_into("<I", whole, 22, struct.unpack_from("<I", whole, 22)[0] + 1)
    return bytes(whole)


# --- parts and relationships -------------------------------------------------------------------------------


def changed(name: str, old: bytes, new: bytes) -> bytes:
    """The good package with a text replaced in one item."""
    items = members(good())
    assert old in items[name], (name, old)
    items[name] = items[name].replace(old, new, 1)
    return repacked(items)


def added(name: str, data: bytes = b"added", rels: Mapping[str, str] | None = None) -> bytes:
    """The good package with one more part and relationships to it: {relationships item: attributes}."""
    items = members(good())
    items[name] = data
    kind = "text/plain" if name.endswith(".txt") else "application/octet-stream"
    items["[Content_Types].xml"] = items["[Content_Types].xml"].replace(
        b"</Types>", f'<Override PartName="/{name}" ContentType="{kind}"/></Types>'.encode()
    )
    for rels_name, attributes in (rels or {}).items():
        items[rels_name] = with_relationship(items[rels_name], attributes)
    return repacked(items)


def with_relationship(rels: bytes, attributes: str) -> bytes:
    """A relationships part with one more entry."""
    return rels.replace(b"</Relationships>", f"<Relationship {attributes}/></Relationships>".encode())


def related(rels_name: str, attributes: str) -> bytes:
    """The good package with one more relationship."""
    items = members(good())
    items[rels_name] = with_relationship(items[rels_name], attributes)
    return repacked(items)


def removed(name: str) -> bytes:
    """The good package without one part."""
    items = members(good())
    del items[name]
    return repacked(items)


def swapped_relationships() -> bytes:
    """EDD and binding change places."""
    items = members(good())
    text = items[CATALOG_RELS].replace(b"/edd/device.ddl", b"/TMP").replace(b"/protocol/mqtt.toml", b"/edd/device.ddl")
    items[CATALOG_RELS] = text.replace(b"/TMP", b"/protocol/mqtt.toml")
    return repacked(items)


def stripped() -> bytes:
    """The good package without its signature, cleanly taken out."""
    items = members(good())
    kept = {name: data for name, data in items.items() if not name.startswith("package/")}
    kept[RELS] = b"\n".join(line for line in kept[RELS].split(b"\n") if b"digital-signature/origin" not in line)
    lines = kept["[Content_Types].xml"].split(b"\n")
    kept["[Content_Types].xml"] = b"\n".join(line for line in lines if b"/package/services" not in line)
    return repacked(kept)


# --- the signature itself ----------------------------------------------------------------------------------


def remade(change: Callable[[Any], None]) -> bytes:
    """The maker himself signs something that is not allowed."""
    return resigned(good(), maker(), change)


def transform(uri: str) -> Callable[[Any], None]:
    """Gives the first Manifest reference another transform."""

    def change(signature: Any) -> None:
        reference = signature.find(f".//{{{DSIG}}}Manifest/{{{DSIG}}}Reference")
        for old in reference.findall(f"{{{DSIG}}}Transforms"):
            reference.remove(old)
        transforms = etree.Element(f"{{{DSIG}}}Transforms")
        etree.SubElement(transforms, f"{{{DSIG}}}Transform", Algorithm=uri)
        reference.insert(0, transforms)

    return change


def algorithm(element: str, uri: str) -> Callable[[Any], None]:
    """Names another algorithm in every element of a name."""

    def change(signature: Any) -> None:
        for found in signature.iter(f"{{{DSIG}}}{element}"):
            found.set("Algorithm", uri)

    return change


def second_object(signature: Any) -> None:
    """Another Object of the same Id in front of the signed one."""
    first = signature.find(f"{{{DSIG}}}Object")
    first.addprevious(deepcopy(first))


def wrapped_object(signature: Any) -> None:
    """The signed Object moves into another one, and an unsigned one stands where it was."""
    first = signature.find(f"{{{DSIG}}}Object")
    false = deepcopy(first)
    for element in false.iter():
        element.attrib.pop("Id", None)
    false.set("Id", "idFalse")
    holder = etree.SubElement(signature, f"{{{DSIG}}}Object")
    first.addprevious(false)
    holder.append(first)


def wrapped_signature() -> bytes:
    """The whole signature inside another root element."""
    items = members(good())
    inner = etree.fromstring(items[SIGNATURE])
    outer = etree.Element("Wrapper")
    outer.append(inner)
    items[SIGNATURE] = etree.tostring(outer)
    return repacked(items)


def repeated_reference(signature: Any) -> None:
    """The same part twice in the Manifest."""
    manifest = signature.find(f".//{{{DSIG}}}Manifest")
    manifest.append(deepcopy(manifest[0]))


def many_references(signature: Any) -> None:
    """More references than anybody needs."""
    manifest = signature.find(f".//{{{DSIG}}}Manifest")
    plain = next(entry for entry in manifest if entry.find(f"{{{DSIG}}}Transforms") is None)
    for number in range(2_001):
        copy = deepcopy(plain)
        copy.set("URI", f"/x{number}.txt?ContentType=text/plain")
        manifest.append(copy)


def reference_to(uri: str) -> Callable[[Any], None]:
    """The first Manifest reference leads elsewhere."""

    def change(signature: Any) -> None:
        signature.find(f".//{{{DSIG}}}Manifest/{{{DSIG}}}Reference").set("URI", uri)

    return change


def second_origin() -> bytes:
    """Two signature origins."""
    items = members(good())
    line = next(line for line in items[RELS].split(b"\n") if b"digital-signature/origin" in line)
    attributes = line.strip().removeprefix(b"<Relationship ").removesuffix(b"/>")
    items[RELS] = with_relationship(items[RELS], attributes.replace(b"rIdSignatureOrigin1", b"rIdSecond").decode())
    return repacked(items)


def commented() -> bytes:
    """A comment inside the signature's texts."""
    items = members(good())
    items[SIGNATURE] = items[SIGNATURE].replace(b"<SignatureValue>", b"<SignatureValue><!-- x -->")
    return repacked(items)


def bomb_in(name: str) -> bytes:
    """An XML bomb as one part of the good package."""
    items = members(good())
    items[name] = BOMB + b"<x>&c;</x>"
    return repacked(items)


def signed_bomb(name: str) -> bytes:
    """An XML bomb that its maker signed."""
    items = members(with_plug_in())
    items[name] = BOMB + b"<x>&c;</x>"
    return signed(repacked(items))


# --- certificates ------------------------------------------------------------------------------------------


@cache
def stranger() -> Identity:
    """A maker certified by an authority that nobody trusts."""
    other = certify("Strange Root", rsa_key("stranger root"), authority=True)
    return certify("Strange Packages", rsa_key("stranger"), issuer=other, usages=CODE)


def by(name: str, **details: Any) -> bytes:
    """Signed by a certificate of the trusted root that is odd in some way."""
    usages = details.pop("usages", CODE)
    stamped = details.pop("stamped", None)
    at = details.pop("stamped_at", None)
    who = certify(name, rsa_key(name), issuer=root(), usages=usages, **details)
    return signed(make_package(), by=who, stamped=stamped, stamped_at=at)


def expired(*, stamped: bool) -> bytes:
    """Signed by a certificate that ended a month ago; stamped before that, or not."""
    now = to_datetime(NOW)
    details = {"begins": now - 300 * DAY, "ends": now - 30 * DAY}
    if stamped:
        return by("Old Packages", **details, stamped=stamper(), stamped_at=now - 60 * DAY)
    return by("Old Packages", **details)


def forced(who: Identity, chain: tuple[Identity, ...] = ()) -> bytes:
    """Signed with a key or certificate that this program refuses to sign with: the good signature's certificate and
    value are replaced."""

    def change(signature: Any) -> None:
        holder = signature.find(f".//{{{DSIG}}}X509Data")
        for old in list(holder):
            holder.remove(old)
        for entry in (who, *chain):
            element = etree.SubElement(holder, f"{{{DSIG}}}X509Certificate")
            element.text = base64.b64encode(entry.der).decode()
        value = next(signature.iter("{http://uri.etsi.org/01903/v1.3.2#}CertDigest")).find(f"{{{DSIG}}}DigestValue")
        value.text = base64.b64encode(hashlib.sha256(who.der).digest()).decode()

    return resigned(good(), who, change)


def weak_key() -> bytes:
    """A signature by an RSA key of 1024 bits."""
    key: rsa.RSAPrivateKey = rsa_key("weak", 1024)
    return forced(certify("Weak Packages", key, issuer=root(), usages=CODE))


def wrong_usage() -> bytes:
    """A certificate for web servers."""
    return forced(certify("Web Server", rsa_key("web"), issuer=root(), usages=[ExtendedKeyUsageOID.SERVER_AUTH]))


def issuer_without_right() -> bytes:
    """The maker's own certificate issues another one."""
    below = certify("Below Packages", rsa_key("below"), issuer=maker(), usages=CODE)
    signer = Signer(below.key, below.certificate, (maker().certificate, middle().certificate))
    return sign_package(make_package(), signer, time=NOW)


def path_too_long() -> bytes:
    """An authority below one that allows none below itself."""
    lower = certify("Lower Authority", rsa_key("lower"), issuer=middle(), authority=True)
    below = certify("Far Packages", rsa_key("far"), issuer=lower, usages=CODE)
    signer = Signer(below.key, below.certificate, (lower.certificate, middle().certificate))
    return sign_package(make_package(), signer, time=NOW)


def certificate_loop() -> bytes:
    """Two authorities that certify each other."""
    one_key, two_key = rsa_key("one"), rsa_key("two")
    one_self = certify("Loop One", one_key, authority=True)
    two = certify("Loop Two", two_key, issuer=one_self, authority=True)
    one = certify("Loop One", one_key, issuer=two, authority=True, serial=77)
    who = certify("Loop Packages", rsa_key("loop"), issuer=one, usages=CODE)
    signer = Signer(who.key, who.certificate, (one.certificate, two.certificate))
    return sign_package(make_package(), signer, time=NOW)


def unknown_critical_extension() -> bytes:
    """A certificate that asks for something this program does not know."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    return forced(certify("Odd Packages", rsa_key("odd"), issuer=root(), usages=CODE, extra=[(extension, True)]))


def future() -> bytes:
    """A certificate that begins next week."""
    now = to_datetime(NOW)
    return by("Young Packages", begins=now + timedelta(days=7), ends=now + 300 * DAY)


def misfitting_stamp() -> bytes:
    """The time stamp of another signature."""
    other = members(signed(make_package("other_thing"), stamped=stamper()))[SIGNATURE]
    name = "{http://uri.etsi.org/01903/v1.3.2#}EncapsulatedTimeStamp"
    token = next(etree.fromstring(other).iter(name)).text
    items = members(good())
    mine = etree.fromstring(items[SIGNATURE])
    next(mine.iter(name)).text = token
    items[SIGNATURE] = etree.tostring(mine)
    return repacked(items)
