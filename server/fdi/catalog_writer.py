"""catalog.xml from a `PackageCatalog`: the same bytes for the same catalog, elements in the schema's order."""

from __future__ import annotations

from server.core.texts import Texts
from server.fdi import literals
from server.fdi.catalog import CatalogDeviceType, CatalogDocument, CatalogInterface, PackageCatalog
from server.fdi.catalog_uips import CatalogUip, CatalogUipVariant, SupportedUip
from server.fdi.xml_reader import escape

_Lines = list[str]


def write_catalog(catalog: PackageCatalog) -> bytes:
    """The part's bytes."""
    body = [
        *_text("PackageId", catalog.package_id),
        *_text("PackageType", catalog.package_type),
        *_text("Version", catalog.version),
        *_text("FdiVersionSupported", catalog.fdi_version),
        *_text("ManufacturerName", catalog.manufacturer),
        *_texts("ManufacturerContact", catalog.contact),
        *_text("ManufacturerUrl", catalog.url),
        *_text("ManufacturerImage", catalog.logo),
        *_group("CommunicationServer", _text("ProductUri", catalog.product_uri)),
        *_group("ListOfDeviceTypes", *(_device_type(entry) for entry in catalog.device_types)),
        *_group("ListOfUips", *(_uip(entry) for entry in catalog.uips)),
    ]
    root = f"fdi:{literals.CATALOG_ROOT}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<{root} xmlns:fdi="{literals.CATALOG_NAMESPACE}">',
        *(f"  {line}" for line in body),
        f"</{root}>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _device_type(entry: CatalogDeviceType) -> _Lines:
    return _group(
        "DeviceType",
        _texts("Name", entry.name),
        _texts("Description", entry.description),
        _text("Classification", entry.classification),
        _text("DeviceTypeImage", entry.image),
        _text("DeviceTypeIcon", entry.icon),
        _group("ListOfInterfaces", *(_interface(each) for each in entry.interfaces)),
        _group("Edd", _text("Binary", entry.edd_binary), _text("Source", entry.edd_source)),
        _group("ListOfDocuments", *(_document(each) for each in entry.documents)),
        _group("ListOfSupportedUips", *(_supported(each) for each in entry.supported_uips)),
    )


def _supported(entry: SupportedUip) -> _Lines:
    return _group("SupportedUip", _text("UipId", entry.uip_id), _text("UipVersion", entry.version))


def _uip(entry: CatalogUip) -> _Lines:
    return _group(
        "Uip",
        _text("UipId", entry.uip_id),
        _texts("Name", entry.name),
        _texts("Description", entry.description),
        _text("UipVersion", entry.version),
        _text("StartElementName", entry.start_element),
        _text("Style", entry.style),
        _group("ListOfDocuments", *(_document(each) for each in entry.documents)),
        _group("ListOfUipVariants", *(_variant(each) for each in entry.variants)),
    )


def _variant(entry: CatalogUipVariant) -> _Lines:
    return _group(
        "UipVariant",
        _text("UipVariantVersion", entry.version),
        _text("FdiVersionSupported", entry.fdi_version),
        _text("PlatformId", entry.platform),
        _text("RuntimeId", entry.runtime),
        _text("CpuInformation", entry.cpu),
        _text("File", entry.file),
    )


def _interface(entry: CatalogInterface) -> _Lines:
    files = (_group("ProtocolSupportFile", _text("File", file)) for file in entry.support_files)
    return _group(
        "Protocol",
        _text("Profile", entry.profile),
        _text("Version", entry.version),
        _text("Manufacturer", entry.manufacturer),
        _text("DeviceModel", entry.device_model),
        _group("ListOfDeviceRevisions", *(_text("DeviceRevision", text) for text in entry.revisions)),
        _text("Role", entry.role),
        _group("ListOfProtocolSupportFiles", *files),
    )


def _document(entry: CatalogDocument) -> _Lines:
    return _group(
        "Document", _texts("Title", entry.title), _text("Language", entry.language), _text("File", entry.file)
    )


def _text(name: str, text: str) -> _Lines:
    return [f"<{name}>{escape(text)}</{name}>"] if text else []


def _texts(name: str, texts: Texts) -> _Lines:
    languages = sorted(texts.by_language, key=lambda code: (code != "en", code))
    values = []
    for language in languages:
        mark = "" if language == "en" else f' lang="{escape(language)}"'
        values.append(f"<value{mark}>{escape(texts.by_language[language])}</value>")
    return _group(name, values)


def _group(name: str, *blocks: _Lines) -> _Lines:
    body = [f"  {line}" for block in blocks for line in block]
    return [f"<{name}>", *body, f"</{name}>"] if body else []
