"""Another version of a device type takes over while clients are connected: what stays, what goes, what they hear."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core import status
from server.core.errors import RemoteError
from server.core.texts import Texts
from server.core.values import DeviceId
from server.model.device_type import DataType, DeviceType
from server.opcua.nodes.keys import Key, key_of
from tests.kit.opcua import OpcUaRig, running
from tests.kit.plant import PACKAGE_ID, parameter
from tests.kit.versions import drawn, pump_as_built, pump_updated

A = ua.AttributeIds
SET = "pump-1/ParameterSet"
DI = "http://opcfoundation.org/UA/DI/"
PACKAGE = f"urn:fieldloom:fdi:{PACKAGE_ID}"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, devices=("pump-1", "pump-2"), types=[pump_as_built()]) as room:
        yield room


class Changes:
    """Everything that a subscription reports, in order."""

    def __init__(self) -> None:
        self.values: dict[str, list[ua.DataValue]] = {}
        self.events: list[Any] = []
        self._came = asyncio.Event()

    def datachange_notification(self, node: Any, _value: object, data: Any) -> None:
        self.values.setdefault(node.nodeid.Identifier, []).append(data.monitored_item.Value)
        self._came.set()

    def event_notification(self, event: Any) -> None:
        self.events.append(event)
        self._came.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():
                self._came.clear()
                await self._came.wait()

    def seen(self, path: str) -> list[object]:
        return [value.Value.Value if value.Value is not None else None for value in self.values.get(path, [])]

    def codes(self, path: str) -> list[int]:
        return [value.StatusCode.value for value in self.values.get(path, [])]


async def value(client: Client, node_id: ua.NodeId, attribute: A = A.Value) -> ua.DataValue:
    node = client.get_node(node_id)
    return await node.read_attribute(attribute, raise_on_bad_status=False)


def ours(rig: OpcUaRig) -> dict[Key, Mapping[str, Any]]:
    """All nodes of devices, types and packages, counters left out."""
    spaces = (rig.namespaces.names.index("urn:fieldloom:plant"), rig.namespaces.names.index(PACKAGE))
    found = drawn(rig.server, spaces)
    return {key: row for key, row in found.items() if not str(key[1]).startswith("Fieldloom/Pipeline")}  # type: ignore[index]


def differences(one: Mapping[Key, Mapping[str, Any]], other: Mapping[Key, Mapping[str, Any]]) -> list[str]:
    keys = sorted(one.keys() | other.keys(), key=str)
    return [
        f"{key} {name}: {one.get(key, {}).get(name)} != {other.get(key, {}).get(name)}"
        for key in keys
        for name in ("shape", "name", "display", "description", "references", "value")
        if one.get(key, {}).get(name) != other.get(key, {}).get(name)
    ]


def of_another_package() -> DeviceType:
    """The same type id out of another package: other names, other NodeId of the type."""
    return replace(pump_as_built(), package_id="2", namespace_uri="urn:fieldloom:fdi:2")


@pytest.mark.parametrize("direction", ["update", "roll back"])
async def test_an_updated_address_space_is_what_a_restart_would_build(tmp_path: Path, direction: str) -> None:
    # The oracle is the builder itself, run on an empty address space.
    first, second = pump_as_built(), pump_updated()
    before, after = (first, second) if direction == "update" else (second, first)
    async with running(tmp_path / "fresh", devices=("pump-1", "pump-2"), types=[after]) as rig:
        wanted = ours(rig)
    async with running(tmp_path / "hot", devices=("pump-1", "pump-2"), types=[before]) as rig:
        assert differences(ours(rig), wanted)  # control
        kept = {node.key: node for node in rig.server._space.store.nodes()}
        await rig.pipeline.install(after)
        found = ours(rig)
        same = [SET, f"{SET}/temperature", f"{SET}/temperature/EURange", "pump-1", "pump-1/MethodSet/Trip"]
        for path in same:
            key = key_of(rig.node(path))
            assert rig.server._space.store.peek(key) is kept[key]
        again = ours(rig)
        await rig.pipeline.install(replace(after))  # an update that changes nothing
        assert differences(ours(rig), again) == []
    assert differences(found, wanted) == []


async def test_a_type_of_another_package_takes_over_too(tmp_path: Path) -> None:
    async with running(tmp_path, types=[pump_as_built()]) as rig:
        await rig.live(temperature=4.0)
        await rig.pipeline.install(of_another_package())
        async with rig.client() as client:
            node = client.get_node(rig.node(f"{SET}/temperature"))
            index = rig.namespaces.names.index("urn:fieldloom:fdi:2")
            assert (await node.read_browse_name()).NamespaceIndex == index
            assert await node.read_value() == 4.0
            kind = await client.get_node(rig.node("pump-1")).read_type_definition()
            assert kind == ua.NodeId("pump", index)
            gone = await value(client, rig.node("pump", PACKAGE), A.BrowseName)
    assert gone.StatusCode.value == status.BAD_NODE_ID_UNKNOWN


async def test_subscriptions_go_on_and_only_what_went_is_told(rig: OpcUaRig) -> None:
    await rig.live(temperature=1.0, note="old", door_open=True, state=1)
    changes, none = Changes(), ua.StatusCodes.Good
    watched = [f"{SET}/{name}" for name in ("temperature", "state", "note", "door_open", "limit_high_high")]
    async with rig.client() as client:
        subscription = await client.create_subscription(20, changes)
        await subscription.subscribe_data_change([client.get_node(rig.node(path)) for path in watched])
        await changes.until(lambda: len(changes.values) == len(watched))
        await rig.pipeline.install(pump_updated())
        await rig.live(temperature=2.0, state=2, door_open=7)
        await changes.until(lambda: 2.0 in changes.seen(f"{SET}/temperature") and 2 in changes.seen(f"{SET}/state"))
        await changes.until(
            lambda: len(changes.codes(f"{SET}/note")) == 2 and len(changes.codes(f"{SET}/door_open")) == 2
        )
        fresh = await value(client, rig.node(f"{SET}/door_open"))
        note = await value(client, rig.node(f"{SET}/note"))
    # The first value may come once more: its range and its texts changed (SemanticsChanged).
    assert list(dict.fromkeys(changes.seen(f"{SET}/temperature"))) == [1.0, 2.0]
    assert list(dict.fromkeys(changes.seen(f"{SET}/state"))) == [1, 2]
    assert changes.codes(f"{SET}/note") == [none, status.BAD_NODE_ID_UNKNOWN]
    # Another data type is another Variable: nobody is to take the new values for the old ones.
    assert changes.codes(f"{SET}/door_open") == [none, status.BAD_NODE_ID_UNKNOWN]
    assert (fresh.Value.VariantType, fresh.Value.Value) == (ua.VariantType.UInt16, 7)
    assert note.StatusCode.value == status.BAD_NODE_ID_UNKNOWN
    assert len(changes.codes(f"{SET}/limit_high_high")) == 1


async def test_a_changed_range_is_told_to_who_watches_the_value(rig: OpcUaRig) -> None:
    await rig.live(temperature=1.0)
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(20, changes)
        await subscription.subscribe_data_change(client.get_node(rig.node(f"{SET}/temperature")))
        await subscription.subscribe_events(ua.ObjectIds.Server, evtypes=[ua.ObjectIds.SemanticChangeEventType])
        await changes.until(lambda: bool(changes.values))
        await rig.pipeline.install(pump_updated())
        await changes.until(lambda: bool(changes.events))
        await rig.live(temperature=2.0)
        await changes.until(lambda: len(changes.seen(f"{SET}/temperature")) > 1)
        low_high = await value(client, rig.node(f"{SET}/temperature/EURange"))
    assert (low_high.Value.Value.Low, low_high.Value.Value.High) == (-20.0, 200.0)
    assert rig.node(f"{SET}/temperature") in [change.Affected for change in changes.events[0].Changes]
    # SemanticsChanged, OPC 10000-4 7.39.1: once, with the next value.
    assert any(code & 0x4000 for code in changes.codes(f"{SET}/temperature")[1:])


async def test_one_event_tells_all_changes_with_their_verbs(rig: OpcUaRig) -> None:
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(20, changes)
        await subscription.subscribe_events(ua.ObjectIds.Server, evtypes=[ua.ObjectIds.GeneralModelChangeEventType])
        await rig.pipeline.install(pump_updated())

        def told() -> dict[str, ua.ModelChangeStructureDataType]:
            return {row.Affected.Identifier: row for event in changes.events for row in event.Changes}

        await changes.until(lambda: "pump-2/ParameterSet/speed" in told())
    rows = told()
    verbs = {path: row.Verb for path, row in rows.items()}
    assert len(changes.events) <= 3  # the type, then as many devices as fit in a turn of the event loop
    for device in ("pump-1", "pump-2"):
        assert verbs[f"{device}/ParameterSet/speed"] == 1
        assert verbs[f"{device}/ParameterSet/note"] == 2
        assert verbs[f"{device}/ParameterSet/door_open"] == 1 | 2 | 16
        assert verbs[f"{device}/ParameterSet"] == 4 | 8
        assert verbs[f"{device}/Diagnosis"] == 1
        assert verbs[f"{device}/Service"] == 2
        assert verbs[f"{device}/Operation"] == 4 | 8
        assert f"{device}/ParameterSet/temperature/EURange" not in verbs
        assert f"{device}/ParameterSet/limit_high_high" not in verbs
    assert verbs["pump/ParameterSet/speed"] == 1
    assert rows["pump-1/ParameterSet/speed"].AffectedType == ua.NodeId(ua.ObjectIds.AnalogItemType)


async def test_texts_of_an_enumeration_follow_without_a_new_value(rig: OpcUaRig) -> None:
    await rig.live(state=0)
    async with rig.client() as client:
        path = rig.node(f"{SET}/state/ValueAsText")
        assert (await value(client, path)).Value.Value.Text == "stopped"
        await rig.pipeline.install(pump_updated())
        assert (await value(client, path)).Value.Value.Text == "halted"
        await rig.pipeline.install(pump_as_built())
        assert (await value(client, path)).Value.Value.Text == "stopped"


async def test_methods_are_those_of_the_new_version(rig: OpcUaRig) -> None:
    await rig.live(state=1)
    await rig.pipeline.install(pump_updated())
    async with rig.client("olga") as client:
        holder = client.get_node(rig.node("pump-1/MethodSet"))
        await holder.call_method(rig.node("pump-1/MethodSet/Flush"))
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await holder.call_method(rig.node("pump-1/MethodSet/GetDiagnostics"))
        arguments = await client.get_node(rig.node("pump-1/MethodSet/SetThreshold/InputArguments")).read_value()
    assert caught.value.code in (status.BAD_METHOD_INVALID, status.BAD_NODE_ID_UNKNOWN)
    assert [argument.Name for argument in arguments] == ["Name", "Value", "Why"]


async def test_alarms_that_stay_keep_their_state_and_others_end_or_begin(rig: OpcUaRig) -> None:
    await rig.live(temperature=120.0, state=2)  # high-high, and tripped
    async with rig.client("olga") as client:
        fan = pump_as_built()
        events = {event.condition_id: event for event in rig.pipeline.alarms.retained()}
        assert set(events) == {"pump-1/Alarms/temperature", "pump-1/Alarms/Trip"}
        # Somebody looks at both conditions: their nodes are made.
        for path in ("temperature", "Trip"):
            assert (await value(client, rig.node(f"pump-1/Alarms/{path}/ActiveState/Id"))).Value.Value is True
        changes = Changes()
        subscription = await client.create_subscription(20, changes)
        watched = [f"pump-1/Alarms/{name}/ActiveState/Id" for name in ("temperature", "Trip")]
        await subscription.subscribe_data_change([client.get_node(rig.node(path)) for path in watched])
        await changes.until(lambda: len(changes.values) == 2)
        trip_only = replace(fan, version="1.1.0", alarms=fan.alarms[:1])
        await rig.pipeline.install(trip_only)
        await changes.until(lambda: len(changes.codes(watched[1])) == 2)
        gone = await value(client, rig.node("pump-1/Alarms/Trip"), A.BrowseName)
        browsed = await client.get_node(rig.node("pump-1/Alarms")).get_children()
    assert changes.codes(watched[0]) == [status.GOOD]
    assert changes.codes(watched[1]) == [status.GOOD, status.BAD_NODE_ID_UNKNOWN]
    assert gone.StatusCode.value == status.BAD_NODE_ID_UNKNOWN
    assert [node.nodeid.Identifier for node in browsed] == ["pump-1/Alarms/temperature"]
    assert [event.condition_id for event in rig.pipeline.alarms.retained()] == ["pump-1/Alarms/temperature"]


async def test_a_device_that_tells_its_model_keeps_it(rig: OpcUaRig) -> None:
    rig.plant.device("pump-1").attributes["model"] = "P1-XL"
    await rig.pipeline.uninstall("pump")
    await rig.pipeline.install(pump_as_built())
    await rig.pipeline.restore(
        [
            ("pump-1", "pump", ("hall",), rig.clock.now(), {"model": "P1-XL"}),
            ("pump-2", "pump", ("hall",), rig.clock.now(), {}),
        ]
    )
    await rig.pipeline.install(pump_updated())
    async with rig.client() as client:
        told = await value(client, rig.node("pump-1/Model"))
        packaged = await value(client, rig.node("pump-2/Model"))
    assert (told.Value.Value.Text, packaged.Value.Value.Text) == ("P1-XL", "P2")


def broken() -> DeviceType:
    """A version that cannot be shown: its range is none."""
    old = pump_as_built()
    wrong = replace(old.parameters["temperature"], ranges=(("cold", "warm"),))  # type: ignore[arg-type]
    return replace(old, version="3.0.0", parameters={**old.parameters, "temperature": wrong})


async def test_a_version_that_cannot_be_shown_changes_nothing(rig: OpcUaRig) -> None:
    await rig.live(temperature=1.0, note="old")
    before, devices, types = ours(rig), dict(rig.plant.devices), dict(rig.plant.types)
    with pytest.raises(RemoteError, match="cannot be shown"):
        await rig.pipeline.install(broken())
    assert differences(ours(rig), before) == []
    assert (rig.plant.devices, rig.plant.types) == (devices, types)


async def test_a_fault_in_the_middle_of_an_update_takes_everything_back(
    rig: OpcUaRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second of two devices fails: the first one is new already by then.
    await rig.live(temperature=1.0, note="old")
    before, model = ours(rig), rig.server._model
    carry_out = model._hot.apply_device

    def fail(plan: Any, device: Any, shown: Any) -> Any:
        if device.device_id == "pump-2" and plan.new.version == "2.0.0":
            raise RuntimeError("no luck")
        return carry_out(plan, device, shown)

    monkeypatch.setattr(model._hot, "apply_device", fail)
    changes = Changes()
    async with rig.client() as client:
        subscription = await client.create_subscription(20, changes)
        await subscription.subscribe_data_change(client.get_node(rig.node(f"{SET}/temperature")))
        await changes.until(lambda: bool(changes.values))
        with pytest.raises(RuntimeError, match="no luck"):
            await rig.pipeline.install(pump_updated())
        await rig.live(temperature=2.0)
        await changes.until(lambda: 2.0 in changes.seen(f"{SET}/temperature"))
        note = await value(client, rig.node(f"{SET}/note"))
    after = {key: {**row, "value": None} for key, row in ours(rig).items()}
    assert differences(after, {key: {**row, "value": None} for key, row in before.items()}) == []
    assert rig.plant.types["pump"].version == "1.0.0"
    assert note.Value.Value == "old"
    # Its range changed and changed back, which may be marked (SemanticsChanged); nothing else was to be seen.
    assert {code & ~0x4000 for code in changes.codes(f"{SET}/temperature")} == {status.GOOD}


async def test_a_new_parameter_of_an_update_takes_values_at_once(rig: OpcUaRig) -> None:
    await rig.pipeline.install(pump_updated())
    await rig.live(speed=3.5)
    async with rig.client() as client:
        assert (await value(client, rig.node(f"{SET}/speed"))).Value.Value == 3.5
        waiting = await value(client, rig.node(f"{SET}/mode"))
    assert waiting.StatusCode.value == status.BAD_WAITING_FOR_INITIAL_DATA


async def test_a_thousand_devices_change_without_holding_the_loop(tmp_path: Path) -> None:
    names = tuple(f"pump-{number}" for number in range(1_000))
    grown = replace(
        pump_as_built(),
        version="1.1.0",
        parameters={**pump_as_built().parameters, "speed": parameter("speed", DataType.DOUBLE)},
    )
    async with running(tmp_path, devices=names, types=[pump_as_built()]) as rig:
        worst, done = 0.0, False

        async def beat() -> None:
            # CPU time of this thread alone: what others on the machine do must not count.
            nonlocal worst
            last = time.thread_time()
            while not done:
                await asyncio.sleep(0)
                worst, last = max(worst, time.thread_time() - last), time.thread_time()

        gc.collect()
        gc.freeze()  # as the product does when its devices are there
        try:
            task = asyncio.create_task(beat())
            await asyncio.sleep(0)
            began = time.monotonic()
            await rig.pipeline.install(grown)
            took, done = time.monotonic() - began, True
            await task
        finally:
            gc.unfreeze()
        assert all("speed" in rig.plant.devices[DeviceId(name)].points for name in names)
    print(f"1000 devices updated in {took:.3f} s, the loop was held {worst * 1000:.1f} ms at most")
    assert worst < 0.05


async def test_languages_of_new_names_are_known(rig: OpcUaRig) -> None:
    named = replace(pump_updated().parameters["speed"], label=Texts.of("Speed", ru="Скорость"))
    await rig.pipeline.install(replace(pump_updated(), parameters={**pump_updated().parameters, "speed": named}))
    shown = rig.server._space.node(rig.node(f"{SET}/speed")).display_name
    assert rig.server._space.translated(shown, ["ru"]).Text == "Скорость"


async def test_other_installed_versions_are_types_beside_the_one_in_use(rig: OpcUaRig) -> None:
    # NodeIds `<type>/<version>`; the instances are of the version in use.
    older = pump_as_built()
    await rig.pipeline.install(pump_updated())
    before = ours(rig)
    await rig.server.show_others([older])
    async with rig.client() as client:
        root = client.get_node(rig.node("pump/1.0.0", PACKAGE))
        assert (await root.read_browse_name()).Name == "pump"
        assert await root.get_parent() == client.get_node(ua.NodeId(1002, rig.namespaces.names.index(DI)))
        note = client.get_node(rig.node("pump/1.0.0/ParameterSet/note", PACKAGE))
        assert await note.read_data_type() == ua.NodeId(ua.ObjectIds.String)
        group = client.get_node(rig.node("pump/1.0.0/Operation", PACKAGE))
        members = {node.nodeid.Identifier for node in await group.get_children()}
        assert "pump/1.0.0/ParameterSet/note" in members
        kind = await client.get_node(rig.node("pump-1")).read_type_definition()
        assert kind == rig.node("pump", PACKAGE)
    await rig.server.show_others([older])  # again: nothing to do
    await rig.server.show_others([])
    assert differences(ours(rig), before) == []
