"""Package files by what is in them: `objects/<SHA-256>.fdix`, each written whole or not at all. Every call blocks."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from server.fdi import literals
from server.fdi.errors import PackageError

_WAITING = ".incoming"
_OBJECT = re.compile(r"[0-9a-f]{64}" + re.escape(literals.PACKAGE_EXTENSION))


def digest_of(data: bytes) -> str:
    """What an object is called by: SHA-256 over the bytes of its file, in hex."""
    return hashlib.sha256(data).hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after a crash at any moment either the old or the new content is there, whole.

    The bytes are on disk under another name before that name becomes `path`, and so is the name when this returns.
    """
    waiting = path.with_name(path.name + _WAITING)
    with waiting.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ObjectFolder:
    """The objects of a store. Nothing in it says which of them are installed: that is the index's."""

    def __init__(self, folder: Path, read: Callable[[Path], bytes]) -> None:
        """`read`: the bytes of a file within limits; raises PackageError."""
        self._folder = folder
        self._read = read

    def prepare(self) -> None:
        """Make the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where an object lies."""
        return self._folder / f"{name}{literals.PACKAGE_EXTENSION}"

    def read_file(self, path: Path) -> bytes:
        """The bytes of any file, within limits. Raises PackageError."""
        return self._read(path)

    def put(self, data: bytes) -> str:
        """Keep bytes, over whatever damaged copy is there; returns the object's name."""
        name = digest_of(data)
        self.prepare()
        write_durably(self.path(name), data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            PackageError: gone, unreadable, or no longer what was stored.
        """
        path = self.path(name)
        data = self._read(path)
        if digest_of(data) != name:
            raise PackageError(
                "the file is not what was installed: its digest differs; install the package again",
                part=path.name,
                rule="store.damaged",
            )
        return data

    def names(self) -> list[str]:
        """Every object, damaged ones too."""
        return sorted(path.stem for path in self._folder.glob(f"*{literals.PACKAGE_EXTENSION}"))

    def sweep(self, wanted: Collection[str]) -> list[str]:
        """Delete what a crash left behind: unfinished writes, and objects that the index does not name."""
        gone = []
        for path in sorted(self._folder.iterdir()):
            orphan = _OBJECT.fullmatch(path.name) is not None and path.stem not in wanted
            if orphan or path.suffix == _WAITING:
                path.unlink(missing_ok=True)
                gone.append(path.name)
        return gone
