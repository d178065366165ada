"""Carries the difference between two versions of a device type into the served address space, device by device.

Nodes that stay are the same objects with the same Points: whoever monitors them notices nothing. Everything may be
carried out again: what is there already, or gone already, is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.alarms.conditions.device_health import health_alarms
from server.model.device import Device
from server.model.device_type import DeviceType, ParameterSpec
from server.model.layout import PlantLayout
from server.opcua.blueprint import (
    ANY_DEVICE,
    Difference,
    Pair,
    device_on_paper,
    difference,
    type_on_paper,
    value_differs,
)
from server.opcua.history_nodes import ANNOTATIONS
from server.opcua.names import ALARMS, PARAMETER_SET, PLANT_URI, parameter_path
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.values import Encoded, encoded
from server.opcua.parameter_nodes import access_of, properties_of
from server.opcua.space import HAS_PROPERTY, HISTORY_READ, HISTORY_WRITE, Space
from server.opcua.spec_nodes import SEMANTIC, update_parameter
from server.opcua.wire import Point

_UNDER = f"{ANY_DEVICE}/"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that was found out beforehand; what is left is quick."""

    old: DeviceType
    new: DeviceType
    of_type: Difference
    of_device: Difference
    papers: tuple[Space, ...]  # whose texts the served address space must know
    access: tuple[str, ...] = ()  # parameters with another AccessLevel
    properties: tuple[str, ...] = ()  # parameters of which Properties came or went
    meaning: tuple[str, ...] = ()  # parameters whose values mean something else: range, unit, texts


