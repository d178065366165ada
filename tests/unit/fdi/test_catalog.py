"""The catalog says what a package is; what is certain in the format is demanded, what is reconstructed is not."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.catalog import (
    CatalogDeviceType,
    CatalogDocument,
    CatalogInterface,
    PackageCatalog,
    read_catalog,
    version_key,
)
from server.fdi.catalog_writer import write_catalog
from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlLimits

# The structure of the example in the fact sheet on packages, section 7.
SHEET = """<fdi:Catalog xmlns:fdi="http://fdi-cooperation.com/2010/package">
  <PackageId>{6F1C2B0E-6f0f-4f4d-9d55-0d9b2a3f7a10}</PackageId>
  <PackageType>device</PackageType>
  <Version>1.0</Version>
  <FdiVersionSupported>1.2.0</FdiVersionSupported>
  <ManufacturerName>Example Switchgear</ManufacturerName>
  <ListOfDeviceTypes>
    <DeviceType>
      <Name><value>Smart Breaker SB1</value><value xml:lang="de">Schalter SB1</value>
        <value lang="ru">Выключатель</value></Name>
      <ListOfInterfaces><Protocol>
        <Profile>modbus_tcp</Profile><Version>1.0</Version>
        <Manufacturer>0x00FF</Manufacturer><DeviceModel>0x3039</DeviceModel><Role>Slave</Role>
      </Protocol></ListOfInterfaces>
      <Edd><Source>rIdEddSrc</Source></Edd>
      <ListOfDocuments><Document><Title><value>Manual</value></Title><File>rIdDoc1</File></Document></ListOfDocuments>
    </DeviceType>
  </ListOfDeviceTypes>
</fdi:Catalog>"""


def read(text: str) -> tuple[PackageCatalog, tuple[str, ...]]:
    return read_catalog(text.encode(), part="/catalog.xml", limits=XmlLimits())


def refused(text: str) -> PackageError:
    with pytest.raises(PackageError) as caught:
        read(text)
    return caught.value


def test_the_sheets_example_is_read() -> None:
    catalog, warnings = read(SHEET)
    assert warnings == ()
    assert catalog.package_id == "6f1c2b0e-6f0f-4f4d-9d55-0d9b2a3f7a10"
    assert (catalog.package_type, catalog.version) == ("Device", "1.0")
    only = catalog.device_types[0]
    assert only.name == Texts({"en": "Smart Breaker SB1", "de": "Schalter SB1", "ru": "Выключатель"})
    assert only.classification == "UNIVERSAL"
    assert only.edd_source == "rIdEddSrc"
    assert only.interfaces[0].device_model == "0x3039"
    assert only.documents[0].file == "rIdDoc1"


def test_a_catalog_of_masses_of_device_types_is_refused() -> None:
    """Nine thousand fit into its 4 MB, and each could have the same long EDD read."""
    first, last = SHEET.index("<DeviceType>"), SHEET.index("</DeviceType>") + len("</DeviceType>")
    many = SHEET[:first] + SHEET[first:last] * 65 + SHEET[last:]
    assert refused(many).rule == "catalog.device-types"
    assert len(read(SHEET[:first] + SHEET[first:last] * 64 + SHEET[last:])[0].device_types) == 64  # control


def test_what_is_written_is_read_back() -> None:
    catalog = PackageCatalog(
        package_id="6f1c2b0e-6f0f-4f4d-9d55-0d9b2a3f7a10",
        package_type="Device",
        version="2.10.3",
        fdi_version="1.2.0",
        manufacturer='Müller & "Söhne" <GmbH>',
        contact=Texts.of("call us", ru="звоните"),
        url="https://example.com/?a=1&b=2",
        logo="rIdLogo",
        device_types=(
            CatalogDeviceType(
                name=Texts.of("A", ru="Б"),
                description=Texts.of("long"),
                image="rIdImage",
                icon="rIdIcon",
                interfaces=(
                    CatalogInterface(
                        profile="mqtt_json",
                        version="1.0",
                        manufacturer="0x1",
                        device_model="0x2",
                        revisions=("1", "2"),
                        role="Device",
                        support_files=("rIdBinding",),
                    ),
                ),
                edd_source="rIdEdd",
                documents=(CatalogDocument(title=Texts.of("Manual"), file="rIdDocument1", language="en"),),
            ),
        ),
    )
    assert read_catalog(write_catalog(catalog), part="/catalog.xml", limits=XmlLimits()) == (catalog, ())


def test_only_the_root_element_carries_the_namespace() -> None:
    text = write_catalog(read(SHEET)[0]).decode()
    assert text.count("fdi:") == 2  # the opening and the closing tag
    prefixed = SHEET.replace("<Version>1.0</Version>\n  <Fdi", "<fdi:Version>1.0</fdi:Version>\n  <Fdi")
    assert refused(prefixed).rule == "catalog.namespace"


def test_unknown_elements_are_skipped_with_a_warning() -> None:
    catalog, warnings = read(SHEET.replace("<ListOfDeviceTypes>", "<ListOfFeatures/><ListOfDeviceTypes>"))
    assert len(catalog.device_types) == 1
    assert len(warnings) == 1
    assert "ListOfFeatures" in warnings[0]


@pytest.mark.parametrize("element", ["PackageId", "PackageType", "Version", "FdiVersionSupported", "ManufacturerName"])
def test_a_mandatory_element_must_be_there(element: str) -> None:
    start = SHEET.index(f"<{element}>")
    end = SHEET.index(f"</{element}>") + len(element) + 3
    error = refused(SHEET[:start] + SHEET[end:])
    assert error.rule == "catalog.element"
    assert element in error.reason


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        ("{6F1C2B0E-", "{", "catalog.package-id", 2),
        (">device<", ">Gadget<", "catalog.package-type", 3),
        (">1.0</Version>\n  <Fdi", ">one</Version>\n  <Fdi", "catalog.version", 4),
        (">1.2.0<", ">2.0.0<", "catalog.fdi-version", 5),
        ("Example Switchgear", "x" * 257, "catalog.element", 6),
        ("http://fdi-cooperation.com/2010/package", "http://example.com/", "catalog.root", 1),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(old: str, new: str, rule: str, line: int) -> None:
    error = refused(SHEET.replace(old, new))
    assert (error.rule, error.part, error.line) == (rule, "/catalog.xml", line)


def test_a_newer_minor_fdi_version_only_warns() -> None:
    # Fact sheet section 5: same major, higher minor: load with a warning.
    catalog, warnings = read(SHEET.replace(">1.2.0<", ">1.3.0<"))
    assert catalog.fdi_version == "1.3.0"
    assert any("1.3.0" in text for text in warnings)


def test_versions_compare_as_numbers() -> None:
    assert version_key("1.10.0") > version_key("1.9.9")
    assert version_key("1.2") == version_key("1.2.0.0")
    with pytest.raises(ValueError, match="no version"):
        version_key("1.2-beta")
