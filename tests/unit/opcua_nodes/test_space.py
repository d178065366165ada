"""What a builder puts into the store: nodes with their references both ways, texts in every language, removal."""

from __future__ import annotations

import pytest
from asyncua import ua

from server.core.texts import Texts
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import OBJECT, A, Node, Shape
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import variant_of
from server.opcua.roles import OPEN
from server.opcua.space import (
    FOLDER_TYPE,
    HAS_COMPONENT,
    HAS_MODELLING_RULE,
    HAS_PROPERTY,
    HAS_TYPE_DEFINITION,
    MANDATORY,
    OBJECTS,
    ORGANIZES,
    PROPERTY_TYPE,
    READ,
    WRITE,
    Space,
    data_value,
)

URI = "urn:test"
DOUBLE = ua.NodeId(ua.ObjectIds.Double)


@pytest.fixture
def space() -> Space:
    store = NodeStore()
    store.add(Node(85, Shape(OBJECT), ua.QualifiedName("Objects")))
    return Space(store, {URI: 2})


def number(space: Space, path: str, **options: object) -> ua.NodeId:
    node_id = space.id(URI, path)
    parent = space.id(URI, path.rpartition("/")[0]) if "/" in path else OBJECTS
    value = data_value(1.5, ua.VariantType.Double)
    space.variable(node_id, space.name(URI, path), value, DOUBLE, parent=parent, **options)  # type: ignore[arg-type]
    return node_id


def references(space: Space, node_id: ua.NodeId) -> list[tuple[int, bool, ua.NodeId]]:
    store = space.store
    node = space.node(node_id)
    return [(int(store.reference_type(code)), code % 2 == 0, store_id(target)) for code, target in node.pairs()]


def store_id(key: object) -> ua.NodeId:
    return ua.NodeId(key & 0xFFFFFFFF, key >> 32) if isinstance(key, int) else ua.NodeId(key[1], key[0])  # type: ignore[index]


def test_a_variable_has_its_type_its_parent_and_its_value(space: Space) -> None:
    node_id = number(space, "a", access=READ | WRITE, permissions=OPEN, direct=True, historizing=True)
    node = space.node(node_id)
    assert (node.shape.access, node.shape.permissions, node.shape.direct) == (3, OPEN, True)
    assert node.shape.historizing
    assert variant_of(space.point(node_id)) == ua.Variant(1.5, ua.VariantType.Double)
    assert references(space, node_id) == [
        (HAS_TYPE_DEFINITION.Identifier, True, ua.NodeId(63)),
        (HAS_COMPONENT.Identifier, False, OBJECTS),
    ]
    assert references(space, OBJECTS) == [(HAS_COMPONENT.Identifier, True, node_id)]


def test_a_declaration_has_its_modelling_rule(space: Space) -> None:
    node_id = number(space, "a", rule=MANDATORY)
    assert (HAS_MODELLING_RULE.Identifier, True, MANDATORY) in references(space, node_id)


def test_a_method_has_its_arguments_as_properties(space: Space) -> None:
    holder, method = space.id(URI, "set"), space.id(URI, "set/Do")
    space.object(holder, space.name(URI, "set"), FOLDER_TYPE, parent=OBJECTS, reference=ORGANIZES)
    space.method(
        method, space.name(URI, "Do"), parent=holder, inputs=[ua.Argument(Name="A", DataType=DOUBLE)], outputs=[]
    )
    arguments = space.node(space.id(URI, "set/Do/InputArguments"))
    assert (arguments.name.Name, arguments.name.NamespaceIndex, arguments.shape.rank) == ("InputArguments", 0, 1)
    assert arguments.extra is not None
    assert arguments.extra[A.ArrayDimensions].Value == [0]
    assert [item.Name for item in variant_of(space.point(arguments.id)).Value] == ["A"]
    assert references(space, arguments.id)[0] == (HAS_TYPE_DEFINITION.Identifier, True, PROPERTY_TYPE)
    assert (HAS_PROPERTY.Identifier, True, arguments.id) in references(space, method)
    assert space.id(URI, "set/Do/OutputArguments") not in space


def test_names_are_told_in_the_language_asked_for(space: Space) -> None:
    node_id = number(space, "a", display=Texts.of("Power", ru="Мощность"))
    shown = space.node(node_id).display_name
    assert (shown.Text, shown.Locale) == ("Power", "en")
    assert space.translated(shown, ["ru-RU", "en"]).Text == "Мощность"
    assert space.translated(shown, ["fr"]) == shown
    # Without a DisplayName of its own a node shows its BrowseName.
    assert space.node(number(space, "b")).display_name.Text == "b"


def test_a_removed_subtree_leaves_no_reference_behind(space: Space) -> None:
    root = space.id(URI, "dev")
    space.object(root, space.name(URI, "dev"), FOLDER_TYPE, parent=OBJECTS)
    other = number(space, "other")
    inner = number(space, "dev/inner")
    deep = number(space, "dev/inner/deep")
    space.link(other, ORGANIZES, deep)
    space.announce(root, HAS_COMPONENT, space.id(URI, "dev/later"), space.name(URI, "later"), FOLDER_TYPE)
    assert set(space.subtree(root, "dev/")) == {root, inner, deep}
    gone = space.remove(space.subtree(root, "dev/"))
    assert {node.id for node in gone} == {root, inner, deep}
    assert references(space, OBJECTS) == [(HAS_COMPONENT.Identifier, True, other)]
    assert all(kind != ORGANIZES.Identifier for kind, _forward, _target in references(space, other))
    assert deep not in space


def test_a_folder_of_thousands_loses_one_child(space: Space) -> None:
    # From 32 references on a set answers whether one is there: it must follow removals.
    children = [number(space, f"n{index}") for index in range(2000)]
    key = key_of(children[7])
    assert space.store.linked(85, HAS_COMPONENT.Identifier, key)
    space.remove([children[7]])
    assert not space.store.linked(85, HAS_COMPONENT.Identifier, key)
    assert len(space.store.targets(85, HAS_COMPONENT.Identifier)) == 1999


def test_every_change_of_structure_raises_the_version_and_values_do_not(space: Space) -> None:
    store = space.store
    versions = [store.version]
    node_id = number(space, "a")
    versions.append(store.version)
    space.link(OBJECTS, ORGANIZES, node_id)
    versions.append(store.version)
    store.reshape(space.node(node_id), access=3)
    versions.append(store.version)
    space.point(node_id).put_scalar(11, 2.5, 0, 1, 1)
    versions.append(store.version)
    space.remove([node_id])
    versions.append(store.version)
    assert versions[3] == versions[4]
    del versions[4]
    assert versions == sorted(set(versions))


def test_what_is_not_there_is_said(space: Space) -> None:
    nowhere = space.id(URI, "nowhere")
    assert nowhere not in space
    with pytest.raises(KeyError):
        space.value(nowhere)
    with pytest.raises(KeyError):
        space.point(OBJECTS)
    with pytest.raises(KeyError):
        space.link(OBJECTS, ORGANIZES, nowhere)
