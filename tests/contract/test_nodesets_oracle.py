"""DI, FDI5 and FDI7 of this project say exactly what the official files say, node by node.

With FIELDLOOM_ORACLE_DIR the official files themselves are compared; digests of their facts are compared always.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pytest
from asyncua import Server, ua

from server.opcua.nodesets import build_all, load_folder
from server.opcua.nodesets.build import build_xml
from server.opcua.nodesets.commands import parentless
from server.opcua.nodesets.facts import all_facts, differences, digest_lines, is_dictionary
from server.opcua.nodesets.install import install, uris
from server.opcua.nodesets.model import UA_URI, NodeKey, NodeSetFile
from server.opcua.nodesets.reader import read_bytes, read_file
from server.opcua.nodesets.source import read_sources
from server.opcua.space import Space

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "nodesets"
OFFICIAL = {
    "di": ("Opc.Ua.Di.NodeSet2.xml", 412),
    "fdi5": ("Opc.Ua.Fdi5.NodeSet2.xml", 117),
    "fdi7": ("Opc.Ua.Fdi7.NodeSet2.xml", 416),
}
COMPANIONS = {
    "http://opcfoundation.org/UA/Dictionary/IRDI": ("Opc.Ua.IRDI.NodeSet2.xml", 249),
    "http://opcfoundation.org/UA/IA/": ("Opc.Ua.IA.NodeSet2.xml", 114),
    "http://opcfoundation.org/UA/Machinery/": ("Opc.Ua.Machinery.NodeSet2.xml", 143),
    "http://opcfoundation.org/UA/PADIM/": ("Opc.Ua.PADIM.NodeSet2.xml", 549),
}
"""Model, file, nodes."""


def _built(name: str) -> NodeSetFile:
    """What a client would load: built to XML and read back, not the source itself."""
    source = next(file for file in read_sources(ROOT / "nodesets" / "src") if file.path.stem == name)
    return read_bytes(source.path.with_suffix(".xml"), build_xml(source))


def _oracle() -> Path:
    folder = os.environ.get("FIELDLOOM_ORACLE_DIR")
    if not folder:
        pytest.skip("FIELDLOOM_ORACLE_DIR is not set: the official NodeSets are not at hand")
    return Path(folder)


@pytest.mark.parametrize("name", OFFICIAL)
def test_digests_of_the_official_facts_are_met(name: str) -> None:
    expected = (DATA / f"{name}.digests").read_text(encoding="ascii").split("\n")
    found = digest_lines(_built(name))
    assert len(found) == OFFICIAL[name][1]
    assert [line for line in expected if line and not line.startswith("#")] == found


@pytest.mark.parametrize("name", OFFICIAL)
def test_no_fact_differs_from_the_official_file(name: str) -> None:
    official = read_file(_oracle() / OFFICIAL[name][0])
    ours = _built(name)
    assert len(official.nodes) == OFFICIAL[name][1]
    assert differences(ours, official) == []
    print(f"{name}: {len(ours.nodes)} nodes, {sum(map(len, all_facts(ours).values()))} facts, 0 differences")


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_model_says_the_same_of_itself(name: str) -> None:
    official, ours = read_file(_oracle() / OFFICIAL[name][0]), _built(name)

    def head(file: NodeSetFile) -> tuple[object, ...]:
        required = [(model.uri, model.version, model.publication_date) for model in file.required_models]
        return file.model_uri, file.version, file.publication_date, required

    assert head(ours) == head(official)


def _names_in_dictionary(file: NodeSetFile) -> set[str]:
    """Types, fields and values that the OPC Binary dictionary names."""
    document = next(
        node.value.items[0].decode()
        for node in file.nodes
        if is_dictionary(node) and b"TypeDictionary" in node.value.items[0]
    )
    return set(re.findall(r'(?<![A-Za-z])Name="([^"]+)"', document))


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_rebuilt_dictionary_names_the_same_types_and_fields(name: str) -> None:
    # Its bytes are exempt from the comparison (facts.EXEMPT): the content must agree all the same.
    theirs = _names_in_dictionary(read_file(_oracle() / OFFICIAL[name][0]))
    ours = _names_in_dictionary(_built(name))
    assert len(ours) >= 3  # FDI7 has a single structure
    assert ours == theirs


async def test_published_companion_specifications_load_beside_ours(tmp_path: Path) -> None:
    """Files nobody here wrote: read, put in order, installed and browsed from Objects and the types down."""
    build_all(ROOT / "nodesets" / "src", tmp_path)
    for name, _count in COMPANIONS.values():
        shutil.copy(_oracle() / name, tmp_path)
    started = time.perf_counter()
    files = load_folder(tmp_path)
    loaded = time.perf_counter()
    assert {file.model_uri: len(file.nodes) for file in files}.items() >= {
        uri: count for uri, (_name, count) in COMPANIONS.items()
    }.items()
    server = Server()
    await server.init()
    try:
        space = Space(server.iserver.aspace, {UA_URI: 0} | {uri: n for n, uri in enumerate(uris(files), start=30)})
        before = time.perf_counter()
        count = install(space, files)
        installed = time.perf_counter()
        print(
            f"{count} nodes of {len(files)} files: {loaded - started:.2f} s read, {installed - before:.2f} s installed"
        )
        # Everything but the nodes without a parent is found by following forward references from the root.
        seen, waiting = {ua.NodeId(84)}, [ua.NodeId(84)]
        while waiting:
            for entry in space.aspace[waiting.pop()].references:
                if entry.IsForward and entry.NodeId not in seen:
                    seen.add(entry.NodeId)
                    waiting.append(entry.NodeId)
        hidden = {node.node_id for file in files for node in file.nodes if space_id(space, node.node_id) not in seen}
        tops = {node.node_id for file in files for node in parentless(file)}
        assert tops <= hidden
        assert all(node in tops or _under(node, tops, files) for node in hidden)
        assert len(tops) == 3 + 24
    finally:
        await server.iserver.stop()


def space_id(space: Space, key: NodeKey) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={space.indexes[key.uri]};{key.identifier}")


def _under(node: NodeKey, tops: set[NodeKey], files: list[NodeSetFile]) -> bool:
    found = next(file.by_id()[node] for file in files if node in file.by_id())
    return any(
        not reference.forward and (reference.target in tops or _under(reference.target, tops, files))
        for reference in found.references
    )


def test_a_changed_fact_is_seen() -> None:
    # Control: the comparison above is able to fail.
    ours = _built("fdi5")
    changed = ours.nodes[0].__class__(
        **{**{field: getattr(ours.nodes[0], field) for field in ours.nodes[0].__slots__}, "is_abstract": True}
    )
    other = NodeSetFile(
        ours.path,
        ours.model_uri,
        ours.version,
        ours.publication_date,
        ours.required_models,
        (changed, *ours.nodes[1:]),
        ours.namespace_uris,
    )
    assert len(differences(ours, other)) == 2


def test_no_text_of_the_official_files_stands_in_ours() -> None:
    for name, (file, _count) in OFFICIAL.items():
        texts = {text.text for node in read_file(_oracle() / file).nodes for text in node.description if text.text}
        source = (ROOT / "nodesets" / "src" / f"{name}.nodes").read_text(encoding="utf-8")
        assert [text for text in texts if len(text) > 25 and text in source] == []
