"""The standard address space in our store: whole, consistent, and right where the stack's data is not."""

from __future__ import annotations

import pytest
from asyncua import ua

from server.opcua.nodes.base import Base
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import DATA_TYPE, METHOD, OBJECT, REFERENCE_TYPE, VARIABLE, VARIABLE_TYPE, A, Node
from server.opcua.nodes.standard import standard_store
from server.opcua.nodes.store import HAS_MODELLING_RULE_KEY, HAS_SUBTYPE_KEY, HAS_TYPE_DEFINITION_KEY, NodeStore
from server.opcua.nodes.values import encode_variant, variant_of

STRUCTURE, ENUMERATION, NUMBER, HIERARCHICAL, MANDATORY = 22, 29, 26, 33, 78
HAS_PROPERTY, HAS_COMPONENT, HAS_ORDERED_COMPONENT, ORGANIZES = 46, 47, 49, 35


@pytest.fixture(scope="module")
def store() -> NodeStore:
    return standard_store()


def forward(store: NodeStore, node: Node) -> list[tuple[int, Key]]:
    return [(code, target) for code, target in node.pairs() if code % 2 == 0]


def test_every_node_of_the_standard_is_there(store: NodeStore) -> None:
    assert len(store) >= 6174
    assert store[84].name.Name == "Root"
    assert store[2253].shape.notifier == 1


def test_references_agree_in_both_directions_and_stand_once(store: NodeStore) -> None:
    # OPC 10000-3, 4.3: types and rules leave out who uses them; everything else can be followed back.
    without_inverse = {store.code(HAS_TYPE_DEFINITION_KEY), store.code(HAS_MODELLING_RULE_KEY)}
    for node in store.nodes():
        pairs = list(node.pairs())
        assert len(pairs) == len(set(pairs)), node.key
        for code, target in pairs:
            assert target in store, (node.key, target)
            back = (code ^ 1, node.key) in set(store[target].pairs())
            assert back != (code & ~1 in without_inverse), (node.key, store.reference_type(code), target)


def test_instances_have_one_type_and_types_one_supertype(store: NodeStore) -> None:
    roots = {24, 31, 58, 62}
    for node in store.nodes():
        types = store.targets(node.key, HAS_TYPE_DEFINITION_KEY)
        above = store.targets(node.key, HAS_SUBTYPE_KEY, forward=False)
        if node.shape.node_class in (OBJECT, VARIABLE):
            assert len(types) == 1, node.key
            wanted = 8 if node.shape.node_class == OBJECT else VARIABLE_TYPE
            assert store[types[0]].shape.node_class == wanted
        else:
            assert types == []
        if node.shape.node_class in (8, VARIABLE_TYPE, REFERENCE_TYPE, DATA_TYPE):
            assert len(above) == (node.key not in roots), node.key


def test_every_variable_has_a_value_that_fits_its_data_type(store: NodeStore) -> None:
    for node in store.nodes():
        if node.shape.node_class != VARIABLE:
            continue
        assert node.point is not None
        data_type = node.shape.data_type
        assert data_type is not None
        assert store[data_type].shape.node_class == DATA_TYPE
        value = variant_of(node.point)
        if value.Value is None or data_type == 24:
            continue
        kind = value.VariantType.value
        assert (
            store.is_a(data_type, kind)
            or store.is_a(kind, data_type)
            or (kind == 6 and store.is_a(data_type, ENUMERATION))
        ), node.key
        assert value.is_array == (node.shape.rank >= 1), node.key


def test_only_reference_types_without_an_inverse_name_are_symmetric(store: NodeStore) -> None:
    # OPC 10000-3, 5.3.2: a symmetric one has no InverseName. References and NonHierarchicalReferences are symmetric.
    for node in store.nodes():
        if node.shape.node_class == REFERENCE_TYPE:
            assert node.shape.symmetric != bool(node.extra and A.InverseName in node.extra), node.key
    assert store[31].shape.symmetric
    assert not store[47].shape.symmetric
    assert store[47].extra is not None
    assert store[47].extra[A.InverseName].Value.Text == "ComponentOf"


def test_concrete_structures_and_enumerations_have_a_definition(store: NodeStore) -> None:
    # NumberRange alone: neither the stack nor a text says what it holds.
    missing = [
        node.name.Name
        for node in store.nodes()
        if node.shape.node_class == DATA_TYPE
        and not node.shape.abstract
        and (store.is_a(node.key, STRUCTURE) or store.is_a(node.key, ENUMERATION))
        and not (node.extra and A.DataTypeDefinition in node.extra)
    ]
    assert missing == ["NumberRange"]
    for node in store.nodes():
        if node.extra and A.DataTypeDefinition in node.extra:
            encode_variant(node.extra[A.DataTypeDefinition])


