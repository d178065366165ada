"""A start from the snapshot shows the same nodes as a start without; what is not whole or not ours is never taken."""

from __future__ import annotations

import stat
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from asyncua import ua

from server.opcua.nodes import snapshot
from server.opcua.nodes.base import base_nodes
from server.opcua.nodes.extra import Extra
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import A, Node, Shape
from server.opcua.nodes.snapshot import Model, SnapshotError, load, save, snapshot_key
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import encode_variant
from server.opcua.nodesets import NodeSetError, fingerprint
from server.opcua.nodesets.model import NodeSetFile
from tests.kit.names import Names

KEY = snapshot_key(["one", b"two"])
OWN = Model("urn:own", 3, "1.0", "2026-01-01T00:00:00Z")


def facts(store: NodeStore) -> dict[Key, tuple[object, ...]]:
    """Everything that a store says, codes of references resolved."""
    return {
        node.key: (
            node.shape,
            (node.name.NamespaceIndex, node.name.Name),
            node.display,
            node.description,
            [(store.reference_type(code), code & 1, target) for code, target in node.pairs()],
            None if node.point is None else (node.point.flags, node.point.body, node.point.source, node.point.server),
            {int(number): encode_variant((node.extra or {})[number]) for number in node.extra or ()},
        )
        for node in store.nodes()
    }


def small() -> NodeStore:
    """Keys of every kind, a node of every rare thing."""
    store = NodeStore()
    keys: list[Key] = [85, 3 << 32 | 7, (3, "text"), (3, b"\x00\xff"), (3, uuid.UUID(int=5))]
    shape = store.shape(Shape(1, data_type=(3, "type"), permissions=((15644, 1), ((3, "role"), 2)), restrictions=3))
    for key in keys:
        node = store.add(Node(key, shape, ua.QualifiedName("name", 3)))
        node.display = ua.LocalizedText("Имя", "ru")
        node.description = ua.LocalizedText(None)
    # The stack's own reader gives subclasses of str.
    store.add(Node(key_of(ua.NodeId(ua.String("own"), 3)), shape, ua.QualifiedName(ua.String("own"), 3)))
    node.extra = {A.ArrayDimensions: ua.Variant([1, 2], ua.VariantType.UInt32)}
    for key in keys[1:]:
        store.link(85, (3, "reference"), key)
    store.announce(85, 47, (3, "not made yet"))
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "nodes.snapshot"


def test_a_store_comes_back_as_it_was(path: Path) -> None:
    store = small()
    save(path, KEY, store, [OWN])
    loaded, models = load(path, KEY, {"urn:own": 3}.__getitem__)
    assert facts(loaded) == facts(store)
    assert models == (OWN,)
    # Shapes are shared again, and new references go on where the old ones ended.
    assert loaded[85].shape is loaded[3 << 32 | 7].shape
    loaded.link(85, 35, 3 << 32 | 7)
    assert loaded.targets(85, 35) == [3 << 32 | 7]
    assert loaded.linked(85, (3, "reference"), (3, "text"))


def test_the_whole_address_space_comes_back(nodesets: list[NodeSetFile], path: Path) -> None:
    names = Names()
    first = base_nodes(names, lambda: nodesets, "x", path)

    def unread() -> Sequence[NodeSetFile]:
        raise AssertionError("the snapshot should have been taken")

    # A table that has none of the namespaces yet gets them in the same order as from a build.
    later = Names()
    second = base_nodes(later, unread, "x", path)
    assert later.uris == names.uris
    assert len(second.store) > 6000
    assert facts(second.store) == facts(first.store)
    assert second.models == first.models
    assert {model.uri for model in second.models} >= {"http://opcfoundation.org/UA/DI/", "urn:fieldloom:types"}


