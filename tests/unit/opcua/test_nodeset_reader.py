"""NodeSet2 files from anywhere: read within limits, or refused with file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.opcua.nodesets.model import Name, NodeKey, NodeSetError, NodeSetFile, Structure, Text
from server.opcua.nodesets.reader import Limits, read_bytes, read_file

NS = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
TYPES = 'xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd"'
MODELS = '<Models><Model ModelUri="urn:a" Version="1.0"/></Models>'


def document(body: str, *, uris: str = "<Uri>urn:a</Uri><Uri>urn:b</Uri>", models: str = MODELS) -> str:
    return f'<UANodeSet xmlns="{NS}">\n<NamespaceUris>{uris}</NamespaceUris>\n{models}\n{body}\n</UANodeSet>'


def variable(value: str, attributes: str = "") -> str:
    return f'<UAVariable NodeId="ns=1;i=1" BrowseName="1:V" {attributes}><Value>{value}</Value></UAVariable>'


def read(text: str | bytes) -> NodeSetFile:
    return read_bytes(Path("a.xml"), text if isinstance(text, bytes) else text.encode())


def reason(text: str | bytes) -> str:
    with pytest.raises(NodeSetError) as caught:
        read(text)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_entity_bomb_is_refused_before_it_is_parsed() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    assert "DTD or entity" in reason(f'<!DOCTYPE x [<!ENTITY e0 "ha">{levels}]><x>&e11;</x>')


def test_external_entity_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    bomb = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><x>&e;</x>'
    assert "secret" not in reason(bomb)
    # The same in an encoding where a search for the bytes of DOCTYPE would find nothing.
    assert "UTF-8" in reason(bomb.encode("utf-16"))
    assert "UTF-8" in reason(bomb.encode("utf-16-le"))


def test_other_encodings_cannot_be_declared() -> None:
    # UTF-7 would hide markup from every check that looks at bytes.
    hidden = b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>'
    assert "a.xml" in reason(hidden)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (document("<UAObject NodeId='ns=1;i=1'/>"), "a.xml, line 4: UAObject without NodeId or BrowseName"),
        (document("<UAObject NodeId='ns=1;x=1' BrowseName='1:A'/>"), "'ns=1;x=1' is not a NodeId"),
        (document("<UAObject NodeId='ns=1;i=4294967296' BrowseName='1:A'/>"), "above 4294967295"),
        (document("<UAObject NodeId='ns=1;g=12' BrowseName='1:A'/>"), "is not a NodeId"),
        (document("<UAObject NodeId='i=1' BrowseName='9:A'/>"), "namespace index 9"),
        (document("<UAObject NodeId='i=1' BrowseName='A' EventNotifier='256'/>"), "'256' is not a Byte"),
        (document("<UAObject NodeId='i=1' BrowseName='A' EventNotifier='1e9'/>"), "is not a Byte"),
        (document("<UAObjectType NodeId='i=1' BrowseName='A' IsAbstract='maybe'/>"), "is not a Boolean"),
        (
            document(
                "<UAObject NodeId='i=1' BrowseName='A'><References><Reference ReferenceType='Unknown'>i=2"
                "</Reference></References></UAObject>"
            ),
            "'Unknown' is not a NodeId",
        ),
        (document(variable(f"<Byte {TYPES}>300</Byte>")), "'300' is not a Byte"),
        (document(variable(f"<ByteString {TYPES}>%%%</ByteString>")), "not base64"),
        (document(variable(f"<DateTime {TYPES}>tomorrow</DateTime>")), "is not a DateTime"),
        (document(variable(f"<Variant {TYPES}/>")), "type Variant are not supported"),
        (document(variable(f"<ExtensionObject {TYPES}/>")), "needs TypeId and Body"),
        (document("", models=""), "Models is missing"),
        (document("", models="<Models/>"), "0 models in one file"),
        (document("", models="<Models><Model ModelUri='a'/><Model ModelUri='b'/></Models>"), "2 models in one file"),
        (document("", uris="<Uri>urn:a</Uri><Uri>urn:a</Uri>"), "repeated URI"),
        (document("<unclosed>"), "not well-formed"),
    ],
)
def test_each_mistake_has_one_clear_reason(text: str, expected: str) -> None:
    found = reason(text)
    assert found.startswith("a.xml")
    assert expected in found


def test_the_line_of_the_wrong_node_is_named() -> None:
    good = "<UAObject NodeId='ns=1;i={}' BrowseName='1:A'/>\n"
    text = document("".join(good.format(number) for number in range(1, 40)) + "<UAObject NodeId='?' BrowseName='A'/>")
    # Three lines of head, 39 good nodes.
    assert reason(text).startswith("a.xml, line 43:")


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.xml"
    with path.open("wb") as stream:
        stream.truncate(1_000_000)
    with pytest.raises(NodeSetError, match="larger than 1000 bytes"):
        read_file(path, Limits(size_bytes=1000))


def test_a_folder_in_place_of_a_file_is_a_problem_of_that_file(tmp_path: Path) -> None:
    with pytest.raises(NodeSetError, match="cannot be read"):
        read_file(tmp_path)


def test_nested_values_are_bounded() -> None:
    deep = "<A>" * 60 + "</A>" * 60
    value = (
        f"<ExtensionObject {TYPES}><TypeId><Identifier>i=1</Identifier></TypeId><Body>{deep}</Body></ExtensionObject>"
    )
    assert "nested deeper than 40" in reason(document(variable(value)))


def test_indexes_of_the_file_become_uris_everywhere() -> None:
    # The file's own table decides: here index 1 is not the model's namespace, as in some published files.
    body = (
        "<UAVariable NodeId='ns=2;s=Pump;1' BrowseName='1:V' DataType='ns=1;i=5'><DisplayName Locale='de'>Wert"
        "</DisplayName><References><Reference ReferenceType='i=40'>ns=1;i=6</Reference></References><Value>"
        f"<ListOfExtensionObject {TYPES}><ExtensionObject><TypeId><Identifier>ns=1;i=7</Identifier></TypeId><Body><T>"
        "<Node><Identifier>ns=2;i=8</Identifier></Node><Name><NamespaceIndex>2</NamespaceIndex></Name></T></Body>"
        "</ExtensionObject></ListOfExtensionObject></Value></UAVariable>"
    )
    node = read(document(body, uris="<Uri>urn:other</Uri><Uri>urn:a</Uri>")).nodes[0]
    assert node.node_id == NodeKey("urn:a", "s=Pump;1")
    assert node.browse_name == Name("urn:other", "V")
    assert node.data_type == NodeKey("urn:other", "i=5")
    assert node.display_name == (Text("de", "Wert"),)
    assert node.references[0].target == NodeKey("urn:other", "i=6")
    item = node.value.items[0]
    assert isinstance(item, Structure)
    assert item.type_id == NodeKey("urn:other", "i=7")
    assert [child.children[0].text for child in item.body.children] == ["nsu=urn:a;i=8", "urn:a"]


def test_values_of_the_simple_types() -> None:
    cases = {
        "<Boolean {t}>true</Boolean>": True,
        "<Int64 {t}>-9223372036854775808</Int64>": -(2**63),
        "<Double {t}>INF</Double>": float("inf"),
        "<String {t}>\n  </String>": "",
        "<ByteString {t}>AP8=</ByteString>": b"\x00\xff",
        "<LocalizedText {t}><Locale>en</Locale><Text>Go</Text></LocalizedText>": Text("en", "Go"),
        "<NodeId {t}><Identifier>ns=1;i=3</Identifier></NodeId>": NodeKey("urn:a", "i=3"),
        "<QualifiedName {t}><NamespaceIndex>1</NamespaceIndex><Name>N</Name></QualifiedName>": Name("urn:a", "N"),
    }
    for text, expected in cases.items():
        assert read(document(variable(text.format(t=TYPES)))).nodes[0].value.items == (expected,)