@dataclass(slots=True)
class Outcome:
    """What happened to the address space."""

    removed: list[Key] = field(default_factory=list)
    changes: list[tuple[Key, Key, int]] = field(default_factory=list)  # (node, type definition, Verb)
    access: list[Key] = field(default_factory=list)
    properties: list[Key] = field(default_factory=list)
    meaning: list[Key] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in what happened elsewhere."""
        for mine, theirs in zip(self._lists(), other._lists(), strict=True):
            mine += theirs

    def _lists(self) -> tuple[list[Any], ...]:
        return self.removed, self.changes, self.access, self.properties, self.meaning

    def __bool__(self) -> bool:
        return any(self._lists())


class DeviceUpdate:
    """The change of one device, as companion specifications follow it."""

    def __init__(self, hot: HotUpdate, plan: Plan, device: Device, outcome: Outcome) -> None:
        self.plan = plan
        self.device = device
        self._hot = hot
        self._outcome = outcome

    def follow(self, place: str, shown: Mapping[str, ParameterSpec]) -> None:
        """Bring the ParameterSet of a further data set, `<device>/<place>`, in step.

        `shown`: what its Variables say of their parameters now.
        """
        self._outcome.add(self._hot.apply_set(self.plan, self.device, place, shown))

    def removed(self, nodes: Iterable[Node]) -> None:
        """Nodes were taken out: who monitors them is told."""
        self._outcome.removed += [node.key for node in nodes]


class HotUpdate:
    """Makes plans and carries them out."""

    def __init__(self, space: Space, layout: PlantLayout) -> None:
        self._space = space
        self._layout = layout

    def check(self, device_type: DeviceType) -> None:
        """Draw a type that is new here, for what could go wrong. Raises ValueEncodingError; any thread."""
        type_on_paper(self._space, device_type)
        device_on_paper(self._space, self._layout, device_type)

    def plan(self, old: DeviceType, new: DeviceType) -> Plan:
        """What an update has to do. Raises ValueEncodingError; any thread, nothing served is touched."""
        room = self._space
        types = type_on_paper(room, old), type_on_paper(room, new)
        devices = device_on_paper(room, self._layout, old), device_on_paper(room, self._layout, new)
        found = difference(*devices)
        stay = [name for name in new.parameters if name in old.parameters]
        replaced = {key[1] for key in found.removed if isinstance(key, tuple)}
        stay = [name for name in stay if parameter_path(ANY_DEVICE, name) not in replaced]
        forms = {name: (_forms(old.parameters[name]), _forms(new.parameters[name])) for name in stay}
        return Plan(
            old,
            new,
            difference(*types),
            found,
            (types[1], devices[1]),
            access=tuple(n for n in stay if access_of(old.parameters[n]) != access_of(new.parameters[n])),
            properties=tuple(name for name, (before, after) in forms.items() if before.keys() != after.keys()),
            meaning=tuple(
                name
                for name, (before, after) in forms.items()
                if any(before.get(each) != after.get(each) for each in SEMANTIC)
            ),
        )

    def apply_type(self, plan: Plan) -> Outcome:
        """Bring the ObjectType in step."""
        for paper in plan.papers:
            self._space.know_texts(paper)
        return self._apply(plan.of_type, _same)

    def apply_device(self, plan: Plan, device: Device, shown: Mapping[str, ParameterSpec]) -> Outcome:
        """Bring one device in step. `shown`: what its Variables say of their parameters now."""
        index = self._space.indexes[PLANT_URI]

        def mapped(key: Key) -> Key:
            if isinstance(key, tuple) and isinstance(key[1], str) and key[0] == index:
                if key[1] == ANY_DEVICE:
                    return index, device.device_id
                if key[1].startswith(_UNDER):
                    return index, device.device_id + key[1][len(ANY_DEVICE) :]
            return key

        # A device that tells its own model keeps it, whatever the package calls it.
        own = {f"{ANY_DEVICE}/Model"} if device.attributes.get("model") else frozenset()
        return self._parameters(plan, device, "", shown, lambda: self._apply(plan.of_device, mapped, own))

    def apply_set(self, plan: Plan, device: Device, place: str, shown: Mapping[str, ParameterSpec]) -> Outcome:
        """Bring the ParameterSet of another data set in step; it has no groups, alarms or history of its own."""
        index = self._space.indexes[PLANT_URI]
        drawn = f"{_UNDER}{PARAMETER_SET}"
        target = f"{device.device_id}/{place}/{PARAMETER_SET}"

        def mapped(key: Key) -> Key:
            if isinstance(key, tuple) and isinstance(key[1], str) and key[0] == index and key[1].startswith(drawn):
                return index, target + key[1][len(drawn) :]
            return key

        part = _part_of(plan.of_device, index, drawn)
        outcome = self._parameters(plan, device, f"/{place}", shown, lambda: self._apply(part, mapped))
        store = self._space.store
        for name in device.points:
            node = store.peek((index, f"{target}/{name}"))
            if node is not None and node.shape.historizing:
                store.reshape(node, access=node.shape.access & ~(HISTORY_READ | HISTORY_WRITE), historizing=False)
                store.unlink(node.key, key_of(HAS_PROPERTY), (index, f"{target}/{name}/{ANNOTATIONS}"))
        return outcome

    def _parameters(
        self, plan: Plan, device: Device, place: str, shown: Mapping[str, ParameterSpec], apply: Callable[[], Outcome]
    ) -> Outcome:
        """Carry a difference out around what conditions of the EDD have made of single parameters."""
        space = self._space
        removed: list[Key] = []
        for name, spec in shown.items():
            static = plan.old.parameters.get(name)
            if static is not None and static is not spec and static != spec:
                removed += self._respecify(device, place, name, spec, static)
        outcome = apply()
        for name, point in device.points.items():
            if point.spec is not plan.new.parameters[name] and point.spec != plan.new.parameters[name]:
                removed += self._respecify(device, place, name, plan.new.parameters[name], point.spec)
        outcome.removed += [key for key in removed if space.store.peek(key) is None]

        def keys(names: tuple[str, ...]) -> list[Key]:
            return [key_of(space.id(PLANT_URI, parameter_path(f"{device.device_id}{place}", name))) for name in names]

        outcome.access, outcome.properties, outcome.meaning = (
            keys(plan.access),
            keys(plan.properties),
            keys(plan.meaning),
        )
        return outcome

    def _respecify(
        self, device: Device, place: str, name: str, old: ParameterSpec, new: ParameterSpec
    ) -> tuple[Key, ...]:
        path = parameter_path(f"{device.device_id}{place}", name)
        found = update_parameter(self._space, self._space.id(PLANT_URI, path), old, new)
        return found.removed if found is not None else ()

    def conditions_gone(self, plan: Plan, device_id: str) -> list[str]:
        """Conditions of a device that its type has no longer, or of which other fields exist now."""
        before, after = _conditions(plan.old), _conditions(plan.new)
        return [f"{device_id}/{ALARMS}/{name}" for name, kind in before.items() if after.get(name) != kind]

    # -- inside

    def _apply(self, found: Difference, mapped: Callable[[Key], Key], own: Collection[object] = ()) -> Outcome:
        outcome = Outcome()
        if not found:
            return outcome
        store = self._space.store
        outcome.removed = self._remove([mapped(key) for key in found.removed])
        for drawn in found.added:
            key = mapped(drawn.key)
            if store.peek(key) is None:
                store.add(self._copy(drawn, key))
        for old, new in found.changed:
            node = store.peek(mapped(new.key))
            if node is not None and not (isinstance(new.key, tuple) and new.key[1] in own):
                self._change(node, old, new)
        for key, pair in found.unlinked:
            reference, forward, target = pair
            store.unlink(mapped(key), reference, mapped(target), forward=forward)
        for key, pair in found.linked:
            self._link(mapped(key), pair, mapped)
        outcome.changes = [(mapped(key), kind, verb) for key, kind, verb in found.model_changes]
        return outcome

    def _remove(self, keys: list[Key]) -> list[Key]:
        space, gone = self._space, dict.fromkeys(keys)
        for key in keys:
            # Properties that came later, by conditions of the EDD, go too.
            if isinstance(key, tuple) and isinstance(key[1], str) and space.store.peek(key) is not None:
                for below in space.subtree(node_id_of(key), f"{key[1]}/"):
                    gone[below.NamespaceIndex, below.Identifier] = None
        return [node.key for node in space.store.remove(gone)] if gone else []

    def _copy(self, drawn: Node, key: Key) -> Node:
        node = Node(key, self._space.store.shape(drawn.shape), drawn.name)
        node.display, node.description, node.extra = drawn.display, drawn.description, drawn.extra
        if drawn.point is not None:
            node.point = Point()
            node.point.put(drawn.point.flags, drawn.point.body, drawn.point.source, drawn.point.server)
        return node

    def _change(self, node: Node, old: Node, new: Node) -> None:
        store = self._space.store
        # Only what differs: a device has its own name, whatever it was drawn under.
        for name in ("name", "display", "description", "extra"):
            if getattr(old, name) != getattr(new, name):
                setattr(node, name, getattr(new, name))
        if new.shape != old.shape:
            node.shape = store.shape(new.shape)
        if value_differs(old, new) and node.point is not None and new.point is not None:
            node.point.put(new.point.flags, new.point.body, new.point.source, new.point.server)
        store.changed()

    def _link(self, key: Key, pair: Pair, mapped: Callable[[Key], Key]) -> None:
        store = self._space.store
        reference, forward, target = pair[0], pair[1], mapped(pair[2])
        if store.peek(key) is None or store.linked(key, reference, target, forward=forward):
            return
        if forward:
            store.link(key, reference, target, inverse=False)
        else:
            store.back(target, reference, key)


def _part_of(found: Difference, index: int, drawn: str) -> Difference:
    """What of a difference is about one subtree and the references inside it or to types."""

    def inside(key: Key) -> bool:
        return isinstance(key, tuple) and key[0] == index and str(key[1]).startswith(drawn)

    def kept(key: Key, pair: Pair) -> bool:
        other = pair[2]
        elsewhere = isinstance(other, tuple) and _of_any_device(other, index)
        return inside(key) and (inside(other) or not elsewhere)

    return Difference(
        removed=[key for key in found.removed if inside(key)],
        added=[node for node in found.added if inside(node.key)],
        changed=[each for each in found.changed if inside(each[1].key)],
        unlinked=[each for each in found.unlinked if kept(*each)],
        linked=[each for each in found.linked if kept(*each)],
        model_changes=[each for each in found.model_changes if inside(each[0])],
    )


def _of_any_device(key: Key, index: int) -> bool:
    """True for keys that stand for a device of any name."""
    return isinstance(key, tuple) and key[0] == index and str(key[1]).split("/", 1)[0] == ANY_DEVICE


def _forms(spec: ParameterSpec) -> dict[str, Encoded]:
    """The Properties of a parameter's Variable, encoded."""
    return {form.name: encoded(form.make(spec)) for form in properties_of(spec)}


def _same(key: Key) -> Key:
    return key


def _conditions(device_type: DeviceType) -> dict[str, object]:
    """What decides which fields a condition has, by name."""
    found: dict[str, object] = {}
    for spec in device_type.alarms:
        found[spec.name] = spec.shape
    for alarm in health_alarms(device_type.health):
        found[alarm.name] = (alarm.kind, alarm.input_parameter)
    return found
