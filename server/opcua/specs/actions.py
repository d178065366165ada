"""Actions (IEC 62769-5, ActionServiceType): METHODs of the EDD that clients start, answer and abort.

The Action Objects are the type's. A running one is a String Variable `<device>/ActionSet/<id>` that only the session
which invoked it sees; its value is an XML document, new with every change.
"""

from __future__ import annotations

from asyncua import ua

from server.core.clock import to_datetime
from server.model.device import Device
from server.model.device_type import ActionSpec, DeviceType
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import FDI5_URI, PLANT_URI, TYPES_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import BROWSE, READ
from server.opcua.services.context import Request, Session
from server.opcua.space import HAS_COMPONENT, OPTIONAL
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import OFFLINE, ONLINE, answer, caller_of, device_of, session_of, text_of
from server.opcua.specs.linking import link_once, unlink
from server.opcua.specs.parts import Part
from server.opcua.specs.runtime import Runtime

ACTION_SET = "ActionSet"
ACTION_SERVICE, EDD_METHOD = 21, 1040
INVOKE, RESPOND, ABORT = 22, 25, 28
RIGHTS = BROWSE | READ
_V = ua.VariantType
_STRING = ua.NodeId(ua.ObjectIds.String)


def bind(binding: Binding, fdi: Runtime) -> None:
    """Action sets of types, devices and data sets from now on."""
    ActionNodes(binding, fdi)


