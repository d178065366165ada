"""Types and devices that come, go or change, as the address space shows them and as clients hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from server.core.values import ChangeKind, DeviceId, ModelChange
from server.model.device_type import DeviceType
from server.model.plant import Plant
from server.opcua.assembly import Room
from server.opcua.hot_update import DeviceUpdate, HotUpdate, Outcome, Plan
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import NULL_KEY, Key, key_of
from server.opcua.nodes.snapshot import Model
from server.opcua.type_nodes import add_type, remove_type, type_id, version_id

CHANGES_AN_EVENT = 500
"""Changes that one GeneralModelChangeEvent or SemanticChangeEvent tells at most."""


class NamespaceOrder(Protocol):
    """The persisted order of namespaces."""

    def namespaces(self) -> list[str]: ...

    def add_namespace(self, uri: str) -> int: ...


class ModelChanges:
    """Carries model changes out, one after the other."""

    def __init__(self, room: Room, plant: Plant, namespaces: NamespaceOrder) -> None:
        self._room = room
        self._space = room.space
        self._plant = plant
        self._namespaces = namespaces
        self._hot = HotUpdate(room.space, plant.layout)
        self._shown: dict[str, DeviceType] = {}  # as types are shown now
        self._plans: dict[str, Plan] = {}  # the newest update of each type
        self._untold = Outcome()
        self._others: dict[Key, DeviceType] = {}  # types of versions that are not in use, by their node

    async def show_others(self, types: Sequence[DeviceType]) -> None:
        """Show the types of installed versions that are not in use, as `<type>/<version>` beside those that are."""
        wanted: dict[Key, DeviceType] = {}
        for device_type in types:
            await self._know_namespace(device_type)
            wanted[key_of(version_id(self._space, device_type))] = device_type
        for key, shown in list(self._others.items()):
            if wanted.get(key) is not shown:
                root = version_id(self._space, shown)
                gone = remove_type(self._space, root.NamespaceIndex, str(root.Identifier))
                del self._others[key]
                self._room.engine.node_removed([node.key for node in gone])
                self._room.bus.model_changed(key, NULL_KEY, added=False)
        for key, device_type in wanted.items():
            if key not in self._others:
                add_type(self._space, device_type, version_id(self._space, device_type))
                self._others[key] = device_type
                self._room.bus.model_changed(key, NULL_KEY, added=True)
                await asyncio.sleep(0)
        self._room.status.other_versions(types)

    async def prepare(self, device_type: DeviceType) -> None:
        """Draw a type, or the way to it from the version that is shown; nothing served is touched.

        Raises:
            ValueEncodingError: something in it cannot be shown.
        """
        shown = self._shown.get(device_type.type_id)
        if shown is None:
            await asyncio.to_thread(self._hot.check, device_type)
            return
        await self._know_namespace(device_type)
        self._plans[device_type.type_id] = await asyncio.to_thread(self._hot.plan, shown, device_type)

    async def changed(self, change: ModelChange) -> None:
        """Show, change or remove a type or a device."""
        kind = change.kind
        if kind is ChangeKind.TYPE_ADDED:
            await self._add_type(self._plant.types[change.type_id])
        elif kind is ChangeKind.TYPE_CHANGED:
            await self._change_type(self._plant.types[change.type_id])
        elif kind is ChangeKind.TYPE_REMOVED:
            self._remove_type(change.type_id)
        elif change.device_id is None:
            return
        elif kind is ChangeKind.DEVICE_ADDED:
            self._add_device(change.device_id)
        elif kind is ChangeKind.DEVICE_CHANGED:
            self._change_device(change.device_id, change)
        else:
            self._remove_device(change.device_id)

    # -- types

    async def _know_namespace(self, device_type: DeviceType) -> None:
        uri, room = device_type.namespace_uri, self._room
        if uri not in room.indexes:
            room.indexes[uri] = await asyncio.to_thread(self._namespaces.add_namespace, uri)
            names = await asyncio.to_thread(self._namespaces.namespaces)
            room.server_object.namespaces_changed(names)

    def _describe(self, device_type: DeviceType) -> None:
        room, uri = self._room, device_type.namespace_uri
        room.server_object.namespace_described(Model(uri, room.indexes[uri], device_type.version))
        room.status.add_package(device_type)
        self._shown[device_type.type_id] = device_type

    async def _add_type(self, device_type: DeviceType) -> None:
        room = self._room
        await self._know_namespace(device_type)
        node_id = type_id(self._space, device_type)
        if node_id in self._space:
            remove_type(self._space, node_id.NamespaceIndex, device_type.type_id)
        add_type(self._space, device_type)
        for part in room.binding.type_parts:
            part(device_type, node_id)
        self._describe(device_type)
        room.bus.model_changed(key_of(node_id), NULL_KEY, added=True)

    async def _change_type(self, device_type: DeviceType) -> None:
        name = device_type.type_id
        shown, plan = self._shown[name], self._plans.get(name)
        if plan is None or plan.new is not device_type or plan.old is not shown:
            await self._know_namespace(device_type)
            plan = self._plans[name] = await asyncio.to_thread(self._hot.plan, shown, device_type)
        outcome = self._hot.apply_type(plan)
        self._renew_parts(device_type, plan)
        self._room.values.forget_texts(plan.old)
        self._describe(device_type)
        self._tell(outcome)

    def _renew_parts(self, device_type: DeviceType, plan: Plan) -> None:
        """What companion specifications have added to a type, plug-ins and the like, is made anew."""
        room, space = self._room, self._space
        if not room.binding.type_parts:
            return
        root = type_id(space, device_type)
        drawn = {node.key for node in plan.papers[0].store.nodes()}
        others = [each for each in space.subtree(root, f"{device_type.type_id}/") if key_of(each) not in drawn]
        room.engine.node_removed([node.key for node in space.remove(others)])
        for part in room.binding.type_parts:
            part(device_type, root)

    def _remove_type(self, name: str) -> None:
        device_type = self._shown.pop(name, None)
        self._plans.pop(name, None)
        if device_type is None:
            return
        root = type_id(self._space, device_type)
        gone = remove_type(self._space, root.NamespaceIndex, name)
        gone += self._room.status.remove_package(name)
        self._room.engine.node_removed([node.key for node in gone])
        self._room.bus.model_changed(key_of(root), NULL_KEY, added=False)

    # -- devices

    def _add_device(self, device_id: DeviceId) -> None:
        room, device = self._room, self._plant.devices[device_id]
        room.devices.add(device)
        room.values.add_device(device)
        key = key_of(self._space.id(PLANT_URI, device_id))
        room.bus.model_changed(key, key_of(type_id(self._space, device.device_type)), added=True)

    def _change_device(self, device_id: DeviceId, change: ModelChange) -> None:
        room, device, plan = self._room, self._plant.devices[device_id], self._plans[change.type_id]
        gone = room.conditions.drop(self._hot.conditions_gone(plan, device_id))
        outcome = self._hot.apply_device(plan, device, room.values.specs(plan.old, device_id))
        outcome.removed += [node.key for node in gone]
        room.values.change_device(device, change.removed)
        update = DeviceUpdate(self._hot, plan, device, outcome)
        for follow in room.binding.device_changed:
            follow(update)
        self._tell(outcome)

    def _remove_device(self, device_id: DeviceId) -> None:
        room = self._room
        gone = room.devices.remove(device_id)
        room.values.remove_device(device_id)
        room.conditions.forget(device_id)
        for forget in room.binding.device_gone:
            forget(device_id)
        room.engine.node_removed([node.key for node in gone])
        room.bus.model_changed(key_of(self._space.id(PLANT_URI, device_id)), NULL_KEY, added=False)

    # -- what clients hear

    def _tell(self, outcome: Outcome) -> None:
        """Those of many devices together: an event each would flood the queues of those who listen."""
        if not outcome:
            return
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._untold.add(outcome)

    def _tell_all(self) -> None:
        untold, self._untold = self._untold, Outcome()
        engine, store = self._room.engine, self._space.store
        engine.node_removed(untold.removed)
        engine.nodes_changed(untold.access, untold.properties)
        for first in range(0, len(untold.changes), CHANGES_AN_EVENT):
            part = untold.changes[first : first + CHANGES_AN_EVENT]
            self._room.bus.model_changes(part, "Another version of a device type took over")
        nodes = [(key, store.peek(key)) for key in untold.meaning]
        meant = [(key, store.type_definition(node)) for key, node in nodes if node is not None]
        for first in range(0, len(meant), CHANGES_AN_EVENT):
            engine.semantics.tell(meant[first : first + CHANGES_AN_EVENT])
