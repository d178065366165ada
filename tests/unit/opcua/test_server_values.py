"""What clients read and browse: layout, identifiers, values, status, time stamps, names, pages, subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core import status
from server.core.clock import to_datetime
from server.core.values import DeviceId, Measurement
from tests.kit.opcua import MemoryNamespaces, OpcUaRig, machine_type, running
from tests.kit.plant import PACKAGE_ID

PACKAGE = f"urn:fieldloom:fdi:{PACKAGE_ID}"
DI = "http://opcfoundation.org/UA/DI/"
A = ua.AttributeIds


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, devices=["pump-1", "pump-2"]) as rig:
        yield rig


class Changes:
    """Remembers data changes; `wait` until so many came."""

    def __init__(self) -> None:
        self.values: list[ua.DataValue] = []
        self.events: list[Any] = []
        self._came = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.values.append(data.monitored_item.Value)
        self._came.set()

    def event_notification(self, event: Any) -> None:
        self.events.append(event)
        self._came.set()

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.values) + len(self.events) < count:
                self._came.clear()
                await self._came.wait()


async def read(client: Client, node_id: ua.NodeId, attribute: ua.AttributeIds = A.Value, **more: Any) -> ua.DataValue:
    params = ua.ReadParameters(NodesToRead=[ua.ReadValueId(NodeId=node_id, AttributeId=attribute, **more)])
    params.TimestampsToReturn = ua.TimestampsToReturn.Both
    return (await client.uaclient.read(params))[0]


# -- values


async def test_a_value_carries_the_devices_time_and_status(rig: OpcUaRig) -> None:
    node_id = rig.node("pump-1/ParameterSet/temperature")
    async with rig.client() as client:
        before = await read(client, node_id)
        time = await rig.live(temperature=42.5)
        after = await read(client, node_id)
    assert before.StatusCode.value == status.BAD_WAITING_FOR_INITIAL_DATA
    assert after.Value == ua.Variant(42.5, ua.VariantType.Double)
    assert after.SourceTimestamp == to_datetime(time)
    assert after.ServerTimestamp is not None


async def test_types_on_the_wire_are_those_of_the_edd(rig: OpcUaRig) -> None:
    await rig.live(temperature=21, state=1, note="süß", door_open=True)
    expected = {
        "temperature": ua.Variant(21.0, ua.VariantType.Double),
        "state": ua.Variant(1, ua.VariantType.Byte),
        "note": ua.Variant("süß", ua.VariantType.String),
        "door_open": ua.Variant(True, ua.VariantType.Boolean),
    }
    async with rig.client() as client:
        for name, value in expected.items():
            assert (await read(client, rig.node(f"pump-1/ParameterSet/{name}"))).Value == value


async def test_an_enumeration_shows_its_text(rig: OpcUaRig) -> None:
    await rig.live(state=2)
    async with rig.client() as client:
        shown = await read(client, rig.node("pump-1/ParameterSet/state/ValueAsText"))
        values = await read(client, rig.node("pump-1/ParameterSet/state/EnumValues"))
    assert shown.Value.Value.Text == "tripped"
    assert [entry.Value for entry in values.Value.Value] == [0, 1, 2]


async def test_analog_values_carry_range_and_unit(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        limits = await read(client, rig.node("pump-1/ParameterSet/temperature/EURange"))
        unit = await read(client, rig.node("pump-1/ParameterSet/temperature/EngineeringUnits"))
    assert (limits.Value.Value.Low, limits.Value.Value.High) == (0.0, 150.0)
    assert unit.Value.Value.UnitId == 4408652  # CEL, UNECE Recommendation 20


async def test_a_late_value_does_not_replace_the_live_one(rig: OpcUaRig) -> None:
    time = await rig.live(temperature=42.0)
    late = Measurement("pump", DeviceId("pump-1"), (("temperature", 1.0, status.GOOD),), time - 1_000_000, time)
    await rig.pipeline.offer([late])
    async with rig.client() as client:
        assert (await read(client, rig.node("pump-1/ParameterSet/temperature"))).Value.Value == 42.0


async def test_health_follows_the_quality_that_the_device_gives(rig: OpcUaRig) -> None:
    health = rig.node("pump-1/DeviceHealth")

    async def tell(code: int) -> None:
        now = rig.clock.now()
        await rig.pipeline.offer([Measurement("pump", DeviceId("pump-1"), (("temperature", 1.0, code),), now, now)])

    async with rig.client() as client:
        assert (await read(client, health)).Value.Value == 0  # NORMAL
        await tell(status.BAD_SENSOR_FAILURE)
        assert (await read(client, health)).Value.Value == 1  # FAILURE
        await tell(status.UNCERTAIN_SENSOR_NOT_ACCURATE)
        assert (await read(client, health)).Value.Value == 3  # OFF_SPEC
        await tell(status.GOOD)
        assert (await read(client, health)).Value.Value == 0


# -- layout


async def test_a_device_stands_in_device_set_and_in_its_place(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        di = rig.namespaces.names.index(DI)
        device_set = await client.nodes.objects.get_child(f"{di}:DeviceSet")
        names = {child.nodeid for child in await device_set.get_children()}
        place = {child.nodeid for child in await client.get_node(rig.node("Plant/hall")).get_children()}
        device = client.get_node(rig.node("pump-1"))
        parts = {(await child.read_browse_name()).Name for child in await device.get_children()}
        kind = await device.read_type_definition()
    assert {rig.node("pump-1"), rig.node("pump-2")} <= names & place
    assert kind == rig.node("pump", PACKAGE)
    nameplate = {
        "Manufacturer",
        "Model",
        "HardwareRevision",
        "SoftwareRevision",
        "DeviceRevision",
        "DeviceManual",
        "SerialNumber",
        "RevisionCounter",
    }
    assert nameplate | {"ParameterSet", "MethodSet", "Identification", "DeviceHealth", "Alarms"} <= parts
    assert not {"Lock", "ActionSet", "Online"} & parts  # what later editions bring is absent until then


async def test_browse_names_stand_in_their_namespaces(rig: OpcUaRig) -> None:
    index = rig.namespaces.names.index
    expected = {
        "pump-1": ("pump-1", index("urn:fieldloom:plant")),
        "pump-1/ParameterSet": ("ParameterSet", index(DI)),
        "pump-1/ParameterSet/temperature": ("temperature", index(PACKAGE)),
        "pump-1/MethodSet/Trip": ("Trip", index(PACKAGE)),
        "pump-1/SerialNumber": ("SerialNumber", index(DI)),
        "pump-1/Alarms/temperature": ("temperature", index("urn:fieldloom:plant")),
    }
    async with rig.client() as client:
        for path, (name, namespace) in expected.items():
            found = (await read(client, rig.node(path), A.BrowseName)).Value.Value
            assert (found.Name, found.NamespaceIndex) == (name, namespace), path


async def test_every_reference_has_its_node_and_its_inverse(rig: OpcUaRig) -> None:
    space = rig.server._space.aspace
    # A shared historical configuration does not list the Variables that use it.
    one_way = (ua.ObjectIds.HasTypeDefinition, ua.ObjectIds.HasModellingRule, ua.ObjectIds.HasHistoricalConfiguration)
    no_inverse = {ua.NodeId(kind) for kind in one_way}
    missing = []
    for node_id in [node_id for node_id in space._nodes if node_id.NamespaceIndex > 0]:
        for ref in space[node_id].references:
            target = space.get(ref.NodeId)
            if target is None:
                missing.append((node_id, ref.NodeId, "no node"))
            elif ref.ReferenceTypeId not in no_inverse and ref.NodeId.NamespaceIndex > 0:
                back = any(r.NodeId == node_id and r.ReferenceTypeId == ref.ReferenceTypeId for r in target.references)
                if not back:
                    missing.append((node_id, ref.NodeId, "no inverse"))
    assert missing == []


async def test_every_mandatory_child_of_the_type_is_on_the_device(rig: OpcUaRig) -> None:
    space = rig.server._space.aspace
    rule, mandatory = ua.NodeId(ua.ObjectIds.HasModellingRule), ua.NodeId(ua.ObjectIds.ModellingRule_Mandatory)
    wanted: set[str] = set()
    kind: ua.NodeId | None = rig.node("pump", PACKAGE)
    while kind is not None:
        above = None
        for ref in space[kind].references:
            if ref.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasSubtype) and not ref.IsForward:
                above = ref.NodeId
            elif ref.IsForward and ref.NodeId in space:
                child = space[ref.NodeId]
                if any(r.ReferenceTypeId == rule and r.NodeId == mandatory for r in child.references):
                    wanted.add(ref.BrowseName.Name)
        kind = above
    have = {ref.BrowseName.Name for ref in space[rig.node("pump-1")].references if ref.IsForward}
    assert "SerialNumber" in wanted  # control
    assert wanted <= have


def dump(rig: OpcUaRig) -> dict[str, list[str]]:
    """Every node of ours with its names and references."""
    space = rig.server._space.aspace
    found = {}
    for node_id in sorted(space._nodes, key=str):
        if node_id.NamespaceIndex > 0:
            refs = sorted(
                f"{r.ReferenceTypeId} {r.IsForward} {r.NodeId} {r.BrowseName}" for r in space[node_id].references
            )
            found[node_id.to_string()] = [str(space[node_id].attributes[A.BrowseName].value.Value.Value), *refs]
    return found


async def test_node_ids_and_namespaces_are_the_same_after_a_restart(tmp_path: Path) -> None:
    first, second = machine_type(), replace(machine_type(), type_id="fan", namespace_uri="urn:fieldloom:fdi:fan")
    names = MemoryNamespaces()
    async with running(tmp_path, types=[first, second], namespaces=names) as rig:
        before, order = dump(rig), list(names.names)
    # The second time the packages come in the other order: the kept table decides.
    async with running(tmp_path, types=[second, first], namespaces=MemoryNamespaces(names.names)) as rig:
        after = dump(rig)
        async with rig.client() as client:
            assert await client.get_namespace_array() == order
    assert after == before


async def test_a_new_device_appears_with_a_model_change_event(rig: OpcUaRig) -> None:
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(50, changes)
        await subscription.subscribe_events(ua.ObjectIds.Server, evtypes=[ua.ObjectIds.GeneralModelChangeEventType])
        await rig.live("pump-9", temperature=7.0)
        await changes.wait(1)
        value = await read(client, rig.node("pump-9/ParameterSet/temperature"))
    (event,) = changes.events
    assert event.Changes[0].Affected == rig.node("pump-9")
    assert event.Changes[0].Verb == 1  # NodeAdded
    assert value.Value.Value == 7.0


async def test_alarms_of_a_removed_device_end_for_those_who_listen(rig: OpcUaRig) -> None:
    # A client shows what has Retain: without this event the alarm would stand on its screen for ever.
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(50, changes)
        await subscription.subscribe_events(ua.ObjectIds.Server, evtypes=[ua.ObjectIds.AlarmConditionType])
        await rig.live(temperature=85.0)
        await changes.wait(1)
        await rig.pipeline.uninstall("pump")
        await changes.wait(2)
    began, ended = changes.events
    assert (began.Retain, ended.Retain) == (True, False)
    assert (began.SourceName, ended.SourceName) == ("pump-1", "pump-1")
    assert "removed" in ended.Message.Text
    assert rig.pipeline.alarms.retained() == []


async def test_a_removed_device_is_told_to_those_who_watch_it(rig: OpcUaRig) -> None:
    await rig.live(temperature=1.0)
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(50, changes)
        handle = await subscription.subscribe_data_change(client.get_node(rig.node("pump-1/ParameterSet/temperature")))
        await changes.wait(1)
        await rig.pipeline.uninstall("pump")
        await changes.wait(2)
        gone = await read(client, rig.node("pump-1"), A.BrowseName)
        await subscription.unsubscribe(handle)
    assert changes.values[-1].StatusCode.value == status.BAD_NODE_ID_UNKNOWN
    assert gone.StatusCode.value == status.BAD_NODE_ID_UNKNOWN


# -- read and browse, as the standard wants them


@pytest.mark.parametrize(
    ("path", "attribute", "code"),
    [
        ("nothing", A.Value, ua.StatusCodes.BadNodeIdUnknown),
        ("pump-1", A.Value, ua.StatusCodes.BadAttributeIdInvalid),
        ("pump-1", A.DataType, ua.StatusCodes.BadAttributeIdInvalid),
        ("pump-1", A.WriteMask, ua.StatusCodes.Good),
        ("pump-1/ParameterSet/note", A.MinimumSamplingInterval, ua.StatusCodes.Good),
    ],
)
async def test_attributes_are_there_or_not(rig: OpcUaRig, path: str, attribute: ua.AttributeIds, code: int) -> None:
    async with rig.client() as client:
        assert (await read(client, rig.node(path), attribute)).StatusCode.value == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:2", "Eng"),
        ("6", "1"),
        ("5:99", " 1"),
        ("2:1", ua.StatusCodes.BadIndexRangeInvalid),
        ("1:1", ua.StatusCodes.BadIndexRangeInvalid),
        ("abc", ua.StatusCodes.BadIndexRangeInvalid),
        ("40", ua.StatusCodes.BadIndexRangeNoData),
    ],
)
async def test_index_ranges_of_a_text(rig: OpcUaRig, text: str, expected: str | int) -> None:
    await rig.live(note="Engine 1"[:5] + "e 1"[1:])  # "Engin 1"
    async with rig.client() as client:
        found = await read(client, rig.node("pump-1/ParameterSet/note"), IndexRange=text)
    if isinstance(expected, str):
        assert found.Value.Value == expected
    else:
        assert found.StatusCode.value == expected


async def test_a_session_reads_names_in_its_language(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        async with rig.client() as client:
            english = await read(client, rig.node("pump-1/ParameterSet/state"), A.DisplayName)
        client = Client(rig.server.url, timeout=5)
        client._locale = ["ru-RU", "en"]
        await client.connect()
        russian = await read(client, rig.node("pump-1/ParameterSet/state"), A.DisplayName)
        await client.disconnect()
    assert (english.Value.Value.Text, english.Value.Value.Locale) == ("State", "en")
    assert (russian.Value.Value.Text, russian.Value.Value.Locale) == ("Состояние", "ru")


async def test_browse_pages_together_are_the_whole(rig: OpcUaRig) -> None:
    wanted = ua.BrowseDescription(NodeId=rig.node("pump-1/ParameterSet"), ResultMask=63, IncludeSubtypes=True)
    async with rig.client() as client:
        (whole,) = await client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
        params = ua.BrowseParameters(RequestedMaxReferencesPerNode=2, NodesToBrowse=[wanted])
        (page,) = await client.uaclient.browse(params)
        paged = list(page.References)
        point = page.ContinuationPoint
        while page.ContinuationPoint:
            following = ua.BrowseNextParameters(False, [page.ContinuationPoint])
            (page,) = await client.uaclient.browse_next(following)
            assert len(page.References) <= 2
            paged += page.References
        (used,) = await client.uaclient.browse_next(ua.BrowseNextParameters(False, [point]))
    assert len(whole.References) > 6
    assert [str(ref.NodeId) for ref in paged] == [str(ref.NodeId) for ref in whole.References]
    assert used.StatusCode.value == ua.StatusCodes.BadContinuationPointInvalid


async def test_a_hundred_items_miss_nothing(rig: OpcUaRig) -> None:
    changes = Changes()
    path = "pump-1/ParameterSet/temperature"
    async with rig.client() as client:
        subscription = await client.create_subscription(50, changes)
        await subscription.subscribe_data_change(client.get_node(rig.node(path)), queuesize=200)
        await changes.wait(1)
        for number in range(100):
            await rig.live(temperature=float(number))
        await changes.wait(101)
    assert [value.Value.Value for value in changes.values[1:]] == [float(number) for number in range(100)]


async def test_a_strangers_subscription_cannot_be_touched(rig: OpcUaRig) -> None:
    async with rig.client() as owner, rig.client() as stranger:
        subscription = await owner.create_subscription(100, Changes())
        number = subscription.subscription_id
        assert [code.value for code in await stranger.uaclient.delete_subscriptions([number])] == [
            ua.StatusCodes.BadSubscriptionIdInvalid
        ]
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await stranger.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=number, ItemsToCreate=[ua.MonitoredItemCreateRequest()]
                )
            )
        results = await stranger.uaclient.transfer_subscriptions(
            ua.TransferSubscriptionsParameters(SubscriptionIds=[number])
        )
        assert results[0].StatusCode.value == ua.StatusCodes.BadUserAccessDenied


async def test_a_client_learns_the_items_of_its_own_subscription_only(rig: OpcUaRig) -> None:
    server, method = ua.NodeId(ua.ObjectIds.Server), ua.NodeId(ua.ObjectIds.Server_GetMonitoredItems)
    async with rig.client() as owner, rig.client() as stranger:
        subscription = await owner.create_subscription(100, Changes())
        node = owner.get_node(rig.node("pump-1/ParameterSet/temperature"))
        await subscription.subscribe_data_change(node)
        number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
        (mine,) = await owner.uaclient.call([ua.CallMethodRequest(server, method, [number])])
        (theirs,) = await stranger.uaclient.call([ua.CallMethodRequest(server, method, [number])])
    assert [len(output.Value) for output in mine.OutputArguments] == [1, 1]
    assert theirs.StatusCode.value == ua.StatusCodes.BadUserAccessDenied
