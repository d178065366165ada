"""A whole package read: container, signatures, catalog, EDDs and bindings; all right, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.core import collector
from server.core.texts import NO_TEXT, Texts
from server.fdi import literals
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.binding import BindingFile, binding_mistakes, read_binding
from server.fdi.catalog import CatalogDeviceType, CatalogInterface, PackageCatalog, read_catalog_with_findings
from server.fdi.catalog_uips import CatalogDocument, CatalogUip, SupportedUip
from server.fdi.container import Container, Part
from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.package_edd import EddParts, EddPlaces
from server.fdi.parameters import translate_parameters
from server.fdi.registration import Registration, read_registration
from server.fdi.signature.result import UNSIGNED, SignatureReport
from server.fdi.signature.verifying import verify
from server.fdi.translate import TypeSource, translate
from server.fdi.trust import TrustPolicy, judge
from server.fdi.xml_reader import read_xml
from server.model.device_type import Attachment, DeviceType, ParameterSpec, UipSpec, UipVariant

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_INTERFACE = CatalogInterface()


@dataclass(frozen=True, slots=True)
class Package:
    """What a package holds once nothing in it is wrong."""

    container: Container
    catalog: PackageCatalog
    device_types: tuple[DeviceType, ...]
    findings: tuple[Finding, ...] = ()  # warnings and notes, with their places
    signature: SignatureReport = UNSIGNED
    uips: tuple[UipSpec, ...] = ()
    documents: tuple[Attachment, ...] = ()  # of all device types, those without usable EDD included
    images: tuple[Attachment, ...] = ()
    protocol_support: tuple[Attachment, ...] = ()
    registration: tuple[Registration, ...] = ()
    edd_places: Mapping[str, EddPlaces] = field(default_factory=dict)  # by type id: where problems of its EDD stand

    @property
    def package_id(self) -> str:
        return self.catalog.package_id

    @property
    def version(self) -> str:
        return self.catalog.version

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the package's author should look at, in words."""
        return tuple(str(finding) for finding in self.findings if finding.severity is Severity.WARNING)


def read_package(data: bytes, limits: ContainerLimits = DEFAULT_LIMITS, trust: TrustPolicy | None = None) -> Package:
    """Read and check a package; blocking, some milliseconds a device type and signature.

    Args:
        trust: which signature states are taken. Without it the state is only reported, against no trusted certificate.

    Raises:
        PackageError: with part, line and rule; EDD and binding mistakes are all listed in `findings`.
    """
    container = Container.read(data, limits)
    policy = trust or TrustPolicy()
    signature = verify(container, policy.trust(limits.xml))
    # A package that may not be trusted is not interpreted any further.
    refused = judge(signature, policy) if trust is not None else None
    if refused is not None:
        raise refused
    return read_contents(container, limits, signature)


def read_contents(container: Container, limits: ContainerLimits, signature: SignatureReport) -> Package:
    """What a container holds, its signatures already judged. Raises PackageError."""
    part = find_catalog(container, limits)
    catalog, findings = read_catalog_with_findings(part.data, part=part.name, limits=limits.xml)
    with collector.paused():
        return _Reader(container, part.name, catalog, [*findings], limits).package(signature)


