"""Conditions that rules give to devices, and alarm groups: announced with each device, kept in step with the rules.

OPC 10000-9: AlarmGroupType with AlarmGroupMember, AlarmSuppressionGroupType with AlarmSuppressionGroupMember.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from asyncua import ua

from server.alarms.condition_set import group_ids
from server.core.texts import Texts
from server.core.values import DeviceId
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.opcua.conditions import GROUP_MEMBER, suppression_path
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import ALARMS, PLANT_URI, parameter_path
from server.opcua.nodes.keys import NULL_KEY, Key, key_of
from server.opcua.space import FOLDER_TYPE, HAS_COMPONENT, HAS_CONDITION, HAS_EVENT_SOURCE, SERVER, Space
from server.opcua.specs.binding import Binding

_IDS = ua.ObjectIds
GROUP_TYPE, SUPPRESSION_GROUP_TYPE = ua.NodeId(_IDS.AlarmGroupType), ua.NodeId(_IDS.AlarmSuppressionGroupType)
GROUP_FOLDERS = ("/AlarmGroups/", "/AlarmSuppressionGroups/")
SUPPRESSION_MEMBER = ua.NodeId(_IDS.AlarmSuppressionGroupMember)
Link = tuple[str, ua.NodeId, str]
"""(source, reference, target) by our identifiers."""


def bind(binding: Binding, _fdi: Any) -> None:
    """Announce the conditions of every device from now on."""
    DeclaredConditions(binding)


class DeclaredConditions:
    """What is announced beyond what the package draws."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._space: Space = binding.space
        self._links: dict[str, set[Link]] = {}  # by device
        binding.devices.parts.append(self._add)
        binding.device_changed.append(self._follow)
        binding.device_gone.append(self._forget)
        binding.ticks.append(binding.conditions.tick)
        binding.condition_sinks.append(self.redeclared)

    def _add(self, device: Device, _root: ua.NodeId) -> None:
        self._sync(device)

    def _follow(self, update: DeviceUpdate) -> None:
        self._sync(update.device)

    def redeclared(self, device_ids: Sequence[DeviceId]) -> None:
        """Rules changed what these devices have: bring nodes and announcements in step, and tell clients."""
        binding = self._binding
        changes: list[tuple[Key, Key, int]] = []
        for device_id in device_ids:
            device = binding.plant.devices.get(device_id)
            if device is None or self._space.id(PLANT_URI, device_id) not in self._space:
                continue
            gone = binding.conditions.drop(binding.conditions.outdated(device_id))
            binding.engine.node_removed([node.key for node in gone])
            added, removed = self._sync(device)
            for verb, names in ((1, added), (2, removed)):
                changes += [(key_of(self._space.id(PLANT_URI, name)), NULL_KEY, verb) for name in names]
        if changes:
            binding.bus.model_changes(changes, "Alarm rules changed what conditions devices have")
        if binding.conditions.any_retained(set(device_ids)):
            # Limits, delays and reasons of alarms that clients show may be others, though no state changed.
            message = "Alarm rules changed what is said of conditions"
            fields = binding.bus.base_fields(
                ua.ObjectIds.RefreshRequiredEventType, key_of(SERVER), "Server", message, 100
            )
            binding.bus.send(fields, ())

    def _forget(self, device_id: str) -> None:
        self._links.pop(device_id, None)

    # -- what is wanted

    def _sync(self, device: Device) -> tuple[list[str], list[str]]:
        """Make announcements what they should be; (conditions that came, conditions that went)."""
        device_id = device.device_id
        specs = self._binding.conditions.specs_of(device)
        drawn = {spec.name for spec in device.device_type.alarms}
        ruled = [spec for spec in specs if spec.rule and spec.name not in drawn]
        wanted = set(self._of_rules(device_id, ruled))
        wanted |= set(self._of_groups(device, specs))
        before = self._links.get(device_id, set())
        if wanted == before:
            return [], []
        self._links[device_id] = wanted
        store, space = self._space.store, self._space
        for source, reference, target in before - wanted:
            store.unlink(key_of(space.id(PLANT_URI, source)), key_of(reference), key_of(space.id(PLANT_URI, target)))
        for source, reference, target in sorted(wanted - before, key=str):
            source_key, target_key = (key_of(space.id(PLANT_URI, name)) for name in (source, target))
            if not store.linked(source_key, key_of(reference), target_key, forward=True):
                store.announce(source_key, key_of(reference), target_key)
        self._drop_groups({source for source, _, _ in before - wanted})
        store.changed()
        return (
            [target for _, reference, target in wanted - before if reference == HAS_CONDITION],
            [target for _, reference, target in before - wanted if reference == HAS_CONDITION],
        )

    def _drop_groups(self, sources: set[str]) -> None:
        """Remove groups among these that no alarm of any device belongs to any more."""
        empty = {source for source in sources if any(folder in source for folder in GROUP_FOLDERS)}
        if empty:
            empty -= {source for links in self._links.values() for source, _, _ in links}
        for group_id in empty:
            gone = self._space.remove(self._space.subtree(self._space.id(PLANT_URI, group_id), f"{group_id}/"))
            self._binding.engine.node_removed([node.key for node in gone])

    def _of_rules(self, device_id: str, specs: Sequence[AlarmSpec]) -> Iterable[Link]:
        folder = f"{device_id}/{ALARMS}"
        for spec in specs:
            self._folder(device_id, ALARMS)
            condition, source = f"{folder}/{spec.name}", parameter_path(device_id, spec.parameter)
            yield folder, HAS_COMPONENT, condition
            yield source, HAS_CONDITION, condition
            yield device_id, HAS_EVENT_SOURCE, source

    def _of_groups(self, device: Device, specs: Sequence[AlarmSpec]) -> Iterable[Link]:
        device_id = device.device_id
        for spec in specs:
            for group_id in group_ids(device_id, spec):
                self._group(group_id, GROUP_TYPE, Texts.of(group_id.rsplit("/", 1)[-1]))
                yield group_id, GROUP_MEMBER, f"{device_id}/{ALARMS}/{spec.name}"
            for group in spec.suppression:
                path = suppression_path(device_id, group.name)
                self._group(path, SUPPRESSION_GROUP_TYPE, group.label or Texts.of(group.name))
                for parameter, _ in group.inputs:
                    if parameter in device.points:
                        yield path, SUPPRESSION_MEMBER, parameter_path(device_id, parameter)

    # -- nodes

    def _folder(self, owner: str, name: str) -> ua.NodeId:
        space = self._space
        node_id = space.id(PLANT_URI, f"{owner}/{name}")
        if node_id not in space:
            space.object(node_id, space.name(PLANT_URI, name), FOLDER_TYPE, parent=space.id(PLANT_URI, owner))
        return node_id

    def _group(self, group_id: str, type_definition: ua.NodeId, label: Texts) -> None:
        space = self._space
        node_id = space.id(PLANT_URI, group_id)
        if node_id not in space:
            owner, folder, name = group_id.split("/", 2)
            parent = self._folder(owner, folder)
            space.object(node_id, space.name(PLANT_URI, name), type_definition, parent=parent, display=label)
