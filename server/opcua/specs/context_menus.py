"""User interface descriptions inside an edit context, for its edited values (IEC 62769-3, 5.6.8).

`<device>/EditContext/<context>/<side>/UIElement/<menu>`, registered by the NodeId or path of the group's UIElement.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asyncua import ua

from server.core import status
from server.core.clock import to_datetime
from server.core.errors import NotFoundError
from server.core.values import DeviceId
from server.fdi.edit_values import Side
from server.opcua.datavalues import stack_status
from server.opcua.names import DI_URI, FDI5_URI
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node
from server.opcua.services.context import Session
from server.opcua.specs.binding import Binding
from server.opcua.specs.budget import Budget
from server.opcua.specs.context_nodes import ContextNodes
from server.opcua.specs.runtime import Runtime
from server.opcua.specs.ui import UI_DESCRIPTION, UI_ELEMENT, WRITING_S, describe

FRESH_S = 1.0
"""A description is made anew after so long: METHODs also change values that nobody registered."""
_STRING = ua.NodeId(ua.ObjectIds.String)
_Kept = tuple[str, Side, str, tuple[str, ...]]


class ContextMenus:
    """Makes the Variables and writes their values when they are read."""

    def __init__(self, binding: Binding, fdi: Runtime, nodes: ContextNodes) -> None:
        self._space = binding.space
        self._plant = binding.plant
        self._clock = binding.clock
        self._personal = binding.attributes.personal
        self._contexts = fdi.contexts
        self._nodes = nodes
        self._keys: dict[str, list[Key]] = {}  # context -> keys of its Variables
        self._budget = Budget(binding.clock, WRITING_S)
        self._kept: dict[_Kept, tuple[float, ua.DataValue]] = {}
        fdi.contexts.on_changed.append(lambda context_id, _values: self._drop(context_id))
        fdi.contexts.on_discarded.append(self._discarded)

    def add(self, session: Session, context_id: str, side: Side, menu: str) -> ua.NodeId:
        """The Variable of a MENU in a context, made when it is new. Raises NotFoundError: no such context."""
        node_id = self._nodes.id(self._contexts.device_of(context_id), context_id, side, f"{UI_ELEMENT}/{menu}")
        if node_id in self._space:
            return node_id
        node = self._nodes.place(
            session,
            context_id,
            side,
            node_id,
            self._space.name(DI_URI, UI_ELEMENT),
            _STRING,
            self._space.id(FDI5_URI, UI_DESCRIPTION),
        )
        self._keys.setdefault(context_id, []).append(node.key)
        self._personal[node.key] = partial(self._read, context_id, side, menu)
        return node_id

    def _read(self, context_id: str, side: Side, menu: str, session: Session, _node: Node) -> ua.DataValue:
        entry = (context_id, side, menu, tuple(session.locales))
        now = self._clock.monotonic()
        kept = self._kept.get(entry)
        if kept is None and self._budget.exhausted:
            return ua.DataValue(ua.Variant(), stack_status(status.BAD_RESOURCE_UNAVAILABLE))
        if kept is None or (now - kept[0] >= FRESH_S and not self._budget.exhausted):
            kept = self._kept[entry] = now, self._made(context_id, side, menu, session.locales)
        return kept[1]

    def _made(self, context_id: str, side: Side, menu: str, locales: Sequence[str]) -> ua.DataValue:
        try:
            device = self._plant.device(DeviceId(self._contexts.device_of(context_id)))
            with self._budget.charged():
                text = describe(device, menu, self._contexts.values(context_id, side), locales)
        except NotFoundError as error:
            return ua.DataValue(ua.Variant(), stack_status(error.status))
        if text is None:
            return ua.DataValue(ua.Variant(), stack_status(status.BAD_NOT_SUPPORTED))
        now = to_datetime(self._clock.now())
        return ua.DataValue(ua.Variant(text, ua.VariantType.String), SourceTimestamp=now, ServerTimestamp=now)

    def _drop(self, context_id: str) -> None:
        if context_id in self._keys:
            self._kept = {entry: kept for entry, kept in self._kept.items() if entry[0] != context_id}

    def _discarded(self, context_id: str) -> None:
        self._drop(context_id)
        for key in self._keys.pop(context_id, ()):
            self._personal.pop(key, None)
