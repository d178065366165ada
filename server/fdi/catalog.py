"""The Package Catalog: what a package says about itself (IEC 62769-4, Annex E as far as it is known).

Only the root element carries the namespace. Elements we do not know are skipped with a warning; the ones whose
spelling is only reconstructed are never demanded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from server.core.texts import NO_TEXT, Texts
from server.fdi import literals
from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlElement, XmlLimits, read_xml

_UUID = re.compile(r"\{?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\}?")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){1,3}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogDocument:
    """One document of a device type."""

    title: Texts
    file: str  # relationship id
    language: str = ""


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
    device_types: tuple[CatalogDeviceType, ...] = ()


def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers to compare; missing fields are zero.

    Raises:
        ValueError: not two to four numbers between dots.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is no version such as 1.2.0")
    fields = [int(part) for part in version.split(".")]
    return tuple(fields + [0] * (4 - len(fields)))


def package_id(text: str) -> str | None:
    """A UUID in lower case without braces, or None when the text is none."""
    match = _UUID.fullmatch(text)
    return match.group(1).lower() if match else None


def read_catalog(data: bytes, *, part: str, limits: XmlLimits) -> tuple[PackageCatalog, tuple[str, ...]]:
    """The catalog and what was odd about it.

    Raises:
        PackageError: not a catalog, a mandatory element missing or malformed, an FDI version we cannot serve.
    """
    return _Reader(part).catalog(read_xml(data, part=part, limits=limits))


class _Reader:
    def __init__(self, part: str) -> None:
        self._part = part
        self._warnings: list[str] = []

    def _refuse(self, reason: str, line: int, rule: str = "catalog.element") -> PackageError:
        return PackageError(reason, part=self._part, line=line, rule=rule)

    def _warn(self, reason: str, line: int) -> None:
        self._warnings.append(f"{self._part}:{line}: {reason}")

    def catalog(self, root: XmlElement) -> tuple[PackageCatalog, tuple[str, ...]]:
        if root.name != literals.CATALOG_ROOT or root.namespace != literals.CATALOG_NAMESPACE:
            raise self._refuse(
                f"the root element is not Catalog in {literals.CATALOG_NAMESPACE}", root.line, "catalog.root"
            )
        for child in root.children:
            if child.namespace == literals.CATALOG_NAMESPACE:
                raise self._refuse(
                    f"element {child.name} carries the namespace; only Catalog may", child.line, "catalog.namespace"
                )
        identifier = package_id(self._text(root, "PackageId"))
        if identifier is None:
            raise self._refuse("PackageId is no UUID", self._line(root, "PackageId"), "catalog.package-id")
        package_type = self._text(root, "PackageType")
        known = {name.lower(): name for name in literals.PACKAGE_TYPES}
        if package_type.lower() not in known:
            raise self._refuse(
                f"PackageType {package_type!r} is none of {', '.join(literals.PACKAGE_TYPES)}",
                self._line(root, "PackageType"),
                "catalog.package-type",
            )
        fdi_version = self._version(root, "FdiVersionSupported")
        self._check_fdi_version(fdi_version, self._line(root, "FdiVersionSupported"))
        listing = root.first("ListOfDeviceTypes")
        catalog = PackageCatalog(
            package_id=identifier,
            package_type=known[package_type.lower()],
            version=self._version(root, "Version"),
            fdi_version=fdi_version,
            manufacturer=self._text(root, "ManufacturerName", longest=256),
            contact=self._texts(root.first("ManufacturerContact")),
            url=self._optional(root, "ManufacturerUrl"),
            logo=self._optional(root, "ManufacturerImage"),
            device_types=tuple(self._device_type(entry) for entry in listing.named("DeviceType")) if listing else (),
        )
        self._note_unknown(
            root,
            "PackageId PackageType Version FdiVersionSupported ManufacturerName ManufacturerContact ManufacturerUrl "
            "ManufacturerImage CommunicationServer ListOfDeviceTypes",
        )
        return catalog, tuple(self._warnings)

    def _check_fdi_version(self, version: str, line: int) -> None:
        major, minor = version_key(version)[:2]
        ours = ".".join(str(number) for number in literals.FDI_VERSION)
        if major != literals.FDI_VERSION[0]:
            raise self._refuse(f"made for FDI {version}, this server speaks {ours}", line, "catalog.fdi-version")
        if minor > literals.FDI_VERSION[1]:
            self._warn(f"made for FDI {version}, newer than {ours}: what is new in it is ignored", line)

    def _device_type(self, element: XmlElement) -> CatalogDeviceType:
        name = self._texts(element.first("Name"))
        if not name:
            raise self._refuse("a DeviceType without Name", element.line)
        edd = element.first("Edd")
        interfaces = element.first("ListOfInterfaces")
        documents = element.first("ListOfDocuments")
        # The list wrapper's spelling is reconstructed: a bare Protocol is taken too.
        protocols = [*interfaces.named("Protocol")] if interfaces else [*element.named("Protocol")]
        result = CatalogDeviceType(
            name=name,
            description=self._texts(element.first("Description")),
            classification=self._optional(element, "Classification") or literals.DEFAULT_CLASSIFICATION,
            image=self._optional(element, "DeviceTypeImage"),
            icon=self._optional(element, "DeviceTypeIcon"),
            interfaces=tuple(self._interface(protocol) for protocol in protocols),
            edd_binary=self._optional(edd, "Binary") if edd else "",
            edd_source=self._optional(edd, "Source") if edd else "",
            documents=tuple(self._document(entry) for entry in documents.named("Document")) if documents else (),
            line=element.line,
        )
        self._note_unknown(
            element,
            "Name Description Classification DeviceTypeImage DeviceTypeIcon ListOfInterfaces Protocol Edd "
            "ListOfDocuments ListOfSupportedUips ListOfImages",
        )
        return result

    def _interface(self, element: XmlElement) -> CatalogInterface:
        revisions = element.first("ListOfDeviceRevisions")
        files = element.first("ListOfProtocolSupportFiles")
        support = [*files.named("ProtocolSupportFile")] if files else []
        return CatalogInterface(
            profile=self._optional(element, "Profile"),
            version=self._optional(element, "Version"),
            manufacturer=self._optional(element, "Manufacturer"),
            device_model=self._optional(element, "DeviceModel"),
            revisions=tuple(entry.text for entry in revisions.named("DeviceRevision")) if revisions else (),
            role=self._optional(element, "Role"),
            support_files=tuple(self._optional(entry, "File") for entry in support),
        )

    def _document(self, element: XmlElement) -> CatalogDocument:
        return CatalogDocument(
            title=self._texts(element.first("Title")),
            file=self._optional(element, "File"),
            language=self._optional(element, "Language"),
        )

    def _texts(self, element: XmlElement | None) -> Texts:
        if element is None:
            return NO_TEXT
        found: dict[str, str] = {}
        for value in element.named("value"):
            language = value.attributes.get("lang") or value.attributes.get(_XML_LANG) or "en"
            if not _LANGUAGE.fullmatch(language):
                raise self._refuse(f"lang {language!r} is no language code", value.line)
            found.setdefault(language.lower(), value.text)
        if not found and element.text:
            found["en"] = element.text
        return Texts(found) if found else NO_TEXT

    def _text(self, element: XmlElement, name: str, longest: int = 256) -> str:
        child = element.first(name)
        if child is None or not child.text:
            raise self._refuse(f"{name} is missing or empty", child.line if child else element.line)
        if len(child.text) > longest:
            raise self._refuse(f"{name} has more than {longest} characters", child.line)
        return child.text

    def _optional(self, element: XmlElement, name: str) -> str:
        child = element.first(name)
        return child.text if child else ""

    def _version(self, element: XmlElement, name: str) -> str:
        text = self._text(element, name)
        try:
            version_key(text)
        except ValueError as error:
            raise self._refuse(f"{name}: {error}", self._line(element, name), "catalog.version") from None
        return text

    @staticmethod
    def _line(element: XmlElement, name: str) -> int:
        child = element.first(name)
        return child.line if child else element.line

    def _note_unknown(self, element: XmlElement, known: str) -> None:
        names = known.split()
        for child in element.children:
            if child.name not in names or child.namespace:
                self._warn(f"element {child.name} is not known and was skipped", child.line)
