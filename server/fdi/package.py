"""A whole package read: container, catalog, EDDs and bindings, ending in device types; all right, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.core.texts import NO_TEXT, Texts
from server.fdi import literals, part_names
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.binding import BindingFile, read_binding
from server.fdi.catalog import CatalogDeviceType, CatalogInterface, PackageCatalog, read_catalog
from server.fdi.container import Container, Part, Relationship
from server.fdi.eddl.errors import EddError
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.strings import DictionaryError, parse_dictionary
from server.fdi.errors import PackageError
from server.fdi.parameters import translate_parameters
from server.fdi.translate import TypeSource, translate
from server.fdi.xml_reader import read_xml
from server.model.device_type import Attachment, DeviceType, ParameterSpec

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_INTERFACE = CatalogInterface()


@dataclass(frozen=True, slots=True)
class Package:
    """What a package holds once nothing in it is wrong."""

    container: Container
    catalog: PackageCatalog
    device_types: tuple[DeviceType, ...]
    warnings: tuple[str, ...]

    @property
    def package_id(self) -> str:
        return self.catalog.package_id

    @property
    def version(self) -> str:
        return self.catalog.version


def read_package(data: bytes, limits: ContainerLimits = DEFAULT_LIMITS) -> Package:
    """Read and check a package; blocking, some milliseconds a device type.

    Raises:
        PackageError: with part, line and rule; EDD and binding mistakes are all listed in `problems`.
    """
    container = Container.read(data, limits)
    part = _find_catalog(container, limits)
    catalog, warnings = read_catalog(part.data, part=part.name, limits=limits.xml)
    reader = _Reader(container, part.name, catalog, [*warnings])
    return reader.package()


def _find_catalog(container: Container, limits: ContainerLimits) -> Part:
    """The target of the package relationship whose Type ends in `catalog`, else the only part that is one."""
    found = [entry for entry in container.relationships("/") if entry.type.rpartition("/")[2].casefold() == "catalog"]
    if len(found) == 1:
        return container.follow(found[0], source="/")
    if found:
        raise PackageError("more than one relationship to a catalog", part="/_rels/.rels", rule="catalog.missing")
    candidates = []
    for part in container.parts.values():
        if part.content_type.partition(";")[0].strip() not in ("text/xml", "application/xml"):
            continue
        root = read_xml(part.data, part=part.name, limits=limits.xml)
        if (root.namespace, root.name) == (literals.CATALOG_NAMESPACE, literals.CATALOG_ROOT):
            candidates.append(part)
    if len(candidates) != 1:
        raise PackageError(f"{len(candidates)} package catalogs; exactly one must be there", rule="catalog.missing")
    return candidates[0]


class _Reader:
    def __init__(self, container: Container, catalog_part: str, catalog: PackageCatalog, warnings: list[str]) -> None:
        self._container = container
        self._part = catalog_part
        self._catalog = catalog
        self._warnings = warnings
        self._by_id = {entry.id: entry for entry in container.relationships(catalog_part)}

    def package(self) -> Package:
        catalog = self._catalog
        if catalog.package_type.lower() not in literals.DEVICE_PACKAGE_TYPES:
            raise PackageError(
                f"a {catalog.package_type} package holds no device types this server could serve",
                part=self._part,
                rule="catalog.package-type",
            )
        if not catalog.device_types:
            raise PackageError("the catalog lists no device type", part=self._part, rule="catalog.element")
        types = tuple(self._device_type(entry) for entry in catalog.device_types)
        names = [entry.type_id for entry in types]
        if len(set(names)) != len(names):
            raise PackageError("two device types of the same type id", part=self._part, rule="binding")
        return Package(self._container, catalog, types, tuple(self._warnings))

    def _device_type(self, entry: CatalogDeviceType) -> DeviceType:
        if not entry.edd_source:
            reason = (
                "only an encoded EDD; this server needs the EDD source (Edd/Source)"
                if entry.edd_binary
                else "a DeviceType without Edd/Source"
            )
            raise PackageError(reason, part=self._part, line=entry.line, rule="edd.source")
        edd_part = self._follow(entry.edd_source, literals.RELATIONSHIP_EDD_SOURCE, entry.line)
        edd = self._edd(edd_part)
        parameters, hidden = translate_parameters(edd, part=edd_part.name)
        bound = self._binding(entry, parameters)
        interface = entry.interfaces[0] if entry.interfaces else _NO_INTERFACE
        source = TypeSource(
            package_id=self._catalog.package_id,
            version=self._catalog.version,
            manufacturer=Texts.of(self._catalog.manufacturer),
            label=entry.name,
            description=entry.description,
            classification=entry.classification,
            device_revision=interface.revisions[-1] if interface.revisions else "",
            documents=tuple(self._attachment(each.file, each.title, each.language) for each in entry.documents),
            images=tuple(
                self._image(file, title)
                for file, title in ((entry.image, entry.name), (self._catalog.logo, NO_TEXT))
                if file
            ),
            icon=self._image(entry.icon, entry.name) if entry.icon else None,
            edd_part=edd_part.name,
            manufacturer_id=interface.manufacturer,
            model_id=interface.device_model,
            revisions=tuple(interface.revisions),
        )
        result = translate(edd, source, bound, parameters, hidden)
        self._warnings.extend(f"{edd_part.name}: {text}" for text in result.warnings)
        return result.device_type

    # -- parts

    def _follow(self, identifier: str, kind: str, line: int) -> Part:
        relationship = self._by_id.get(identifier)
        if relationship is None:
            raise PackageError(
                f"no relationship {identifier!r} of the catalog", part=self._part, line=line, rule="catalog.reference"
            )
        if relationship.type != kind:
            self._warnings.append(f"{self._part}: relationship {identifier} has the type {relationship.type}")
        return self._container.follow(relationship, source=self._part)

    def _attachment(self, identifier: str, title: Texts, language: str) -> Attachment:
        part = self._follow(identifier, literals.RELATIONSHIP_DOCUMENT, 0)
        return Attachment(part.name.rpartition("/")[2], title, part.content_type, part.data, language)

    def _image(self, identifier: str, title: Texts) -> Attachment:
        part = self._follow(identifier, literals.RELATIONSHIP_IMAGE, 0)
        if part.content_type == "image/png" and not part.data.startswith(_PNG):
            raise PackageError("is called a PNG image, but is none", part=part.name, rule="image")
        if not part.content_type.startswith("image/"):
            raise PackageError(f"an image of content type {part.content_type}", part=part.name, rule="image")
        return Attachment(part.name.rpartition("/")[2], title, part.content_type, part.data)

    # -- EDD and binding

    def _edd(self, part: Part) -> EddModel:
        related = self._container.relationships(part.name)
        dictionary: dict[str, Mapping[str, str]] = {}
        for entry in related:
            if entry.type == literals.RELATIONSHIP_EDD_DICTIONARY:
                self._add_dictionary(dictionary, entry, part.name)
        folder = part.name.rpartition("/")[0]
        files = {
            part_names.key_of(entry.target): self._container.follow(entry, source=part.name).data
            for entry in related
            if entry.type == literals.RELATIONSHIP_EDD_INCLUDE and not entry.external
        }

        def include(name: str) -> bytes:
            return files[part_names.key_of(f"{folder}/{name}")]

        file = part.name.rpartition("/")[2]
        try:
            return resolve(parse(part.data, file=file, include=include, dictionary=dictionary))
        except EddError as error:
            first = error.problems[0]
            name = part.name if first.file == file else f"{folder}/{first.file}"
            more = len(error.problems) - 1
            raise PackageError(
                f"{first.text}{f' (and {more} more)' if more else ''}",
                part=name,
                line=first.line,
                rule=f"edd.{first.rule}",
                problems=[str(problem) for problem in error.problems],
            ) from None

    def _add_dictionary(self, dictionary: dict[str, Mapping[str, str]], entry: Relationship, source: str) -> None:
        part = self._container.follow(entry, source=source)
        try:
            for name, texts in parse_dictionary(part.data).items():
                dictionary.setdefault(name, texts)
        except DictionaryError as error:
            raise PackageError(str(error), part=part.name, line=error.line, rule="edd.dictionary") from None

    def _binding(self, entry: CatalogDeviceType, parameters: Mapping[str, ParameterSpec]) -> BindingFile:
        for interface in entry.interfaces:
            for identifier in interface.support_files:
                part = self._follow(identifier, literals.RELATIONSHIP_PROTOCOL, entry.line)
                if part.name.rpartition("/")[2].casefold() == literals.BINDING_FILE:
                    found = read_binding(part.data, part=part.name, parameters=parameters)
                    self._warnings.extend(f"{part.name}: {text}" for text in found.warnings)
                    return found
        raise PackageError(
            f"no protocol support file {literals.BINDING_FILE}, which says how the device talks MQTT",
            part=self._part,
            line=entry.line,
            rule="binding.missing",
        )
