"""AddNodes and DeleteNodes through the whole server, asked by a foreign client (OPC 10000-4 v1.05 §5.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import ua

from tests.kit.opcua import OpcUaRig, running


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path) as found:
        yield found


async def test_what_an_administrator_adds_is_browsed_read_and_deleted(rig: OpcUaRig) -> None:
    index = rig.node("pump-1").NamespaceIndex
    async with rig.client("ada") as client:
        folder = await client.nodes.objects.add_folder(ua.NodeId("mine", index), ua.QualifiedName("Mine", index))
        value = await folder.add_variable(ua.NodeId("mine/v", index), ua.QualifiedName("V", index), 5.0)
        assert await value.read_value() == 5.0
        # This client asks for a Variable that can only be read.
        with pytest.raises(ua.uaerrors.BadNotWritable):
            await value.write_value(6.5)
        assert [child.nodeid for child in await folder.get_children()] == [value.nodeid]
        await client.delete_nodes([folder])
        assert folder.nodeid not in [child.nodeid for child in await client.nodes.objects.get_children()]
        with pytest.raises(ua.UaStatusCodeError):
            await value.read_value()


async def test_an_operator_adds_nothing(rig: OpcUaRig) -> None:
    index = rig.node("pump-1").NamespaceIndex
    async with rig.client("olga") as client:
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await client.nodes.objects.add_folder(ua.NodeId("mine", index), ua.QualifiedName("Mine", index))


@pytest.mark.parametrize(
    ("number", "abstract"),
    [
        (ua.ObjectIds.Organizes, False),
        (ua.ObjectIds.HasComponent, False),
        (ua.ObjectIds.FolderType, False),
        (ua.ObjectIds.BaseDataVariableType, False),
        (ua.ObjectIds.Double, False),
        (ua.ObjectIds.HierarchicalReferences, True),
        (ua.ObjectIds.BaseVariableType, True),
        (ua.ObjectIds.BaseEventType, True),
        (ua.ObjectIds.AuditEventType, True),
        (ua.ObjectIds.BaseInterfaceType, True),
        (ua.ObjectIds.Number, True),
    ],
)
async def test_types_are_abstract_as_the_standard_says(rig: OpcUaRig, number: int, abstract: bool) -> None:
    # Only a concrete type has instances (OPC 10000-3, 5.5 and 5.3.1); expected values are those of UANodeSet 1.05.
    async with rig.client() as client:
        value = await client.get_node(ua.NodeId(number)).read_attribute(ua.AttributeIds.IsAbstract)
    assert value.Value.Value is abstract


@pytest.mark.parametrize(
    ("number", "data_type"),
    [
        (ua.ObjectIds.BaseDataVariableType, ua.ObjectIds.BaseDataType),
        (ua.ObjectIds.PropertyType, ua.ObjectIds.BaseDataType),
        (ua.ObjectIds.AuditWriteUpdateEventType_OldValue, ua.ObjectIds.BaseDataType),
        (ua.ObjectIds.BaseAnalogType, ua.ObjectIds.Number),
        (ua.ObjectIds.BaseEventType_SourceName, ua.ObjectIds.String),
    ],
)
async def test_what_names_no_data_type_takes_every_one(rig: OpcUaRig, number: int, data_type: int) -> None:
    async with rig.client() as client:
        value = await client.get_node(ua.NodeId(number)).read_attribute(ua.AttributeIds.DataType)
    assert value.Value.Value == ua.NodeId(data_type)
