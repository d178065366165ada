"""Every attack on a package that we know of, made from a good signed one, and exactly what it meets.

`pytest -s tests/interop/test_package_attacks.py` prints the table. States, rules and the order of checks follow the
fact sheet on packages, sections 1, 6 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from server.core.clock import ManualClock, to_datetime
from server.fdi.archive import ContainerLimits
from server.fdi.container import Container
from server.fdi.errors import PackageError
from server.fdi.package import read_package
from server.fdi.signature.verifying import verify
from server.fdi.store import PackageStore
from server.fdi.trust import TrustPolicy
from tests.kit import attacks
from tests.kit.packages import Item, make_package, members, raw_zip
from tests.kit.signing import CODE, DAY, NOW, certify, maker, middle, root, rsa_key, signed, stamper

POLICY = TrustPolicy(clock=ManualClock(NOW), certificates=(root().certificate,))
LIMITS = ContainerLimits()
REFUSED = "no package"  # the container is refused before anybody looks for signatures
DSIG = "http://www.w3.org/2000/09/xmldsig#"
SIGNED_PARTS_ARE = "was changed after signing"


@dataclass(frozen=True)
class Attack:
    name: str
    make: Callable[[], bytes]
    state: str
    rule: str  # "" = taken
    message: str


def item(**details: object) -> Callable[[], bytes]:
    return lambda: attacks.with_item(Item(**details))  # type: ignore[arg-type]


TABLE = [
    Attack("nothing done: the good package", attacks.good, "Valid", "", ""),
    # the archive
    Attack("zip slip: ..", lambda: attacks.item_named("../evil.txt"), REFUSED, "opc.escape", "climbs out"),
    Attack("zip slip: absolute", lambda: attacks.item_named("/etc/evil.txt"), REFUSED, "opc.escape", "absolute path"),
    Attack("zip slip: backslash", lambda: attacks.item_named("doc\\evil.txt"), REFUSED, "opc.escape", "backslash"),
    Attack("zip slip: drive letter", lambda: attacks.item_named("C:/evil.txt"), REFUSED, "opc.escape", "drive letter"),
    Attack("bomb: ratio", item(name="b.txt", data=bytes(10_000_000)), REFUSED, "zip.ratio", "times its size"),
    Attack("bomb: all parts together", attacks.many_large_parts, REFUSED, "zip.unpacked-size", "unpacks to more"),
    Attack("bomb: nested in a plug-in, which stays opaque", attacks.nested_bomb, "Valid", "", ""),
    Attack(
        "bomb: size hidden", item(name="b.txt", data=bytes(999_999), size=999), REFUSED, "zip.sizes", "is not the 999"
    ),
    Attack(
        "names that differ by case", lambda: attacks.item_named("EDD/Device.ddl"), REFUSED, "opc.duplicate", "two items"
    ),
    Attack("symbolic link", item(name="l.txt", data=b"/etc/passwd", mode=0o120777), REFUSED, "zip.link", "a link"),
    Attack("encrypted item", item(name="e.txt", data=b"x", flags=1), REFUSED, "zip.encrypted", "encrypted"),
    Attack("data behind the archive", lambda: attacks.good() + b"evil", REFUSED, "zip.structure", "not a ZIP archive"),
    Attack("data before the archive", lambda: b"#!/bin/sh\n" + attacks.good(), REFUSED, "zip.structure", "directory"),
    Attack("item missing in the directory", attacks.hidden_item, REFUSED, "zip.structure", "behind the last item"),
    Attack("directory and item disagree", attacks.lying_local_header, REFUSED, "zip.structure", "disagree about size"),
    Attack(
        "other name in the item's own header",
        item(name="a.txt", data=b"x", local_name="b.txt"),
        REFUSED,
        "zip.structure",
        "disagree about the name",
    ),
    # parts
    Attack(
        "part added after signing",
        lambda: attacks.added("doc/new.txt"),
        "PartiallySigned",
        "signature.coverage",
        "/doc/new.txt is not signed",
    ),
    Attack(
        "part changed after signing",
        lambda: attacks.changed("edd/device.ddl", b"80.0", b"99.0"),
        "Invalid",
        "signature.digest",
        f"/edd/device.ddl {SIGNED_PARTS_ARE}",
    ),
    Attack(
        "catalog changed after signing",
        lambda: attacks.changed("catalog.xml", b"1.0.0", b"9.0.0"),
        "Invalid",
        "signature.digest",
        f"/catalog.xml {SIGNED_PARTS_ARE}",
    ),
    Attack(
        "part removed after signing",
        lambda: attacks.removed("protocol/mqtt.toml"),
        "Invalid",
        "signature.part-missing",
        "/protocol/mqtt.toml was signed, but is not in the package",
    ),
    Attack(
        "content type changed",
        lambda: attacks.changed(
            "[Content_Types].xml",
            b'"/edd/device.ddl" ContentType="text/plain"',
            b'"/edd/device.ddl" ContentType="text/html"',
        ),
        "Invalid",
        "signature.content-type",
        "signed as text/plain, but is text/html",
    ),
    # relationships
    Attack(
        "relationships swapped",
        attacks.swapped_relationships,
        "Invalid",
        "signature.digest",
        "the relationships in /_rels/catalog.xml.rels were changed",
    ),
    Attack(
        "relationship leads elsewhere",
        lambda: attacks.changed(attacks.RELS, b'"/catalog.xml"', b'"/registration.xml"'),
        "Invalid",
        "signature.digest",
        "the relationships in /_rels/.rels were changed",
    ),
    Attack(
        "relationship type changed",
        lambda: attacks.changed(attacks.CATALOG_RELS, b"relationships/uip", b"relationships/zip"),
        "Invalid",
        "signature.digest",
        "were changed",
    ),
    Attack(
        "relationship added to the catalog",
        lambda: attacks.related(attacks.CATALOG_RELS, 'Id="rIdNew" Type="urn:x:y" Target="/catalog.xml"'),
        "PartiallySigned",
        "signature.coverage",
        "relationship rIdNew",
    ),
    Attack(
        "second catalog relationship",
        lambda: attacks.related(
            attacks.RELS,
            'Id="rIdNew" Type="http://fdi-cooperation.com/2010/relationships/catalog" Target="/registration.xml"',
        ),
        "PartiallySigned",
        "signature.coverage",
        "relationship rIdNew of /_rels/.rels",
    ),
    Attack(
        "external target added",
        lambda: attacks.related(attacks.CATALOG_RELS, attacks.EXTERNAL),
        "PartiallySigned",
        "signature.coverage",
        "relationship rIdOut",
    ),
    Attack(
        "target turned external",
        lambda: attacks.changed(attacks.CATALOG_RELS, b'Target="/edd', b'TargetMode="External" Target="/edd'),
        "Invalid",
        "signature.digest",
        "were changed",
    ),
    Attack(
        "part disguised as a certificate, led to by the catalog",
        lambda: attacks.related(
            attacks.CATALOG_RELS,
            'Id="rIdNew" Type="urn:x:y" Target="/package/services/digital-signature/origin.psdsor"',
        ),
        "PartiallySigned",
        "signature.coverage",
        "is not signed",
    ),
    Attack("signature taken out cleanly", attacks.stripped, "Unsigned", "signature.unsigned", "refused here"),
    Attack(
        "signature origin unlinked",
        lambda: attacks.changed(attacks.RELS, b"digital-signature/origin", b"digital-signature/nothing"),
        "Invalid",
        "signature.origin",
        "no relationship leads to",
    ),
    Attack("two signature origins", attacks.second_origin, "Invalid", "signature.origin", "more than one"),
    # the signature
    Attack(
        "unknown transform",
        lambda: attacks.remade(attacks.transform("urn:evil:transform")),
        "Invalid",
        "signature.transform",
        "urn:evil:transform is not allowed",
    ),
    Attack(
        "XSLT transform",
        lambda: attacks.remade(attacks.transform("http://www.w3.org/TR/1999/REC-xslt-19991116")),
        "Invalid",
        "signature.transform",
        "xslt",
    ),
    Attack(
        "XPath transform",
        lambda: attacks.remade(attacks.transform("http://www.w3.org/TR/1999/REC-xpath-19991116")),
        "Invalid",
        "signature.transform",
        "xpath",
    ),
    Attack(
        "enveloped-signature transform",
        lambda: attacks.remade(attacks.transform(f"{DSIG}enveloped-signature")),
        "Invalid",
        "signature.transform",
        "enveloped",
    ),
    Attack(
        "unknown digest",
        lambda: attacks.remade(attacks.algorithm("DigestMethod", "http://www.w3.org/2001/04/xmldsig-more#md5")),
        "Invalid",
        "signature.digest-method",
        "md5 is not allowed",
    ),
    Attack(
        "SHA-1 digest",
        lambda: attacks.remade(attacks.algorithm("DigestMethod", f"{DSIG}sha1")),
        "Invalid",
        "signature.digest-method",
        "SHA-1 is not allowed",
    ),
    Attack(
        "HMAC with the public key as secret",
        lambda: attacks.remade(attacks.algorithm("SignatureMethod", f"{DSIG}hmac-sha1")),
        "Invalid",
        "signature.method",
        "hmac-sha1 is not allowed",
    ),
    Attack(
        "unknown canonicalisation",
        lambda: attacks.remade(attacks.algorithm("CanonicalizationMethod", "urn:evil:c14n")),
        "Invalid",
        "signature.canonicalization",
        "urn:evil:c14n",
    ),
    Attack(
        "two Objects with one Id",
        lambda: attacks.remade(attacks.second_object),
        "Invalid",
        "signature.duplicate-id",
        "on two elements",
    ),
    Attack(
        "signature wrapping: the signed Object moved away",
        lambda: attacks.remade(attacks.wrapped_object),
        "Invalid",
        "signature.structure",
        "no Object idPackageObject directly under Signature",
    ),
    Attack(
        "signature wrapping: inside another root",
        attacks.wrapped_signature,
        "Invalid",
        "signature.structure",
        "root element is not Signature",
    ),
    Attack(
        "two references to one part",
        lambda: attacks.remade(attacks.repeated_reference),
        "Invalid",
        "signature.duplicate-reference",
        "two references",
    ),
    Attack(
        "reference outside the package",
        lambda: attacks.remade(attacks.reference_to("http://example.com/evil?ContentType=text/plain")),
        "Invalid",
        "signature.reference",
        "outside the package",
    ),
    Attack(
        "reference to a file of the machine",
        lambda: attacks.remade(attacks.reference_to("/../../etc/passwd?ContentType=text/plain")),
        "Invalid",
        "signature.reference",
        "climbs out",
    ),
    Attack(
        "reference without content type",
        lambda: attacks.remade(attacks.reference_to("/catalog.xml")),
        "Invalid",
        "signature.reference",
        "content type",
    ),
    Attack(
        "huge number of references",
        lambda: attacks.remade(attacks.many_references),
        "Invalid",
        "signature.limit",
        "more than 2000",
    ),
    Attack("comment in the signature", attacks.commented, "Invalid", "signature.xml", "comment"),
    Attack(
        "signature value changed",
        lambda: attacks.changed(
            "package/services/digital-signature/xml-signature/1.psdsxs", b"SignatureValue>", b"SignatureValue>AAAA"
        ),
        "Invalid",
        "signature.value",
        "not of any certificate",
    ),
    # who signed
    Attack("chain untrusted", lambda: signed(by=attacks.stranger()), "Untrusted", "signature.chain", "Strange Root"),
    Attack(
        "self-signed, not in the trust folder",
        lambda: signed(by=certify("Self", rsa_key("self"), usages=CODE)),
        "Untrusted",
        "signature.self-signed",
        "signed itself",
    ),
    Attack("intermediate left out", lambda: signed(by=maker()), "Untrusted", "signature.chain", "Test Middle"),
    Attack(
        "expired, without time stamp",
        lambda: attacks.expired(stamped=False),
        "Untrusted",
        "signature.expired",
        "was valid until",
    ),
    Attack("expired, stamped while valid: no attack", lambda: attacks.expired(stamped=True), "Valid", "", ""),
    Attack("not yet valid", attacks.future, "Untrusted", "signature.not-yet-valid", "is valid from"),
    Attack("certificate for web servers", attacks.wrong_usage, "Untrusted", "signature.usage", "for code signing"),
    Attack("RSA key of 1024 bits", attacks.weak_key, "Invalid", "signature.key", "1024 bits"),
    Attack(
        "maker issues certificates himself",
        attacks.issuer_without_right,
        "Untrusted",
        "signature.issuer",
        "no certificate authority",
    ),
    Attack(
        "more authorities than allowed", attacks.path_too_long, "Untrusted", "signature.issuer", "allows 0 authorities"
    ),
    Attack("certificates in a circle", attacks.certificate_loop, "Untrusted", "signature.loop", "in a circle"),
    Attack(
        "unknown critical extension",
        attacks.unknown_critical_extension,
        "Untrusted",
        "signature.chain",
        "critical extension 1.2.3.4.5",
    ),
    Attack(
        "time stamp of another signature",
        attacks.misfitting_stamp,
        "ValidWithWarnings",
        "",
        "made for another signature",
    ),
    # XML bombs
    *(
        Attack(f"XML bomb: {name}", lambda name=name: attacks.bomb_in(name), REFUSED, "xml.dtd", "document type")
        for name in ("[Content_Types].xml", attacks.RELS, attacks.CATALOG_RELS, attacks.ORIGIN_RELS)
    ),
    Attack(
        "XML bomb: signature",
        lambda: attacks.bomb_in("package/services/digital-signature/xml-signature/1.psdsxs"),
        "Invalid",
        "xml.dtd",
        "document type",
    ),
    Attack(
        "XML bomb: catalog", lambda: attacks.bomb_in("catalog.xml"), "Invalid", "signature.digest", SIGNED_PARTS_ARE
    ),
    Attack(
        "XML bomb: catalog, signed by its maker",
        lambda: attacks.signed_bomb("catalog.xml"),
        "ValidWithWarnings",
        "xml.dtd",
        "document type",
    ),
    Attack(
        "XML bomb: registration certificate, signed by its maker",
        lambda: attacks.signed_bomb("registration.xml"),
        "ValidWithWarnings",
        "xml.dtd",
        "document type",
    ),
]


def outcome(data: bytes, policy: TrustPolicy) -> tuple[str, str, str]:
    """(signature state, rule that refused the package or "", message)."""
    try:
        container = Container.read(data, LIMITS)
    except PackageError as error:
        return REFUSED, error.rule, error.text
    report = verify(container, policy.trust(LIMITS.xml))
    try:
        read_package(data, LIMITS, policy)
    except PackageError as error:
        return str(report.state), error.rule, error.text
    return str(report.state), "", report.reason


@pytest.mark.parametrize("attack", TABLE, ids=[entry.name for entry in TABLE])
def test_attack(attack: Attack) -> None:
    state, rule, message = outcome(attack.make(), POLICY)
    print(f"| {attack.name} | {state} | {f'`{rule}`' if rule else 'taken'} | {message} |")
    assert (state, rule) == (attack.state, attack.rule), message
    assert attack.message in message


@pytest.mark.parametrize(
    "attack",
    [entry for entry in TABLE if entry.state in ("Invalid", "PartiallySigned")],
    ids=[entry.name for entry in TABLE if entry.state in ("Invalid", "PartiallySigned")],
)
def test_no_setting_lets_a_changed_package_in(attack: Attack) -> None:
    # Invalid and PartiallySigned are refused whatever the site allows.
    lax = replace(POLICY, allow_unsigned=True, allow_untrusted=True)
    assert outcome(attack.make(), lax)[1] == attack.rule


def test_a_downgrade_never_becomes_the_current_version(tmp_path: Path) -> None:
    store = PackageStore(tmp_path)
    store.load()
    store.install(signed(make_package(version="2.0.0")))
    store.install(signed(make_package(version="1.0.0")))
    assert [entry.version for entry in store.current()] == ["2.0.0"]


def test_the_same_version_with_other_content_is_refused(tmp_path: Path) -> None:
    store = PackageStore(tmp_path)
    store.load()
    first = store.install(signed(make_package()))
    other = members(make_package())
    other["edd/device.ddl"] = other["edd/device.ddl"].replace(b"80.0", b"99.0")
    with pytest.raises(PackageError) as caught:
        store.install(signed(raw_zip([Item(name=name, data=data) for name, data in other.items()])))
    assert caught.value.rule == "store.same-version"
    assert store.list() == (first,)


def test_the_table_covers_what_it_says() -> None:
    # A control: the base of the attacks is good, and its parts are what the attacks aim at.
    assert outcome(attacks.good(), POLICY) == ("Valid", "", "")
    assert len({entry.name for entry in TABLE}) == len(TABLE)
    assert {middle().certificate.issuer, stamper().certificate.issuer} == {root().certificate.subject}
    assert to_datetime(NOW) - 365 * DAY == root().certificate.not_valid_before_utc
