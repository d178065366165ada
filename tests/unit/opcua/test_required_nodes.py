"""NodeSets that are older than the program end the start with one line a model, and nothing else is needed of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import ua

from server.core.errors import ConfigurationError
from server.opcua.nodes.base import base_nodes
from server.opcua.nodesets import load_folder
from server.opcua.required_nodes import REQUIRED, require_nodes
from server.opcua.space import Space
from tests.kit.fdi import equipped_type, services
from tests.kit.opcua import MemoryNamespaces, nodesets, running

FDI7 = "http://fdi-cooperation.com/OPCUA/FDI7/"
TYPES = "urn:fieldloom:types"


def test_older_nodesets_are_told_with_what_to_do() -> None:
    names = MemoryNamespaces()
    base = base_nodes(names, lambda: load_folder(nodesets()), "", None)
    indexes = {uri: index for index, uri in enumerate(names.namespaces())}
    require_nodes(base.store, indexes)
    base.store.remove([indexes[TYPES] << 32 | number for number in (1018, 1044)])
    with pytest.raises(ConfigurationError) as caught:
        require_nodes(base.store, {uri: index for uri, index in indexes.items() if uri != FDI7})
    whole, part = caught.value.problems
    assert FDI7 in whole
    assert "i=11, i=75" in whole
    assert f"and {len(REQUIRED[FDI7]) - 8} more" in whole
    assert f"{TYPES} lacks i=1018, i=1044: " in part
    assert all("run `fieldloom nodeset build`" in problem for problem in caught.value.problems)


async def test_whatever_is_asked_for_by_number_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The control of the list: a part that uses a further node of a NodeSet has to name it there.
    asked: dict[str, set[int]] = {}
    plain = Space.id

    def noted(space: Space, uri: str, identifier: int | str) -> ua.NodeId:
        if isinstance(identifier, int) and not isinstance(identifier, bool):
            asked.setdefault(uri, set()).add(identifier)
        return plain(space, uri, identifier)

    monkeypatch.setattr(Space, "id", noted)
    async with running(tmp_path, fdi=services(), types=[equipped_type()]) as rig, rig.client() as client:
        device = client.get_node(rig.node("pump-1"))
        for part in await device.get_children():
            await part.get_children()
    assert asked
    missing = {uri: numbers - set(REQUIRED.get(uri, ())) for uri, numbers in asked.items()}
    assert not any(missing.values()), missing
