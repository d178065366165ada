"""A folder of NodeSets loads whole, in the order of what it requires, or not at all with every reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import Server

from server.opcua.nodesets import NodeSetError, build_all, load_folder
from server.opcua.nodesets.install import PARENTLESS, install, uris
from server.opcua.nodesets.model import UA_URI
from server.opcua.nodesets.reader import Limits, read_bytes
from server.opcua.space import OBJECTS, Space

SOURCES = Path(__file__).resolve().parents[3] / "nodesets" / "src"
DI = "http://opcfoundation.org/UA/DI/"
NS = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"


def document(uri: str, *, requires: str = "", version: str = "1.0.0", nodes: str = "") -> str:
    """A small companion specification."""
    required = f'<RequiredModel ModelUri="{requires}" Version="{version}"/>' if requires else ""
    other = f"<Uri>{requires}</Uri>" if requires else ""
    return (
        f'<UANodeSet xmlns="{NS}"><NamespaceUris><Uri>{uri}</Uri>{other}</NamespaceUris>'
        f'<Models><Model ModelUri="{uri}" Version="1.0.0" PublicationDate="2026-01-01T00:00:00Z">{required}'
        f"</Model></Models>{nodes}</UANodeSet>"
    )


def object_type(number: int, supertype: str = "i=58") -> str:
    return (
        f'<UAObjectType NodeId="ns=1;i={number}" BrowseName="1:Type{number}"><DisplayName>Type{number}</DisplayName>'
        f'<References><Reference ReferenceType="i=45" IsForward="false">{supertype}</Reference></References>'
        "</UAObjectType>"
    )


def problems(folder: Path) -> str:
    with pytest.raises(NodeSetError) as caught:
        load_folder(folder)
    return "\n".join(caught.value.problems)


def test_a_companion_specification_is_loaded_after_what_it_requires(tmp_path: Path) -> None:
    build_all(SOURCES, tmp_path)
    # Sorts before di.*: the order must come from the models, not from the names.
    (tmp_path / "a.xml").write_text(document("urn:a", requires=DI, nodes=object_type(1, "ns=2;i=1002")))
    order = [file.model_uri for file in load_folder(tmp_path)]
    assert order.index(DI) < order.index("urn:a")


async def test_everything_is_installed_and_subtypes_hang_below_their_type(tmp_path: Path) -> None:
    build_all(SOURCES, tmp_path)
    (tmp_path / "a.xml").write_text(document("urn:a", requires=DI, nodes=object_type(1, "ns=2;i=1002")))
    files = load_folder(tmp_path)
    server = Server()
    await server.init()
    indexes = {UA_URI: 0} | {uri: number for number, uri in enumerate(uris(files), start=2)}
    space = Space(server.iserver.aspace, indexes)
    assert install(space, files) == sum(len(file.nodes) for file in files)
    device_type = server.get_node(space.id(DI, 1002))
    assert space.id("urn:a", 1) in [child.nodeid for child in await device_type.get_children()]
    # The nodes that official files leave without a parent are there all the same.
    for uri, identifiers in PARENTLESS.items():
        for identifier in identifiers:
            assert space.id(uri, int(identifier[2:])) in space
    assert space.id(DI, 5001) in [child.nodeid for child in await server.get_node(OBJECTS).get_children()]
    # A second installation would double everything: refused as a whole.
    with pytest.raises(NodeSetError, match="exists already"):
        install(space, files)
    await server.iserver.stop()


def test_missing_model_is_named_with_the_file_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document("urn:a", requires="urn:b"))
    text = problems(tmp_path)
    assert "a.xml" in text
    assert "urn:b" in text


def test_too_old_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document("urn:a", requires="urn:b", version="1.2.0"))
    (tmp_path / "b.xml").write_text(document("urn:b"))
    assert "b.xml holds 1.0.0" in problems(tmp_path)


def test_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document("urn:a", requires="urn:b"))
    (tmp_path / "b.xml").write_text(document("urn:b", requires="urn:a"))
    assert "circle" in problems(tmp_path)


def test_one_model_in_two_files_and_one_node_twice_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document("urn:a"))
    (tmp_path / "b.xml").write_text(document("urn:a"))
    assert "already in a.xml" in problems(tmp_path)
    (tmp_path / "b.xml").write_text(document("urn:b", nodes=object_type(7) + object_type(7)))
    assert "already defined" in problems(tmp_path)


def test_reference_to_a_node_that_no_file_has(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document("urn:a", nodes=object_type(1, "ns=1;i=99")))
    assert "refers to" in problems(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "DTD"),
        ("<UANodeSet", "not well-formed"),
        ("<other/>", "not UANodeSet"),
        (document("urn:a", nodes='<UAObject NodeId="nonsense" BrowseName="x"/>'), "not a NodeId"),
        (document("urn:a", nodes='<UAObject NodeId="ns=7;i=1" BrowseName="x"/>'), "namespace index 7"),
        ("\x00\x00", "UTF-8"),
    ],
)
def test_broken_file_gives_one_clear_reason(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.xml").write_text(content)
    assert reason in problems(tmp_path)


def test_limits_are_crossed_with_a_clear_word(tmp_path: Path) -> None:
    small = document("urn:a", nodes=object_type(1) + object_type(2)).encode()
    for limits, reason in (
        (Limits(size_bytes=100), "larger than 100 bytes"),
        (Limits(nodes=1), "more than 1 nodes"),
        (Limits(references=1), "more than 1 references"),
        (Limits(depth=2), "deeper than 2"),
    ):
        with pytest.raises(NodeSetError, match=reason):
            read_bytes(tmp_path / "a.xml", small, limits)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in build_all(SOURCES, tmp_path / "one")]
    assert first == [path.read_bytes() for path in build_all(SOURCES, tmp_path / "two")]
