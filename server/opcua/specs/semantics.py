"""What parameters mean follows the values of their device: attributes, Properties, one SemanticChangeEvent a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.model.device_type import SpecChange
from server.opcua.names import PLANT_URI, parameter_path
from server.opcua.spec_nodes import NodeChange, update_parameter
from server.opcua.specs.binding import Binding

_SETS = ("", "/Online", "/Offline")
"""Where a parameter has Variables: the leading instance and its data sets, as far as they are made."""


def bind(binding: Binding, _fdi: Any) -> None:
    """Hear of changes from now on."""
    binding.spec_sinks.append(Semantics(binding).changed)


class Semantics:
    """Brings Variables in step and tells clients."""

    def __init__(self, binding: Binding) -> None:
        self._space = binding.space
        self._plant = binding.plant
        self._values = binding.values
        self._engine = binding.engine

    def changed(self, changes: Sequence[SpecChange]) -> None:
        """Parameters mean something else now."""
        done = [found for change in changes for found in self._nodes(change)]
        if not done:
            return
        engine, store = self._engine, self._space.store
        store.changed()
        engine.node_removed(key for found in done for key in found.removed)
        engine.nodes_changed(
            [found.key for found in done if found.access], [found.key for found in done if found.properties]
        )
        meant = [found.key for found in done if found.semantic]
        if meant:
            nodes = ((key, store.peek(key)) for key in meant)
            engine.semantics.tell([(key, store.type_definition(node)) for key, node in nodes if node is not None])

    def _nodes(self, change: SpecChange) -> list[NodeChange]:
        device = self._plant.devices.get(change.device_id)
        if device is not None and change.parameter in device.points:
            self._values.respecify(device.points[change.parameter], change.device_id, change.parameter)
        paths = (parameter_path(f"{change.device_id}{place}", change.parameter) for place in _SETS)
        updates = (
            update_parameter(self._space, self._space.id(PLANT_URI, path), change.old, change.new) for path in paths
        )
        return [found for found in updates if found is not None]
