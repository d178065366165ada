"""The Package Catalog: what a package says about itself (IEC 62769-4, Annex E as far as it is known).

Only the root element carries the namespace. Elements we do not know are skipped with a warning; the ones whose
spelling is only reconstructed are never demanded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from server.core.texts import NO_TEXT, Texts
from server.fdi import literals
from server.fdi.catalog_uips import (
    CatalogDocument,
    CatalogUip,
    SupportedUip,
    read_document,
    read_supported,
    read_uip,
)
from server.fdi.catalog_values import Values, line_of, package_id, version_key
from server.fdi.errors import Finding
from server.fdi.xml_reader import XmlElement, XmlLimits, read_xml

__all__ = [
    "CatalogDeviceType",
    "CatalogDocument",
    "CatalogInterface",
    "PackageCatalog",
    "package_id",
    "read_catalog",
    "read_catalog_with_findings",
    "version_key",
]


MAX_DEVICE_TYPES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogInterface:
    """How a device type is reached: what a scan would find, and the files that describe the protocol."""

    profile: str = ""
    version: str = ""
    manufacturer: str = ""
    device_model: str = ""
    revisions: tuple[str, ...] = ()
    role: str = ""
    support_files: tuple[str, ...] = ()  # relationship ids


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogDeviceType:
    """One device type of the package; files are relationship ids of the catalog part."""

    name: Texts
    description: Texts = NO_TEXT
    classification: str = literals.DEFAULT_CLASSIFICATION
    image: str = ""
    icon: str = ""
    interfaces: tuple[CatalogInterface, ...] = ()
    edd_binary: str = ""
    edd_source: str = ""
    documents: tuple[CatalogDocument, ...] = ()
    supported_uips: tuple[SupportedUip, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCatalog:
    """The whole catalog."""

    package_id: str  # lower case UUID
    package_type: str
    version: str
    fdi_version: str
    manufacturer: str
    contact: Texts = NO_TEXT
    url: str = ""
    logo: str = ""  # relationship id
    product_uri: str = ""  # of the communication server that the package describes
    device_types: tuple[CatalogDeviceType, ...] = ()
    uips: tuple[CatalogUip, ...] = ()


def read_catalog(data: bytes, *, part: str, limits: XmlLimits) -> tuple[PackageCatalog, tuple[str, ...]]:
    """The catalog and, in words, what was odd about it. Raises as `read_catalog_with_findings`."""
    catalog, findings = read_catalog_with_findings(data, part=part, limits=limits)
    return catalog, tuple(str(finding) for finding in findings)


def read_catalog_with_findings(
    data: bytes, *, part: str, limits: XmlLimits
) -> tuple[PackageCatalog, tuple[Finding, ...]]:
    """The catalog and what was odd about it.

    Raises:
        PackageError: not a catalog, a mandatory element missing or malformed, an FDI version we cannot serve.
    """
    values = Values(part)
    catalog = _Reader(values).catalog(read_xml(data, part=part, limits=limits))
    return catalog, tuple(values.findings)


class _Reader:
    def __init__(self, values: Values) -> None:
        self._values = values

    def catalog(self, root: XmlElement) -> PackageCatalog:
        values = self._values
        if root.name != literals.CATALOG_ROOT or root.namespace != literals.CATALOG_NAMESPACE:
            raise values.refuse(
                f"the root element is not Catalog in {literals.CATALOG_NAMESPACE}", root.line, "catalog.root"
            )
        for child in root.children:
            if child.namespace == literals.CATALOG_NAMESPACE:
                raise values.refuse(
                    f"element {child.name} carries the namespace; only Catalog may", child.line, "catalog.namespace"
                )
        listed = root.first("ListOfDeviceTypes")
        if listed is not None and len(listed.children) > MAX_DEVICE_TYPES:
            # Each may name the same EDD, and has it read and translated.
            reason = f"more than {MAX_DEVICE_TYPES} device types in one package"
            raise values.refuse(reason, listed.line, "catalog.device-types")
        identifier = values.uuid(root, "PackageId")
        package_type = values.text(root, "PackageType")
        known = {name.lower(): name for name in literals.PACKAGE_TYPES}
        if package_type.lower() not in known:
            raise values.refuse(
                f"PackageType {package_type!r} is none of {', '.join(literals.PACKAGE_TYPES)}",
                line_of(root, "PackageType"),
                "catalog.package-type",
            )
        fdi_version = values.version(root, "FdiVersionSupported")
        self._check_fdi_version(fdi_version, line_of(root, "FdiVersionSupported"))
        catalog = PackageCatalog(
            package_id=identifier,
            package_type=known[package_type.lower()],
            version=values.version(root, "Version"),
            fdi_version=fdi_version,
            manufacturer=values.text(root, "ManufacturerName"),
            contact=values.texts(root.first("ManufacturerContact")),
            url=values.optional(root, "ManufacturerUrl"),
            logo=values.optional(root, "ManufacturerImage"),
            product_uri=values.optional(root.first("CommunicationServer"), "ProductUri"),
            device_types=values.listed(root, "ListOfDeviceTypes", "DeviceType", self._device_type),
            uips=values.listed(root, "ListOfUips", "Uip", lambda entry: read_uip(values, entry)),
        )
        values.check_order(root, literals.CATALOG_ORDER, literals.CATALOG_EXTENSIONS)
        return catalog

    def _check_fdi_version(self, version: str, line: int) -> None:
        major, minor = version_key(version)[:2]
        ours = ".".join(str(number) for number in literals.FDI_VERSION)
        if major != literals.FDI_VERSION[0]:
            raise self._values.refuse(f"made for FDI {version}, this server speaks {ours}", line, "catalog.fdi-version")
        if minor > literals.FDI_VERSION[1]:
            reason = f"made for FDI {version}, newer than {ours}: what is new in it is ignored"
            self._values.warn(reason, line, "catalog.fdi-version")

    def _device_type(self, element: XmlElement) -> CatalogDeviceType:
        values = self._values
        name = values.texts(element.first("Name"))
        if not name:
            raise values.refuse("a DeviceType without Name", element.line)
        edd = element.first("Edd")
        interfaces = element.first("ListOfInterfaces")
        # The list wrapper's spelling is reconstructed: a bare Protocol is taken too.
        protocols = [*interfaces.named("Protocol")] if interfaces else [*element.named("Protocol")]
        values.note_unknown(
            element,
            (
                *("Name", "Description", "Classification", "DeviceTypeImage", "DeviceTypeIcon", "ListOfInterfaces"),
                *("Protocol", "Edd", "ListOfDocuments", "ListOfSupportedUips", "ListOfImages"),
            ),
        )
        return CatalogDeviceType(
            name=name,
            description=values.texts(element.first("Description")),
            classification=values.optional(element, "Classification") or literals.DEFAULT_CLASSIFICATION,
            image=values.optional(element, "DeviceTypeImage"),
            icon=values.optional(element, "DeviceTypeIcon"),
            interfaces=tuple(self._interface(protocol) for protocol in protocols),
            edd_binary=values.optional(edd, "Binary"),
            edd_source=values.optional(edd, "Source"),
            documents=values.listed(element, "ListOfDocuments", "Document", lambda entry: read_document(values, entry)),
            supported_uips=values.listed(
                element, "ListOfSupportedUips", "SupportedUip", lambda entry: read_supported(values, entry)
            ),
            line=element.line,
        )

    def _interface(self, element: XmlElement) -> CatalogInterface:
        values = self._values
        return CatalogInterface(
            profile=values.optional(element, "Profile"),
            version=values.optional(element, "Version"),
            manufacturer=values.optional(element, "Manufacturer"),
            device_model=values.optional(element, "DeviceModel"),
            revisions=values.listed(element, "ListOfDeviceRevisions", "DeviceRevision", lambda entry: entry.text),
            role=values.optional(element, "Role"),
            support_files=values.listed(
                element,
                "ListOfProtocolSupportFiles",
                "ProtocolSupportFile",
                lambda entry: values.optional(entry, "File"),
            ),
        )
