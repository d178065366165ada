"""The package as parts: names, content types and relationships of an ISO/IEC 29500-2 container, checked whole.

Bytes come in, a `Container` comes out or nothing does. Targets outside the package are kept as text and never followed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from server.fdi import literals, part_names
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits, read_items, unpack
from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlElement, read_xml

__all__ = ["Container", "ContainerLimits", "PackageError", "Part", "Relationship"]

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;[ -~]*)?")
_ID = re.compile(r"[A-Za-z_][\w.-]{0,254}")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the package."""

    name: str  # "/edd/breaker.ddl"
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Relationship:
    """One arrow from a part (or from the package) to another."""

    id: str
    type: str
    target: str  # part name; an address as written when `external`
    external: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """A whole container."""

    data: bytes  # as received: signatures are made over stored bytes
    parts: Mapping[str, Part]  # by the key of the part name
    _relationships: Mapping[str, tuple[Relationship, ...]]
    digest: str  # SHA-256 in hex over names, content types and bytes of all parts, whatever the compression

    @classmethod
    def read(cls, data: bytes, limits: ContainerLimits = DEFAULT_LIMITS) -> Container:
        """Unpack and check everything.

        Raises:
            PackageError: any rule broken or limit crossed; the package is refused as a whole.
        """
        contents = _unpack_all(data, limits)
        types = contents.pop(part_names.key_of("/" + literals.CONTENT_TYPES_ITEM), None)
        if types is None:
            raise PackageError(f"{literals.CONTENT_TYPES_ITEM} is missing", rule="opc.content-types")
        lookup = _ContentTypes(read_xml(types[1], part=literals.CONTENT_TYPES_ITEM, limits=limits.xml))
        parts = {key: Part(name, lookup.of(name), content) for key, (name, content) in contents.items()}
        _refuse_derived(parts)
        relationships = {}
        for part in parts.values():
            source = part_names.relationships_source(part.name)
            if source is not None:
                relationships[part_names.key_of(source)] = _read_relationships(part, source, limits)
        return cls(data, parts, relationships, _digest(parts))

    def part(self, name: str) -> Part | None:
        """The part of this name, without regard to case."""
        return self.parts.get(part_names.key_of(name))

    def relationships(self, source: str = "/") -> tuple[Relationship, ...]:
        """The relationships of a part, or of the package."""
        return self._relationships.get(part_names.key_of(source), ())

    def follow(self, relationship: Relationship, *, source: str) -> Part:
        """The part a relationship leads to.

        Raises:
            PackageError: it leads outside (never followed) or nowhere.
        """
        place = part_names.relationships_part(source)
        if relationship.external:
            raise PackageError(
                f"{relationship.id} leads outside the package, which is never followed",
                part=place,
                line=relationship.line,
                rule="opc.external",
            )
        part = self.part(relationship.target)
        if part is None:
            raise PackageError(
                f"{relationship.id} leads to {relationship.target}, which is not in the package",
                part=place,
                line=relationship.line,
                rule="opc.target",
            )
        return part


def _unpack_all(data: bytes, limits: ContainerLimits) -> dict[str, tuple[str, bytes]]:
    items = read_items(data, limits)
    contents: dict[str, tuple[str, bytes]] = {}
    # All names are judged before anything is unpacked.
    names = {}
    for item in items:
        if item.folder:
            part_names.check_item_name(item.name.rstrip("/") or "/")
            continue
        special = item.name == literals.CONTENT_TYPES_ITEM
        name = "/" + item.name if special else part_names.check_item_name(item.name)
        key = part_names.key_of(name)
        if key in names:
            raise PackageError(
                f"two items of the name {name}, upper and lower case are one", part=name, rule="opc.duplicate"
            )
        names[key] = name
    remaining = limits.max_unpacked_bytes
    for item in items:
        if item.folder:
            continue
        content = unpack(data, item, limits, remaining)
        remaining -= len(content)
        key = part_names.key_of("/" + item.name)
        contents[key] = (names[key], content)
    return contents


