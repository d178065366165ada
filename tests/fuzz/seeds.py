"""What the fuzzers start from: the EDDs of tests/data, whole and in pieces, and packages of fdi_packages/src."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

from server.fdi.build import assemble, read_sources
from tests.fuzz.container_cases import valid
from tests.fuzz.logic_cases import logic_of
from tests.fuzz.method_cases import ITEMS, source_of
from tests.kit.attacks import with_plug_in
from tests.kit.edd import CORPUS, FOLDER, HEADER
from tests.kit.packages import make_package, members

SOURCES = Path(__file__).parents[2] / "fdi_packages" / "src"
_INCLUDE = re.compile(rb'^\s*#\s*include\s*[<"]([\w.]+)[>"].*$', re.MULTILINE)
_TOP = re.compile(r"^(?=[A-Za-z_])", re.MULTILINE)
CHOSEN, WRITTEN = b"\x00", b"\x01"  # first octet of a METHOD case: choices of the grammar, or a source


@cache
def edds() -> tuple[bytes, ...]:
    """Every EDD at hand with its includes in place, and each of its constructs alone."""
    whole = [_included((FOLDER / name).read_bytes()) for name in CORPUS]
    whole += [path.read_bytes() for path in sorted(SOURCES.glob("*/*.ddl"))]
    whole.append((HEADER + ITEMS).encode())
    pieces = []
    for source in whole:
        text = source.decode("utf-8", "replace")
        pieces += [(HEADER + piece).encode() for piece in _TOP.split(text) if "{" in piece and len(piece) < 8_000]
    # Pieces that need other pieces are told by resolving alone, a third of them is enough.
    alone = [piece for piece in pieces if logic_of(piece) is not None]
    return (*whole, *alone, *[piece for piece in pieces if piece not in alone][::3])


def _included(source: bytes) -> bytes:
    return _INCLUDE.sub(lambda found: (FOLDER / found[1].decode()).read_bytes(), source)


@cache
def packages() -> tuple[bytes, ...]:
    """Signed, plain and demo packages."""
    demo = [assemble(read_sources(folder))[0] for folder in sorted(SOURCES.iterdir()) if folder.is_dir()]
    return (valid(), make_package(), with_plug_in(), *demo)


@cache
def catalogs() -> tuple[bytes, ...]:
    """The XML parts of these packages."""
    found = [
        data
        for package in packages()
        for name, data in members(package).items()
        if name.endswith((".xml", ".rels")) or b"<?xml" in data[:60]
    ]
    return tuple(dict.fromkeys(found))


@cache
def methods() -> tuple[bytes, ...]:
    """Choices for the grammar of METHODs, sources made by it, and the METHODs of the corpus."""
    random = Random(4)
    choices = [random.randbytes(random.randrange(4, 160)) for _ in range(40)]
    made = [(HEADER + ITEMS + source_of(each)).encode() for each in choices]
    written = [source for source in edds() if b"METHOD" in source and b"DEFINITION" in source]
    return (*(CHOSEN + each for each in choices), *(WRITTEN + source for source in (*made, *written)))