def test_definitions_are_the_ones_of_the_standard(store: NodeStore) -> None:
    def definition(key: int) -> ua.StructureDefinition | ua.EnumDefinition:
        extra = store[key].extra
        assert extra is not None
        return extra[A.DataTypeDefinition].Value

    argument = definition(ua.ObjectIds.Argument)  # OPC 10000-3, 8.6
    assert [(field.Name, field.DataType.Identifier, field.ValueRank) for field in argument.Fields] == [
        ("Name", 12, -1),
        ("DataType", 17, -1),
        ("ValueRank", 6, -1),
        ("ArrayDimensions", 7, 1),
        ("Description", 21, -1),
    ]
    assert argument.DefaultEncodingId == ua.NodeId(298)
    assert argument.BaseDataType == ua.NodeId(STRUCTURE)
    state = definition(ua.ObjectIds.ServerState)  # OPC 10000-5, 12.6
    assert [(field.Value, field.Name) for field in state.Fields][:3] == [
        (0, "Running"),
        (1, "Failed"),
        (2, "NoConfiguration"),
    ]
    # An option set counts bits (OPC 10000-3, 8.49).
    restrictions = definition(ua.ObjectIds.AccessRestrictionType)
    assert [(field.Value, field.Name) for field in restrictions.Fields][:2] == [
        (0, "SigningRequired"),
        (1, "EncryptionRequired"),
    ]
    # A message of the wire is flat: no field of the stack's own.
    read = definition(ua.ObjectIds.ReadRequest)
    assert [field.Name for field in read.Fields] == ["RequestHeader", "MaxAge", "TimestampsToReturn", "NodesToRead"]


def test_modelling_rules_are_listed(store: NodeStore) -> None:
    folder = ua.ObjectIds.Server_ServerCapabilities_ModellingRules
    listed = [store[key].name.Name for key in store.targets(folder, HAS_COMPONENT)]
    assert listed == ["Mandatory", "Optional", "OptionalPlaceholder", "MandatoryPlaceholder"]


def mandatory_names(store: NodeStore, type_key: Key) -> set[str]:
    found: set[str] = set()
    while True:
        for reference in (HAS_PROPERTY, HAS_COMPONENT, HAS_ORDERED_COMPONENT):
            for key in store.targets(type_key, reference):
                if MANDATORY in store.targets(key, HAS_MODELLING_RULE_KEY):
                    found.add(store[key].name.Name)
        above = store.targets(type_key, HAS_SUBTYPE_KEY, forward=False)
        if not above:
            return found
        type_key = above[0]


def instances(store: NodeStore) -> list[Node]:
    """Objects, Variables and Methods that are found from Root without passing a type."""
    hierarchical = store.below(HIERARCHICAL)
    seen: dict[Key, None] = {84: None}
    for key in (waiting := list(seen)):
        for code, target in forward(store, store[key]):
            if (
                store.reference_type(code) in hierarchical
                and target not in seen
                and store[target].shape.node_class in (OBJECT, VARIABLE, METHOD)
            ):
                seen[target] = None
                waiting.append(target)
    return [store[key] for key in seen]


def test_what_is_not_offered_is_absent_and_what_is_mandatory_is_there(base: Base) -> None:
    store = base.store
    names = {node.name.Name for node in instances(store)}
    assert {"GetMonitoredItems", "ResendData", "SetSubscriptionDurable", "HistoryServerCapabilities"} <= names
    assert not {"ServerConfiguration", "PublishSubscribe", "RequestServerStateChange", "Locations", "Aliases"} & names
    incomplete = {}
    for node in instances(store):
        if node.shape.node_class in (OBJECT, VARIABLE):
            references = (HAS_PROPERTY, HAS_COMPONENT, HAS_ORDERED_COMPONENT, ORGANIZES)
            have = {store[key].name.Name for kind in references for key in store.targets(node.key, kind)}
            missing = mandatory_names(store, store.type_definition(node)) - have
            if missing:
                incomplete[node.key] = missing
    assert incomplete == {}


def test_nothing_refers_to_what_was_taken_out(base: Base) -> None:
    for node in base.store.nodes():
        for _code, target in node.pairs():
            assert target in base.store, (node.key, target)
