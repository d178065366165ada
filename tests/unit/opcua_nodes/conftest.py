"""The standard nodes with our NodeSets, built once and loaded anew for each test that changes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.opcua.nodes.base import Base, base_nodes
from server.opcua.nodes.snapshot import Model, decode, encode
from server.opcua.nodesets import build_all, load_folder
from server.opcua.nodesets.model import NodeSetFile
from tests.kit.names import Names

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def nodesets(tmp_path_factory: pytest.TempPathFactory) -> list[NodeSetFile]:
    folder = tmp_path_factory.mktemp("nodesets")
    build_all(ROOT / "nodesets" / "src", folder)
    return load_folder(folder)


@pytest.fixture(scope="session")
def built(nodesets: list[NodeSetFile]) -> tuple[bytes, tuple[Model, ...], list[str]]:
    names = Names()
    base = base_nodes(names, lambda: nodesets, "", None)
    return encode(base.store, base.models), base.models, names.uris


@pytest.fixture
def base(built: tuple[bytes, tuple[Model, ...], list[str]]) -> Base:
    return Base(*decode(built[0]))


@pytest.fixture
def indexes(built: tuple[bytes, tuple[Model, ...], list[str]]) -> dict[str, int]:
    return {uri: index for index, uri in enumerate(built[2])}
