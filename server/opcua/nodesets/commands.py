"""What `fieldloom nodeset` does: build, check, list."""

from __future__ import annotations

from pathlib import Path

from server.opcua.nodesets.build import build_xml, file_name
from server.opcua.nodesets.order import load_folder
from server.opcua.nodesets.source import read_sources


def build_all(source: Path, out: Path) -> list[Path]:
    """Build every source of a folder into NodeSet2 files; the same bytes each time. Raises NodeSetError."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for file in read_sources(source):
        target = out / file_name(file)
        content = build_xml(file)
        if not target.exists() or target.read_bytes() != content:
            draft = target.with_suffix(".tmp")
            draft.write_bytes(content)
            draft.replace(target)
        written.append(target)
    return written


def check_folder(folder: Path) -> str:
    """A line for each model that will load. Raises NodeSetError with every problem."""
    return list_folder(folder) + "\nall of them load, in this order"


def list_folder(folder: Path) -> str:
    """Model, version, date, nodes and file of each NodeSet, in loading order. Raises NodeSetError."""
    files = load_folder(folder)
    if not files:
        return f"{folder}: no NodeSet2 files (*.xml)"
    rows = [("model", "version", "published", "nodes", "file")]
    rows += [
        (file.model_uri, file.version or "-", file.publication_date[:10], str(len(file.nodes)), file.path.name)
        for file in files
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
