"""Signatures of whole packages: states, several signatures, what is told about each; and what signing refuses."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from server.core.clock import from_datetime, to_datetime
from server.fdi.container import Container
from server.fdi.errors import PackageError
from server.fdi.signature.result import UNSIGNED, SignatureReport, SignatureState
from server.fdi.signature.signing import Signer, sign_package
from server.fdi.signature.verifying import Trust, verify
from tests.kit.attacks import added, changed, remade
from tests.kit.packages import make_package, members, repacked
from tests.kit.signing import (
    CODE,
    DAY,
    DSIG,
    NOW,
    SIGNATURE,
    certify,
    ec_key,
    maker,
    middle,
    resigned,
    root,
    rsa_key,
    signed,
    stamper,
)

TRUST = Trust(now=NOW, certificates=(root().certificate,))
ROOT = Path(__file__).parents[3]


def judged(data: bytes, trust: Trust = TRUST) -> SignatureReport:
    return verify(Container.read(data), trust)


def test_a_package_without_signature() -> None:
    assert judged(make_package()) == UNSIGNED
    assert UNSIGNED.best is None


def test_a_signature_with_a_trusted_time_is_valid() -> None:
    report = judged(signed(stamped=stamper()))
    (only,) = report.signatures
    assert (report.state, report.rule, report.reason) == (SignatureState.VALID, "", "")
    assert report.best == only
    assert (only.signer, only.issuer, only.algorithm) == ("Acme Packages", "Test Middle", "RSA 2048 SHA-256")
    assert (only.signing_time, only.time_stamp) == (NOW, NOW)
    assert only.thumbprint == hashlib.sha256(maker().der).hexdigest()


def test_without_time_stamp_it_is_valid_with_warnings() -> None:
    # Fact sheet, section 6: the certified time cannot be determined.
    report = judged(signed())
    assert (report.state, report.rule) == (SignatureState.VALID_WITH_WARNINGS, "signature.no-trusted-time")
    assert report.signatures[0].signing_time == NOW
    assert report.signatures[0].time_stamp is None


def test_the_manifest_holds_the_digests_of_the_stored_bytes() -> None:
    items = members(signed())
    signature = etree.fromstring(items[SIGNATURE])
    for reference in signature.iterfind(f".//{{{DSIG}}}Manifest/{{{DSIG}}}Reference"):
        name = reference.get("URI").partition("?")[0][1:]
        value = base64.b64decode(reference.findtext(f"{{{DSIG}}}DigestValue"))
        if name.endswith(".rels"):
            # By hand: one line of the catalog's relationships, sorted by Id, TargetMode added.
            pairs = re.findall(rb'Id="(\w+)" Type="([^"]+)" Target="([^"]+)"', items[name])
            kept = sorted(pair for pair in pairs if b"digital-signature" not in pair[1])
            body = b"".join(
                b'<Relationship Id="%s" Target="%s" TargetMode="Internal" Type="%s"></Relationship>' % (i, target, kind)
                for i, kind, target in kept
            )
            start = b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            assert value == hashlib.sha256(start + body + b"</Relationships>").digest(), name
        else:
            assert value == hashlib.sha256(items[name]).digest(), name


def test_a_certificate_that_ended_needs_a_time_stamp_from_before() -> None:
    late = replace(TRUST, now=from_datetime(to_datetime(NOW) + 400 * DAY))
    assert judged(signed(stamped=stamper()), late).state is SignatureState.VALID
    without = judged(signed(), late)
    assert (without.state, without.rule) == (SignatureState.UNTRUSTED, "signature.expired")


def test_a_time_stamp_from_the_future_is_not_believed() -> None:
    ahead = signed(stamped=stamper(), stamped_at=to_datetime(NOW) + 2 * DAY)
    report = judged(ahead)
    assert report.state is SignatureState.VALID_WITH_WARNINGS
    assert "future" in report.reason


def test_a_time_stamp_of_an_untrusted_authority_only_warns() -> None:
    other = certify("Own Clock", rsa_key("own clock"))
    report = judged(signed(stamped=other))
    assert report.state is SignatureState.VALID_WITH_WARNINGS
    assert "authority is not trusted" in report.reason


def test_a_second_signature_leaves_the_first_as_it_is() -> None:
    first = signed(stamped=stamper())
    second = certify("Registrar", ec_key("registrar"), issuer=root(), usages=CODE)
    both = signed(first, by=second, stamped=stamper())
    assert members(both)[SIGNATURE] == members(first)[SIGNATURE]
    report = judged(both)
    assert report.state is SignatureState.VALID
    assert [entry.signer for entry in report.signatures] == ["Acme Packages", "Registrar"]
    assert [entry.state for entry in report.signatures] == [SignatureState.VALID] * 2
    assert report.signatures[1].algorithm == "ECDSA P-256 SHA-256"


def test_a_package_is_what_its_best_signature_is() -> None:
    stranger = certify("Stranger", rsa_key("stranger"), usages=CODE)
    both = signed(signed(by=stranger), by=maker(), chain=[middle()], stamped=stamper())
    report = judged(both)
    assert report.state is SignatureState.VALID
    assert [entry.state for entry in report.signatures] == [SignatureState.UNTRUSTED, SignatureState.VALID]
    assert report.best == report.signatures[1]


def test_one_broken_signature_makes_the_package_invalid() -> None:
    both = members(signed(signed(), by=certify("Two", rsa_key("two"), issuer=root(), usages=CODE)))
    both[SIGNATURE] = both[SIGNATURE].replace(b"SignatureValue>", b"SignatureValue>AAAA", 1)
    report = judged(repacked(both))
    assert report.state is SignatureState.INVALID
    assert [entry.state for entry in report.signatures] == [
        SignatureState.INVALID,
        SignatureState.VALID_WITH_WARNINGS,
    ]


def test_something_not_covered_counts_before_who_signed() -> None:
    # PartiallySigned is always refused, Untrusted may be allowed: the stronger reason is told.
    nobody = Trust(now=NOW)
    assert judged(added("doc/new.txt"), nobody).state is SignatureState.PARTIALLY_SIGNED
    assert judged(signed(), nobody).state is SignatureState.UNTRUSTED


def test_a_certificate_may_come_as_a_part() -> None:
    # ISO/IEC 29500-2, 13.2.3: certificate parts instead of, or beside, KeyInfo.
    items = members(signed(stamped=stamper()))
    signature = etree.fromstring(items[SIGNATURE])
    info = signature.find(f"{{{DSIG}}}KeyInfo")
    assert info is not None
    signature.remove(info)
    items[SIGNATURE] = etree.tostring(signature)
    folder = "package/services/digital-signature"
    kind = "application/vnd.openxmlformats-package.digital-signature-certificate"
    rels = "http://schemas.openxmlformats.org/package/2006/relationships"
    arrows = ""
    overrides = ""
    for number, who in enumerate((maker(), middle())):
        items[f"{folder}/certificate/{number}.cer"] = who.der
        overrides += f'<Override PartName="/{folder}/certificate/{number}.cer" ContentType="{kind}"/>'
        target = f"/{folder}/certificate/{number}.cer"
        arrows += f'<Relationship Id="r{number}" Type="{rels}/digital-signature/certificate" Target="{target}"/>'
    items[f"{folder}/xml-signature/_rels/1.psdsxs.rels"] = (
        f'<Relationships xmlns="{rels}">{arrows}</Relationships>'.encode()
    )
    types = items["[Content_Types].xml"]
    items["[Content_Types].xml"] = types.replace(b"</Types>", overrides.encode() + b"</Types>")
    assert judged(repacked(items)).state is SignatureState.VALID
    # Control: a part of that type which no signature leads to is just another unsigned part.
    del items[f"{folder}/xml-signature/_rels/1.psdsxs.rels"]
    assert judged(repacked(items)).state is SignatureState.INVALID


def test_relationships_may_be_chosen_by_type() -> None:
    space = "http://schemas.openxmlformats.org/package/2006/digital-signature"

    def by_type(signature: etree._Element) -> None:
        reference = next(
            entry for entry in signature.iter(f"{{{DSIG}}}Reference") if entry.get("URI", "").startswith("/_rels/.rels")
        )
        step = next(reference.iter(f"{{{DSIG}}}Transform"))
        for child in list(step):
            step.remove(child)
        kind = "http://fdi-cooperation.com/2010/relationships/catalog"
        etree.SubElement(step, f"{{{space}}}RelationshipsGroupReference", SourceType=kind)

    data = resigned(signed(stamped=stamper()), maker(), by_type)
    report = judged(data)
    # The same relationship is chosen, so the digest is the same; the old stamp was made for another value.
    assert report.state is SignatureState.VALID_WITH_WARNINGS


def test_sha1_is_read_only_when_the_setting_says_so() -> None:
    def with_sha1(signature: etree._Element) -> None:
        reference = next(
            entry
            for entry in signature.iter(f"{{{DSIG}}}Reference")
            if entry.get("URI", "").startswith("/edd/device.ddl")
        )
        data = members(signed())["edd/device.ddl"]
        reference.find(f"{{{DSIG}}}DigestMethod").set("Algorithm", f"{DSIG}sha1")
        reference.find(f"{{{DSIG}}}DigestValue").text = base64.b64encode(hashlib.sha1(data).digest()).decode()

    data = resigned(signed(), maker(), with_sha1)
    assert judged(data).rule == "signature.digest-method"
    report = judged(data, replace(TRUST, accept_sha1=True))
    assert report.state is SignatureState.VALID_WITH_WARNINGS
    assert "made with SHA-1" in report.signatures[0].warnings


def test_properties_that_the_signature_does_not_cover_are_not_believed() -> None:
    def unsigned_time(signature: etree._Element) -> None:
        info = signature.find(f"{{{DSIG}}}SignedInfo")
        info.remove(info.findall(f"{{{DSIG}}}Reference")[1])
        for time in signature.iter("{http://uri.etsi.org/01903/v1.3.2#}SigningTime"):
            time.text = "1999-01-01T00:00:00Z"

    (only,) = judged(remade(unsigned_time)).signatures
    # What counts is the SignatureTime inside the signed package object.
    assert only.signing_time == NOW


def test_limits_of_a_package() -> None:
    data = signed()
    for _ in range(9):
        data = signed(data)
    assert len(judged(data).signatures) == 10
    with pytest.raises(PackageError) as caught:
        signed(signed(data))
    assert caught.value.rule == "signature.limit"


# -- signing


def test_the_key_must_belong_to_the_certificate() -> None:
    with pytest.raises(PackageError) as caught:
        sign_package(make_package(), Signer(rsa_key("another"), maker().certificate), time=NOW)
    assert caught.value.rule == "sign.key"


@pytest.mark.parametrize(
    ("key", "usages", "rule"),
    [
        (rsa_key("weak", 1024), CODE, "signature.key"),
        (rsa_key("plain"), (), "signature.usage"),
        (ec_key("curve", "P-521"), CODE, "signature.key"),
    ],
    ids=["weak", "no-code-signing", "curve"],
)
def test_what_nobody_would_accept_is_not_signed_with(key: object, usages: tuple[object, ...], rule: str) -> None:
    who = certify("Unfit", key, issuer=root(), usages=usages)  # type: ignore[arg-type]
    with pytest.raises(PackageError) as caught:
        sign_package(make_package(), Signer(who.key, who.certificate), time=NOW)
    assert caught.value.rule == rule


def test_signing_is_the_same_each_time() -> None:
    assert signed() == signed()


def test_signing_leaves_every_part_as_it_was() -> None:
    before, after = members(make_package()), members(signed(make_package()))
    for name, data in before.items():
        if name not in ("[Content_Types].xml", "_rels/.rels"):
            assert after[name] == data
    assert sorted(set(after) - set(before)) == [
        "package/services/digital-signature/_rels/origin.psdsor.rels",
        "package/services/digital-signature/origin.psdsor",
        SIGNATURE,
    ]


@pytest.mark.parametrize("kind", ['text/plain; charset="utf-8"', "text/x&y", "text/a#b", "TEXT/Plain"])
def test_any_legal_content_type_can_be_signed(kind: str) -> None:
    items = members(make_package())
    written = kind.replace("&", "&amp;").replace('"', "&quot;").encode()
    items["[Content_Types].xml"] = items["[Content_Types].xml"].replace(
        b'"/edd/device.ddl" ContentType="text/plain"', b'"/edd/device.ddl" ContentType="%s"' % written
    )
    assert judged(signed(repacked(items), stamped=stamper(), by=None)).state is SignatureState.VALID


def test_a_broken_signature_is_not_countersigned() -> None:
    broken = changed("edd/device.ddl", b"80.0", b"99.0")
    with pytest.raises(PackageError) as caught:
        signed(broken)
    assert caught.value.rule == "signature.digest"


def test_what_is_no_package_is_not_signed() -> None:
    with pytest.raises(PackageError) as caught:
        signed(b"PK")
    assert caught.value.rule == "zip.structure"


def test_every_rule_of_signatures_is_documented() -> None:
    text = (ROOT / "docs" / "packages.md").read_text("utf-8")
    used: set[str] = set()
    for path in (ROOT / "server" / "fdi" / "signature").glob("*.py"):
        used |= set(re.findall(r'"(sign(?:ature)?\.[a-z0-9-]+)"', path.read_text("utf-8")))
    assert len(used) > 20
    assert {rule for rule in used if f"`{rule}`" not in text} == set()
