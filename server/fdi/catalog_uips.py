"""User Interface Plug-ins in the catalog: their variants are opaque bytes for clients (all spelling reconstructed)."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.core.texts import NO_TEXT, Texts
from server.fdi import literals
from server.fdi.catalog_values import Values
from server.fdi.xml_reader import XmlElement


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogDocument:
    """One document of a device type or plug-in."""

    title: Texts
    file: str  # relationship id
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogUipVariant:
    """One executable form of a plug-in."""

    version: str
    fdi_version: str
    platform: str = ""
    runtime: str = ""
    cpu: str = ""
    file: str = ""  # relationship id
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogUip:
    """One plug-in."""

    uip_id: str  # lower case UUID
    version: str
    name: Texts
    description: Texts = NO_TEXT
    start_element: str = ""
    style: str = literals.UIP_STYLES[0]
    documents: tuple[CatalogDocument, ...] = ()
    variants: tuple[CatalogUipVariant, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SupportedUip:
    """A plug-in that a device type can be served with; it may stand in another package."""

    uip_id: str
    version: str


def read_document(values: Values, element: XmlElement) -> CatalogDocument:
    """A DocumentT."""
    return CatalogDocument(
        title=values.texts(element.first("Title")),
        file=values.optional(element, "File"),
        language=values.optional(element, "Language"),
    )


def read_uip(values: Values, element: XmlElement) -> CatalogUip:
    """A UipT. Raises PackageError: no id, version or name."""
    name = values.texts(element.first("Name"))
    if not name:
        raise values.refuse("a Uip without Name", element.line)
    style = values.optional(element, "Style") or literals.UIP_STYLES[0]
    known = {word.lower(): word for word in literals.UIP_STYLES}
    if style.lower() not in known:
        values.warn(f"Style {style!r} is none of {', '.join(literals.UIP_STYLES)}", element.line, "catalog.uip")
    values.note_unknown(
        element,
        (
            *("UipId", "Name", "Description", "UipVersion", "StartElementName", "Style"),
            *("ListOfDocuments", "ListOfUipVariants"),
        ),
    )
    return CatalogUip(
        uip_id=values.uuid(element, "UipId"),
        version=values.version(element, "UipVersion"),
        name=name,
        description=values.texts(element.first("Description")),
        start_element=values.optional(element, "StartElementName"),
        style=known.get(style.lower(), literals.UIP_STYLES[0]),
        documents=values.listed(element, "ListOfDocuments", "Document", lambda entry: read_document(values, entry)),
        variants=values.listed(element, "ListOfUipVariants", "UipVariant", lambda entry: _variant(values, entry)),
        line=element.line,
    )


def _variant(values: Values, element: XmlElement) -> CatalogUipVariant:
    values.note_unknown(
        element, ("UipVariantVersion", "FdiVersionSupported", "PlatformId", "RuntimeId", "CpuInformation", "File")
    )
    return CatalogUipVariant(
        version=values.version(element, "UipVariantVersion"),
        fdi_version=values.version(element, "FdiVersionSupported"),
        platform=values.optional(element, "PlatformId"),
        runtime=values.optional(element, "RuntimeId"),
        cpu=values.optional(element, "CpuInformation"),
        file=values.optional(element, "File"),
        line=element.line,
    )


def read_supported(values: Values, element: XmlElement) -> SupportedUip:
    """A SupportedUipT. Raises PackageError: no id or version."""
    return SupportedUip(values.uuid(element, "UipId"), values.version(element, "UipVersion"))