def _refuse_derived(parts: Mapping[str, Part]) -> None:
    for key, part in parts.items():
        cut = key.rfind("/")
        while cut > 0:
            if key[:cut] in parts:
                raise PackageError(
                    f"{part.name} is derived from the name of another part, {parts[key[:cut]].name}",
                    part=part.name,
                    rule="opc.derived",
                )
            cut = key.rfind("/", 0, cut)


class _ContentTypes:
    def __init__(self, root: XmlElement) -> None:
        if root.name != "Types" or root.namespace != literals.CONTENT_TYPES_NAMESPACE:
            raise self._refuse("the root element is not Types", root)
        self._defaults: dict[str, str] = {}
        self._overrides: dict[str, str] = {}
        for child in root.children:
            if child.namespace != literals.CONTENT_TYPES_NAMESPACE:
                raise self._refuse(f"unknown element {child.name}", child)
            content_type = child.attributes.get("ContentType", "")
            if not _MEDIA_TYPE.fullmatch(content_type):
                raise self._refuse(f"{content_type!r} is no content type", child)
            if child.name == "Default":
                table, key = self._defaults, child.attributes.get("Extension", "").casefold()
            elif child.name == "Override":
                table, key = self._overrides, part_names.key_of(child.attributes.get("PartName", ""))
            else:
                raise self._refuse(f"unknown element {child.name}", child)
            if not key or key in table:
                raise self._refuse("an empty or repeated Extension or PartName", child)
            table[key] = content_type

    @staticmethod
    def _refuse(reason: str, element: XmlElement) -> PackageError:
        return PackageError(reason, part=literals.CONTENT_TYPES_ITEM, line=element.line, rule="opc.content-types")

    def of(self, name: str) -> str:
        key = part_names.key_of(name)
        found = self._overrides.get(key)
        if found is None:
            file = key.rpartition("/")[2]
            found = self._defaults.get(file.rpartition(".")[2]) if "." in file else None
        if found is None:
            raise PackageError("the part has no content type", part=name, rule="opc.content-type")
        return found


def _read_relationships(part: Part, source: str, limits: ContainerLimits) -> tuple[Relationship, ...]:
    def refuse(reason: str, element: XmlElement) -> PackageError:
        return PackageError(reason, part=part.name, line=element.line, rule="opc.relationships")

    root = read_xml(part.data, part=part.name, limits=limits.xml)
    if part.content_type != literals.RELATIONSHIPS_CONTENT_TYPE:
        raise refuse(f"content type {part.content_type} is not the one of relationships", root)
    if root.name != "Relationships" or root.namespace != literals.RELATIONSHIPS_NAMESPACE:
        raise refuse("the root element is not Relationships", root)
    found: dict[str, Relationship] = {}
    for child in root.children:
        if child.name != "Relationship" or child.namespace != literals.RELATIONSHIPS_NAMESPACE:
            raise refuse(f"unknown element {child.name}", child)
        get = child.attributes.get
        identifier, kind, target, mode = (
            get("Id", ""),
            get("Type", ""),
            get("Target", ""),
            get("TargetMode", "Internal"),
        )
        if not _ID.fullmatch(identifier) or identifier in found:
            raise refuse(f"the Id {identifier!r} is missing, malformed or repeated", child)
        if ":" not in kind or not target or mode not in ("Internal", "External"):
            raise refuse(f"{identifier} lacks an absolute Type, a Target or a known TargetMode", child)
        if mode == "External":
            found[identifier] = Relationship(identifier, kind, target, external=True, line=child.line)
            continue
        resolved = part_names.resolve(source, target, part=part.name, line=child.line)
        if part_names.relationships_source(resolved) is not None:
            raise refuse(f"{identifier} leads to a relationships part", child)
        found[identifier] = Relationship(identifier, kind, resolved, line=child.line)
    return tuple(found.values())


def _digest(parts: Mapping[str, Part]) -> str:
    total = hashlib.sha256()
    for key in sorted(parts):
        part = parts[key]
        for field in (part.name.encode(), part.content_type.encode(), part.data):
            total.update(len(field).to_bytes(8, "big"))
            total.update(field)
    return total.hexdigest()
