"""The schema and the reader have to say the same: what is certain in the format is refused by both, or by none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server.fdi.catalog import read_catalog
from server.fdi.catalog_schema import schema_findings
from server.fdi.catalog_writer import write_catalog
from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlLimits
from tests.kit.attacks import REGISTRATION
from tests.unit.fdi.test_catalog import SHEET

LIMITS = XmlLimits()
WRONG = {
    "no-id": ("<PackageId>{6F1C2B0E-6f0f-4f4d-9d55-0d9b2a3f7a10}</PackageId>", ""),
    "bad-id": ("{6F1C2B0E-", "{6F1C2B0-"),
    "bad-type": (">device<", ">Gadget<"),
    "empty-type": (">device<", "><"),
    "bad-version": ("<Version>1.0</Version>\n  <Fdi", "<Version>1.x</Version>\n  <Fdi"),
    "long-version": ("<Version>1.0</Version>\n  <Fdi", "<Version>1.2.3.4.5</Version>\n  <Fdi"),
    "no-version": ("<Version>1.0</Version>\n  <Fdi", "<Fdi"),
    "version-twice": ("<FdiVersion", "<Version>1.0</Version><FdiVersion"),
    "no-manufacturer": ("<ManufacturerName>Example Switchgear</ManufacturerName>", ""),
    "empty-manufacturer": ("Example Switchgear", "  "),
    "long-manufacturer": ("Example Switchgear", "x" * 257),
    "order": (
        "<PackageType>device</PackageType>\n  <Version>1.0</Version>",
        "<Version>1.0</Version><PackageType>device</PackageType>",
    ),
    "late-manufacturer": (
        "</fdi:Catalog>",
        "<ManufacturerUrl>http://example.com</ManufacturerUrl></fdi:Catalog>",
    ),
    "namespace-on-a-child": ("<ManufacturerName>", "<fdi:Extra/><ManufacturerName>"),
    "other-root": ("fdi:Catalog", "fdi:Katalog"),
    "other-namespace": ("http://fdi-cooperation.com/2010/package", "http://example.com/package"),
    "unnamed-type": ("<Name><value>Smart", "<Title><value>Smart"),
    "bad-language": ('lang="ru"', 'lang="r!"'),
}
RIGHT = {
    "as-it-is": ("", ""),
    "unknown-element": ("<ManufacturerName>", "<Feature a='1'><b/></Feature><ManufacturerName>"),
    "foreign-element": ("<ManufacturerName>", "<x:y xmlns:x='urn:x'/><ManufacturerName>"),
    "unknown-in-type": ("<Edd>", "<Colour>red</Colour><Edd>"),
    "attributes": ("<fdi:Catalog ", "<fdi:Catalog more='1' "),
    "text-between": ("<ManufacturerName>", "text <ManufacturerName>"),
    "upper-case-type": (">device<", ">DEVICE<"),
    "contact": (
        "</ManufacturerName>",
        "</ManufacturerName><ManufacturerContact><value>a</value><value lang='de'>b</value></ManufacturerContact>"
        "<ManufacturerUrl>https://example.com/a?b=1</ManufacturerUrl><ManufacturerImage>rId1</ManufacturerImage>"
        "<CommunicationServer><ProductUri>urn:x:y</ProductUri></CommunicationServer>",
    ),
    "plug-ins": ("<ListOfDeviceTypes>", "<ListOfUips/><ListOfDeviceTypes>"),
    "no-types": ("<ListOfDeviceTypes>", "<ListOfDeviceTypes/><Rest>"),
}


def altered(old: str, new: str) -> bytes:
    text = SHEET.replace(old, new)
    if old == "<ListOfDeviceTypes>" and new.endswith("<Rest>"):
        text = text.replace("</ListOfDeviceTypes>", "</Rest>")
    if new.startswith("<Title>"):
        text = text.replace("</Name>", "</Title>")
    assert not old or text != SHEET
    return text.encode()


def reader_refuses(data: bytes) -> bool:
    try:
        read_catalog(data, part="/catalog.xml", limits=LIMITS)
    except PackageError:
        return True
    return False


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_wrong_for_both(change: tuple[str, str]) -> None:
    data = altered(*change)
    found = schema_findings(data, part="/catalog.xml", limits=LIMITS)
    assert found
    assert {finding.rule for finding in found} == {"catalog.schema"}
    assert all(finding.line > 0 for finding in found)
    assert reader_refuses(data)


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_or_unknown_is_taken_by_both(change: tuple[str, str]) -> None:
    data = altered(*change)
    assert schema_findings(data, part="/catalog.xml", limits=LIMITS) == ()
    assert not reader_refuses(data)


def test_an_fdi_version_of_another_major_is_our_limit_not_the_formats() -> None:
    data = altered(">1.2.0<", ">2.0.0<")
    assert schema_findings(data, part="/catalog.xml", limits=LIMITS) == ()
    assert reader_refuses(data)


def test_what_the_builder_writes_fits_the_schema() -> None:
    catalog, _ = read_catalog(SHEET.encode(), part="/catalog.xml", limits=LIMITS)
    assert schema_findings(write_catalog(catalog), part="/catalog.xml", limits=LIMITS) == ()


def test_the_registration_certificate_has_a_schema_too() -> None:
    assert schema_findings(REGISTRATION, part="/registration.xml", limits=LIMITS) == ()
    broken = REGISTRATION.replace(b"RegAuthorityIdent", b"RegistrationData")
    assert schema_findings(broken, part="/registration.xml", limits=LIMITS)


def test_findings_are_limited() -> None:
    many = altered("<ListOfDeviceTypes>", "<ListOfDeviceTypes>" + "<DeviceType/>" * 500)
    assert len(schema_findings(many, part="/catalog.xml", limits=LIMITS)) == 50


def test_a_bomb_does_not_reach_the_schema() -> None:
    with pytest.raises(PackageError) as caught:
        schema_findings(b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', part="/catalog.xml", limits=LIMITS)
    assert caught.value.rule == "xml.dtd"


def test_a_server_that_checks_nothing_does_not_load_the_schema_library() -> None:
    # It takes longer to import than a start may lose.
    code = "import sys, server.fdi.service, server.fdi.check; sys.exit('xmlschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
