"""The Variables of edit contexts: made when registered, kept current, gone with their context."""

from __future__ import annotations

from asyncua import ua

from server.core.errors import NotFoundError
from server.core.texts import Texts
from server.core.values import DeviceId
from server.fdi.edit_context import EditContexts
from server.fdi.edit_values import Side
from server.model.device_type import DataType, ParameterSpec
from server.opcua.datavalues import show
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.values import put_data_value
from server.opcua.parameter_nodes import add_parameter, value_text
from server.opcua.roles import BROWSE, READ, WRITE, Permissions
from server.opcua.services.context import Session
from server.opcua.space import FOLDER_TYPE, HISTORY_READ, HISTORY_WRITE, data_value
from server.opcua.spec_nodes import update_parameter
from server.opcua.specs.binding import Binding
from server.opcua.wire import Point

RIGHTS = BROWSE | READ | WRITE
_HAS_PROPERTY = 46


class Shown:
    """One Variable of a context."""

    __slots__ = ("context_id", "data_type", "name", "node_id", "side", "spec", "text")

    def __init__(self, context_id: str, side: Side, name: str, node_id: ua.NodeId, spec: ParameterSpec) -> None:
        self.context_id = context_id
        self.side = side
        self.name = name
        self.node_id = node_id
        self.spec = spec
        self.data_type: DataType = spec.data_type
        self.text: Point | None = None  # ValueAsText of an enumeration


