"""Carries the difference between two versions of a device type into the served address space, device by device.

Nodes that stay are the same objects with the same Points: whoever monitors them notices nothing. Everything may be
carried out again: what is there already, or gone already, is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from server.model.device import Device
from server.model.device_type import DeviceType
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
from server.opcua.names import ALARMS, PLANT_URI
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.nodes.node import Node
from server.opcua.space import Space
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


@dataclass(slots=True)
class Outcome:
    """What happened to the address space."""

    removed: list[Key] = field(default_factory=list)
    changes: list[tuple[Key, Key, int]] = field(default_factory=list)  # (node, type definition, Verb)


class HotUpdate:
    """Makes plans and carries them out."""

    def __init__(self, space: Space, layout: PlantLayout) -> None:
        self._space = space
        self._layout = layout

    def check(self, device_type: DeviceType) -> None:
        """Draw a type that is new here, for what could go wrong. Raises ValueEncodingError; any thread."""
        type_on_paper(self._space.indexes, device_type)
        device_on_paper(self._space.indexes, self._layout, device_type)

    def plan(self, old: DeviceType, new: DeviceType) -> Plan:
        """What an update has to do. Raises ValueEncodingError; any thread, nothing served is touched."""
        indexes = dict(self._space.indexes)
        types = type_on_paper(indexes, old), type_on_paper(indexes, new)
        devices = device_on_paper(indexes, self._layout, old), device_on_paper(indexes, self._layout, new)
        return Plan(old, new, difference(*types), difference(*devices), (types[1], devices[1]))

    def apply_type(self, plan: Plan) -> Outcome:
        """Bring the ObjectType in step."""
        for paper in plan.papers:
            self._space.know_texts(paper)
        return self._apply(plan.of_type, _same)

    def apply_device(self, plan: Plan, device: Device) -> Outcome:
        """Bring one device in step."""
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
        return self._apply(plan.of_device, mapped, own)

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


def _same(key: Key) -> Key:
    return key


def _conditions(device_type: DeviceType) -> dict[str, object]:
    """What decides which fields a condition has, by name."""
    found: dict[str, object] = {}
    for spec in device_type.limit_alarms:
        limits = (spec.high_high, spec.high, spec.low, spec.low_low)
        found[spec.name] = ("limit", spec.parameter, *(limit is None for limit in limits))
    for trip in device_type.trip_alarms:
        found[trip.name] = ("trip", trip.parameter)
    return found
