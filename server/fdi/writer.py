"""Writes a container, byte for byte the same for the same parts: fixed order, times, attributes and compression."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from server.fdi import literals, part_names
from server.fdi.container import Part, Relationship
from server.fdi.xml_reader import escape

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can name
_MODE = 0o100644 << 16
_LEVEL = 9
_HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'


def write_container(parts: Sequence[Part], relationships: Mapping[str, Sequence[Relationship]]) -> bytes:
    """The bytes of a package.

    Args:
        parts: every part except content types and relationships, in any order.
        relationships: by source part name, "/" for the package; targets are part names.
    """
    members = [
        Part(part_names.relationships_part(source), literals.RELATIONSHIPS_CONTENT_TYPE, relationships_xml(arrows))
        for source, arrows in relationships.items()
    ]
    return write_parts([*members, *parts])


def write_parts(parts: Sequence[Part]) -> bytes:
    """The bytes of a package whose relationships parts are already written and among `parts`."""
    members = sorted((part for part in parts if _holds_relationships(part)), key=lambda part: part.name)
    ordered = sorted(
        (part for part in parts if not _holds_relationships(part)),
        key=lambda part: (part.name != literals.CATALOG_PART, part.name),
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, "/" + literals.CONTENT_TYPES_ITEM, _content_types_xml(ordered))
        for part in (*members, *ordered):
            _add(archive, part.name, part.data)
    return buffer.getvalue()


def _holds_relationships(part: Part) -> bool:
    return part_names.relationships_source(part.name) is not None


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name.removeprefix("/"), _TIME)
    info.create_system = 3
    info.external_attr = _MODE
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content, compresslevel=_LEVEL)


def _content_types_xml(parts: Sequence[Part]) -> bytes:
    lines = [
        f'{_HEADER}<Types xmlns="{literals.CONTENT_TYPES_NAMESPACE}">',
        f'  <Default Extension="rels" ContentType="{literals.RELATIONSHIPS_CONTENT_TYPE}"/>',
    ]
    lines += [
        f'  <Override PartName="{escape(part.name)}" ContentType="{escape(part.content_type)}"/>' for part in parts
    ]
    return ("\n".join([*lines, "</Types>"]) + "\n").encode()


def relationships_xml(relationships: Sequence[Relationship]) -> bytes:
    """A relationships part; targets are part names."""
    lines = [f'{_HEADER}<Relationships xmlns="{literals.RELATIONSHIPS_NAMESPACE}">']
    for entry in relationships:
        mode = ' TargetMode="External"' if entry.external else ""
        target = f'Type="{escape(entry.type)}" Target="{escape(entry.target)}"{mode}'
        lines.append(f'  <Relationship Id="{escape(entry.id)}" {target}/>')
    return ("\n".join([*lines, "</Relationships>"]) + "\n").encode()
