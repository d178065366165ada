"""From a package's source folder to its `.fdix`, byte for byte the same each time; and the check of a finished one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.core.errors import ConfigurationError
from server.fdi import literals
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.catalog import (
    CatalogDeviceType,
    CatalogDocument,
    CatalogInterface,
    PackageCatalog,
    package_id,
    version_key,
)
from server.fdi.catalog_writer import write_catalog
from server.fdi.container import Part, Relationship
from server.fdi.errors import PackageError
from server.fdi.package import Package, read_package
from server.fdi.store import read_file
from server.fdi.toml_table import Table, read_toml
from server.fdi.writer import write_container
from server.model.device_type import DeviceType

CATALOG_SOURCE = "catalog.toml"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a package is, once it has been found right."""

    catalog: PackageCatalog
    device_types: tuple[DeviceType, ...]
    warnings: tuple[str, ...]
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """One package file of a folder: its report, or why it is refused."""

    path: Path
    report: CheckReport | None
    error: PackageError | None


def check_package(data: bytes, limits: ContainerLimits = DEFAULT_LIMITS) -> CheckReport:
    """Everything an installation would check, without installing.

    Raises:
        PackageError: what is wrong, with part, line and rule.
    """
    package: Package = read_package(data, limits)
    return CheckReport(package.catalog, package.device_types, package.warnings, package.container.digest, len(data))


def list_packages(folder: Path, limits: ContainerLimits = DEFAULT_LIMITS) -> list[ListedPackage]:
    """Every built package of a folder, checked."""
    found = []
    for path in sorted(folder.glob(f"*{literals.PACKAGE_EXTENSION}")):
        try:
            found.append(ListedPackage(path, check_package(read_file(path, limits), limits), None))
        except PackageError as error:
            found.append(ListedPackage(path, None, error))
    return found


def source_folders(folder: Path) -> list[Path]:
    """The source folders meant by a path: itself when it holds catalog.toml, else those below it that do.

    Raises:
        ConfigurationError: there is none.
    """
    if (folder / CATALOG_SOURCE).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{CATALOG_SOURCE}"))
    if not found:
        raise ConfigurationError(
            [f"{folder}: neither {CATALOG_SOURCE} nor folders that hold one"], what="package source"
        )
    return found


def build_package(src_dir: Path, out_dir: Path) -> Path:
    """Build one source folder and check the result; returns `<out_dir>/<folder>-<version>.fdix`.

    Raises:
        PackageError: anything wrong in the source; nothing is written then.
    """
    files = read_sources(src_dir)
    data, version = assemble(files)
    check_package(data)
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{src_dir.resolve().name}-{version}{literals.PACKAGE_EXTENSION}"
    waiting = path.with_suffix(".building")
    waiting.write_bytes(data)
    waiting.replace(path)
    return path


def read_sources(src_dir: Path) -> dict[str, bytes]:
    """Every file of a source folder by its relative path; hidden ones are left out, links are not followed."""
    files: dict[str, bytes] = {}
    for path in sorted(src_dir.rglob("*")):
        relative = path.relative_to(src_dir)
        if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        files[relative.as_posix()] = path.read_bytes()
    return files


def assemble(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The package made of source files by relative path, and its version. Not yet checked.

    Raises:
        PackageError: catalog.toml is missing or wrong; `problems` lists every mistake.
    """
    if CATALOG_SOURCE not in files:
        raise PackageError("is missing", part=CATALOG_SOURCE, rule="source")
    problems: list[str] = []
    sources = _Sources(files, problems)
    root = Table(read_toml(files[CATALOG_SOURCE], part=CATALOG_SOURCE), "", problems)
    catalog = sources.catalog(root)
    if problems:
        raise PackageError("; ".join(problems[:5]), part=CATALOG_SOURCE, rule="source", problems=problems)
    parts = [
        Part(literals.CATALOG_PART, literals.CATALOG_CONTENT_TYPE, write_catalog(catalog)),
        *sources.parts.values(),
    ]
    relationships = {
        "/": [Relationship("rIdCatalog", literals.RELATIONSHIP_CATALOG, literals.CATALOG_PART)],
        literals.CATALOG_PART: sources.relationships,
        **sources.edd_relationships,
    }
    return write_container(parts, relationships), catalog.version


class _Sources:
    """Turns file names of catalog.toml into parts and relationship ids."""

    def __init__(self, files: Mapping[str, bytes], problems: list[str]) -> None:
        self._files = files
        self._problems = problems
        self.parts: dict[str, Part] = {}
        self.relationships: list[Relationship] = []
        self.edd_relationships: dict[str, list[Relationship]] = {}

    def catalog(self, root: Table) -> PackageCatalog:
        package = root.table("package")
        device_type = root.table("device_type")
        if "package" not in root or "device_type" not in root:
            root.note("", "needs the tables [package] and [device_type]")
        identifier = package.text("id", None, hint="a UUID, new for every package")
        if identifier and package_id(identifier) is None:
            package.note("id", f"{identifier!r} is no UUID")
        catalog = PackageCatalog(
            package_id=package_id(identifier) or "",
            package_type=package.choice("type", "Device", ("Device", "Profile")),
            version=self._version(package, "version", None),
            fdi_version=self._version(package, "fdi_version", ".".join(str(n) for n in literals.FDI_VERSION)),
            manufacturer=package.text("manufacturer", None),
            contact=package.texts("contact"),
            url=package.text("url"),
            logo=self._attach(package, "logo", literals.RELATIONSHIP_IMAGE, "rIdLogo", "/img/{}"),
            device_types=(self._device_type(device_type),),
        )
        package.finish()
        root.finish()
        return catalog

    def _device_type(self, table: Table) -> CatalogDeviceType:
        edd = self._attach(table, "edd", literals.RELATIONSHIP_EDD_SOURCE, "rIdEdd", "/edd/{}", required=True)
        if edd:
            self._edd_companions(table, table.text("edd"))
        interface = table.table("interface")
        support = self._attach(
            table,
            "binding",
            literals.RELATIONSHIP_PROTOCOL,
            "rIdBinding",
            f"/protocol/{literals.BINDING_FILE}",
            required=True,
        )
        documents = []
        for number, entry in enumerate(table.tables("document"), 1):
            documents.append(
                CatalogDocument(
                    title=entry.texts("title", required=True),
                    language=entry.text("language"),
                    file=self._attach(
                        entry, "file", literals.RELATIONSHIP_DOCUMENT, f"rIdDocument{number}", "/doc/{}", required=True
                    ),
                )
            )
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
                    support_files=(support,),
                ),
            ),
            edd_source=edd,
            documents=tuple(documents),
        )
        interface.finish()
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
        self, table: Table, key: str, kind: str, identifier: str, pattern: str, *, required: bool = False
    ) -> str:
        file = table.text(key, None if required else "")
        if not file:
            return ""
        if file not in self._files:
            table.note(key, f"there is no file {file!r} in the source folder")
            return ""
        name = pattern.format(file.rpartition("/")[2])
        if self._add(file, name) is None:
            table.note(key, f"files of the kind {Path(file).suffix or file} do not belong into a package")
            return ""
        self.relationships.append(Relationship(identifier, kind, name))
        return identifier

    def _add(self, file: str, name: str) -> Part | None:
        content_type = literals.CONTENT_TYPE_BY_SUFFIX.get(Path(file).suffix.lower())
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
