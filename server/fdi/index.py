"""What is installed, in one small file that is replaced as a whole: versions, the ones in use, those kept away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from server.fdi.errors import PackageError
from server.fdi.objects import write_durably

FORMAT = 1
SIZE_LIMIT = 16 << 20
"""Bytes; a store of ten thousand versions stays far below."""


class IndexEntry(msgspec.Struct, frozen=True):
    """One installed version."""

    package_id: str
    version: str
    object: str  # SHA-256 of its file
    builtin: bool = False  # came from the folder of built packages, whose owner is trusted


class _File(msgspec.Struct):
    format: int
    packages: list[IndexEntry]
    current: dict[str, str]
    removed: list[tuple[str, str]]


@dataclass(slots=True)
class StoreIndex:
    """The content of `index.json`."""

    entries: dict[tuple[str, str], IndexEntry] = field(default_factory=dict)  # by (package id, version)
    current: dict[str, str] = field(default_factory=dict)  # package id -> version in use
    removed: set[tuple[str, str]] = field(default_factory=set)  # built-in ones that a user took out

    def copy(self) -> StoreIndex:
        """Another one to change; this one stays what is on disk."""
        return StoreIndex(dict(self.entries), dict(self.current), set(self.removed))

    def versions(self, package_id: str) -> list[str]:
        """Every installed version of a package, damaged ones too."""
        return [version for identifier, version in self.entries if identifier == package_id]

    def objects(self) -> set[str]:
        """Every object that is wanted."""
        return {entry.object for entry in self.entries.values()}


def read_index(path: Path) -> StoreIndex | None:
    """The index on disk; None when there is none yet.

    Raises:
        PackageError: there is one, but it cannot be read.
    """
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise PackageError("too large for an index", part=path.name, rule="store.index")
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise PackageError(f"cannot be read: {error}", part=path.name, rule="store.index") from None
    if found.format != FORMAT:
        raise PackageError(
            f"written in format {found.format} by a newer program; this one knows {FORMAT}",
            part=path.name,
            rule="store.index",
        )
    return StoreIndex(
        {(entry.package_id, entry.version): entry for entry in found.packages},
        found.current,
        set(found.removed),
    )


def write_index(path: Path, index: StoreIndex) -> None:
    """Replace the index on disk; durable when this returns."""
    write_durably(path, msgspec.json.format(msgspec.json.encode(_file(index)), indent=1) + b"\n")


def _file(index: StoreIndex) -> _File:
    return _File(FORMAT, _sorted(index.entries.values()), dict(sorted(index.current.items())), sorted(index.removed))


def _sorted(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    return sorted(entries, key=lambda entry: (entry.package_id, entry.version))
