"""Part names of the container: what is legal, which are equal, where a relationship target leads (ISO/IEC 29500-2)."""

from __future__ import annotations

import re

from server.fdi.errors import PackageError

_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
MAX_LENGTH = 255
MAX_SEGMENTS = 16


def key_of(name: str) -> str:
    """What two equal names share: part names compare without regard to case."""
    return name.casefold()


def check_item_name(item: str) -> str:
    """The part name of a ZIP item.

    Raises:
        PackageError: the name leaves the archive, is not a part name, or is a piece of an interleaved part.
    """
    shown = item if item.isprintable() else ascii(item)[1:-1]
    if len(shown) > MAX_LENGTH:
        shown = f"{shown[:60]}…"

    def refuse(reason: str, rule: str) -> PackageError:
        return PackageError(reason, part=shown, rule=rule)

    if not item or len(item) > MAX_LENGTH:
        raise refuse(f"a name has 1 to {MAX_LENGTH} characters", "opc.part-name")
    if "\\" in item:
        raise refuse("a backslash in a part name", "opc.escape")
    if item.startswith("/"):
        raise refuse("an absolute path in the archive", "opc.escape")
    if _DRIVE.match(item):
        raise refuse("a drive letter in a part name", "opc.escape")
    segments = item.split("/")
    if ".." in segments or any(part.lower().replace("%2e", ".") == ".." for part in segments):
        raise refuse("the name climbs out of the archive", "opc.escape")
    if not item.isprintable() or any(letter in item for letter in '?#<>"|*:'):
        raise refuse("characters that no part name may hold", "opc.part-name")
    if len(segments) > MAX_SEGMENTS:
        raise refuse(f"more than {MAX_SEGMENTS} folders deep", "opc.depth")
    if any(not part or part.endswith(".") for part in segments):
        raise refuse("an empty segment, or one that ends in a dot", "opc.part-name")
    for found in _ESCAPED.finditer(item):
        code = found.group(1)
        letter = chr(int(code, 16)) if code else "/"
        if letter in "/\\" or letter in _UNRESERVED:
            raise refuse("a percent code that a part name may not hold", "opc.part-name")
    if item.lower().endswith(".piece"):
        raise refuse("interleaved parts are not allowed in an FDI Package", "opc.interleaved")
    return "/" + item


def relationships_source(name: str) -> str | None:
    """The part whose relationships this part holds, "/" for the package, None when it is no relationships part."""
    folder, _, file = name.rpartition("/")
    if not folder.lower().endswith("/_rels") or not file.lower().endswith(".rels"):
        return None
    owner = file[: -len(".rels")]
    base = folder[: -len("/_rels")]
    return f"{base}/{owner}" if owner or base else "/"


def relationships_part(source: str) -> str:
    """The name of the part that holds the relationships of a part, or of the package ("/")."""
    folder, _, file = source.rpartition("/")
    return f"{folder}/_rels/{file}.rels"


def resolve(source: str, target: str, *, part: str, line: int) -> str:
    """The part name that an internal target means, seen from its source part.

    Raises:
        PackageError: the target leaves the package or is no part name.
    """
    if _SCHEME.match(target) or target.startswith("//"):
        raise PackageError(
            f"an internal target may not be the address {target!r}", part=part, line=line, rule="opc.target"
        )
    base = [] if target.startswith("/") else source.split("/")[1:-1]
    for segment in target.lstrip("/").split("/"):
        if segment == "..":
            if not base:
                raise PackageError(f"target {target!r} leaves the package", part=part, line=line, rule="opc.escape")
            base.pop()
        elif segment != ".":
            base.append(segment)
    try:
        return check_item_name("/".join(base))
    except PackageError as error:
        raise PackageError(f"target {target!r}: {error.reason}", part=part, line=line, rule=error.rule) from None