class ActionNodes:
    """The ActionSets, what their Methods do, and the Variables of Actions."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._engine = binding.engine
        self._private = binding.private
        self._clock = binding.clock
        self._actions = fdi.actions
        self._shown: dict[str, tuple[ua.NodeId, Session]] = {}  # by id of the Action
        self._type = space.id(FDI5_URI, ACTION_SERVICE)
        self._name = space.name(FDI5_URI, ACTION_SET)
        for method, handler in ((INVOKE, self._invoke), (RESPOND, self._respond), (ABORT, self._abort)):
            binding.handlers.typed[key_of(space.id(FDI5_URI, method))] = handler
        binding.parts.add(Part(ACTION_SET, self._name, lambda _device: self._type, self._build, wanted=_has_actions))
        binding.type_parts.append(self._add_type)
        binding.twin_parts.append(self._add_twin)
        binding.device_changed.append(self._follow)
        self._actions.on_changed.append(self._changed)
        self._actions.on_gone.append(self._gone)

    # -- nodes

    def _add_type(self, device_type: DeviceType, root: ua.NodeId) -> None:
        """The Objects of all Actions: those of every device are these."""
        if not device_type.actions:
            return
        space, uri = self._space, device_type.namespace_uri
        holder = space.id(uri, f"{root.Identifier}/{ACTION_SET}")
        space.object(holder, self._name, self._type, parent=root, rule=OPTIONAL)
        self._methods(holder)
        for action in device_type.actions:
            space.object(
                space.id(uri, f"{root.Identifier}/{ACTION_SET}/{action.name}"),
                space.name(uri, action.name),
                space.id(TYPES_URI, EDD_METHOD),
                parent=holder,
                display=action.label,
                description=action.help,
                rule=OPTIONAL,
            )

    def _methods(self, holder: ua.NodeId) -> None:
        for method in (INVOKE, RESPOND, ABORT):
            self._space.link(holder, HAS_COMPONENT, self._space.id(FDI5_URI, method), inverse=False)

    def _build(self, device: Device, root: ua.NodeId) -> None:
        self._fill(device, root, online=True)

    def _add_twin(self, device: Device, root: ua.NodeId) -> None:
        if _has_actions(device):
            holder = ua.NodeId(f"{root.Identifier}/{ACTION_SET}", root.NamespaceIndex)
            self._space.object(holder, self._name, self._type, parent=root)
            self._fill(device, holder, online=not str(root.Identifier).endswith(OFFLINE))

    def _fill(self, device: Device, holder: ua.NodeId, *, online: bool) -> None:
        self._methods(holder)
        self._offer(device, holder, online=online)

    def _offer(self, device: Device, holder: ua.NodeId, *, online: bool) -> None:
        space, kind = self._space, device.device_type
        for action in kind.actions:
            target = space.id(kind.namespace_uri, f"{kind.type_id}/{ACTION_SET}/{action.name}")
            if _offered(action, online=online) and target in space:
                link_once(space, holder, HAS_COMPONENT, target)

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: the ActionSets that are made offer its METHODs."""
        space, device, old = self._space, update.device, update.plan.old
        for place in ("", f"/{ONLINE}", f"/{OFFLINE}"):
            root = space.id(PLANT_URI, f"{device.device_id}{place}")
            holder = space.id(PLANT_URI, f"{root.Identifier}/{ACTION_SET}")
            if space.store.peek(key_of(holder)) is None:
                if place and space.store.peek(key_of(root)) is not None:
                    self._add_twin(device, root)
                continue
            if not device.device_type.actions:
                update.removed(space.remove(space.subtree(holder, f"{holder.Identifier}/")))
                continue
            for action in old.actions:
                target = space.id(old.namespace_uri, f"{old.type_id}/{ACTION_SET}/{action.name}")
                unlink(space, holder, HAS_COMPONENT, target)
            self._offer(device, holder, online=place != f"/{OFFLINE}")

    # -- Methods

    def _invoke(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        session = session_of(request)
        device_id, data_set = device_of(self._space, self._plant, object_key, ACTION_SET)
        name, given = (text_of(argument) for argument in arguments)
        action_id, code = self._actions.invoke(
            device_id, name, given, session.caller, online=data_set != OFFLINE, locales=session.locales
        )
        node_id = self._show(session, device_id, action_id) if action_id else ua.NodeId()
        return answer(ua.Variant(node_id, _V.NodeId), code, inputs=2)

    def _respond(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        action_id = self._id(object_key, arguments[0])
        return answer(self._actions.respond(action_id, text_of(arguments[1]), caller_of(request)), inputs=2)

    def _abort(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        return answer(self._actions.abort(self._id(object_key, arguments[0]), caller_of(request)), inputs=1)

    def _id(self, object_key: Key, argument: ua.Variant) -> str:
        """The Action of the device that a NodeId names; "" stands for one that nobody has."""
        device_id, _ = device_of(self._space, self._plant, object_key, ACTION_SET)
        node_id = argument.Value
        action_id = str(node_id.Identifier).rsplit("/", 1)[-1] if isinstance(node_id, ua.NodeId) else ""
        shown = self._shown.get(action_id)
        return action_id if shown is not None and self._node_id(device_id, action_id) == node_id else ""

    # -- Variables

    def _node_id(self, device_id: str, action_id: str) -> ua.NodeId:
        return self._space.id(PLANT_URI, f"{device_id}/{ACTION_SET}/{action_id}")

    def _show(self, session: Session, device_id: str, action_id: str) -> ua.NodeId:
        space, node_id = self._space, self._node_id(device_id, action_id)
        self._shown[action_id] = (node_id, session)
        space.variable(
            node_id,
            space.name(PLANT_URI, action_id),
            self._value(action_id, session),
            _STRING,
            parent=space.id(PLANT_URI, f"{device_id}/{ACTION_SET}"),
            permissions=self._private.permissions(session, RIGHTS),
        )
        return node_id

    def _value(self, action_id: str, session: Session) -> ua.DataValue:
        now = to_datetime(self._clock.now())
        content = self._actions.value(action_id, session.locales)
        return ua.DataValue(ua.Variant(content, _V.String), SourceTimestamp=now, ServerTimestamp=now)

    def _changed(self, action_id: str) -> None:
        shown = self._shown.get(action_id)
        if shown is None:
            return  # it changed before its Variable was made, which shows it as it is
        node_id, session = shown
        if node_id in self._space:
            put_data_value(self._space.point(node_id), self._value(action_id, session))

    def _gone(self, action_id: str) -> None:
        shown = self._shown.pop(action_id, None)
        if shown is not None and shown[0] in self._space:
            self._engine.node_removed([node.key for node in self._space.remove([shown[0]])])


def _has_actions(device: Device) -> bool:
    return bool(device.device_type.actions)


def _offered(action: ActionSpec, *, online: bool) -> bool:
    """ACCESS ONLINE and OFFLINE choose the data set; the leading instance counts as online: it talks to the device."""
    return action.access != ("OFFLINE" if online else "ONLINE")
