"""Sources of NodeSets: what a line means, and every mistake with its file and line at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.opcua.nodesets import NodeSetError, build_all
from server.opcua.nodesets.commands import check_folder
from server.opcua.nodesets.model import Name, NodeClass, NodeKey, NodeSetFile, Reference, Text, Value, base
from server.opcua.nodesets.source import read_sources

ROOT = Path(__file__).resolve().parents[3]
HEAD = """model own urn:own 1.0 2026-01-01
requires ua http://opcfoundation.org/UA/ 1.05.01 2022-02-24
"""
LINES_OF_HEAD = 2


def own(number: int) -> NodeKey:
    return NodeKey("urn:own", f"i={number}")


def read(tmp_path: Path, body: str, head: str = HEAD) -> NodeSetFile:
    (tmp_path / "own.nodes").write_text(head + body, encoding="utf-8")
    return next(file for file in read_sources(tmp_path) if file.path.stem == "own")


def problems(tmp_path: Path, body: str, head: str = HEAD) -> tuple[str, ...]:
    with pytest.raises(NodeSetError) as caught:
        read(tmp_path, body, head)
    return caught.value.problems


def test_a_child_line_hangs_below_its_parent_at_both_ends(tmp_path: Path) -> None:
    file = read(tmp_path, "objecttype 1 PumpType < BaseObjectType abstract\n  property 2 Speed : Double M = 1.5\n")
    pump, speed = file.nodes
    assert pump.is_abstract
    assert Reference(base(45), base(58), forward=False) in pump.references
    assert Reference(base(46), own(2)) in pump.references
    assert set(speed.references) == {
        Reference(base(46), own(1), forward=False),
        Reference(base(40), base(68)),
        Reference(base(37), base(78)),
    }
    assert (speed.browse_name, speed.data_type, speed.value) == (
        Name("urn:own", "Speed"),
        base(11),
        Value("Double", (1.5,)),
    )


def test_arrays_ranks_and_names_of_the_base_namespace(tmp_path: Path) -> None:
    nodes = read(
        tmp_path,
        "objecttype 1 T < BaseObjectType\n"
        "  variable 2 A : String[] O\n"
        "  variable 3 B : Byte[4] O\n"
        "  variable 4 C : Number rank=-3 dims=0 O\n"
        '  property 5 ua:"Two words" : LocalizedText[] = "a b" c\n',
    ).nodes
    assert [(node.value_rank, node.array_dimensions) for node in nodes[1:4]] == [(1, (0,)), (1, (4,)), (-3, (0,))]
    assert str(nodes[4].browse_name) == "Two words"
    assert nodes[4].value == Value("LocalizedText", (Text("", "a b"), Text("", "c")), array=True)


def test_arguments_and_enumerations_make_their_values(tmp_path: Path) -> None:
    nodes = {
        node.node_id: node
        for node in read(
            tmp_path,
            "datatype 1 Colour < Enumeration\n  enum RED=0 BLUE=2\n"
            "  property 2 ua:EnumValues : EnumValueType[] = @values\n"
            "objecttype 3 T < BaseObjectType\n  method 4 Paint M\n    input 5 M (Colour: Colour, Where: Double[])\n",
        ).nodes
    }
    assert [field.value for field in nodes[own(1)].definition.fields] == [0, 2]
    assert [item.body.children[0].text for item in nodes[own(2)].value.items] == ["0", "2"]
    arguments = nodes[own(5)]
    assert (arguments.browse_name.text, arguments.data_type, arguments.array_dimensions) == (
        "InputArguments",
        base(296),
        (2,),
    )
    first, second = (item.body for item in arguments.value.items)
    assert [child.name for child in first.children] == ["Name", "DataType", "ValueRank"]
    assert first.children[1].children[0].text == "nsu=urn:own;i=1"
    assert second.children[2].text == "1"


def test_arguments_keep_the_length_of_their_arrays(tmp_path: Path) -> None:
    # FDI7 gives addresses a length; arrays of any length say 0 (OPC 10000-3, Argument).
    method = read(tmp_path, "method 1 Go parentless\n  input 2 (Address: Byte[6], Rest: Byte[])\n").nodes[1]
    assert method.value is not None
    lengths = [
        [body.children[0].text for body in item.body.children if body.name == "ArrayDimensions"]
        for item in method.value.items
    ]
    assert lengths == [["6"], ["0"]]


def test_a_model_may_state_no_version(tmp_path: Path) -> None:
    assert read(tmp_path, "", "model own urn:own - 2026-01-01\n" + HEAD.splitlines()[1] + "\n").version == ""


def test_a_type_of_a_required_model_is_named_by_its_alias(tmp_path: Path) -> None:
    (tmp_path / "other.nodes").write_text(
        "model other urn:other 1.0 2026-01-01\nobjecttype 7 BaseThing < BaseObjectType\n", encoding="utf-8"
    )
    file = read(tmp_path, "objecttype 1 Thing < oth:BaseThing\n", HEAD + "requires oth urn:other 1.0 2026-01-01\n")
    assert file.nodes[0].references[0].target == NodeKey("urn:other", "i=7")


def test_every_mistake_is_listed_with_file_and_line(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "objecttype 1 A < NoSuchType\n"  # 3
        "  property 2 B : Double M = many\n"  # 4
        "  wobble 3 C\n"  # 5
        "object 1 Again\n"  # 6
        "object 4 Lonely\n"  # 7
        '  property 5 "open : String\n'  # 8
        "   property 6 D\n"  # 9
        "objecttype 7 NoSupertype\n"  # 10
        "objecttype 8 E < zz:Thing sideways\n"  # 11
        "property 9 F events=lots parentless\n",  # 12
    )
    lines = sorted({int(text.partition(":")[0].rpartition(" ")[2]) for text in found})
    assert lines == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert all(text.startswith("own.nodes, line ") for text in found)


def test_one_wrong_line_does_not_blame_the_lines_below(tmp_path: Path) -> None:
    found = problems(tmp_path, "object 1 A is\n  property 2 B : Double\n  property 3 C : Double\n")
    assert found == ("own.nodes, line 3: nothing follows 'is'",)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("", "'model ALIAS URI VERSION DATE' is missing"),
        ("model own urn:own 1.0\n", "write 'model"),
        (HEAD + "model b urn:b 1.0 2026-01-01\n", "one file holds one model"),
        (HEAD + "requires own urn:b 1.0 2026-01-01\n", "given twice"),
        (HEAD + "argument-dimensions some\n", "'count' or 'zero'"),
    ],
)
def test_wrong_headers(tmp_path: Path, head: str, reason: str) -> None:
    assert any(reason in text for text in problems(tmp_path, "", head))


def test_a_folder_without_sources_says_so(tmp_path: Path) -> None:
    with pytest.raises(NodeSetError, match=r"no \.nodes source"):
        read_sources(tmp_path)


def test_nothing_is_written_when_one_source_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.nodes").write_text(HEAD.replace("own", "good"), encoding="utf-8")
    (tmp_path / "bad.nodes").write_text(HEAD.replace("own", "bad") + "nonsense\n", encoding="utf-8")
    with pytest.raises(NodeSetError, match=r"bad\.nodes, line 3"):
        build_all(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_the_documented_nodes_of_ours_have_no_parent(tmp_path: Path) -> None:
    # FDI5 itself defines these three without a place, FDI7 24 prototypes of Methods; the README names them.
    build_all(ROOT / "nodesets" / "src", tmp_path)
    named = [line for line in check_folder(tmp_path).splitlines() if "without a parent" in line]
    assert len(named) == 2
    assert named[1].count(", ") == 24  # one comma follows the name of the file
    assert named[0].endswith("i=92 LogAuditTrailMessage, i=182 ActionIdentifier, i=183 ActionSet")
    readme = (ROOT / "nodesets" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{identifier}`" in readme for identifier in ("i=92", "i=182", "i=183"))


def test_legacy_dictionaries_describe_the_structures(tmp_path: Path) -> None:
    file = next(file for file in read_sources(ROOT / "nodesets" / "src") if file.path.stem == "fdi5")
    documents = [
        node.value.items[0].decode()
        for node in file.nodes
        if node.node_class is NodeClass.VARIABLE and node.browse_name.text == "Opc.Ua.Fdi5"
    ]
    assert len(documents) == 2
    for document in documents:
        assert all(name in document for name in ("RegisteredNode", "OfflineDeviceNodeId", "TransferIncident"))
    assert 'LengthField="NoOfRegisteredNodes"' in documents[0]