class ContextNodes:
    """Makes, updates and removes them. Only the session that registered them sees them at all."""

    def __init__(self, binding: Binding, contexts: EditContexts) -> None:
        self._space = binding.space
        self._plant = binding.plant
        self._private = binding.private
        self._engine = binding.engine
        self._clock = binding.clock
        self._contexts = contexts
        self._made: dict[str, list[ua.NodeId]] = {}  # context -> nodes to take out with it
        self.shown: dict[Key, Shown] = {}
        contexts.on_changed.append(self._changed)
        contexts.on_discarded.append(self._discarded)
        binding.device_gone.append(self._forget)
        binding.device_changed.append(self._follow)

    def id(self, device_id: str, context_id: str, side: Side, name: str) -> ua.NodeId:
        """The NodeId of a parameter in a context."""
        return self._space.id(PLANT_URI, f"{device_id}/EditContext/{context_id}/{side.value}/{name}")

    def add(self, session: Session, context_id: str, side: Side, name: str) -> ua.NodeId:
        """The Variable of a registered parameter, made when it is new.

        Raises:
            NotFoundError: no such context or parameter.
        """
        device_id = self._contexts.device_of(context_id)
        node_id = self.id(device_id, context_id, side, name)
        if key_of(node_id) in self.shown:
            return node_id
        value = self._contexts.read(context_id, side, name)
        permissions = self._private.permissions(session, RIGHTS)
        folder = self._folder(device_id, context_id, side, permissions)
        uri = self._plant.device(DeviceId(device_id)).device_type.namespace_uri
        add_parameter(self._space, value.spec, node_id, uri, folder)
        self._made[context_id].append(node_id)
        node = self._space.node(node_id)
        shown = Shown(context_id, side, name, node_id, value.spec)
        access = node.shape.access & ~(HISTORY_READ | HISTORY_WRITE)
        self._space.store.reshape(node, permissions=permissions, access=access, historizing=False)
        for child in self._properties(node):
            self._space.store.reshape(child, permissions=permissions)
            self._made[context_id].append(child.id)
            if child.name.Name == "ValueAsText":
                shown.text = child.point
        self.shown[key_of(node_id)] = shown
        self._show(shown)
        return node_id

    def place(
        self,
        session: Session,
        context_id: str,
        side: Side,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        data_type: ua.NodeId,
        type_definition: ua.NodeId,
    ) -> Node:
        """Another Variable of a context, without a Point: what it shows is made when it is read."""
        permissions = self._private.permissions(session, BROWSE | READ)
        folder = self._folder(self._contexts.device_of(context_id), context_id, side, permissions)
        node = self._space.variable(
            node_id,
            name,
            ua.DataValue(),
            data_type,
            type_definition=type_definition,
            parent=folder,
            permissions=permissions,
        )
        node.point = None
        self._made[context_id].append(node_id)
        return node

    def _properties(self, node: Node) -> list[Node]:
        return [self._space.store[key] for key in self._space.store.targets(node.key, _HAS_PROPERTY)]

    def _folder(self, device_id: str, context_id: str, side: Side, permissions: Permissions) -> ua.NodeId:
        """`<device>/EditContext/<context>/<side>`, with what is above it."""
        space = self._space
        above = space.id(PLANT_URI, f"{device_id}/EditContext")
        made = self._made.setdefault(context_id, [])
        root = space.id(PLANT_URI, f"{device_id}/EditContext/{context_id}")
        for node_id, name, parent in (
            (root, context_id, above),
            (space.id(PLANT_URI, f"{root.Identifier}/{side.value}"), side.value, root),
        ):
            if node_id not in space:
                browse_name = space.name(PLANT_URI, name)
                space.object(node_id, browse_name, FOLDER_TYPE, parent=parent, display=Texts(), permissions=permissions)
                made.append(node_id)
        return space.id(PLANT_URI, f"{root.Identifier}/{side.value}")

    # -- values

    def _changed(self, context_id: str, values: frozenset[tuple[Side, str]]) -> None:
        if context_id not in self._made:
            return
        device_id = self._contexts.device_of(context_id)
        for side, name in values:
            shown = self.shown.get(key_of(self.id(device_id, context_id, side, name)))
            if shown is not None:
                self._show(shown)

    def _show(self, shown: Shown) -> None:
        try:
            value = self._contexts.read(shown.context_id, shown.side, shown.name)
        except NotFoundError:
            return  # another version of the type has no such parameter; its node goes with the device's
        if value.spec is not shown.spec:
            self._respecify(shown, value.spec)
        now = self._clock.now()
        point = self._space.point(shown.node_id)
        show(point, value.value, shown.data_type, value.status, value.source_time or now, now, whole=True)
        if shown.text is not None:
            text = value_text(value.spec, value.value)
            put_data_value(shown.text, data_value(text, ua.VariantType.LocalizedText))

    def _respecify(self, shown: Shown, spec: ParameterSpec) -> None:
        """Edited values give a parameter another meaning: range, unit, validity."""
        store = self._space.store
        change = update_parameter(self._space, shown.node_id, shown.spec, spec)
        shown.spec = spec
        if change is None:
            return
        node = store[change.key]
        made = self._made[shown.context_id]
        for child in self._properties(node):
            if child.shape.permissions is not node.shape.permissions:
                store.reshape(child, permissions=node.shape.permissions)
                made.append(child.id)
        store.changed()
        self._engine.node_removed(change.removed)
        self._engine.nodes_changed([change.key] if change.access else [], [change.key] if change.properties else [])

    # -- the end

    def _discarded(self, context_id: str) -> None:
        gone = self._made.pop(context_id, None)
        if gone is None:
            return
        removed = [node.key for node in self._space.remove(gone)]
        for key in removed:
            self.shown.pop(key, None)
        self._engine.node_removed(removed)

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: parameters that it has no longer, or as another type, are gone."""
        points = update.device.points
        for shown in [one for one in self.shown.values() if self._is_of(one, update.device.device_id)]:
            point = points.get(shown.name)
            if point is not None and point.spec.data_type is shown.data_type:
                continue
            node = self._space.node(shown.node_id)
            gone = [shown.node_id, *(child.id for child in self._properties(node))]
            self._made[shown.context_id] = [each for each in self._made[shown.context_id] if each not in gone]
            del self.shown[node.key]
            update.removed(self._space.remove(gone))

    def _is_of(self, shown: Shown, device_id: str) -> bool:
        return str(shown.node_id.Identifier).startswith(f"{device_id}/")

    def _forget(self, device_id: str) -> None:
        """The device's nodes are gone, those of its contexts with them."""
        for key in [key for key, shown in self.shown.items() if self._is_of(shown, device_id)]:
            self._made.pop(self.shown.pop(key).context_id, None)
