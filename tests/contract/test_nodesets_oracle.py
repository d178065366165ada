"""DI and FDI5 of this project say exactly what the official files say, node by node.

With FIELDLOOM_ORACLE_DIR the official files themselves are compared; digests of their facts are compared always.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.opcua.nodesets.build import build_xml
from server.opcua.nodesets.facts import all_facts, differences, digest_lines
from server.opcua.nodesets.model import NodeSetFile
from server.opcua.nodesets.reader import read_bytes, read_file
from server.opcua.nodesets.source import read_sources

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "nodesets"
OFFICIAL = {"di": ("Opc.Ua.Di.NodeSet2.xml", 412), "fdi5": ("Opc.Ua.Fdi5.NodeSet2.xml", 117)}


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
