"""Updates of device types whose devices have data sets, Actions and user interface descriptions beside their nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from server.core import status
from server.core.texts import Texts
from server.core.values import Caller, DeviceId
from server.model.device_type import ActionSpec, DeviceType, GroupSpec
from server.opcua.nodes.keys import Key, key_of
from server.opcua.specs.budget import Budget
from tests.kit.fdi import services
from tests.kit.opcua import OpcUaRig, running
from tests.kit.plant import PACKAGE_ID
from tests.kit.versions import drawn, pump_as_built, pump_updated

GOOD_EDITED = 0x00DC0000
MADE = (
    "Online",
    "Offline",
    "ActionSet",
    "Lock",
    "EditContext",
    "Transfer",
    "Operation/UIElement",
    "Diagnosis/UIElement",
)


def action(name: str, access: str = "") -> ActionSpec:
    return ActionSpec(name, Texts.of(name.title()), Texts.of(""), access=access)


def with_menus(groups: tuple[GroupSpec, ...]) -> tuple[GroupSpec, ...]:
    return tuple(replace(group, menu=f"{group.name}_menu", groups=with_menus(group.groups)) for group in groups)


def first() -> DeviceType:
    kind = pump_as_built()
    return replace(kind, groups=with_menus(kind.groups), actions=(action("check"), action("reset", "OFFLINE")))


def second() -> DeviceType:
    kind = pump_updated()
    return replace(kind, groups=with_menus(kind.groups), actions=(action("check", "ONLINE"), action("calibrate")))


def plain() -> DeviceType:
    return replace(pump_updated(), version="3.0.0")


def looked_at(rig: OpcUaRig) -> dict[Key, Mapping[str, Any]]:
    """All nodes of devices and types when somebody has looked at everything that is made on demand."""
    store = rig.server._space.store
    rig.server._made.binding.parts._budget = Budget(rig.clock, 1e6)  # the test looks at everything at once
    for device in ("pump-1", "pump-2"):
        for part in MADE:
            store.get(key_of(rig.node(f"{device}/{part}")))
    spaces = [rig.namespaces.names.index(uri) for uri in ("urn:fieldloom:plant", f"urn:fieldloom:fdi:{PACKAGE_ID}")]
    found = drawn(rig.server, tuple(spaces))
    return {key: row for key, row in found.items() if not str(key[1]).startswith("Fieldloom/Pipeline")}  # type: ignore[index]


def differences(one: Mapping[Key, Mapping[str, Any]], other: Mapping[Key, Mapping[str, Any]]) -> list[str]:
    return [
        f"{key} {name}: {one.get(key, {}).get(name)} != {other.get(key, {}).get(name)}"
        for key in sorted(one.keys() | other.keys(), key=str)
        for name in ("shape", "name", "display", "description", "references", "value")
        if one.get(key, {}).get(name) != other.get(key, {}).get(name)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [(first, second), (second, first), (first, plain), (plain, first), (second, plain)],
    ids=["update", "roll back", "Actions go", "Actions come", "menus go"],
)
@pytest.mark.parametrize("early", [True, False], ids=["made before", "made after"])
async def test_an_updated_address_space_is_what_a_restart_would_build(
    tmp_path: Path, before: Any, after: Any, early: bool
) -> None:
    both = ("pump-1", "pump-2")
    async with running(tmp_path / "fresh", devices=both, types=[after()], fdi=services()) as rig:
        wanted = looked_at(rig)
    async with running(tmp_path / "hot", devices=both, types=[before()], fdi=services()) as rig:
        if early:
            assert differences(looked_at(rig), wanted)  # control
        await rig.pipeline.install(after())
        found = looked_at(rig)
    assert differences(found, wanted) == []


async def test_data_sets_follow_the_device_after_an_update(tmp_path: Path) -> None:
    # Online is of the device as it is now, not of what it was before the update.
    async with running(tmp_path, types=[first()], fdi=services()) as rig:
        await rig.live(temperature=1.0, note="old")
        seen: dict[str, list[ua.DataValue]] = {}
        came = asyncio.Event()

        class Changes:
            def datachange_notification(self, node: Any, _value: object, data: Any) -> None:
                seen.setdefault(node.nodeid.Identifier, []).append(data.monitored_item.Value)
                came.set()

        async def until(path: str, check: Any) -> ua.DataValue:
            async with asyncio.timeout(10):
                while not any(check(value) for value in seen.get(path, [])):
                    came.clear()
                    await came.wait()
            return seen[path][-1]

        async with rig.client("vera") as client:
            subscription = await client.create_subscription(50, Changes())
            online, offline = "pump-1/Online/ParameterSet", "pump-1/Offline/ParameterSet"
            watched = [f"{online}/temperature", f"{online}/note", f"{offline}/temperature"]
            await subscription.subscribe_data_change([client.get_node(rig.node(path)) for path in watched])
            await until(f"{online}/temperature", lambda value: value.Value.Value == 1.0)
            await rig.pipeline.install(second())
            await rig.live(temperature=2.0, speed=5.0)
            await until(f"{online}/temperature", lambda value: value.Value.Value == 2.0)
            await until(f"{offline}/temperature", lambda value: value.Value.Value == 2.0)
            gone = await until(f"{online}/note", lambda value: value.StatusCode.value == status.BAD_NODE_ID_UNKNOWN)
            assert await client.get_node(rig.node(f"{online}/speed")).read_value() == 5.0
            rig.plant.devices[DeviceId("pump-1")].stage = 2  # the device falls silent
            await until(f"{online}/temperature", lambda value: value.StatusCode.value == status.BAD_NOT_CONNECTED)
    assert gone.Value is None or gone.Value.Value is None


async def test_edited_values_of_the_configuration_are_carried_over(tmp_path: Path) -> None:
    # By name: what an engineer has prepared is not lost because the package got better.
    engineer = Caller("emma", "engineer", "opcua", application="urn:test:client")
    async with running(tmp_path, types=[first()], fdi=services()) as rig:
        configuration = rig.server._facts.fdi.configuration
        await rig.live(temperature=1.0, limit_high_high=100.0)
        assert await configuration.write("pump-1", "limit_high_high", 95.0, engineer) in (status.GOOD, GOOD_EDITED)
        await rig.pipeline.install(second())
        async with rig.client("vera") as client:
            node = client.get_node(rig.node("pump-1/Offline/ParameterSet/limit_high_high"))
            found = await node.read_data_value(raise_on_bad_status=False)
    assert (found.Value.Value, found.StatusCode.value) == (95.0, GOOD_EDITED)
