"""The nodes that every start has: namespace 0 and the NodeSets, from the snapshot when there is a fitting one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import structlog

from server.opcua.nodes import snapshot
from server.opcua.nodes.snapshot import Model, SnapshotError
from server.opcua.nodes.store import NodeStore
from server.opcua.nodesets.model import UA_URI, NodeSetFile

log = structlog.get_logger("fieldloom.opcua")
FILE_NAME = "address-space.snapshot"
_SOURCES = (
    ("server.opcua", "space.py"),
    (
        "server.opcua.nodes",
        "definitions.py",
        "extra.py",
        "node.py",
        "prune.py",
        "snapshot.py",
        "standard.py",
        "values.py",
    ),
    ("server.opcua.nodesets", "data_types.py", "install.py", "model.py", "reader.py", "stack_values.py", "values.py"),
)
"""What decides how nodes come out of the data: a snapshot made by other code is not taken."""


class NamespaceTable(Protocol):
    """The persisted order of namespaces."""

    def namespaces(self) -> list[str]: ...

    def add_namespace(self, uri: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Base:
    """The store, and what is known of every namespace that its nodes use, namespace 0 left out."""

    store: NodeStore
    models: tuple[Model, ...]


def base_nodes(
    table: NamespaceTable, read: Callable[[], Sequence[NodeSetFile]], fingerprint: str, path: Path | None
) -> Base:
    """The standard address space with the NodeSets installed; their namespaces get indexes when they have none.

    `fingerprint` stands for the content that `read` would give; `read` is called only when the snapshot at `path` does
    not fit. Blocking; about 1.5 s of CPU without a snapshot.

    Raises:
        NodeSetError: the NodeSets are wrong.
    """
    key = snapshot.snapshot_key([version("asyncua"), *_own_sources(), fingerprint]) if path is not None else b""
    if path is not None:
        try:
            return Base(*snapshot.load(path, key, table.add_namespace))
        except SnapshotError as error:
            log.info("address space is built anew", snapshot=str(path), reason=str(error))
    base = _built(table, read())
    if path is not None:
        try:
            snapshot.save(path, key, base.store, base.models)
        except OSError as error:
            log.warning("the snapshot of the address space is not kept", snapshot=str(path), reason=error.strerror)
    return base


def _built(table: NamespaceTable, nodesets: Sequence[NodeSetFile]) -> Base:
    # Only who builds pays for importing what builds.
    from server.opcua.nodes.prune import prune
    from server.opcua.nodes.standard import standard_store
    from server.opcua.nodesets.install import install, uris
    from server.opcua.space import Space

    wanted = uris(nodesets)
    for uri in wanted:
        table.add_namespace(uri)
    indexes = {uri: index for index, uri in enumerate(table.namespaces())}
    store = standard_store()
    install(Space(store, indexes), nodesets)
    prune(store)
    loaded = {file.model_uri: file for file in nodesets}
    models = []
    for uri in wanted:
        file = loaded.get(uri)
        models.append(
            Model(uri, indexes[uri], file.version, file.publication_date) if file else Model(uri, indexes[uri])
        )
    return Base(store, tuple(model for model in models if model.uri != UA_URI))


def _own_sources() -> list[bytes]:
    return [files(package).joinpath(name).read_bytes() for package, *names in _SOURCES for name in names]
