"""Conditions as clients see them: event fields from an AlarmEvent, and nodes on demand that show the last event."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from asyncua import ua

from server.alarms.condition_set import group_ids
from server.core.clock import Clock, TimeUs, to_datetime
from server.core.texts import Texts
from server.core.values import AlarmEvent, DeviceId
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.plant import Plant
from server.opcua.condition_fields import OWN, ConditionFields, Shown, unshelve_ms
from server.opcua.condition_parts import (
    DATA_TYPES,
    PARTS,
    SHELVING_METHODS,
    is_property,
    methods_of,
    variable_type,
)
from server.opcua.condition_types import DEVICE_HEALTH, EXCLUSIVE, condition_type
from server.opcua.events import Fields
from server.opcua.names import ALARMS, HEALTH_ALARMS, PLANT_URI, TYPES_URI, folder_path, parameter_path
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import OBJECT, Node
from server.opcua.nodes.on_demand import Announcement
from server.opcua.nodes.values import put_data_value
from server.opcua.space import HAS_COMPONENT, HAS_CONDITION, HAS_PROPERTY, ORGANIZES, SERVER, Space

V = ua.VariantType
GROUP_MEMBER = ua.NodeId(ua.ObjectIds.AlarmGroupMember)
SUPPRESSION = ua.NodeId(ua.ObjectIds.HasAlarmSuppressionGroup)
HAS_TRUE_SUB_STATE = ua.NodeId(ua.ObjectIds.HasTrueSubState)


class AlarmStates(Protocol):
    """What conditions ask the engine."""

    def state(self, condition_id: str) -> AlarmEvent | None: ...

    def retained(self) -> list[AlarmEvent]: ...

    def branches(self, condition_id: str) -> list[AlarmEvent]: ...

    def spec(self, condition_id: str) -> AlarmSpec | None: ...

    def specs_of(self, device: Device) -> Sequence[AlarmSpec]: ...

    def max_time_shelved_s(self, spec: AlarmSpec | None) -> float: ...


class ConditionNodes:
    """Condition instances: made when somebody looks at them, kept in step with their last event from then on."""

    def __init__(self, space: Space, plant: Plant, alarms: AlarmStates, *, clock: Clock) -> None:
        self._space = space
        self._plant = plant
        self._alarms = alarms
        self._clock = clock
        self._made: dict[str, AlarmSpec | None] = {}
        self._shelved: set[str] = set()  # made ones whose UnshelveTime counts down

    # -- fields

    def fields_of(self, event: AlarmEvent) -> Fields:
        """The event fields of an alarm, each made when it is looked at."""
        space, device_id = self._space, event.device_id

        def node(parameter: str) -> ua.NodeId:
            return space.id(PLANT_URI, parameter_path(device_id, parameter))

        return ConditionFields(
            Shown(
                event,
                self._alarms.spec(event.condition_id),
                self._plant.devices.get(device_id),
                node,
                self._type(event.kind),
                space.id(PLANT_URI, device_id),
                node(event.input_parameter),
                self._alarms.max_time_shelved_s,
            )
        )

    def specs_of(self, device: Device) -> Sequence[AlarmSpec]:
        """How the conditions of a device are declared now."""
        return self._alarms.specs_of(device)

    def any_retained(self, device_ids: Collection[str]) -> bool:
        """Whether clients show a condition of one of these devices."""
        return any(event.device_id in device_ids for event in self._alarms.retained())

    def _type(self, kind: str) -> ua.NodeId:
        return condition_type(self._space.indexes, kind)

    def key(self, event: AlarmEvent) -> Key:
        """The ConditionId."""
        return key_of(self._space.id(PLANT_URI, event.condition_id))

    # -- nodes

    def announced(self, key: Key) -> Announcement | None:
        """What Browse shows of a condition that is not made."""
        parts = self._path(key)
        if parts is None or len(parts) != 3:
            return None
        event = self._alarms.state("/".join(parts))
        if event is None:
            return None
        spec = self._alarms.spec(event.condition_id)
        name = self._space.name(PLANT_URI, event.name)
        language, text = _display(spec, event.name).best()
        return name, OBJECT, key_of(self._type(event.kind)), ua.LocalizedText(text, language or None)

    def _path(self, key: Key) -> list[str] | None:
        if isinstance(key, int) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return None
        parts = key[1].split("/", 3)
        return parts if len(parts) >= 3 and parts[1] == ALARMS else None

    def make(self, key: Key) -> bool:
        """Make the nodes of the condition that a key belongs to; False when there is no such condition."""
        parts = self._path(key)
        if parts is None:
            return False
        condition_id = "/".join(parts[:3])
        if condition_id in self._made:
            return False
        event = self._alarms.state(condition_id)
        if event is None or self._space.id(PLANT_URI, f"{parts[0]}/{ALARMS}") not in self._space:
            return False
        spec = self._alarms.spec(condition_id)
        self._made[condition_id] = spec
        self._build(condition_id, event, spec)
        self._watch(event)
        return True

    def _build(self, condition_id: str, event: AlarmEvent, spec: AlarmSpec | None) -> None:
        space = self._space
        root = space.id(PLANT_URI, condition_id)
        folder = space.id(PLANT_URI, f"{event.device_id}/{ALARMS}")
        source = space.id(PLANT_URI, parameter_path(event.device_id, event.input_parameter))
        name = space.name(PLANT_URI, event.name)
        space.object(root, name, self._type(event.kind), display=_display(spec, event.name))
        space.back(folder, HAS_COMPONENT, root)
        space.back(source, HAS_CONDITION, root)
        if event.kind in DEVICE_HEALTH:
            space.back(space.id(PLANT_URI, f"{event.device_id}/{HEALTH_ALARMS}"), ORGANIZES, root)
        for method in methods_of(event, spec):
            space.link(root, HAS_COMPONENT, ua.NodeId(method), inverse=False)
        for part, type_definition in PARTS.items():
            if part == "ShelvingState" or event.kind in EXCLUSIVE:
                machine = space.id(PLANT_URI, f"{condition_id}/{part}")
                space.object(machine, ua.QualifiedName(part, 0), ua.NodeId(type_definition), parent=root)
                for method in SHELVING_METHODS if part == "ShelvingState" else ():
                    space.link(machine, HAS_COMPONENT, ua.NodeId(method), inverse=False)
        for path, value in self.fields_of(event).items():
            self._field(condition_id, root, path, value, event.receive_time)
        enabled = space.id(PLANT_URI, f"{condition_id}/EnabledState")
        for state in ("AckedState", "ConfirmedState", "ActiveState"):
            below = space.id(PLANT_URI, f"{condition_id}/{state}")
            if below in space:
                space.link(enabled, HAS_TRUE_SUB_STATE, below)
        if spec is not None:
            for group in group_ids(event.device_id, spec):
                space.back(space.id(PLANT_URI, group), GROUP_MEMBER, root)
            for suppressing in spec.suppression:
                group_id = space.id(PLANT_URI, suppression_path(event.device_id, suppressing.name))
                space.link(root, SUPPRESSION, group_id, inverse=False)

    def _field(self, condition_id: str, root: ua.NodeId, path: str, value: ua.Variant, time: TimeUs) -> None:
        space = self._space
        above, _, name = path.rpartition("/")
        data_type = DATA_TYPES.get(name)
        if data_type is None:
            data_type = value.VariantType.value if value.VariantType != V.Null else ua.ObjectIds.UtcTime
        own = not above and name in OWN
        space.variable(
            space.id(PLANT_URI, f"{condition_id}/{path}"),
            space.name(TYPES_URI, name) if own else ua.QualifiedName(name, 0),
            ua.DataValue(value, SourceTimestamp=to_datetime(time)),
            ua.NodeId(data_type),
            type_definition=variable_type(path),
            parent=space.id(PLANT_URI, f"{condition_id}/{above}") if above else root,
            reference=HAS_PROPERTY if is_property(path) else HAS_COMPONENT,
        )

    def changed(self, event: AlarmEvent, fields: Fields) -> None:
        """Bring a made instance in step with an event of its current state; branches are not shown by nodes."""
        if event.condition_id not in self._made or event.branch_id:
            return
        for path, value in fields.items():
            node_id = self._space.id(PLANT_URI, f"{event.condition_id}/{path}")
            if node_id in self._space:
                time = to_datetime(event.receive_time)
                put_data_value(self._space.point(node_id), ua.DataValue(value, SourceTimestamp=time))
        self._watch(event)

    def _watch(self, event: AlarmEvent) -> None:
        if event.unshelve_time is None:
            self._shelved.discard(event.condition_id)
        else:
            self._shelved.add(event.condition_id)

    def tick(self) -> None:
        """Let UnshelveTime count down; called every second."""
        now = self._clock.now()
        for condition_id in self._shelved:
            event = self._alarms.state(condition_id)
            node_id = self._space.id(PLANT_URI, f"{condition_id}/ShelvingState/UnshelveTime")
            if event is not None and node_id in self._space:
                value = ua.DataValue(ua.Variant(unshelve_ms(event, now), V.Double), SourceTimestamp=to_datetime(now))
                put_data_value(self._space.point(node_id), value)

    # -- coming and going

    def forget(self, device_id: str) -> None:
        """A device went: its conditions will be made anew if it returns."""
        prefix = f"{device_id}/{ALARMS}/"
        for condition_id in [made for made in self._made if made.startswith(prefix)]:
            del self._made[condition_id]
            self._shelved.discard(condition_id)

    def drop(self, condition_ids: Iterable[str]) -> list[Node]:
        """Take made instances out; those that still exist will be made anew. Returns what went."""
        gone: list[Node] = []
        for condition_id in condition_ids:
            if condition_id in self._made:
                del self._made[condition_id]
                self._shelved.discard(condition_id)
                root = self._space.id(PLANT_URI, condition_id)
                gone += self._space.remove(self._space.subtree(root, f"{condition_id}/"))
        return gone

    def outdated(self, device_id: str) -> list[str]:
        """Made conditions of a device that are declared otherwise now, or no longer."""
        prefix = f"{device_id}/{ALARMS}/"
        return [
            made for made, spec in self._made.items() if made.startswith(prefix) and self._alarms.spec(made) != spec
        ]

    def notifiers(self, event: AlarmEvent) -> list[Key]:
        """Every notifier above a condition: its device, the folders of its place, Plant, Server."""
        device = self._plant.devices.get(event.device_id)
        return self._above(event.device_id, device.path if device is not None else ())

    def notifiers_of(self, device: Device) -> list[Key]:
        """Every notifier of events of a device: itself, the folders of its place, Plant, Server."""
        return self._above(device.device_id, device.path)

    def notifiers_above(self, notifier: str) -> list[Key]:
        """A notifier by its identifier ("": the Server), and every one above it."""
        if not notifier:
            return [key_of(SERVER)]
        device = self._plant.devices.get(DeviceId(notifier))
        if device is not None or not (notifier == "Plant" or notifier.startswith("Plant/")):
            return self._above(notifier, device.path if device is not None else ())
        parts = notifier.split("/")
        found = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
        return [*(key_of(self._space.id(PLANT_URI, name)) for name in found), key_of(SERVER)]

    def _above(self, device_id: str, path: Sequence[str]) -> list[Key]:
        found = [device_id, *(folder_path(*path[:depth]) for depth in range(len(path), 0, -1)), "Plant"]
        return [*(key_of(self._space.id(PLANT_URI, name)) for name in found), key_of(SERVER)]


def suppression_path(device_id: str, name: str) -> str:
    """Identifier of an AlarmSuppressionGroup."""
    return f"{device_id}/AlarmSuppressionGroups/{name}"


def _display(spec: AlarmSpec | None, name: str) -> Texts:
    return spec.label if spec is not None and spec.label else Texts.of(name)