def find_catalog(container: Container, limits: ContainerLimits) -> Part:
    """The target of the package relationship whose Type ends in `catalog`, else the only part that is one.

    Raises:
        PackageError: none, or more than one.
    """
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
    def __init__(
        self,
        container: Container,
        catalog_part: str,
        catalog: PackageCatalog,
        findings: list[Finding],
        limits: ContainerLimits,
    ) -> None:
        self._container = container
        self._part = catalog_part
        self._catalog = catalog
        self._findings = findings
        self._limits = limits
        self._by_id = {entry.id: entry for entry in container.relationships(catalog_part)}
        self._protocol_support: list[Attachment] = []
        self._edd_places: dict[str, EddPlaces] = {}
        self._edds: dict[str, EddParts] = {}  # by part: device types that name one EDD share what was read of it

    def package(self, signature: SignatureReport) -> Package:
        catalog = self._catalog
        describes_devices = catalog.package_type.lower() in literals.DEVICE_PACKAGE_TYPES
        if describes_devices and not catalog.device_types:
            raise PackageError("the catalog lists no device type", part=self._part, rule="catalog.element")
        if catalog.package_type == literals.UIP_PACKAGE_TYPE and not catalog.uips:
            self._note("a UIP package that lists no user interface plug-in", "catalog.uip")
        if catalog.product_uri and catalog.package_type != literals.COMMUNICATION_PACKAGE_TYPE:
            self._note(f"CommunicationServer in a package of type {catalog.package_type}", "catalog.package-type")
        uips = tuple(self._uip(entry) for entry in catalog.uips)
        documents = {id(entry): self._documents(entry.documents) for entry in catalog.device_types}
        images = {id(entry): self._images(entry) for entry in catalog.device_types}
        found = (
            self._device_type(entry, uips, documents[id(entry)], images[id(entry)], bound=describes_devices)
            for entry in catalog.device_types
        )
        types = tuple(entry for entry in found if entry is not None)
        names = [entry.type_id for entry in types]
        if len(set(names)) != len(names):
            raise PackageError("two device types of the same type id", part=self._part, rule="binding")
        if catalog.logo and not catalog.device_types:
            images[0] = (self._image(catalog.logo, NO_TEXT),)
        registration = self._registration()
        return Package(
            self._container,
            catalog,
            types,
            tuple(self._findings),
            signature,
            uips=uips,
            documents=tuple(entry for several in documents.values() for entry in several),
            images=tuple({entry.name: entry for several in images.values() for entry in several}.values()),
            protocol_support=tuple(self._protocol_support),
            registration=registration,
            edd_places=self._edd_places,
        )

    def _note(self, text: str, rule: str, *, line: int = 0, part: str = "", severity: str = "warning") -> None:
        self._findings.append(
            Finding(severity=Severity(severity), rule=rule, text=text, part=part or self._part, line=line)
        )

    def _device_type(
        self,
        entry: CatalogDeviceType,
        uips: tuple[UipSpec, ...],
        documents: tuple[Attachment, ...],
        images: tuple[Attachment, ...],
        *,
        bound: bool,
    ) -> DeviceType | None:
        """The device type, or None when the package does not hold what makes one usable here."""
        support = self._support_files(entry)
        if not entry.edd_source:
            if not entry.edd_binary:
                if bound:
                    raise PackageError(
                        "a DeviceType without Edd/Source", part=self._part, line=entry.line, rule="edd.source"
                    )
                return None
            self._follow(entry.edd_binary, literals.RELATIONSHIP_EDD_BINARY, entry.line)
            self._note(
                f"{entry.name.default}: only an encoded EDD, which has no public format: catalog, documents and user "
                "interface plug-ins are loaded, but no device type",
                "edd.encoded",
                line=entry.line,
            )
            return None
        edd_part = self._follow(entry.edd_source, literals.RELATIONSHIP_EDD_SOURCE, entry.line)
        parts = self._edds.get(edd_part.name)
        if parts is None:
            parts = self._edds[edd_part.name] = EddParts(self._container, edd_part)
        try:
            edd = parts.model()
            parameters, hidden = translate_parameters(edd, part=edd_part.name)
        except PackageError as error:
            raise _with_binding(error, support) from None
        binding = self._binding(entry, support, parameters, bound=bound)
        if binding is None:
            return None
        interface = entry.interfaces[0] if entry.interfaces else _NO_INTERFACE
        source = TypeSource(
            package_id=self._catalog.package_id,
            version=self._catalog.version,
            manufacturer=Texts.of(self._catalog.manufacturer),
            label=entry.name,
            description=entry.description,
            classification=entry.classification,
            device_revision=interface.revisions[-1] if interface.revisions else "",
            documents=documents,
            images=images,
            icon=self._image(entry.icon, entry.name) if entry.icon else None,
            edd_part=edd_part.name,
            uips=self._supported(entry.supported_uips, uips, entry.line),
            protocol_support=tuple(_attached(part) for part in support),
            manufacturer_id=interface.manufacturer,
            model_id=interface.device_model,
            revisions=tuple(interface.revisions),
        )
        alarms = _named_part(support, literals.ALARM_FILE)
        result = translate(edd, source, binding, parameters, hidden, alarms)
        self._edd_places[result.device_type.type_id] = parts.places
        self._findings += parts.places.findings(edd.warnings, Severity.WARNING)
        for text in result.warnings:
            self._note(text, "edd", part=edd_part.name)
        return result.device_type

    # -- parts

    def _follow(self, identifier: str, kind: str, line: int) -> Part:
        relationship = self._by_id.get(identifier)
        if relationship is None:
            raise PackageError(
                f"no relationship {identifier!r} of the catalog", part=self._part, line=line, rule="catalog.reference"
            )
        if relationship.type != kind:
            text = f"relationship {identifier} has the type {relationship.type}"
            self._note(text, "catalog.relationship", line=line)
        return self._container.follow(relationship, source=self._part)

    def _documents(self, entries: tuple[CatalogDocument, ...]) -> tuple[Attachment, ...]:
        return tuple(
            _attached(self._follow(entry.file, literals.RELATIONSHIP_DOCUMENT, 0), entry.title, entry.language)
            for entry in entries
        )

    def _images(self, entry: CatalogDeviceType) -> tuple[Attachment, ...]:
        named = ((entry.image, entry.name), (self._catalog.logo, NO_TEXT))
        return tuple(self._image(file, title) for file, title in named if file)

    def _image(self, identifier: str, title: Texts) -> Attachment:
        part = self._follow(identifier, literals.RELATIONSHIP_IMAGE, 0)
        if part.content_type == "image/png" and not part.data.startswith(_PNG):
            raise PackageError("is called a PNG image, but is none", part=part.name, rule="image")
        if not part.content_type.startswith("image/"):
            raise PackageError(f"an image of content type {part.content_type}", part=part.name, rule="image")
        return _attached(part, title)

    def _uip(self, entry: CatalogUip) -> UipSpec:
        variants = []
        for variant in entry.variants:
            part = self._follow(variant.file, literals.RELATIONSHIP_UIP, variant.line)
            variants.append(
                UipVariant(
                    version=variant.version,
                    fdi_version=variant.fdi_version,
                    platform=variant.platform,
                    runtime=variant.runtime,
                    cpu=variant.cpu,
                    file=part.name.rpartition("/")[2],
                    content_type=part.content_type,
                    data=part.data,
                )
            )
        if not variants:
            self._note(f"plug-in {entry.name.default} has no variant", "catalog.uip", line=entry.line)
        return UipSpec(
            uip_id=entry.uip_id,
            version=entry.version,
            name=entry.name,
            description=entry.description,
            start_element=entry.start_element,
            style=literals.UIP_STYLES.index(entry.style) + 1,
            variants=tuple(variants),
            documents=self._documents(entry.documents),
        )

    def _supported(self, wanted: tuple[SupportedUip, ...], own: tuple[UipSpec, ...], line: int) -> tuple[UipSpec, ...]:
        """The plug-ins of a device type that are in this package; the others are named in a note."""
        by_name = {(entry.uip_id, entry.version): entry for entry in own}
        found = []
        for entry in wanted:
            spec = by_name.get((entry.uip_id, entry.version))
            if spec is not None:
                found.append(spec)
                continue
            text = f"plug-in {entry.uip_id} version {entry.version} is not in this package"
            self._note(text, "catalog.uip", line=line, severity="info")
        return tuple(found)

    def _support_files(self, entry: CatalogDeviceType) -> tuple[Part, ...]:
        parts = tuple(
            self._follow(identifier, literals.RELATIONSHIP_PROTOCOL, entry.line)
            for interface in entry.interfaces
            for identifier in interface.support_files
        )
        self._protocol_support.extend(_attached(part) for part in parts)
        return parts

    def _registration(self) -> tuple[Registration, ...]:
        found: list[Registration] = []
        for relationship in self._container.relationships(self._part):
            if relationship.type != literals.RELATIONSHIP_REGISTRATION:
                continue
            part = self._container.follow(relationship, source=self._part)
            entries, findings = read_registration(part.data, part=part.name, limits=self._limits.xml)
            found += entries
            self._findings += findings
        return tuple(found)

    # -- binding

    def _binding(
        self,
        entry: CatalogDeviceType,
        support: tuple[Part, ...],
        parameters: Mapping[str, ParameterSpec],
        *,
        bound: bool,
    ) -> BindingFile | None:
        part = _named_part(support, literals.BINDING_FILE)
        if part is not None:
            found = read_binding(part.data, part=part.name, parameters=parameters)
            for text in found.warnings:
                self._note(text, "binding", part=part.name)
            return found
        reason = f"no protocol support file {literals.BINDING_FILE}, which says how the device talks MQTT"
        if bound:
            raise PackageError(reason, part=self._part, line=entry.line, rule="binding.missing")
        self._note(f"{entry.name.default}: {reason}; no device type", "binding.missing", line=entry.line)
        return None


def _named_part(support: tuple[Part, ...], file: str) -> Part | None:
    return next((part for part in support if part.name.rpartition("/")[2].casefold() == file), None)


def _with_binding(error: PackageError, support: tuple[Part, ...]) -> PackageError:
    """What is wrong with an EDD, and in the binding that stands beside it."""
    part = _named_part(support, literals.BINDING_FILE)
    found = binding_mistakes(part.data, part=part.name) if part is not None else ()
    if part is None or not found:
        return error
    problems = error.problems or [str(finding) for finding in error.findings]
    return PackageError(
        f"{error.reason}; {part.name} has mistakes, too: {len(found)}",
        part=error.part,
        line=error.line,
        rule=error.rule,
        problems=[*problems, *map(str, found)],
        findings=[*error.findings, *found],
    )


def _attached(part: Part, title: Texts = NO_TEXT, language: str = "") -> Attachment:
    return Attachment(part.name.rpartition("/")[2], title, part.content_type, part.data, language)
