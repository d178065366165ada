"""DI locking (OPC 10000-100, LockingServicesType): the Lock of every device and of the network."""

from __future__ import annotations

from dataclasses import dataclass

from asyncua import ua

from server.core.values import Caller
from server.model.device import Device
from server.model.lock import NETWORK, Locks, LockState, owner_of
from server.opcua.device_nodes import MQTT_NETWORK
from server.opcua.names import DI_URI, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import ADMINS_CALL
from server.opcua.services.context import Request
from server.opcua.space import HAS_COMPONENT, data_value
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, answer, caller_of, device_of, text_of
from server.opcua.specs.parts import Part
from server.opcua.specs.runtime import Runtime
from server.opcua.wire import Point

LOCK = "Lock"
LOCKING_SERVICES = 6388
MAX_INACTIVE_LOCK_TIME = 6387
INIT_LOCK, RENEW_LOCK, EXIT_LOCK, BREAK_LOCK = 6393, 6396, 6398, 6400
"""Methods of the type, used by all instances."""
_BREAK_DECLARATIONS = (BREAK_LOCK, 6173, 6306)
_V = ua.VariantType
_DURATION = 290


def bind(binding: Binding, fdi: Runtime) -> None:
    """Locks of devices and network from now on."""
    Locking(binding, fdi)


@dataclass(slots=True)
class _Shown:
    """The Properties of one Lock that somebody has looked at."""

    locked: Point
    client: Point
    user: Point


class Locking:
    """The Lock Objects and what their Methods do. Operators lock, administrators break locks."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._locks: Locks = fdi.locks
        self._audit = binding.audit
        self._shown: dict[str, _Shown] = {}  # by scope
        self._type = space.id(DI_URI, LOCKING_SERVICES)
        self._name = space.name(DI_URI, LOCK)
        for method, handler in (
            (INIT_LOCK, self._init),
            (RENEW_LOCK, self._renew),
            (EXIT_LOCK, self._exit),
            (BREAK_LOCK, self._break),
        ):
            binding.handlers.typed[key_of(space.id(DI_URI, method))] = handler
        allow(space, DI_URI, _BREAK_DECLARATIONS, ADMINS_CALL)
        binding.parts.add(Part(LOCK, self._name, lambda _device: self._type, self._build))
        binding.device_gone.append(self._forget)
        self._network()
        most = space.point(space.id(DI_URI, MAX_INACTIVE_LOCK_TIME))
        put_data_value(most, data_value(self._locks.timeout_s * 1000.0, _V.Double))
        self._locks.on_change.append(self._changed)
        binding.ticks.append(self._locks.tick)
        # Whoever had the session before is gone, and what he locked with him.
        binding.sessions.on_identity.append(lambda session: fdi.session_closed(str(session.session_id.Identifier)))
        binding.sessions.on_closed.append(lambda session, _how: fdi.session_closed(str(session.session_id.Identifier)))

    # -- nodes

    def _network(self) -> None:
        space = self._space
        root = space.id(PLANT_URI, f"{MQTT_NETWORK}/{LOCK}")
        space.object(root, self._name, self._type, parent=space.id(PLANT_URI, MQTT_NETWORK))
        self._fill(NETWORK, root)

    def _build(self, device: Device, root: ua.NodeId) -> None:
        self._fill(device.device_id, root)

    def _fill(self, scope: str, root: ua.NodeId) -> None:
        """Properties and Methods; the Methods are the type's."""
        space = self._space
        points = {}
        for name, data_type, kind in (
            ("Locked", ua.ObjectIds.Boolean, _V.Boolean),
            ("LockingClient", ua.ObjectIds.String, _V.String),
            ("LockingUser", ua.ObjectIds.String, _V.String),
            ("RemainingLockTime", _DURATION, _V.Double),
        ):
            node_id = ua.NodeId(f"{root.Identifier}/{name}", root.NamespaceIndex)
            empty = False if kind is _V.Boolean else 0.0 if kind is _V.Double else ""
            space.property(
                node_id, space.name(DI_URI, name), data_value(empty, kind), ua.NodeId(data_type), parent=root
            )
            points[name] = space.point(node_id)
        for method in (INIT_LOCK, RENEW_LOCK, EXIT_LOCK, BREAK_LOCK):
            space.link(root, HAS_COMPONENT, space.id(DI_URI, method), inverse=False)
        shown = self._shown[scope] = _Shown(points["Locked"], points["LockingClient"], points["LockingUser"])
        remaining = points["RemainingLockTime"]

        def count_down() -> None:
            put_data_value(remaining, data_value(self._locks.state(scope).remaining_ms, _V.Double))

        remaining.live = count_down
        _show(shown, self._locks.state(scope))

    def _forget(self, device_id: str) -> None:
        self._shown.pop(device_id, None)

    def _changed(self, scope: str, state: LockState) -> None:
        if scope != NETWORK:
            shown = self._shown.get(scope)
            if shown is not None:
                _show(shown, state)
            return
        # Every device shows the lock of its network as its own.
        for name, shown in self._shown.items():
            _show(shown, self._locks.state(name))

    # -- Methods

    def _scope(self, object_key: Key) -> str:
        if object_key == key_of(self._space.id(PLANT_URI, f"{MQTT_NETWORK}/{LOCK}")):
            return NETWORK
        return str(device_of(self._space, self._plant, object_key, LOCK)[0])

    def _init(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        caller, scope = caller_of(request), self._scope(object_key)
        context = text_of(arguments[0])
        code = self._locks.init_lock(scope, context, owner_of(caller), caller.door)
        self._note(caller, "lock", scope, code, context)
        return answer(code, inputs=1)

    def _renew(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        return answer(self._locks.renew_lock(self._scope(object_key), owner_of(caller_of(request))))

    def _exit(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        caller, scope = caller_of(request), self._scope(object_key)
        code = self._locks.exit_lock(scope, owner_of(caller))
        self._note(caller, "unlock", scope, code)
        return answer(code)

    def _break(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        caller, scope = caller_of(request), self._scope(object_key)
        before = self._locks.state(scope)
        code = self._locks.break_lock(scope)
        self._note(
            caller, "break lock", scope, code, f"held by {before.user} ({before.client})" if before.locked else ""
        )
        return answer(code)

    def _note(self, caller: Caller, action: str, scope: str, code: int, detail: str = "") -> None:
        self._audit.note(caller, action, scope, "Good" if code == 0 else f"refused ({code})", detail)


def _show(shown: _Shown, state: LockState) -> None:
    put_data_value(shown.locked, data_value(state.locked, _V.Boolean))
    put_data_value(shown.client, data_value(state.client, _V.String))
    put_data_value(shown.user, data_value(state.user, _V.String))
