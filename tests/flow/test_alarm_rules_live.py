"""Rules while clients look on: nodes, events and announcements come and go with them, at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.alarms.rule import read_rule
from server.alarms.rules import AlarmRules
from server.model.device import Device
from server.model.plant import Plant
from tests.kit.alarm_room import PlantClock, listening
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
DOOR = {
    "match": {"devices": ["pump-1"]},
    "alarm": {
        "name": "door",
        "kind": "discrete",
        "input": "door_open",
        "label": {"en": "Door is open", "ru": "Дверь открыта"},
        "sources": {"Active": True},
        "priority": "low",
        "action": "close it",
        "groups": ["doors"],
    },
}


@dataclass
class Ruled:
    rig: OpcUaRig
    rules: AlarmRules

    async def put(self, rule_id: str, body: object) -> None:
        await self.rig.pipeline.redeclare(lambda: self.rules.put(read_rule(rule_id, body)))

    async def remove(self, rule_id: str) -> None:
        await self.rig.pipeline.redeclare(lambda: self.rules.remove(rule_id))

    async def feed(self, **values: Any) -> None:
        assert isinstance(self.rig.clock, PlantClock)
        self.rig.clock.advance(1)
        await self.rig.live(**values)


@pytest.fixture
async def ruled(tmp_path: Path) -> AsyncIterator[Ruled]:
    made: list[AlarmRules] = []

    def declared(device: Device) -> Any:
        # The room makes its plant itself; its rules come into being with the first device.
        return made[0].specs_of(device) if made else device.device_type.alarms

    async with running(tmp_path, clock=PlantClock(), declared=declared) as rig:
        made.append(AlarmRules(rig.plant))
        yield Ruled(rig, made[0])


async def browse(client: Client, node_id: ua.NodeId, reference: int) -> set[str]:
    found = await client.get_node(node_id).get_references(reference, ua.BrowseDirection.Forward)
    return {reference.NodeId.Identifier for reference in found}


async def test_a_new_alarm_is_there_for_clients_at_once_and_gone_with_its_rule(ruled: Ruled) -> None:
    rig = ruled.rig
    door, source = rig.node("pump-1/Alarms/door"), rig.node("pump-1/ParameterSet/door_open")
    async with rig.client("olga") as client:
        await ruled.feed(door_open=False)
        paths = (
            "",
            "EventType",
            "Message",
            "ActiveState/Id",
            "Severity",
            "Retain",
            "Rule",
            "CorrectiveAction",
            "Changes",
        )
        async with listening(client, paths=paths) as (listener, _, _):
            await ruled.put("door", DOOR)
            (changed,) = await listener.take()
            assert changed["EventType"] == ua.NodeId(IDS.GeneralModelChangeEventType)
            assert await browse(client, source, IDS.HasCondition) == {"pump-1/Alarms/door"}
            assert (await client.get_node(door).read_display_name()).Text == "Door is open"
            assert (await client.get_node(rig.node("pump-1/Alarms/door/ActiveState/Id")).read_value()) is False
            assert await browse(client, rig.node("pump-1/AlarmGroups/doors"), IDS.AlarmGroupMember) == {
                "pump-1/Alarms/door"
            }
            await ruled.feed(door_open=True)
            (raised,) = await listener.take()
            assert (raised[""], raised["ActiveState/Id"], raised["Severity"]) == (door, True, 300)
            assert (raised["Rule"], raised["CorrectiveAction"].Text) == ("door", "close it")
            assert (await client.get_node(rig.node("pump-1/Alarms/door/ActiveState/Id")).read_value()) is True
            await ruled.remove("door")
            ended, changed = await listener.take(2)
            assert (ended[""], ended["Retain"], ended["ActiveState/Id"]) == (door, False, False)
            assert changed["EventType"] == ua.NodeId(IDS.GeneralModelChangeEventType)
        assert await browse(client, source, IDS.HasCondition) == set()
        for gone in (door, rig.node("pump-1/AlarmGroups/doors")):
            with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                await client.get_node(gone).read_display_name()


async def test_a_changed_limit_shows_in_the_nodes_that_somebody_looks_at(ruled: Ruled) -> None:
    rig = ruled.rig
    hot = rig.node("pump-1/Alarms/temperature")
    async with rig.client("olga") as client:
        await ruled.feed(temperature=60.0)
        limit = client.get_node(rig.node("pump-1/Alarms/temperature/HighLimit"))
        assert await limit.read_value() == 80.0
        async with listening(client, paths=("", "EventType", "ActiveState/Id")) as (listener, _, _):
            await ruled.put("hot", {"match": {}, "alarm": {"name": "temperature", "sources": {"High": 50}}})
            required, raised = await listener.take(2)
            # OPC 10000-9, 4.5: what clients show of it may be other than they know.
            assert required["EventType"] == ua.NodeId(IDS.RefreshRequiredEventType)
            assert (raised[""], raised["ActiveState/Id"]) == (hot, True)
        assert await limit.read_value() == 50.0


async def test_rules_and_values_at_once_lose_no_event(ruled: Ruled) -> None:
    rig = ruled.rig
    async with (
        rig.client("olga") as client,
        listening(client, paths=("", "Retain", "ConditionName")) as (listener, _, _),
    ):

        async def values() -> None:
            for turn in range(40):
                await ruled.feed(door_open=bool(turn % 2), temperature=90.0 if turn % 2 else 20.0)

        async def rules() -> None:
            for turn in range(20):
                await ruled.put("door", DOOR)
                await ruled.put("hot", {"match": {}, "alarm": {"name": "temperature", "severity": 600 + turn}})
                await ruled.remove("door")

        await asyncio.gather(values(), rules())
        await ruled.feed(door_open=False, temperature=20.0)
        saved = [event for kind, events in rig.records.seen if kind == "saved" for event in events]  # type: ignore[attr-defined]
        rows = [row for row in await _all(listener, len(saved)) if row["ConditionName"] is not None]
    assert [(row[""].Identifier, row["Retain"]) for row in rows] == [(e.condition_id, e.retain) for e in saved]
    assert isinstance(rig.plant, Plant)


async def _all(listener: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while sum(row["ConditionName"] is not None for row in found) < count:
        found += await listener.take()
    return found
