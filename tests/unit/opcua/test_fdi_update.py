"""An open edit context while another version of the device's type takes over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asyncua import ua

from server.core.values import Caller
from server.fdi.edit_values import Side
from server.model.device_type import DataType, DeviceType
from server.model.lock import owner_of
from tests.kit.fdi import acting_type, editable_type, equipped_type, services
from tests.kit.opcua import OpcUaRig, running

EMMA = Caller("emma", "engineer", "opcua", session="s", application="urn:emma")


def _next_version() -> DeviceType:
    """Without `odd`, and `extra` as a number."""
    old = editable_type()
    parameters = {name: spec for name, spec in old.parameters.items() if name != "odd"}
    parameters["extra"] = replace(parameters["extra"], data_type=DataType.DOUBLE)
    return replace(old, version="2.0.0", parameters=parameters, logic=None)


def _there(rig: OpcUaRig, path: str) -> bool:
    return rig.server._made.space.store.get((rig.node("x").NamespaceIndex, path)) is not None


async def test_nodes_of_an_open_context_stay_unless_their_parameter_went(tmp_path: Path) -> None:
    async with running(tmp_path, types=(editable_type(),), fdi=services()) as rig:
        await rig.live(low=10.0, high=90.0, span=100.0, odd=1.0, extra="x", mode=1)
        runtime = rig.server._facts.fdi
        room = rig.server._made
        async with rig.client() as client:
            session = next(iter(room.sessions))
            session.caller = replace(EMMA, session=str(session.session_id.Identifier))
            owner = session.caller
            assert runtime.locks.init_lock("pump-1", "", owner_of(owner)) == 0
            context, code = runtime.contexts.get("pump-1", "", 1, owner)
            assert code == 0
            services_of = next(one for one in room.binding.door.by_caller if hasattr(one, "_nodes"))
            for name in ("high", "odd", "extra"):
                assert runtime.contexts.register(context, [name], owner) == [0]
                services_of._nodes.add(session, context, Side.ONLINE, name)
            base = f"pump-1/EditContext/{context}/Online"
            seen = client.get_node(rig.node(f"{base}/high"))
            assert await seen.read_value() == 90.0
            await rig.pipeline.install(_next_version())
            assert _there(rig, f"{base}/high")
            assert not _there(rig, f"{base}/odd")
            assert not _there(rig, f"{base}/extra")
            assert not _there(rig, f"{base}/odd/EURange")
            await rig.live(high=80.0)
            assert await seen.read_value() == 80.0
            assert runtime.contexts.discard(context, owner) == 0
            assert not _there(rig, f"{base}/high")
            left = [key for key in services_of._nodes.shown if isinstance(key, tuple)]
            assert left == []


async def test_references_to_what_the_type_has_are_there_once_after_updates(tmp_path: Path) -> None:
    equipped = replace(equipped_type(), actions=acting_type().actions)
    async with running(tmp_path, types=(equipped,), fdi=services()) as rig, rig.client() as client:

        async def names(path: str, kind: int, uri: str = "urn:fieldloom:plant") -> list[str]:
            found = await client.get_node(rig.node(path, uri)).get_references(kind, includesubtypes=False)
            return sorted(row.BrowseName.Name for row in found if row.IsForward)

        async def all_of_them() -> list[list[str]]:
            ids = ua.ObjectIds
            return [
                await names("pump-1/ActionSet", ids.HasComponent),
                await names("pump-1/Offline/ActionSet", ids.HasComponent),
                await names("pump-1/Diagnostics", ids.Organizes),
                await names("pump/Diagnostics", ids.Organizes, equipped.namespace_uri),
                await names("pump/ParameterSet/temperature", ids.HasDictionaryEntry, equipped.namespace_uri),
            ]

        before = await all_of_them()
        assert before[0] == ["AbortAction", "InvokeAction", "RespondAction", "forever", "greet", "start"]
        assert before[4] == ["DYNAMIC", "INPUT"]
        for version in ("2.0.0", "3.0.0"):
            await rig.pipeline.install(replace(equipped, version=version))
            assert await all_of_them() == before
        fewer = replace(equipped, version="4.0.0", actions=equipped.actions[:1], uips=())
        await rig.pipeline.install(fewer)
        after = await all_of_them()
        assert after[0] == ["AbortAction", "InvokeAction", "RespondAction", equipped.actions[0].name]
        assert after[2] == ["temperature"]
