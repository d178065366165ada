"""The installed packages: one folder, one file a version; whatever fails goes to `quarantine` and nowhere else.

Every function blocks and may be called from any thread.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from server.core.errors import NotFoundError
from server.fdi import literals
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.catalog import PackageCatalog, package_id, version_key
from server.fdi.errors import PackageError
from server.fdi.package import Package, read_package
from server.fdi.quarantine import Quarantine
from server.model.device_type import DeviceType

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_REMOVED = ".removed"


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One installed version of one package."""

    package_id: str
    version: str
    catalog: PackageCatalog
    device_types: tuple[DeviceType, ...]
    warnings: tuple[str, ...]
    digest: str  # SHA-256 over the parts
    size_bytes: int
    path: Path


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A package file that is there but cannot be used, and why."""

    path: Path
    error: PackageError


class PackageStore:
    """What is installed. The highest version of a package is the current one; older ones stay beside it."""

    def __init__(self, folder: Path, limits: ContainerLimits = DEFAULT_LIMITS) -> None:
        self._folder = folder
        self._limits = limits
        self._lock = threading.RLock()
        self._quarantine = Quarantine(folder / "quarantine")
        self._installed: dict[tuple[str, str], InstalledPackage] = {}
        self.refused: tuple[RefusedFile, ...] = ()
        """Files of the folder that no longer load; they stay where they are."""

    def load(self) -> tuple[RefusedFile, ...]:
        """Read everything installed in earlier runs; what fails is listed in `refused`, the rest is in use."""
        refused: list[RefusedFile] = []
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._installed.clear()
            for path in sorted(self._folder.glob(f"*/*{literals.PACKAGE_EXTENSION}")):
                if package_id(path.parent.name) is None:
                    continue
                try:
                    package = read_package(self._read(path), self._limits)
                    if self._path(package) != path:
                        raise PackageError("the file is not where this package belongs", rule="store.place")
                    self._check_clashes(package)
                except PackageError as error:
                    refused.append(RefusedFile(path, error))
                    continue
                self._keep(package, path)
            self.refused = tuple(refused)
        return self.refused

    def load_builtin(self, folder: Path) -> tuple[tuple[InstalledPackage, ...], tuple[RefusedFile, ...]]:
        """Install the built packages of a folder that are not installed yet and were not removed by a user.

        Returns what was installed now, and the files refused with their reasons.
        """
        installed: list[InstalledPackage] = []
        refused: list[RefusedFile] = []
        for path in sorted(folder.glob(f"*{literals.PACKAGE_EXTENSION}")):
            try:
                data = self._read(path)
                package = read_package(data, self._limits)
                with self._lock:
                    if self._marker(package.package_id, package.version).exists():
                        continue
                    known = (package.package_id, package.version) in self._installed
                    entry = self._admit(package, data)
                    if not known:
                        installed.append(entry)
            except PackageError as error:
                refused.append(RefusedFile(path, error))
        return tuple(installed), tuple(refused)

    def install(self, data: bytes) -> InstalledPackage:
        """Take a package in, as a whole or not at all. The same package again changes nothing.

        Raises:
            PackageError: refused; the bytes and the reason lie in quarantine, nothing else was written.
        """
        try:
            package = read_package(data, self._limits)
            with self._lock:
                return self._admit(package, data)
        except PackageError as error:
            if len(data) <= self._limits.max_bytes:
                self._quarantine.put(data, error.text, error.problems)
            raise

    def list(self) -> tuple[InstalledPackage, ...]:
        """Every installed version, by package and version."""
        with self._lock:
            return tuple(sorted(self._installed.values(), key=lambda e: (e.package_id, version_key(e.version))))

    def current(self) -> tuple[InstalledPackage, ...]:
        """The highest version of every package."""
        highest: dict[str, InstalledPackage] = {}
        for entry in self.list():
            highest[entry.package_id] = entry
        return tuple(highest.values())

    def device_types(self) -> tuple[DeviceType, ...]:
        """The device types in use: those of the current versions."""
        return tuple(device_type for entry in self.current() for device_type in entry.device_types)

    def details(self, package: str, version: str | None = None) -> InstalledPackage:
        """One installed version, the highest when none is named.

        Raises:
            NotFoundError: not installed.
        """
        return self._versions(package, version)[-1]

    def remove(self, package: str, version: str | None = None) -> tuple[InstalledPackage, ...]:
        """Delete one version, or all of a package; it does not come back with the built-in ones.

        Raises:
            NotFoundError: not installed.
        """
        with self._lock:
            gone = self._versions(package, version)
            for entry in gone:
                self._marker(entry.package_id, entry.version).touch()
                entry.path.unlink(missing_ok=True)
                del self._installed[entry.package_id, entry.version]
            return gone

    # -- inside

    def _versions(self, package: str, version: str | None) -> tuple[InstalledPackage, ...]:
        key = package_id(package)
        found = tuple(e for e in self.list() if e.package_id == key and version in (None, e.version))
        if not found:
            raise NotFoundError(f"no installed package {package}{f' {version}' if version else ''}")
        return found

    def _admit(self, package: Package, data: bytes) -> InstalledPackage:
        known = self._installed.get((package.package_id, package.version))
        if known is not None:
            if known.digest == package.container.digest:
                return known
            raise PackageError(
                f"version {package.version} of {package.package_id} is installed with other content: "
                "raise the version, or remove the installed one first",
                rule="store.same-version",
            )
        self._check_clashes(package)
        target = self._path(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._quarantine.write_then_move(data, target)
        self._marker(package.package_id, package.version).unlink(missing_ok=True)
        return self._keep(package, target)

    def _check_clashes(self, package: Package) -> None:
        others = [entry for entry in self._installed.values() if entry.package_id != package.package_id]
        for entry in others:
            for theirs in entry.device_types:
                for ours in package.device_types:
                    if ours.type_id == theirs.type_id:
                        raise PackageError(
                            f"type {ours.type_id!r} belongs to package {entry.package_id} already",
                            rule="store.type-clash",
                        )
                    topic = _shared_topic(ours, theirs)
                    if topic:
                        raise PackageError(
                            f"topic {topic} is taken by type {theirs.type_id!r} of package {entry.package_id}",
                            rule="store.topic-clash",
                        )

    def _keep(self, package: Package, path: Path) -> InstalledPackage:
        entry = InstalledPackage(
            package_id=package.package_id,
            version=package.version,
            catalog=package.catalog,
            device_types=package.device_types,
            warnings=package.warnings,
            digest=package.container.digest,
            size_bytes=len(package.container.data),
            path=path,
        )
        self._installed[entry.package_id, entry.version] = entry
        return entry

    def _path(self, package: Package) -> Path:
        return self._folder / package.package_id / f"{package.version}{literals.PACKAGE_EXTENSION}"

    def _marker(self, identifier: str, version: str) -> Path:
        return self._folder / identifier / f"{version}{_REMOVED}"

    def _read(self, path: Path) -> bytes:
        return read_file(path, self._limits)


def read_file(path: Path, limits: ContainerLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a package file, no more than the limit.

    Raises:
        PackageError: not readable, or too large.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.max_bytes:
                raise PackageError(f"{size} bytes, at most {limits.max_bytes}", part=path.name, rule="zip.size")
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}", part=path.name, rule="file") from None


def _shared_topic(ours: DeviceType, theirs: DeviceType) -> str:
    for mine in _topics(ours):
        for other in _topics(theirs):
            if _overlap(mine.split("/"), other.split("/")):
                return mine
    return ""


def _topics(device_type: DeviceType) -> Iterable[str]:
    binding = device_type.binding
    yield from (row.topic for row in binding.rows)
    if binding.response_topic:
        yield binding.response_topic


def _overlap(one: list[str], other: list[str]) -> bool:
    """True when some topic fits both; a named part fits any level."""
    if len(one) != len(other):
        return False
    return all(
        a == b or _PLACEHOLDER.fullmatch(a) is not None or _PLACEHOLDER.fullmatch(b) is not None
        for a, b in zip(one, other, strict=True)
    )