def test_the_file_is_the_owners_alone_and_nothing_else_stays(path: Path) -> None:
    save(path, KEY, small(), [])
    save(path, KEY, small(), [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_is_broken_is_not_taken(path: Path) -> None:
    save(path, KEY, small(), [OWN])
    whole = path.read_bytes()
    assert load(path, KEY, {"urn:own": 3}.__getitem__)  # control
    damaged = bytearray(whole)
    damaged[-3] ^= 1
    for content in (b"", whole[:20], whole[:-1], whole + b"x", bytes(damaged), b"PK" + whole[2:]):
        path.write_bytes(content)
        with pytest.raises(SnapshotError):
            load(path, KEY, {"urn:own": 3}.__getitem__)
    path.unlink()
    with pytest.raises(SnapshotError, match="none yet"):
        load(path, KEY, {}.__getitem__)
    path.mkdir()
    with pytest.raises(SnapshotError, match="cannot be read"):
        load(path, KEY, {}.__getitem__)


def test_content_of_another_shape_with_a_right_digest_is_not_taken(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"\x90", b"\xc0", b"\x96\x90\x90\x90\x90\x90\x91\x97\x01\x05\x00\x00\x00\x90\xc3"):
        path.write_bytes(snapshot.MAGIC + KEY + snapshot._DIGEST(content).digest() + content)
        with pytest.raises(SnapshotError):
            load(path, KEY, {}.__getitem__)


def test_a_snapshot_of_other_sources_or_other_indexes_is_not_taken(path: Path) -> None:
    save(path, KEY, small(), [OWN])
    with pytest.raises(SnapshotError, match="other files"):
        load(path, snapshot_key(["one", b"other"]), {"urn:own": 3}.__getitem__)
    with pytest.raises(SnapshotError, match="namespace indexes: urn:own"):
        load(path, KEY, {"urn:own": 4}.__getitem__)
    # Parts are told apart, however they would join.
    assert snapshot_key(["ab", "c"]) != snapshot_key(["a", "bc"])


def test_a_table_that_has_the_namespaces_elsewhere_gets_its_own_nodes(nodesets: list[NodeSetFile], path: Path) -> None:
    base_nodes(Names(), lambda: nodesets, "x", path)
    names = Names("urn:fieldloom:load")
    moved = base_nodes(names, lambda: nodesets, "x", path)
    assert [names.uris[model.index] for model in moved.models] == [model.uri for model in moved.models]
    assert (names.uris.index("http://opcfoundation.org/UA/DI/") << 32 | 1002) in moved.store


def test_a_broken_snapshot_is_built_anew(nodesets: list[NodeSetFile], path: Path) -> None:
    names = Names()
    path.parent.mkdir()
    path.write_bytes(b"not a snapshot")
    built = base_nodes(names, lambda: nodesets, "x", path)
    assert len(built.store) > 6000
    assert path.read_bytes().startswith(snapshot.MAGIC)


def test_a_folder_that_cannot_be_written_only_costs_the_snapshot(nodesets: list[NodeSetFile], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert len(base_nodes(Names(), lambda: nodesets, "x", tmp_path / "file" / "nodes.snapshot").store) > 6000


def test_the_fingerprint_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("one")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "readme.txt").write_text("not read")
    assert fingerprint(tmp_path) == first
    (tmp_path / "a.xml").write_text("two")
    second = fingerprint(tmp_path)
    (tmp_path / "a.xml").rename(tmp_path / "b.xml")
    assert len({first, second, fingerprint(tmp_path)}) == 3
    (tmp_path / "c.xml").mkdir()
    with pytest.raises(NodeSetError, match=r"c\.xml"):
        fingerprint(tmp_path)


def test_rare_attributes_are_decoded_when_asked_for() -> None:
    variant = ua.Variant([3], ua.VariantType.UInt32)
    encoded = {int(A.ArrayDimensions): encode_variant(variant)}
    assert Extra(encoded)[A.ArrayDimensions] == variant
    assert Extra(encoded).get(A.ArrayDimensions) == variant
    assert Extra(encoded).get(A.InverseName, "none") == "none"
    # No copy, however it is made, holds what is still encoded.
    assert dict(Extra(encoded)) == {A.ArrayDimensions: variant}
    assert {**Extra(encoded)} == {A.ArrayDimensions: variant}
    assert list(Extra(encoded).values()) == [variant]
    assert list(Extra(encoded).items()) == [(A.ArrayDimensions, variant)]
    assert Extra(encoded).encoded() == encoded


def test_a_start_from_the_snapshot_does_not_load_what_builds(nodesets: list[NodeSetFile], path: Path) -> None:
    # The generated code of the standard address space costs most of a start: only a build may import it.
    names = Names()
    base_nodes(names, lambda: nodesets, "x", path)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.kit.names import Names\n"
        "from server.opcua.nodes.base import base_nodes\n"
        f"names = Names(*{names.uris[3:]!r})\n"
        f"base = base_nodes(names, lambda: [], 'x', Path({str(path)!r}))\n"
        "assert len(base.store) > 6000\n"
        "assert not [name for name in sys.modules if 'standard_address_space' in name or name.endswith('foreign')]\n"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=60)
