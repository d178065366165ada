"""catalog.toml of a package source becomes a catalog, parts and relationships; every mistake is noted with its key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from server.core.table import Table
from server.fdi import literals
from server.fdi.catalog import CatalogDeviceType, CatalogDocument, CatalogInterface, PackageCatalog
from server.fdi.catalog_uips import CatalogUip, CatalogUipVariant, SupportedUip
from server.fdi.catalog_values import package_id, version_key
from server.fdi.container import Part, Relationship

_OUR_FDI_VERSION = ".".join(str(number) for number in literals.FDI_VERSION)


class Sources:
    """Turns file names of catalog.toml into parts and relationship ids."""

    def __init__(self, files: Mapping[str, bytes], problems: list[str]) -> None:
        self._files = files
        self._problems = problems
        self.parts: dict[str, Part] = {}
        self.relationships: list[Relationship] = []
        self.edd_relationships: dict[str, list[Relationship]] = {}

    def catalog(self, root: Table) -> PackageCatalog:
        """The catalog that the document describes."""
        package = root.table("package")
        kind = package.choice("type", literals.PACKAGE_TYPES[0], literals.PACKAGE_TYPES)
        device_type = root.table("device_type")
        describes_devices = kind.lower() in literals.DEVICE_PACKAGE_TYPES
        if "package" not in root or (describes_devices and "device_type" not in root):
            root.note("", "needs the tables [package] and [device_type]")
        server = root.table("communication_server")
        if "communication_server" in root and kind != literals.COMMUNICATION_PACKAGE_TYPE:
            server.note("", f"belongs into a package of type {literals.COMMUNICATION_PACKAGE_TYPE}")
        identifier = self._uuid(package, "id", "a UUID, new for every package")
        catalog = PackageCatalog(
            package_id=identifier,
            package_type=kind,
            version=self._version(package, "version", None),
            fdi_version=self._version(package, "fdi_version", _OUR_FDI_VERSION),
            manufacturer=package.text("manufacturer", None),
            contact=package.texts("contact"),
            url=package.text("url"),
            logo=self._attach(package, "logo", literals.RELATIONSHIP_IMAGE, "rIdLogo", "/img/{}"),
            product_uri=server.text("product_uri"),
            device_types=(
                (self._device_type(device_type, bound=describes_devices),)
                if describes_devices or "device_type" in root
                else ()
            ),
            uips=tuple(self._uip(entry, number) for number, entry in enumerate(root.tables("uip"), 1)),
        )
        self._attach(
            package, "registration", literals.RELATIONSHIP_REGISTRATION, "rIdRegistration", "/registration.xml"
        )
        server.finish()
        package.finish()
        root.finish()
        return catalog

    def _device_type(self, table: Table, *, bound: bool) -> CatalogDeviceType:
        encoded = self._attach(
            table, "edd_binary", literals.RELATIONSHIP_EDD_BINARY, "rIdEddBinary", "/edd/{}", any_kind=True
        )
        edd = self._attach(
            table, "edd", literals.RELATIONSHIP_EDD_SOURCE, "rIdEdd", "/edd/{}", required=bound and not encoded
        )
        if edd:
            self._edd_companions(table, table.text("edd"))
        interface = table.table("interface")
        support = self._attach(
            table,
            "binding",
            literals.RELATIONSHIP_PROTOCOL,
            "rIdBinding",
            f"/protocol/{literals.BINDING_FILE}",
            required=bound and not encoded,
        )
        alarms = self._attach(
            table, "alarms", literals.RELATIONSHIP_PROTOCOL, "rIdAlarms", f"/protocol/{literals.ALARM_FILE}"
        )
        documents = self._documents(table, "rIdDocument")
        supported = []
        for entry in table.tables("supported_uip"):
            supported.append(SupportedUip(self._uuid(entry, "id", "the UipId"), self._version(entry, "version", None)))
            entry.finish()
        result = CatalogDeviceType(
            name=table.texts("name", required=True),
            description=table.texts("description"),
            classification=table.text(
                "classification", literals.DEFAULT_CLASSIFICATION, pattern="[A-Z][A-Z0-9_]*", hint="upper case words"
            ),
            image=self._attach(table, "image", literals.RELATIONSHIP_IMAGE, "rIdImage", "/img/{}"),
            icon=self._attach(table, "icon", literals.RELATIONSHIP_IMAGE, "rIdIcon", "/img/{}"),
            interfaces=(
                CatalogInterface(
                    profile=interface.text("profile", "mqtt_json", pattern=r"\w+", hint="family_protocol"),
                    version=interface.text("version", "1.0"),
                    manufacturer=interface.text("manufacturer"),
                    device_model=interface.text("device_model"),
                    revisions=interface.strings("revisions"),
                    role=interface.choice("role", "Device", literals.ROLES),
                    support_files=tuple(file for file in (support, alarms) if file),
                ),
            ),
            edd_binary=encoded,
            edd_source=edd,
            documents=documents,
            supported_uips=tuple(supported),
        )
        interface.finish()
        table.finish()
        return result

    def _documents(self, table: Table, stem: str) -> tuple[CatalogDocument, ...]:
        documents = []
        for number, entry in enumerate(table.tables("document"), 1):
            documents.append(
                CatalogDocument(
                    title=entry.texts("title", required=True),
                    language=entry.text("language"),
                    file=self._attach(
                        entry, "file", literals.RELATIONSHIP_DOCUMENT, f"{stem}{number}", "/doc/{}", required=True
                    ),
                )
            )
            entry.finish()
        return tuple(documents)

    def _uip(self, table: Table, number: int) -> CatalogUip:
        identifier = self._uuid(table, "id", "a UUID, the same over all versions of the plug-in")
        variants = []
        for count, entry in enumerate(table.tables("variant"), 1):
            variants.append(
                CatalogUipVariant(
                    version=self._version(entry, "version", None),
                    fdi_version=self._version(entry, "fdi_version", _OUR_FDI_VERSION),
                    platform=entry.text("platform"),
                    runtime=entry.text("runtime"),
                    cpu=entry.text("cpu"),
                    file=self._attach(
                        entry,
                        "file",
                        literals.RELATIONSHIP_UIP,
                        f"rIdUip{number}Variant{count}",
                        f"/uip/{number}/{count}/{{}}",
                        required=True,
                        any_kind=True,
                    ),
                )
            )
            entry.finish()
        if not variants:
            table.note("variant", "a plug-in needs at least one [[uip.variant]]")
        result = CatalogUip(
            uip_id=identifier,
            version=self._version(table, "version", None),
            name=table.texts("name", required=True),
            description=table.texts("description"),
            start_element=table.text("start_element"),
            style=table.choice("style", literals.UIP_STYLES[0], literals.UIP_STYLES),
            documents=self._documents(table, f"rIdUip{number}Document"),
            variants=tuple(variants),
        )
        table.finish()
        return result

    def _edd_companions(self, table: Table, edd: str) -> None:
        """Other `.ddl` and `.h` files beside the EDD can be included by it; dictionaries give it texts."""
        source = f"/edd/{edd.rpartition('/')[2]}"
        folder = edd.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        found = self.edd_relationships.setdefault(source, [])
        for file in self._files:
            if file == edd or not file.startswith(prefix):
                continue
            suffix = Path(file).suffix.lower()
            kind = {
                ".ddl": literals.RELATIONSHIP_EDD_INCLUDE,
                ".h": literals.RELATIONSHIP_EDD_INCLUDE,
                ".dct": literals.RELATIONSHIP_EDD_DICTIONARY,
                ".dc8": literals.RELATIONSHIP_EDD_DICTIONARY,
            }.get(suffix)
            if kind is not None:
                name = f"/edd/{file.removeprefix(prefix)}"
                self._add(file, name)
                found.append(Relationship(f"rId{len(found) + 1}", kind, name))
        if not found:
            del self.edd_relationships[source]

    def _attach(
        self,
        table: Table,
        key: str,
        kind: str,
        identifier: str,
        pattern: str,
        *,
        required: bool = False,
        any_kind: bool = False,
    ) -> str:
        file = table.text(key, None if required else "")
        if not file:
            return ""
        if file not in self._files:
            table.note(key, f"there is no file {file!r} in the source folder")
            return ""
        name = pattern.format(file.rpartition("/")[2])
        if self._add(file, name, any_kind=any_kind) is None:
            table.note(key, f"files of the kind {Path(file).suffix or file} do not belong into a package")
            return ""
        self.relationships.append(Relationship(identifier, kind, name))
        return identifier

    def _add(self, file: str, name: str, *, any_kind: bool = False) -> Part | None:
        content_type = literals.CONTENT_TYPE_BY_SUFFIX.get(Path(file).suffix.lower())
        if content_type is None and any_kind:
            content_type = literals.BINARY_CONTENT_TYPE
        if content_type is None:
            return None
        part = Part(name, content_type, self._files[file])
        known = self.parts.setdefault(name.casefold(), part)
        if known.data != part.data:
            self._problems.append(f"{file}: another file becomes the part {name} too")
        return known

    @staticmethod
    def _version(table: Table, key: str, default: str | None) -> str:
        text = table.text(key, default, hint="such as 1.0.0")
        try:
            version_key(text)
        except ValueError as error:
            if text:
                table.note(key, str(error))
        return text

    @staticmethod
    def _uuid(table: Table, key: str, hint: str) -> str:
        text = table.text(key, None, hint=hint)
        found = package_id(text)
        if text and found is None:
            table.note(key, f"{text!r} is no UUID")
        return found or ""
