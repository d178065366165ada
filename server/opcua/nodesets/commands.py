"""What `fieldloom nodeset` does: build, check, list."""

from __future__ import annotations

from pathlib import Path

from server.opcua.nodesets.build import build_xml, file_name
from server.opcua.nodesets.model import Node, NodeClass, NodeSetFile
from server.opcua.nodesets.order import in_order, load_folder
from server.opcua.nodesets.reader import read_bytes
from server.opcua.nodesets.source import read_sources


def build_all(source: Path, out: Path) -> list[Path]:
    """Build every source of a folder into NodeSet2 files; the same bytes each time.

    Nothing is written unless all sources are right. Raises NodeSetError with every mistake, file and line.
    """
    documents = [(out / file_name(file), build_xml(file)) for file in read_sources(source)]
    # Read back before anything is written: what is written can be loaded.
    in_order([read_bytes(path, content) for path, content in documents])
    out.mkdir(parents=True, exist_ok=True)
    for target, content in documents:
        if not target.exists() or target.read_bytes() != content:
            draft = target.with_suffix(".tmp")
            draft.write_bytes(content)
            draft.replace(target)
    return [target for target, _ in documents]


def check_folder(folder: Path) -> str:
    """A line for each model that will load, and the nodes nothing refers to. Raises NodeSetError with every problem."""
    lines = [list_folder(folder)]
    for file in load_folder(folder):
        names = ", ".join(f"{node.node_id.identifier} {node.browse_name.text}" for node in parentless(file))
        if names:
            lines.append(f"{file.path.name}: without a parent, found by their NodeId only: {names}")
    return "\n".join([*lines, "all of them load, in this order"])


def parentless(file: NodeSetFile) -> list[Node]:
    """Objects, Variables and Methods that nothing refers to; they are loaded, and wait for somebody to place them."""
    referred = {reference.target for node in file.nodes for reference in node.references if reference.forward}
    return [
        node
        for node in file.nodes
        if node.node_class in (NodeClass.OBJECT, NodeClass.VARIABLE, NodeClass.METHOD)
        and node.node_id not in referred
        and all(reference.forward for reference in node.references)
    ]


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
