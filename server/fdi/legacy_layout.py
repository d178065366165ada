"""The layout of earlier releases, `<package id>/<version>.fdix` beside `<version>.removed`, taken over once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.fdi import literals, versions
from server.fdi.catalog import package_id
from server.fdi.errors import PackageError
from server.fdi.index import IndexEntry, StoreIndex
from server.fdi.objects import ObjectFolder
from server.fdi.package import Package

_REMOVED = ".removed"


class LegacyLayout:
    """Files become objects and index entries first; they are deleted when the index with them is on disk."""

    def __init__(self, folder: Path, read: Callable[[bytes], Package], objects: ObjectFolder) -> None:
        self._folder = folder
        self._read = read
        self._objects = objects
        self._done: list[Path] = []

    @property
    def adopted(self) -> bool:
        """True when `adopt` found something that the index must now hold."""
        return bool(self._done)

    def adopt(self, index: StoreIndex) -> list[tuple[Path, PackageError]]:
        """Put what is found into the index; returns the files that cannot be used: they stay where they are."""
        refused: list[tuple[Path, PackageError]] = []
        for folder in sorted(self._folder.iterdir()):
            if not folder.is_dir() or package_id(folder.name) is None:
                continue
            for path in sorted(folder.iterdir()):
                key = (folder.name, path.stem)
                if path.suffix == _REMOVED:
                    if key not in index.entries:
                        index.removed.add(key)
                    self._done.append(path)
                elif path.suffix == literals.PACKAGE_EXTENSION:
                    try:
                        self._take(index, key, path)
                    except PackageError as error:
                        refused.append((path, error))
        return refused

    def _take(self, index: StoreIndex, key: tuple[str, str], path: Path) -> None:
        if key not in index.entries:
            data = self._objects.read_file(path)
            package = self._read(data)
            if (package.package_id, package.version) != key:
                raise PackageError("the file is not where this package belongs", rule="store.place")
            index.entries[key] = IndexEntry(*key, self._objects.put(data))
            index.removed.discard(key)
            index.current[key[0]] = versions.after_install(index.current.get(key[0], ""), key[1])
        self._done.append(path)

    def forget(self) -> None:
        """Delete what was taken over; folders that are empty then go too."""
        for path in self._done:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self._done}:
            if not any(folder.iterdir()):
                folder.rmdir()
        self._done.clear()
