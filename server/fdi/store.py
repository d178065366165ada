"""The installed packages: files by their content, one index of what is in use; what fails goes to `quarantine` only.

Every function blocks and may be called from any thread. A change is in the index whole or not at all: whatever moment a
crash comes at, the next start finds the state before it or after it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from server.core import status
from server.core.errors import IntegrationError, NotFoundError
from server.fdi import literals, versions
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.catalog import package_id, version_key
from server.fdi.clashes import require_no_clash
from server.fdi.errors import PackageError
from server.fdi.index import IndexEntry, StoreIndex, read_index, write_index
from server.fdi.installed import InstalledPackage, Prepared, RefusedFile, StoreState
from server.fdi.legacy_layout import LegacyLayout
from server.fdi.matching import identified
from server.fdi.objects import ObjectFolder
from server.fdi.package import Package, read_package
from server.fdi.package_methods import require_methods
from server.fdi.quarantine import Quarantine
from server.fdi.trust import TrustPolicy
from server.model.device_type import DeviceType

__all__ = ["InstalledPackage", "PackageStore", "Prepared", "RefusedFile", "StoreState", "read_file"]

log = structlog.get_logger("fieldloom.packages")
INDEX = "index.json"


class PackageStore:
    """What is installed. Of each package one version is in use; the others stay beside it."""

    def __init__(
        self, folder: Path, limits: ContainerLimits = DEFAULT_LIMITS, trust: TrustPolicy | None = None
    ) -> None:
        """`trust`: which signature states are taken in; None takes all.

        What was taken in once stays installed, whatever becomes of the policy or of its signer's certificate: its state
        is shown, its devices go on.
        """
        self._folder = folder
        self._limits = limits
        self._trust = trust
        self._loading = replace(trust, allow_unsigned=True, allow_untrusted=True) if trust is not None else None
        self._lock = threading.RLock()
        self._quarantine = Quarantine(folder / "quarantine")
        self._objects = ObjectFolder(folder / "objects", self._read)
        self._index = StoreIndex()
        self._installed: dict[tuple[str, str], InstalledPackage] = {}
        self.refused: tuple[RefusedFile, ...] = ()
        """What of the store no longer loads; it stays where it is."""

    # -- start

    def load(self) -> tuple[RefusedFile, ...]:
        """Read everything installed in earlier runs; what fails is listed in `refused`, the rest is in use."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._objects.prepare()
            self._installed.clear()
            refused: list[RefusedFile] = []
            try:
                found = read_index(self._index_path)
            except PackageError as error:
                refused.append(RefusedFile(self._index_path, error))
                # Kept for review; what is installed is told by the packages themselves, only the choices are lost.
                self._index_path.replace(self._index_path.with_suffix(".damaged"))
                found = None
            index = found if found is not None else self._rebuilt()
            legacy = LegacyLayout(self._folder, lambda data: self._read_package(data, self._loading), self._objects)
            refused += [RefusedFile(*entry) for entry in legacy.adopt(index)]
            if found is None or legacy.adopted:
                write_index(self._index_path, index)
            legacy.forget()
            self._objects.sweep(index.objects())
            self._index = index
            refused += self._load_objects()
            self.refused = tuple(refused)
        return self.refused

    def _rebuilt(self) -> StoreIndex:
        """An index made from the objects alone: the highest version of each package is in use."""
        index = StoreIndex()
        for name in self._objects.names():
            try:
                package = self._read_package(self._objects.get(name), self._loading)
            except PackageError as error:
                log.error("package_lost", object=name, reason=error.text)
                continue
            key = (package.package_id, package.version)
            index.entries.setdefault(key, IndexEntry(*key, name))
            index.current[key[0]] = versions.highest(index.versions(key[0]))
        return index

    def _load_objects(self) -> Iterator[RefusedFile]:
        entries = sorted(self._index.entries.values(), key=lambda e: (e.package_id, version_key(e.version)))
        for entry in entries:
            path = self._objects.path(entry.object)
            try:
                package = self._read_package(self._objects.get(entry.object), self._loading)
                if (package.package_id, package.version) != (entry.package_id, entry.version):
                    raise PackageError("holds another package than the index says", part=path.name, rule="store.place")
                self._check_clashes(package)
            except PackageError as error:
                yield RefusedFile(path, error)
                continue
            self._keep(package, path, builtin=entry.builtin)

    def load_builtin(self, folder: Path) -> tuple[tuple[InstalledPackage, ...], tuple[RefusedFile, ...]]:
        """Install the built packages of a folder that are not installed yet and were not removed by a user.

        Returns what was installed now, and the files refused with their reasons.
        """
        trust = self._trust.builtin if self._trust is not None else None
        installed: list[InstalledPackage] = []
        refused: list[RefusedFile] = []
        for path in sorted(folder.glob(f"*{literals.PACKAGE_EXTENSION}")):
            try:
                data = self._read(path)
                package = self._read_package(data, trust)
                with self._lock:
                    key = (package.package_id, package.version)
                    if key in self._index.removed:
                        continue
                    known = key in self._installed
                    entry = self._commit(self._admitted(package, data, builtin=True))
                    if not known:
                        installed.append(entry)
            except PackageError as error:
                refused.append(RefusedFile(path, error))
        return tuple(installed), tuple(refused)

    # -- changes

    def prepare(self, data: bytes) -> Prepared:
        """Read and check a package without taking it in.

        Raises:
            PackageError: refused; the bytes and the reason lie in quarantine, nothing else was written.
        """
        try:
            package = self._read_package(data, self._trust)
            require_methods(package)
            with self._lock:
                return self._admitted(package, data)
        except PackageError as error:
            if len(data) <= self._limits.max_bytes:
                self._quarantine.put(data, error.text, error.problems)
            raise

    def commit(self, prepared: Prepared) -> InstalledPackage:
        """Take a prepared package in; durable when this returns.

        Raises:
            PackageError: what was installed meanwhile stands against it.
        """
        with self._lock:
            return self._commit(self._admitted(prepared.package, prepared.data))

    def install(self, data: bytes) -> InstalledPackage:
        """Take a package in, as a whole or not at all. The same package again changes nothing.

        Raises:
            PackageError: refused; the bytes and the reason lie in quarantine, nothing else was written.
        """
        return self.commit(self.prepare(data))

    def remove(self, package: str, version: str | None = None, *, settle: bool = True) -> tuple[InstalledPackage, ...]:
        """Take out one version, or all of a package; it does not come back with the built-in ones.

        When the version in use goes, the next lower one takes over. Without `settle` the files stay until it is called,
        so that `restore` can bring them back.

        Raises:
            NotFoundError: not installed.
        """
        with self._lock:
            gone = self._versions(package, version)
            index = self._index.copy()
            for entry in gone:
                key = (entry.package_id, entry.version)
                del index.entries[key]
                index.removed.add(key)
            identifier = gone[0].package_id
            usable = _usable(index, identifier, self._installed)
            following = versions.after_removal(index.current.get(identifier, ""), usable)
            if following:
                index.current[identifier] = following
            else:
                index.current.pop(identifier, None)
            self._store(index)
            for entry in gone:
                del self._installed[entry.package_id, entry.version]
            if settle:
                self.settle()
            return gone

    def settle(self) -> None:
        """Delete the files of what is no longer installed."""
        with self._lock, _disk():
            self._objects.sweep(self._index.objects())

    def snapshot(self) -> StoreState:
        """The store as it stands, for `restore`."""
        with self._lock:
            return StoreState(self._index, dict(self._installed))

    def restore(self, state: StoreState) -> None:
        """Put everything back as it was before a change that could not be carried out; nothing was settled since."""
        with self._lock:
            self._store(state.index)
            self._installed = dict(state.installed)
            self.settle()

    def select(self, package: str, version: str | None = None) -> InstalledPackage:
        """Put another installed version in use: the one named, else the next below the one in use.

        Raises:
            NotFoundError: not installed, or nothing below it.
        """
        with self._lock:
            entry = self.target(package, version)
            index = self._index.copy()
            index.current[entry.package_id] = entry.version
            self._store(index)
            return entry

    def target(self, package: str, version: str | None = None) -> InstalledPackage:
        """The version that `select` would put in use. Raises NotFoundError."""
        with self._lock:
            found = self._versions(package, version)
            if version is not None:
                return found[-1]
            identifier = found[0].package_id
            current = self._index.current.get(identifier, "")
            wanted = versions.before(current, [entry.version for entry in found])
            if not wanted:
                raise NotFoundError(f"{identifier} {current} is the lowest installed version: nothing to go back to")
            return self._installed[identifier, wanted]

    # -- what is there

    def list(self) -> tuple[InstalledPackage, ...]:
        """Every installed version, by package and version."""
        with self._lock:
            return tuple(sorted(self._installed.values(), key=lambda e: (e.package_id, version_key(e.version))))

    def current(self) -> tuple[InstalledPackage, ...]:
        """The version in use of every package."""
        with self._lock:
            return tuple(entry for entry in self.list() if self.in_use(entry))

    def in_use(self, entry: InstalledPackage) -> bool:
        """True for the version in use of its package."""
        with self._lock:
            current = self._index.current.get(entry.package_id, "")
            if (entry.package_id, current) not in self._installed:
                # The chosen one is damaged: what is below it serves, as if it had been removed.
                usable = _usable(self._index, entry.package_id, self._installed)
                current = versions.after_removal(current, usable)
            return entry.version == current

    def device_types(self) -> tuple[DeviceType, ...]:
        """The device types in use: those of the current versions."""
        return tuple(device_type for entry in self.current() for device_type in entry.device_types)

    def other_types(self) -> tuple[DeviceType, ...]:
        """The device types of versions that are installed and not in use."""
        return tuple(kind for entry in self.list() if not self.in_use(entry) for kind in entry.device_types)

    def details(self, package: str, version: str | None = None) -> InstalledPackage:
        """One installed version, the one in use when none is named.

        Raises:
            NotFoundError: not installed.
        """
        with self._lock:
            found = self._versions(package, version)
            return next((entry for entry in found if version is None and self.in_use(entry)), found[-1])

    # -- inside

    @property
    def _index_path(self) -> Path:
        return self._folder / INDEX

    def _versions(self, package: str, version: str | None) -> tuple[InstalledPackage, ...]:
        key = package_id(package) or self._holder(package)
        found = tuple(e for e in self.list() if e.package_id == key and version in (None, e.version))
        if not found:
            raise NotFoundError(f"no installed package {package}{f' {version}' if version else ''}")
        return found

    def _holder(self, type_id: str) -> str | None:
        """The one package that holds a device type, in whatever version."""
        holders = (e.package_id for e in self.list() if any(kind.type_id == type_id for kind in e.device_types))
        return next(holders, None)

    def _admitted(self, package: Package, data: bytes, *, builtin: bool = False) -> Prepared:
        known = self._installed.get((package.package_id, package.version))
        if known is not None and known.digest != package.container.digest:
            raise PackageError(
                f"version {package.version} of {package.package_id} is installed with other content: "
                "raise the version, or remove the installed one first",
                rule="store.same-version",
            )
        if known is None:
            self._check_clashes(package)
        current = self._index.current.get(package.package_id, "")
        return Prepared(package, data, versions.after_install(current, package.version), builtin)

    def _commit(self, prepared: Prepared) -> InstalledPackage:
        package = prepared.package
        key = (package.package_id, package.version)
        known = self._installed.get(key)
        if known is not None:
            return known
        index = self._index.copy()
        with _disk():
            name = self._objects.put(prepared.data)
        index.entries[key] = IndexEntry(*key, name, prepared.builtin)
        index.removed.discard(key)
        index.current[package.package_id] = prepared.current
        self._store(index)
        self.settle()  # a damaged file of the same version may be left
        return self._keep(package, self._objects.path(name), builtin=prepared.builtin)

    def _store(self, index: StoreIndex) -> None:
        """Make an index the one that counts."""
        with _disk():
            write_index(self._index_path, index)
            self._index = index

    def _check_clashes(self, package: Package) -> None:
        for entry in self._installed.values():
            if entry.package_id != package.package_id:
                require_no_clash(package.device_types, entry.device_types, entry.package_id)

    def _keep(self, package: Package, path: Path, *, builtin: bool) -> InstalledPackage:
        entry = InstalledPackage(
            package_id=package.package_id,
            version=package.version,
            catalog=package.catalog,
            device_types=package.device_types,
            warnings=package.warnings,
            digest=package.container.digest,
            size_bytes=len(package.container.data),
            path=path,
            signature=package.signature,
            builtin=builtin,
            registration=package.registration,
        )
        self._installed[entry.package_id, entry.version] = entry
        return entry

    def _read(self, path: Path) -> bytes:
        return read_file(path, self._limits)

    def _read_package(self, data: bytes, trust: TrustPolicy | None) -> Package:
        package = read_package(data, self._limits, trust)
        best = package.signature.best
        kinds = (
            replace(kind, signature=package.signature.state.value, signer=best.signer if best is not None else "")
            for kind in package.device_types
        )
        return replace(package, device_types=identified(kinds, package.catalog.package_type))


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IntegrationError(
            f"package store: {error.strerror}: nothing was changed; check free space and rights of the data folder",
            status_code=status.BAD_RESOURCE_UNAVAILABLE,
        ) from error


def _usable(index: StoreIndex, identifier: str, installed: Iterable[tuple[str, str]]) -> list[str]:
    """Versions of a package that are in the index and load."""
    known = set(installed)
    return [version for version in index.versions(identifier) if (identifier, version) in known]


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
