"""What a package store hands out: installed versions, refused files, packages on their way in, its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.fdi.catalog import PackageCatalog
from server.fdi.errors import PackageError
from server.fdi.index import StoreIndex
from server.fdi.package import Package
from server.fdi.registration import Registration
from server.fdi.signature.result import SignatureReport
from server.model.device_type import DeviceType


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
    signature: SignatureReport
    builtin: bool = False  # out of the folder of built packages
    registration: tuple[Registration, ...] = ()  # what registration authorities state


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A package file that is there but cannot be used, and why."""

    path: Path
    error: PackageError


@dataclass(frozen=True, slots=True)
class Prepared:
    """A package that was read and may be installed; nothing is written yet."""

    package: Package
    data: bytes
    current: str  # the version in use once it is installed
    builtin: bool = False

    @property
    def takes_over(self) -> bool:
        """True when it will be the version in use."""
        return self.current == self.package.version


@dataclass(frozen=True, slots=True)
class StoreState:
    """All of a store at one moment, to go back to."""

    index: StoreIndex
    installed: Mapping[tuple[str, str], InstalledPackage]
