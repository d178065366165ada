"""From a package's source folder to its `.fdix`, byte for byte the same each time; and the check of a finished one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.core.errors import ConfigurationError
from server.core.table import Table
from server.fdi import literals
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.catalog import PackageCatalog
from server.fdi.catalog_writer import write_catalog
from server.fdi.container import Part, Relationship
from server.fdi.errors import PackageError
from server.fdi.package import Package, read_package
from server.fdi.package_methods import require_methods
from server.fdi.sources import Sources
from server.fdi.store import read_file
from server.fdi.toml_table import read_toml
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
    require_methods(package)
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
    sources = Sources(files, problems)
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
