"""Packages of every type load as far as they go, and say what they lack (fact sheet on packages, sections 2 and 3)."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.build import assemble
from server.fdi.catalog import read_catalog
from server.fdi.errors import PackageError, Severity
from server.fdi.package import Package, read_package
from server.fdi.registration import Registration
from server.fdi.xml_reader import XmlLimits
from server.model.device_type import UipVariant
from tests.kit.attacks import REGISTRATION, with_plug_in
from tests.kit.packages import EDD, make_package, members, repacked

ID = "5b1f0c66-3d0b-4c0b-8f0e-6f4b9d8c2a11"
UIP_ID = "0f5a5b52-6e39-4d4b-8d8d-4a0f6d3d1c01"
PLUG_INS = f"""
[package]
id = "{ID}"
type = "UIP"
version = "1.0.0"
manufacturer = "Test Works"

[[uip]]
id = "{UIP_ID.upper()}"
version = "2.1.0"
name = {{ en = "Tuner", ru = "Настройка" }}
description = "Tunes"
start_element = "index.html"
style = "Dialog"
[[uip.variant]]
version = "2.1.0"
fdi_version = "1.1.0"
platform = "WORKSTATION"
runtime = "HTML5"
cpu = "AnyCPU"
file = "tuner.zip"
[[uip.variant]]
version = "2.0.9"
platform = "MOBILE"
runtime = "CLR4"
file = "tuner.dll"
[[uip.document]]
title = "Help"
file = "help.md"
"""
COMMUNICATION = f"""
[package]
id = "{ID}"
type = "Communication"
version = "1.0.0"
manufacturer = "Test Works"
[communication_server]
product_uri = "urn:test:server"
[device_type]
name = "Server"
edd = "device.ddl"
"""
FILES = {"tuner.zip": b"PK\5\6opaque", "tuner.dll": b"MZ\0opaque", "help.md": b"help", "device.ddl": EDD.encode()}


def built(catalog: str, **files: bytes) -> Package:
    return read_package(assemble({"catalog.toml": catalog.encode(), **FILES, **files})[0])


def rules(package: Package) -> list[tuple[str, str]]:
    return [(str(finding.severity), finding.rule) for finding in package.findings if finding.rule != "edd"]


def test_a_uip_package_hands_out_its_variants_as_opaque_bytes() -> None:
    package = built(PLUG_INS)
    assert package.device_types == ()
    assert package.findings == ()
    (uip,) = package.uips
    assert (uip.uip_id, uip.version, uip.style, uip.start_element) == (UIP_ID, "2.1.0", 2, "index.html")
    assert uip.name == Texts({"en": "Tuner", "ru": "Настройка"})
    assert uip.variants == (
        UipVariant("2.1.0", "1.1.0", "WORKSTATION", "HTML5", "AnyCPU", "tuner.zip", "application/zip", b"PK\5\6opaque"),
        UipVariant("2.0.9", "1.2.0", "MOBILE", "CLR4", "", "tuner.dll", "application/octet-stream", b"MZ\0opaque"),
    )
    assert [document.name for document in uip.documents] == ["help.md"]


def test_a_build_with_plug_ins_is_the_same_each_time() -> None:
    sources = {"catalog.toml": PLUG_INS.encode(), **FILES}
    again = dict(reversed(sources.items()))
    assert assemble(sources) == assemble(again)


def test_a_communication_package_names_its_server() -> None:
    package = built(COMMUNICATION)
    assert package.catalog.product_uri == "urn:test:server"
    assert package.device_types == ()
    assert rules(package) == [("warning", "binding.missing")]


def test_a_device_type_is_served_with_the_plug_ins_of_its_package() -> None:
    package = read_package(with_plug_in())
    (device_type,) = package.device_types
    assert [uip.uip_id for uip in device_type.uips] == [UIP_ID]
    assert device_type.uips == package.uips
    assert [file.name for file in device_type.protocol_support] == ["mqtt.toml"]
    assert package.protocol_support == device_type.protocol_support


def test_a_plug_in_of_another_package_is_named() -> None:
    more = f'[[device_type.supported_uip]]\nid = "{UIP_ID}"\nversion = "3.0.0"\n'
    package = read_package(make_package(more=more))
    assert package.device_types[0].uips == ()
    assert rules(package) == [("info", "catalog.uip")]
    assert f"{UIP_ID} version 3.0.0" in package.findings[0].text
    assert package.warnings == ()


def test_an_encoded_edd_loads_catalog_documents_and_plug_ins() -> None:
    catalog = PLUG_INS.replace('"UIP"', '"Device"') + (
        '[device_type]\nname = "Encoded"\nedd_binary = "device.fma"\n'
        '[[device_type.document]]\ntitle = "Manual"\nfile = "help.md"\n'
    )
    package = built(catalog, **{"device.fma": b"\0\1\2"})
    assert package.device_types == ()
    assert len(package.uips) == 1
    assert [document.name for document in package.documents] == ["help.md"]
    assert rules(package) == [("warning", "edd.encoded")]
    assert "no public format" in package.findings[0].text
    assert package.findings[0].part == "/catalog.xml"


def test_a_device_package_needs_device_types() -> None:
    items = members(make_package())
    start, end = items["catalog.xml"].index(b"<ListOfDeviceTypes>"), items["catalog.xml"].index(b"</fdi:Catalog>")
    items["catalog.xml"] = items["catalog.xml"][:start] + items["catalog.xml"][end:]
    with pytest.raises(PackageError) as caught:
        read_package(repacked(items))
    assert caught.value.rule == "catalog.element"
    # Control: the same catalog is a UIP package without plug-ins.
    items["catalog.xml"] = items["catalog.xml"].replace(b">Device<", b">UIP<")
    assert rules(read_package(repacked(items))) == [("warning", "catalog.uip")]


def test_the_registration_certificate_is_read() -> None:
    package = read_package(with_plug_in())
    expected = Registration("0x7777", "0x0001", "Test Authority", Texts({"en": "Registered", "ru": "Зарегистрировано"}))
    assert package.registration == (expected,)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"<x/>", "registration"),
        (REGISTRATION.replace(b"FdiRegistrationCert", b"Catalog"), "registration"),
        (b"<not xml", "xml.syntax"),
    ],
)
def test_a_registration_certificate_that_is_none(data: bytes, rule: str) -> None:
    items = members(with_plug_in())
    items["registration.xml"] = data
    with pytest.raises(PackageError) as caught:
        read_package(repacked(items))
    assert (caught.value.rule, caught.value.part) == (rule, "/registration.xml")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"<UipId>0f5a5b52-", b"<UipId>zz-", "catalog.package-id"),
        (b"<UipVersion>1.0.0", b"<UipVersion>one", "catalog.version"),
        (b"<Name>\n        <value>Tuner</value>\n      </Name>", b"", "catalog.element"),
        (b"<File>rIdUip1Variant1", b"<File>rIdNowhere", "catalog.reference"),
    ],
)
def test_a_plug_in_that_is_wrong_refuses_the_package(old: bytes, new: bytes, rule: str) -> None:
    items = members(with_plug_in())
    assert old in items["catalog.xml"]
    items["catalog.xml"] = items["catalog.xml"].replace(old, new)
    with pytest.raises(PackageError) as caught:
        read_package(repacked(items))
    assert caught.value.rule == rule


def test_mistakes_in_plug_in_sources_are_listed_with_their_keys() -> None:
    text = PLUG_INS.replace('style = "Dialog"', 'style = "Popup"').replace('file = "tuner.dll"', 'file = "none.dll"')
    text = text.replace('version = "2.0.9"', 'version = "new"') + "[communication_server]\nproduct_uri = 'x'\n"
    with pytest.raises(PackageError) as caught:
        assemble({"catalog.toml": text.encode(), **FILES})
    for start in (
        "communication_server: belongs into a package of type Communication",
        "uip[1].style: 'Popup'",
        "uip[1].variant[2].version: 'new'",
        "uip[1].variant[2].file: there is no file 'none.dll'",
    ):
        assert any(problem.startswith(start) for problem in caught.value.problems), (start, caught.value.problems)


def test_a_plug_in_without_variants_is_a_mistake_of_its_source() -> None:
    text = PLUG_INS[: PLUG_INS.index("[[uip.variant]]")]
    with pytest.raises(PackageError) as caught:
        assemble({"catalog.toml": text.encode(), **FILES})
    assert any("at least one [[uip.variant]]" in problem for problem in caught.value.problems)


def test_what_is_written_about_plug_ins_is_read_back() -> None:
    items = members(assemble({"catalog.toml": PLUG_INS.encode(), **FILES})[0])
    catalog, warnings = read_catalog(items["catalog.xml"], part="/catalog.xml", limits=XmlLimits())
    assert warnings == ()
    assert [variant.runtime for variant in catalog.uips[0].variants] == ["HTML5", "CLR4"]
    assert catalog.uips[0].style == "Dialog"


def test_findings_carry_severity_part_line_and_rule() -> None:
    items = members(make_package())
    items["catalog.xml"] = items["catalog.xml"].replace(b"<ListOfDeviceTypes>", b"<Odd/>\n<ListOfDeviceTypes>")
    (finding,) = [entry for entry in read_package(repacked(items)).findings if entry.rule == "catalog.unknown"]
    assert (finding.severity, finding.part) == (Severity.WARNING, "/catalog.xml")
    assert items["catalog.xml"].split(b"\n")[finding.line - 1].strip() == b"<Odd/>"
