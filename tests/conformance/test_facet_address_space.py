"""The whole address space obeys the model (OPC 10000-3, 4 to 6 and 8; OPC 10000-5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from tests.kit.asking import BOTH, EITHER, A, I, description, get, name_of
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
BATCH = 1_000
C = ua.NodeClass
HONEST = {"Good", "BadWaitingForInitialData", "BadNoCommunication", "UncertainLastUsableValue", "BadUserAccessDenied",
          "UncertainInitialValue"}  # fmt: skip
CONDITION_SWITCHES = {ua.NodeId(I.ConditionType_Enable), ua.NodeId(I.ConditionType_Disable)}
TYPES = {C.Object: C.ObjectType, C.Variable: C.VariableType}


def _of(reference: ua.ReferenceDescription) -> ua.NodeId:
    found = reference.NodeId
    return ua.NodeId(found.Identifier, found.NamespaceIndex)


@dataclass
class Whole:
    """Every node that can be reached, with its references and some attributes."""

    references: dict[ua.NodeId, list[ua.ReferenceDescription]] = field(default_factory=dict)
    classes: dict[ua.NodeId, ua.NodeClass] = field(default_factory=dict)
    names: dict[ua.NodeId, ua.QualifiedName] = field(default_factory=dict)

    def forward(self, node: ua.NodeId, kind: int) -> list[ua.NodeId]:
        """Targets of the forward references of one type."""
        return [_of(r) for r in self.references[node] if r.IsForward and r.ReferenceTypeId.Identifier == kind]

    def inverse(self, node: ua.NodeId, kind: int) -> list[ua.NodeId]:
        """Sources of the references of one type that come to a node."""
        return [_of(r) for r in self.references[node] if not r.IsForward and r.ReferenceTypeId.Identifier == kind]

    def children(self, node: ua.NodeId) -> list[ua.ReferenceDescription]:
        """Properties and components."""
        return [
            r
            for r in self.references[node]
            if r.IsForward and r.ReferenceTypeId.Identifier in (I.HasProperty, I.HasComponent, I.HasOrderedComponent)
        ]

    def supertypes(self, node: ua.NodeId) -> list[ua.NodeId]:
        """A type and everything above it."""
        found = [node]
        while above := self.inverse(found[-1], I.HasSubtype):
            found.append(above[0])
        return found


async def _walk(session: RawSession) -> Whole:
    whole = Whole()
    wave = [ua.NodeId(I.RootFolder)]
    seen = set(wave)
    while wave:
        following: list[ua.NodeId] = []
        for first in range(0, len(wave), BATCH):
            batch = wave[first : first + BATCH]
            answer = await get(
                session, "Browse", NodesToBrowse=[description(node, BrowseDirection=EITHER) for node in batch]
            )
            for node, result in zip(batch, answer.Results, strict=True):
                assert name_of(result.StatusCode) == "Good" and not result.ContinuationPoint, node
                whole.references[node] = list(result.References or [])
                for reference in whole.references[node]:
                    target = _of(reference)
                    whole.classes[target] = reference.NodeClass
                    whole.names[target] = reference.BrowseName
                    if target not in seen:
                        seen.add(target)
                        following.append(target)
        wave = following
    return whole


async def _attributes(session: RawSession, nodes: list[ua.NodeId], attribute: int) -> dict[ua.NodeId, ua.DataValue]:
    found: dict[ua.NodeId, ua.DataValue] = {}
    for first in range(0, len(nodes), BATCH):
        batch = nodes[first : first + BATCH]
        answer = await get(
            session,
            "Read",
            TimestampsToReturn=BOTH,
            NodesToRead=[ua.ReadValueId(node, attribute) for node in batch],
        )
        found |= dict(zip(batch, answer.Results, strict=True))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walker(room: Room) -> AsyncIterator[RawSession]:
    """An administrator, who sees everything."""
    await room.rig.live(temperature=20.0, state=1)
    async with await room.secure() as channel:
        session = await room.session(channel, "ada")
        yield session
        await session.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(walker: RawSession) -> Whole:
    """The address space, walked once; nodes of sessions, which come and go, are left out of nothing."""
    return await _walk(walker)


async def test_every_node_is_found_and_every_reference_has_its_inverse(whole: Whole) -> None:
    # OPC 10000-3, 5.3 and 7: no reference to a missing node; forward and inverse agree. Type definitions and
    # modelling rules may be followed forwards only, and so may the shared historical configurations: one Object
    # would list every recorded Variable (OPC 10000-11, 5.2.2 asks for the forward reference).
    assert len(whole.references) > 5_000
    # A Method of a type that its instances share (OPC 10000-9, 5.5.2) does not list all of them.
    one_way = {I.HasTypeDefinition, I.HasModellingRule, I.HasEncoding, I.HasDescription, I.GeneratesEvent,
               I.AlwaysGeneratesEvent, I.HasHistoricalConfiguration}  # fmt: skip
    ends = {(node, r.ReferenceTypeId, _of(r), r.IsForward) for node, found in whole.references.items() for r in found}
    missing = [
        (node.to_string(), kind.Identifier, target.to_string(), forward)
        for node, kind, target, forward in ends
        if kind.Identifier not in one_way
        and (target, kind, node, not forward) not in ends
        and not (whole.classes[target] == C.Method and whole.forward(target, I.HasModellingRule))
    ]
    assert missing == []


async def test_references_are_there_once(whole: Whole) -> None:
    # OPC 10000-3, 4.3.4: source, type, direction and target make a reference unique.
    for node, found in whole.references.items():
        keys = [(r.ReferenceTypeId, _of(r), r.IsForward) for r in found]
        assert len(set(keys)) == len(keys), node


async def test_instances_have_one_type_of_the_right_class(whole: Whole) -> None:
    # OPC 10000-3, 4.5 and 5: exactly one HasTypeDefinition for Objects and Variables, none for the others.
    for node, node_class in whole.classes.items():
        definitions = whole.forward(node, I.HasTypeDefinition)
        if node_class in TYPES:
            assert len(definitions) == 1, node
            assert whole.classes[definitions[0]] == TYPES[node_class], node
        else:
            assert definitions == [], node


async def test_types_have_one_supertype_of_their_class(whole: Whole) -> None:
    # OPC 10000-3, 6.2: single inheritance, roots aside.
    roots = {I.BaseObjectType, I.BaseVariableType, I.BaseDataType, I.References}
    for node, node_class in whole.classes.items():
        if node_class in (C.ObjectType, C.VariableType, C.DataType, C.ReferenceType):
            above = whole.inverse(node, I.HasSubtype)
            root = node.NamespaceIndex == 0 and node.Identifier in roots
            assert len(above) == (0 if root else 1), node
            assert all(whole.classes[found] == node_class for found in above), node


async def test_names_are_not_empty_and_unique_below_a_node(whole: Whole, walker: RawSession) -> None:
    # OPC 10000-3, 5.2.4 and 4.5.1; namespace indexes exist.
    namespaces = len((await walker.read(ua.NodeId(I.Server_NamespaceArray)))[0].Value.Value)
    for node, name in whole.names.items():
        assert name.Name, node
        assert max(name.NamespaceIndex, node.NamespaceIndex) < namespaces, node
    for node in whole.references:
        names = [(r.BrowseName.NamespaceIndex, r.BrowseName.Name) for r in whole.children(node)]
        rules = {n for r in whole.children(node) for n in whole.forward(_of(r), I.HasModellingRule)}
        placeholders = {ua.NodeId(I.ModellingRule_OptionalPlaceholder), ua.NodeId(I.ModellingRule_MandatoryPlaceholder)}
        assert len(set(names)) == len(names) or rules & placeholders, node


async def test_mandatory_children_of_the_types_are_on_the_instances(whole: Whole) -> None:
    # OPC 10000-3, 6.4.4.4: by BrowseName, of the type and of all its supertypes. Instance declarations inside
    # types are judged with their own type.
    # Conditions have no Enable and Disable of their own: see ac-enable in docs/conformance.toml.
    mandatory = ua.NodeId(I.ModellingRule_Mandatory)
    in_types = {node for node in whole.references if whole.forward(node, I.HasModellingRule)}
    wanted: dict[ua.NodeId, set[tuple[int, str]]] = {}
    missing = []
    for node, node_class in whole.classes.items():
        if node_class not in TYPES or node in in_types:
            continue
        (definition,) = whole.forward(node, I.HasTypeDefinition)
        if definition not in wanted:
            wanted[definition] = {
                (r.BrowseName.NamespaceIndex, r.BrowseName.Name)
                for above in whole.supertypes(definition)
                for r in whole.children(above)
                if mandatory in whole.forward(_of(r), I.HasModellingRule) and _of(r) not in CONDITION_SWITCHES
            }
        there = {(r.BrowseName.NamespaceIndex, r.BrowseName.Name) for r in whole.children(node)}
        if lacking := wanted[definition] - there:
            missing.append((node.to_string(), definition.to_string(), sorted(lacking)))
    assert missing == []


async def test_mandatory_attributes_are_read_from_every_node(whole: Whole, walker: RawSession) -> None:
    # OPC 10000-3, 5.9: NodeId, NodeClass, BrowseName and DisplayName of all; and they say what Browse said.
    nodes = list(whole.references)
    ids = await _attributes(walker, nodes, A.NodeId)
    classes = await _attributes(walker, nodes, A.NodeClass)
    names = await _attributes(walker, nodes, A.BrowseName)
    texts = await _attributes(walker, nodes, A.DisplayName)
    for node in nodes:
        assert ids[node].Value.Value == node
        assert classes[node].Value.Value == whole.classes[node], node
        assert names[node].Value.Value == whole.names[node], node
        assert texts[node].Value.Value.Text is not None, node


BUILT_IN = {1: "Boolean", 2: "SByte", 3: "Byte", 4: "Int16", 5: "UInt16", 6: "Int32", 7: "UInt32", 8: "Int64",
            9: "UInt64", 10: "Float", 11: "Double", 12: "String", 13: "DateTime", 14: "Guid", 15: "ByteString",
            16: "XmlElement", 17: "NodeId", 18: "ExpandedNodeId", 19: "StatusCode", 20: "QualifiedName",
            21: "LocalizedText", 22: "ExtensionObject", 23: "DataValue", 25: "DiagnosticInfo"}  # fmt: skip
ABSTRACT_NUMBERS = {26, 27, 28}


async def test_values_fit_type_and_rank_or_say_why_they_are_missing(whole: Whole, walker: RawSession) -> None:
    # OPC 10000-3, 5.6.2 and 8.1: the DataType is a DataType node; the value's built-in type descends from it.
    variables = [node for node, node_class in whole.classes.items() if node_class == C.Variable]
    types = await _attributes(walker, variables, A.DataType)
    ranks = await _attributes(walker, variables, A.ValueRank)
    access = await _attributes(walker, variables, A.UserAccessLevel)
    values = await _attributes(walker, variables, A.Value)
    wrong: list[Any] = []
    for node in variables:
        data_type = types[node].Value.Value
        assert whole.classes.get(data_type) == C.DataType, node
        found = values[node]
        code = name_of(found.StatusCode)
        if not access[node].Value.Value & 1:
            continue
        if code not in HONEST:
            wrong.append((node.to_string(), code))
            continue
        variant = found.Value
        if code != "Good" or variant is None or variant.Value is None:
            continue
        numbers = {n.Identifier for n in whole.supertypes(data_type) if n.NamespaceIndex == 0}
        kind = variant.VariantType.value
        if 29 in numbers:  # an enumeration is an Int32 on the wire
            fits = kind == 6
        elif 22 in numbers:
            fits = kind == 22
        elif data_type.NamespaceIndex == 0 and data_type.Identifier in (24, *ABSTRACT_NUMBERS):
            fits = True
        else:
            fits = kind in numbers
        rank = ranks[node].Value.Value
        is_array = isinstance(variant.Value, list)
        fits_rank = {-1: not is_array, 1: is_array, 0: is_array}.get(rank, True)
        if not fits or not fits_rank:
            wrong.append((node.to_string(), data_type.to_string(), BUILT_IN.get(kind), rank, is_array))
    assert wrong == [], "\n".join(map(str, wrong))


async def test_structures_and_enumerations_are_described(whole: Whole, walker: RawSession) -> None:
    # OPC 10000-3, 8.46 to 8.49 and 5.8.3: concrete structures have a definition and a "Default Binary" encoding;
    # enumerations a definition and EnumStrings or EnumValues.
    data_types = [node for node, node_class in whole.classes.items() if node_class == C.DataType]
    definitions = await _attributes(walker, data_types, A.DataTypeDefinition)
    abstract = await _attributes(walker, data_types, A.IsAbstract)
    wrong: list[Any] = []
    structures = enumerations = 0
    for node in data_types:
        if abstract[node].Value.Value:
            continue
        above = {n.Identifier for n in whole.supertypes(node) if n.NamespaceIndex == 0}
        code = name_of(definitions[node].StatusCode)
        if 29 in above and node != ua.NodeId(29):
            enumerations += 1
            names = {r.BrowseName.Name for r in whole.children(node)}
            if code != "Good" or not names & {"EnumStrings", "EnumValues"}:
                wrong.append((node.to_string(), code, sorted(names)))
        elif 22 in above and not whole.names[node].Name.startswith("Json") and node != ua.NodeId(I.NumberRange):
            # PubSub's JSON messages have no binary form; NumberRange is not in the stack's type system.
            structures += 1
            encodings = {whole.names[found].Name for found in whole.forward(node, I.HasEncoding)}
            if code != "Good" or "Default Binary" not in encodings:
                wrong.append((node.to_string(), code, sorted(encodings)))
    assert structures > 50 and enumerations > 20
    assert wrong == [], "\n".join(map(str, wrong))


async def test_reference_types_say_how_they_are_read_backwards(whole: Whole, walker: RawSession) -> None:
    # OPC 10000-3, 5.3.2: InverseName for those that are neither symmetric nor abstract.
    kinds = [node for node, node_class in whole.classes.items() if node_class == C.ReferenceType]
    inverse = await _attributes(walker, kinds, A.InverseName)
    symmetric = await _attributes(walker, kinds, A.Symmetric)
    abstract = await _attributes(walker, kinds, A.IsAbstract)
    for node in kinds:
        if not symmetric[node].Value.Value and not abstract[node].Value.Value:
            found = inverse[node]
            assert name_of(found.StatusCode) == "Good" and found.Value.Value.Text, node
