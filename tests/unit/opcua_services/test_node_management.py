"""NodeManagement on a hand-made address space (OPC 10000-4 v1.05 §5.8)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import DATA_TYPE, METHOD, OBJECT, OBJECT_TYPE, REFERENCE_TYPE, VARIABLE, A
from server.opcua.nodes.values import variant_of
from server.opcua.services.limits import OperationLimits
from server.opcua.services.node_management import NodeManagementService
from tests.kit.service_space import (
    BASE_DATA_VARIABLE_TYPE,
    BASE_OBJECT_TYPE,
    FOLDER_TYPE,
    HAS_COMPONENT,
    HAS_MODELLING_RULE,
    HAS_PROPERTY,
    HAS_SUBTYPE,
    HAS_TYPE_DEFINITION,
    HIERARCHICAL,
    MANDATORY,
    OBJECTS,
    OPTIONAL,
    ORGANIZES,
    PROPERTY_TYPE,
    ServiceRig,
    ServiceSpace,
    result_of,
    scalar,
)

S = ua.StatusCodes
PLANT: Key = (2, "plant")
NEW: Key = (2, "new")
PUMP_TYPE: Key = 3 << 32 | 1
URIS = ("http://opcfoundation.org/UA/", "urn:test", "urn:fieldloom:plant", "urn:types")


class Audit:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[int]]] = []

    def node_management(self, request: Any, kind: str, items: Any, codes: Any) -> None:
        """One request."""
        self.told.append((kind, list(codes)))


class Events:
    """Keeps model changes."""

    def __init__(self) -> None:
        self.changes: list[tuple[Key, Key, bool]] = []

    def model_changed(self, node: Key, type_definition: Key, *, added: bool) -> None:
        """One node."""
        self.changes.append((node, type_definition, added))


class Rig(ServiceRig):
    """A plant, and a pump type with a mandatory variable that has a mandatory property, a method and an option."""

    def __init__(self, most: int = 100) -> None:
        space = ServiceSpace()
        super().__init__(space)
        add, link = space.add, space.store.link
        for key in (MANDATORY, OPTIONAL):
            add(key, f"Rule{key}")
        space.store.reshape(space.store[HIERARCHICAL], abstract=True)
        space.store.reshape(space.store[62], abstract=True)
        add(PLANT, "Plant", parent=OBJECTS, reference=ORGANIZES, index=2)
        add(PUMP_TYPE, "PumpType", OBJECT_TYPE)
        link(BASE_OBJECT_TYPE, HAS_SUBTYPE, PUMP_TYPE)
        speed = scalar(7.5, ua.VariantType.Double)
        add((3, "speed"), "Speed", VARIABLE, parent=PUMP_TYPE, value=speed, data_type=11, index=3)
        add((3, "unit"), "Unit", VARIABLE, parent=(3, "speed"), reference=HAS_PROPERTY, type_key=PROPERTY_TYPE, index=3)
        add((3, "start"), "Start", METHOD, parent=PUMP_TYPE, index=3)
        add((3, "extra"), "Extra", VARIABLE, parent=PUMP_TYPE, index=3)
        for name, rule in (("speed", MANDATORY), ("unit", MANDATORY), ("start", MANDATORY), ("extra", OPTIONAL)):
            link((3, name), HAS_MODELLING_RULE, rule, inverse=False)
        self.audit, self.events = Audit(), Events()
        self.service = NodeManagementService(
            space.store,
            space.rights,
            OperationLimits(node_management=20),
            self.audit,
            self.events,
            lambda: URIS,
            index=2,
            most=most,
        )
        self.removed: list[Key] = []
        self.service.on_removed.append(self.removed.extend)
        self.service.register(self.dispatcher)

    def add(self, *items: ua.AddNodesItem, role: str = "admin") -> list[int]:
        """Results of AddNodes."""
        request = ua.AddNodesRequest()
        request.Parameters.NodesToAdd = list(items)
        self.added = self.ask(self.session(role), request).Results
        return [result.StatusCode.value for result in self.added]

    def delete(self, *keys: Key, role: str = "admin") -> list[int]:
        """Results of DeleteNodes."""
        request = ua.DeleteNodesRequest()
        request.Parameters.NodesToDelete = [ua.DeleteNodesItem(node_id_of(key), True) for key in keys]
        return [code.value for code in self.ask(self.session(role), request).Results]

    def refer(self, *items: ua.AddReferencesItem, role: str = "admin") -> list[int]:
        """Results of AddReferences."""
        request = ua.AddReferencesRequest()
        request.Parameters.ReferencesToAdd = list(items)
        return [code.value for code in self.ask(self.session(role), request).Results]

    def unlink(self, *items: ua.DeleteReferencesItem, role: str = "admin") -> list[int]:
        """Results of DeleteReferences."""
        request = ua.DeleteReferencesRequest()
        request.Parameters.ReferencesToDelete = list(items)
        return [code.value for code in self.ask(self.session(role), request).Parameters.Results]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def expanded(key: Key, server: int = 0, uri: str | None = None) -> ua.ExpandedNodeId:
    node_id = node_id_of(key)
    return ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex, node_id.NodeIdType, uri, server)


def item(
    key: Key = NEW,
    name: str = "New",
    node_class: int = OBJECT,
    type_key: Key = FOLDER_TYPE,
    *,
    parent: Any = None,
    reference: Key = ORGANIZES,
    attributes: Any = None,
    index: int = 2,
) -> ua.AddNodesItem:
    default = ua.ObjectAttributes() if node_class == OBJECT else ua.VariableAttributes()
    if attributes is None:
        default.SpecifiedAttributes = 0
    return ua.AddNodesItem(
        expanded(PLANT) if parent is None else parent,
        node_id_of(reference),
        expanded(key),
        ua.QualifiedName(name, index),
        ua.NodeClass(node_class),
        default if attributes is None else attributes,
        expanded(type_key),
    )


def variable(**values: Any) -> ua.VariableAttributes:
    attributes = ua.VariableAttributes()
    attributes.SpecifiedAttributes = 0
    for name, value in values.items():
        setattr(attributes, name, value)
        attributes.SpecifiedAttributes |= int(ua.NodeAttributesMask[name])
    return attributes


def new_variable(**values: Any) -> ua.AddNodesItem:
    return item(
        (2, "value"), "Value", VARIABLE, BASE_DATA_VARIABLE_TYPE, reference=HAS_COMPONENT, attributes=variable(**values)
    )


def test_an_object_is_added_below_its_parent(rig: Rig) -> None:
    assert rig.add(item()) == [S.Good]
    assert key_of(rig.added[0].AddedNodeId) == NEW
    store = rig.space.store
    assert store.linked(PLANT, ORGANIZES, NEW)
    assert store.linked(NEW, ORGANIZES, PLANT, forward=False)
    assert store.type_definition(store[NEW]) == FOLDER_TYPE
    assert rig.events.changes == [(NEW, FOLDER_TYPE, True)]
    assert rig.audit.told == [("AddNodes", [S.Good])]


def test_a_variable_has_its_attributes_and_takes_writes_at_once(rig: Rig) -> None:
    added = new_variable(
        Value=ua.Variant([1.5, 2.5], ua.VariantType.Double),
        DataType=ua.NodeId(11),
        ValueRank=1,
        ArrayDimensions=[2],
        AccessLevel=0xFF,
        DisplayName=ua.LocalizedText("Wert", "de"),
        Description=ua.LocalizedText("what it is", "en"),
    )
    assert rig.add(added) == [S.Good]
    node = rig.space.store[(2, "value")]
    assert node.shape.direct
    assert (node.shape.data_type, node.shape.rank, node.shape.access) == (11, 1, 3)
    assert node.point is not None
    assert variant_of(node.point).Value == [1.5, 2.5]
    assert node.display == ua.LocalizedText("Wert", "de")
    assert node.description == ua.LocalizedText("what it is", "en")
    assert node.extra is not None
    assert node.extra[int(A.ArrayDimensions)].Value == [2]


def test_null_ids_are_chosen_by_the_server(rig: Rig) -> None:
    assert rig.add(item(0, "A"), item(0, "B")) == [S.Good, S.Good]
    first, second = (result.AddedNodeId for result in rig.added)
    assert first != second
    assert first.NamespaceIndex == second.NamespaceIndex == 2


@pytest.mark.parametrize("kind", [ua.NodeIdType.Numeric, ua.NodeIdType.String])
def test_only_the_namespace_may_be_asked_for(rig: Rig, kind: ua.NodeIdType) -> None:
    nothing: Any = "" if kind == ua.NodeIdType.String else 0
    wanted = [item(0, name) for name in ("A", "B", "C")]
    for number, one in enumerate(wanted):
        one.RequestedNewNodeId = ua.ExpandedNodeId(nothing, (2, 2, 3)[number], kind)
    assert rig.add(*wanted) == [S.Good, S.Good, S.BadNodeIdRejected]
    first, second = (result.AddedNodeId for result in rig.added[:2])
    assert first != second
    assert (first.NamespaceIndex, first.NodeIdType) == (2, ua.NodeIdType.Guid)


def test_mandatory_children_come_with_their_parent(rig: Rig) -> None:
    assert rig.add(item(type_key=PUMP_TYPE, reference=HAS_COMPONENT)) == [S.Good]
    store = rig.space.store
    names = {store[key].name.Name: key for key in store.targets(NEW, HAS_COMPONENT)}
    assert sorted(names) == ["Speed", "Start"]
    assert names["Start"] == (3, "start")
    speed = store[names["Speed"]]
    assert speed.point is not None
    assert variant_of(speed.point).Value == 7.5
    (unit,) = store.targets(speed.key, HAS_PROPERTY)
    assert store[unit].name.Name == "Unit"
    assert rig.service.added == 3
    assert rig.delete(NEW) == [S.Good]
    assert rig.service.added == 0
    assert store.peek(unit) is None
    assert store.targets((3, "start"), HAS_COMPONENT, forward=False) == [PUMP_TYPE]


_OTHER_SERVER = expanded(PLANT, server=1)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (item(parent=expanded((2, "nothing"))), S.BadParentNodeIdInvalid),
        (item(parent=_OTHER_SERVER), S.BadParentNodeIdInvalid),
        (item(parent=expanded((0, "plant"), uri="urn:stranger")), S.BadParentNodeIdInvalid),
        (item(parent=ua.ExpandedNodeId()), S.BadParentNodeIdInvalid),
        (item(reference=OBJECTS), S.BadReferenceTypeIdInvalid),
        (item(reference=(2, "nothing")), S.BadReferenceTypeIdInvalid),
        (item(reference=HAS_TYPE_DEFINITION), S.BadReferenceNotAllowed),
        (item(reference=HIERARCHICAL), S.BadReferenceNotAllowed),
        (item(reference=HAS_SUBTYPE), S.BadReferenceNotAllowed),
        (item(reference=HAS_PROPERTY), S.BadReferenceNotAllowed),
        (item((1, "new")), S.BadNodeIdRejected),
        (item((0, "new")), S.BadNodeIdRejected),
        (item(PLANT), S.BadNodeIdExists),
        (item(node_class=METHOD), S.BadNodeClassInvalid),
        (item(node_class=REFERENCE_TYPE), S.BadNodeClassInvalid),
        (item(node_class=DATA_TYPE), S.BadNodeClassInvalid),
        (item(node_class=0), S.BadNodeClassInvalid),
        (item(name=""), S.BadBrowseNameInvalid),
        (item(name="x" * 513), S.BadBrowseNameInvalid),
        (item(index=4), S.BadBrowseNameInvalid),
        (item(type_key=BASE_DATA_VARIABLE_TYPE), S.BadTypeDefinitionInvalid),
        (item(type_key=0), S.BadTypeDefinitionInvalid),
        (item(type_key=PLANT), S.BadTypeDefinitionInvalid),
        (item(node_class=VARIABLE, type_key=FOLDER_TYPE), S.BadTypeDefinitionInvalid),
        (item(node_class=VARIABLE, type_key=62, reference=HAS_COMPONENT), S.BadTypeDefinitionInvalid),
        (item(node_class=VARIABLE, type_key=PROPERTY_TYPE, reference=HAS_COMPONENT), S.BadReferenceNotAllowed),
        (item(attributes=variable()), S.BadNodeAttributesInvalid),
        (new_variable(DataType=ua.NodeId(85)), S.BadNodeAttributesInvalid),
        (new_variable(Value=ua.Variant("x"), DataType=ua.NodeId(11), ValueRank=-1), S.BadNodeAttributesInvalid),
        (new_variable(ValueRank=-4), S.BadNodeAttributesInvalid),
        (new_variable(ValueRank=1, ArrayDimensions=[1, 2]), S.BadNodeAttributesInvalid),
        (item(attributes=ua.Range(0.0, 1.0)), S.BadNodeAttributesInvalid),
    ],
)
def test_what_cannot_be_added_is_told_alone(rig: Rig, wrong: ua.AddNodesItem, code: int) -> None:
    assert rig.add(wrong, item((2, "good"), "Good")) == [code, S.Good]
    assert rig.added[0].AddedNodeId.is_null()
    assert rig.service.added == 1
    assert rig.audit.told == [("AddNodes", [code, S.Good])]


def test_names_are_unique_below_a_parent(rig: Rig) -> None:
    assert rig.add(item(), item((2, "other"))) == [S.Good, S.BadBrowseNameDuplicated]
    assert rig.add(item((2, "other"), parent=expanded(NEW))) == [S.Good]


def test_a_property_is_a_variable_of_property_type_without_properties(rig: Rig) -> None:
    def of(parent: Key, key: Key) -> ua.AddNodesItem:
        return item(key, "P", VARIABLE, PROPERTY_TYPE, parent=expanded(parent), reference=HAS_PROPERTY)

    assert rig.add(of(PLANT, (2, "p"))) == [S.Good]
    assert rig.add(of((2, "p"), (2, "q"))) == [S.BadReferenceNotAllowed]


def test_uris_stand_for_namespace_indexes(rig: Rig) -> None:
    parent = ua.ExpandedNodeId("plant", 0, ua.NodeIdType.String, URIS[2], 0)
    assert rig.add(item(parent=parent)) == [S.Good]


@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator", "engineer"])
def test_others_than_administrators_change_nothing(rig: Rig, role: str) -> None:
    assert rig.add(item(), role=role) == [S.BadUserAccessDenied]
    assert rig.add(item()) == [S.Good]
    reference = refer(NEW, OBJECTS)
    assert rig.refer(reference, role=role) == [S.BadUserAccessDenied]
    assert rig.refer(reference) == [S.Good]
    assert rig.unlink(unrefer(NEW, OBJECTS), role=role) == [S.BadUserAccessDenied]
    assert rig.delete(NEW, role=role) == [S.BadUserAccessDenied]
    assert rig.space.store.linked(NEW, ORGANIZES, OBJECTS)


def test_clients_add_so_many_nodes_and_no_more() -> None:
    rig = Rig(most=4)
    pump = item(type_key=PUMP_TYPE, reference=HAS_COMPONENT)
    assert rig.add(pump, item((2, "a"), "A"), item((2, "b"), "B")) == [S.Good, S.Good, S.BadResourceUnavailable]
    assert rig.delete((2, "a")) == [S.Good]
    assert rig.add(item((2, "pump"), "Pump", type_key=PUMP_TYPE)) == [S.BadResourceUnavailable]
    assert rig.add(item((2, "b"), "B")) == [S.Good]


def test_only_nodes_that_clients_added_are_deleted(rig: Rig) -> None:
    assert rig.delete(PLANT, (2, "nothing")) == [S.BadNoDeleteRights, S.BadNodeIdUnknown]
    assert rig.add(item(), item((2, "below"), "Below", parent=expanded(NEW), reference=HAS_COMPONENT)) == [0, 0]
    assert rig.delete(NEW) == [S.Good]
    store = rig.space.store
    assert store.peek(NEW) is None
    assert store.peek((2, "below")) is None
    assert not store.linked(PLANT, ORGANIZES, NEW)
    assert rig.events.changes[-1] == (NEW, FOLDER_TYPE, False)
    assert rig.removed == [NEW, (2, "below")]
    assert rig.audit.told[-1] == ("DeleteNodes", [S.Good])


# -- references


def refer(
    source: Key,
    target: Key,
    kind: Key = ORGANIZES,
    forward: bool = True,
    node_class: int = OBJECT,
    *,
    uri: str | None = None,
    server: int = 0,
) -> ua.AddReferencesItem:
    return ua.AddReferencesItem(
        node_id_of(source), node_id_of(kind), forward, uri, expanded(target, server), ua.NodeClass(node_class)
    )


def unrefer(
    source: Key, target: Key, kind: Key = ORGANIZES, forward: bool = True, both: bool = True, *, server: int = 0
) -> ua.DeleteReferencesItem:
    return ua.DeleteReferencesItem(node_id_of(source), node_id_of(kind), forward, expanded(target, server), both)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (refer((2, "nothing"), PLANT), S.BadSourceNodeIdInvalid),
        (refer(NEW, (2, "nothing")), S.BadTargetNodeIdInvalid),
        (refer(NEW, OBJECTS, server=1), S.BadTargetNodeIdInvalid),
        (refer(NEW, OBJECTS, uri="urn:other"), S.BadServerUriInvalid),
        (refer(NEW, OBJECTS, kind=PLANT), S.BadReferenceTypeIdInvalid),
        (refer(NEW, OBJECTS, kind=HIERARCHICAL), S.BadReferenceNotAllowed),
        (refer(NEW, OBJECTS, kind=HAS_SUBTYPE), S.BadReferenceNotAllowed),
        (refer(NEW, FOLDER_TYPE, kind=HAS_TYPE_DEFINITION, node_class=OBJECT_TYPE), S.BadReferenceNotAllowed),
        (refer(NEW, OBJECTS, kind=HAS_PROPERTY), S.BadReferenceNotAllowed),
        (refer(NEW, OBJECTS, node_class=VARIABLE), S.BadNodeClassInvalid),
        (refer(NEW, NEW), S.BadInvalidSelfReference),
        (refer(PLANT, NEW), S.BadDuplicateReferenceNotAllowed),
        (refer(NEW, PLANT, forward=False), S.BadDuplicateReferenceNotAllowed),
        (refer(PLANT, OBJECTS), S.BadReferenceNotAllowed),
    ],
)
def test_references_that_make_no_sense_are_refused(rig: Rig, wrong: ua.AddReferencesItem, code: int) -> None:
    rig.add(item())
    assert rig.refer(wrong, refer(NEW, OBJECTS)) == [code, S.Good]
    assert rig.audit.told[-1] == ("AddReferences", [code, S.Good])


@pytest.mark.parametrize("forward", [True, False])
def test_references_come_and_go_with_their_inverse(rig: Rig, forward: bool) -> None:
    rig.add(item())
    store = rig.space.store
    assert rig.refer(refer(NEW, OBJECTS, forward=forward)) == [S.Good]
    assert store.linked(NEW, ORGANIZES, OBJECTS, forward=forward)
    assert store.linked(OBJECTS, ORGANIZES, NEW, forward=not forward)
    assert rig.unlink(unrefer(NEW, OBJECTS, forward=forward)) == [S.Good]
    assert not store.linked(NEW, ORGANIZES, OBJECTS, forward=forward)
    assert not store.linked(OBJECTS, ORGANIZES, NEW, forward=not forward)


def test_one_direction_can_be_deleted_alone(rig: Rig) -> None:
    rig.add(item())
    rig.refer(refer(NEW, OBJECTS))
    assert rig.unlink(unrefer(NEW, OBJECTS, both=False)) == [S.Good]
    assert rig.space.store.linked(OBJECTS, ORGANIZES, NEW, forward=False)
    assert rig.unlink(unrefer(OBJECTS, NEW, forward=False)) == [S.Good]
    assert not rig.space.store.linked(OBJECTS, ORGANIZES, NEW, forward=False)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (unrefer((2, "nothing"), OBJECTS), S.BadSourceNodeIdInvalid),
        (unrefer(NEW, (2, "nothing")), S.BadTargetNodeIdInvalid),
        (unrefer(NEW, OBJECTS, server=1), S.BadServerIndexInvalid),
        (unrefer(NEW, OBJECTS, kind=PLANT), S.BadReferenceTypeIdInvalid),
        (unrefer(NEW, OBJECTS, kind=HAS_COMPONENT), S.BadNotFound),
        (unrefer(OBJECTS, PLANT), S.BadNoDeleteRights),
        (unrefer(PLANT, NEW), S.BadNoDeleteRights),
    ],
)
def test_references_of_the_server_stay(rig: Rig, wrong: ua.DeleteReferencesItem, code: int) -> None:
    rig.add(item())
    assert rig.unlink(wrong) == [code]
    assert rig.audit.told[-1] == ("DeleteReferences", [code])


def test_a_deleted_node_takes_its_references_along(rig: Rig) -> None:
    rig.add(item())
    rig.refer(refer(NEW, OBJECTS))
    rig.delete(NEW)
    assert NEW not in rig.space.store.targets(OBJECTS, ORGANIZES, forward=False)
    rig.add(item())
    assert rig.refer(refer(NEW, OBJECTS)) == [S.Good]


@pytest.mark.parametrize("name", ["AddNodes", "AddReferences", "DeleteNodes", "DeleteReferences"])
def test_counts_are_checked(rig: Rig, name: str) -> None:
    session = rig.session("admin")
    request = getattr(ua, f"{name}Request")()
    assert result_of(rig.ask(session, request)) == S.BadNothingToDo
    many = {
        "AddNodes": ("NodesToAdd", item()),
        "AddReferences": ("ReferencesToAdd", refer(NEW, PLANT)),
        "DeleteNodes": ("NodesToDelete", ua.DeleteNodesItem()),
        "DeleteReferences": ("ReferencesToDelete", unrefer(NEW, PLANT)),
    }
    field, each = many[name]
    setattr(request.Parameters, field, [each] * 21)
    assert result_of(rig.ask(session, request)) == S.BadTooManyOperations
