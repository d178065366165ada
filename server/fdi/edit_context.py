"""Edit contexts (IEC 62769-3, 5.6): scratch copies of a device's parameters, one tree per client that holds the lock.

Nothing reaches the device or the offline data set before Apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from server.core import status
from server.core.clock import Clock
from server.core.errors import IntegrationError, NotFoundError
from server.core.status import StatusCode
from server.core.values import Caller, DeviceId, ModelChange, PointUpdate, Scalar
from server.fdi.configuration import Configuration
from server.fdi.edit_apply import Access, Incident, apply_offline, apply_online, sendable
from server.fdi.edit_tree import Context, ContextTree
from server.fdi.edit_values import ContextValue, Edited, Live, Scratch, Side, below_device
from server.fdi.logic.type_logic import ValueSource
from server.fdi.rules import as_typed, check_type, rules_of
from server.model.lock import LockOwner, Locks, owner_of
from server.model.plant import Plant
from server.security.access import Right, require
from server.settings import FdiSettings

OK = 0
E_NOT_LOCKED = -1
E_UNKNOWN_CONTEXT = -2
E_UNKNOWN_NODE = -3
E_APPLY_FAILED = -4
E_CHILD_CONTEXT_OPEN = -5
E_TOO_MANY = -6
WINDOW_MODES = (1, 2, 3)  # ModalWindow, NonModalWindow, UIP


class HookOutcome(Protocol):
    """How the actions around an edit ended."""

    @property
    def status(self) -> StatusCode: ...

    @property
    def value(self) -> Scalar | None: ...


class EditHooks(Protocol):
    """PRE_EDIT_ACTIONS and POST_EDIT_ACTIONS; they run inside the context, on its values."""

    async def run_hooks(
        self,
        device_id: str,
        parameter: str,
        kind: str,
        value: Scalar | None,
        values: ValueSource | None,
        caller: Caller,
        *,
        offline: bool = False,
        assign: Callable[[str, Scalar], None] | None = None,
    ) -> HookOutcome:
        """Good and the value that the actions leave, or why the edit is refused."""


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """How an Apply ended; `incidents` stay edited."""

    status: int
    incidents: tuple[Incident, ...] = ()


class EditContexts:
    """All edit contexts of the server."""

    def __init__(
        self,
        plant: Plant,
        locks: Locks,
        configuration: Configuration,
        live: Live,
        access: Access,
        actions: EditHooks | None,
        clock: Clock,
        limits: FdiSettings,
    ) -> None:
        self._plant = plant
        self._locks = locks
        self._configuration = configuration
        self._live = live
        self._access = access
        self._clock = clock
        self._limits = limits
        self.actions = actions
        self._tree = ContextTree(plant, limits)
        locks.on_released.append(self._tree.lock_released)
        configuration.on_changed.append(self._tree.offline_changed)

    @property
    def on_changed(self) -> list[Callable[[str, frozenset[tuple[Side, str]]], None]]:
        """Called with (context id, registered values) that read differently now."""
        return self._tree.on_changed

    @property
    def on_discarded(self) -> list[Callable[[str], None]]:
        """Called with the id of a context that is gone, those inside another before it."""
        return self._tree.on_discarded

    # -- services

    def get(self, device_id: str, parent_id: str, window_mode: int, caller: Caller) -> tuple[str, int]:
        """GetEditContext: (context id, 0); ("", -1) without the lock, ("", -2) for an unknown device or parent,
        ("", -6) beyond the limits.

        Raises:
            DeniedError: the caller may not write parameters.
        """
        require(caller, Right.WRITE, f"edit {device_id}")
        owner = owner_of(caller)
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None or window_mode not in WINDOW_MODES:
            return "", E_UNKNOWN_CONTEXT
        if not self._locks.owns(device_id, owner):
            return "", E_NOT_LOCKED
        self._locks.touch(device_id, owner)
        parent = self._tree.find(parent_id) if parent_id else None
        if parent_id and (parent is None or parent.device_id != device_id or parent.owner != owner):
            return "", E_UNKNOWN_CONTEXT
        if self._tree.is_full(device_id, owner, parent):
            return "", E_TOO_MANY
        rules = rules_of(device.device_type)
        sides = {
            side: Scratch(
                rules,
                below_device(self._plant, self._live, self._configuration, device_id, side),
                parent.sides[side] if parent is not None else None,
            )
            for side in Side
        }
        context = self._tree.open(device.device_id, owner, window_mode, parent, sides)
        return context.context_id, OK

    def check(self, context_id: str, caller: Caller) -> int:
        """0 when the caller may use the context, -1 when he no longer holds the lock, -2 when it is not his."""
        context = self._tree.find(context_id)
        owner = owner_of(caller)
        if context is None or context.owner != owner:
            return E_UNKNOWN_CONTEXT
        if not self._locks.owns(context.device_id, owner):
            return E_NOT_LOCKED
        self._locks.touch(context.device_id, owner)
        return OK

    def register(self, context_id: str, names: Iterable[str], caller: Caller) -> list[int]:
        """RegisterNodes: a NodeStatus per name; -3 for what is no parameter of the device, -6 beyond the limit."""
        names = list(names)
        wrong = self.check(context_id, caller)
        if wrong != OK:
            return [wrong] * len(names)
        context = self._tree.get(context_id)
        points = self._plant.device(context.device_id).points
        answers = []
        for name in names:
            if name not in points:
                answers.append(E_UNKNOWN_NODE)
            elif name not in context.registered and len(context.registered) >= self._limits.registered_nodes:
                answers.append(E_TOO_MANY)
            else:
                context.registered.add(name)
                answers.append(OK)
        return answers

    def read(self, context_id: str, side: Side, name: str) -> ContextValue:
        """A value as the context shows it. Whether the reader may is for the door to ask (`owner`).

        Raises:
            NotFoundError: no such context or parameter (BadNodeIdUnknown).
        """
        scratch = self._tree.get(context_id).sides[side]
        try:
            return scratch.read(name)
        except KeyError:
            raise NotFoundError(f"no parameter {name!r}", status_code=status.BAD_NODE_ID_UNKNOWN) from None

    async def write(self, context_id: str, side: Side, name: str, value: Scalar, caller: Caller) -> StatusCode:
        """A Write on a context node: Good when the value is edited; nothing is sent.

        A value outside its range is taken and shows BadEditedOutOfRange: Apply leaves it out.
        """
        wrong = self.check(context_id, caller)
        if wrong != OK:
            return status.BAD_NODE_ID_UNKNOWN if wrong == E_UNKNOWN_CONTEXT else status.BAD_LOCKED
        context = self._tree.get(context_id)
        async with context.order:
            return await self._write(context, side, name, value, caller)

    async def _write(self, context: Context, side: Side, name: str, value: Scalar, caller: Caller) -> StatusCode:
        code = self._refused(context, side, name, value)
        if code != status.GOOD:
            return code
        code, value = await self._hooks(context, side, name, "PRE_EDIT_ACTIONS", value, caller)
        # The actions may have changed the value; and the lock, the device or its type may be gone meanwhile.
        if status.is_good(code):
            code = self._refused(context, side, name, value)
        if not status.is_good(code):
            return code
        code, changed = await self._hooks(context, side, name, "POST_EDIT_ACTIONS", value, caller)
        if self._tree.find(context.context_id) is None:
            return status.BAD_NODE_ID_UNKNOWN
        if status.is_good(code) and changed != value:
            code = self._refused(context, side, name, changed)
        if not status.is_good(code):
            return code  # an action that gives up rejects the edit, whether it runs before or after it
        return self.set_from_method(context.context_id, side, name, changed)

    def _refused(self, context: Context, side: Side, name: str, value: Scalar) -> StatusCode:
        """Good, or why the value cannot even be edited; its range does not matter here."""
        device = self._plant.devices.get(context.device_id)
        if self._tree.find(context.context_id) is None or device is None or name not in device.points:
            return status.BAD_NODE_ID_UNKNOWN
        if name not in context.sides[side].rules.parameters:
            return status.BAD_NODE_ID_UNKNOWN  # another version of the type is taking over at this moment
        spec = context.sides[side].spec(name)
        if not spec.writable or not spec.valid:
            return status.BAD_NOT_WRITABLE
        return check_type(spec, value)

    async def _hooks(
        self, context: Context, side: Side, name: str, kind: str, value: Scalar, caller: Caller
    ) -> tuple[StatusCode, Scalar]:
        if self.actions is None:
            return status.GOOD, value

        def assign(other: str, content: Scalar) -> None:
            self.set_from_method(context.context_id, side, other, content)

        try:
            outcome = await self.actions.run_hooks(
                context.device_id,
                name,
                kind,
                value,
                Edited(context.sides[side], name, value) if kind == "POST_EDIT_ACTIONS" else context.sides[side],
                caller,
                offline=side is Side.OFFLINE,
                assign=assign,
            )
        except IntegrationError as error:
            return error.status, value
        return outcome.status, value if outcome.value is None else outcome.value

    async def apply(self, context_id: str, caller: Caller) -> ApplyOutcome:
        """Apply: a nested context into its parent, a top-level one to the offline data set and the device.

        The status is 0, -1, -2, -5, or -4 with what could not be written.

        Raises:
            DeniedError: the caller may no longer write parameters.
        """
        context, wrong = self._leaf(context_id, caller)
        if context is None:
            return ApplyOutcome(wrong)
        require(caller, Right.WRITE, f"apply {context.device_id}")
        async with context.order:
            if self._tree.find(context.context_id) is None:
                return ApplyOutcome(E_UNKNOWN_CONTEXT)
            if context.children:
                return ApplyOutcome(E_CHILD_CONTEXT_OPEN)
            with self._locks.busy(context.device_id):
                return await self._apply(context, caller)

    async def _apply(self, context: Context, caller: Caller) -> ApplyOutcome:
        incidents: list[Incident] = []
        edited = {side: tuple(scratch.edits) for side, scratch in context.sides.items()}
        if context.parent is not None:
            for side, scratch in context.sides.items():
                for name in edited[side]:
                    context.parent.sides[side].set(name, scratch.edits[name], self._clock.now())
                    scratch.applied(name, status.GOOD)
        else:
            if edited[Side.OFFLINE]:
                offline = context.sides[Side.OFFLINE]
                incidents += await apply_offline(context.device_id, offline, self._configuration)
            if edited[Side.ONLINE]:
                incidents += await self._apply_online(context, caller)
        for side, names in edited.items():
            self._tree.tell(context.parent or context, side, context.sides[side].touched(names))
        return ApplyOutcome(E_APPLY_FAILED if incidents else OK, tuple(incidents))

    async def _apply_online(self, context: Context, caller: Caller) -> list[Incident]:
        scratch = context.sides[Side.ONLINE]
        device = self._plant.devices.get(context.device_id)
        if device is None or device.silent:
            return [Incident(Side.ONLINE, name, status.BAD_NOT_CONNECTED) for name in sendable(scratch)]
        return await apply_online(context.device_id, scratch, self._access, caller)

    def reset(self, context_id: str, caller: Caller) -> int:
        """Reset: 0 and all edits are thrown away, registrations stay; -1, -2, -5."""
        context, wrong = self._leaf(context_id, caller)
        if context is None:
            return wrong
        for side, scratch in context.sides.items():
            self._tree.tell(context, side, scratch.reset())
        return OK

    def discard(self, context_id: str, caller: Caller) -> int:
        """Discard: 0 and the context is gone with all inside it; -2. It needs no lock: nothing is changed by it."""
        context = self._tree.find(context_id)
        if context is None or context.owner != owner_of(caller):
            return E_UNKNOWN_CONTEXT
        self._tree.discard(context)
        return OK

    def _leaf(self, context_id: str, caller: Caller) -> tuple[Context | None, int]:
        wrong = self.check(context_id, caller)
        if wrong != OK:
            return None, wrong
        context = self._tree.get(context_id)
        return (None, E_CHILD_CONTEXT_OPEN) if context.children else (context, OK)

    # -- for METHODs and other rooms

    def values(self, context_id: str, side: Side) -> ValueSource:
        """The values of one side as expressions read them.

        Raises:
            NotFoundError: no such context.
        """
        return self._tree.get(context_id).sides[side]

    def set_from_method(self, context_id: str, side: Side, name: str, value: Scalar) -> StatusCode:
        """What a METHOD assigns inside a context: HANDLING and ranges do not bind it, the type does."""
        context = self._tree.find(context_id)
        if context is None:
            return status.BAD_NODE_ID_UNKNOWN
        spec = context.sides[side].rules.parameters.get(name)
        if spec is None:
            return status.BAD_NODE_ID_UNKNOWN
        code = check_type(spec, value)
        if status.is_good(code):
            self._edit(context, side, name, value)
        return code

    def owner(self, context_id: str) -> LockOwner:
        """Who may see and use the context.

        Raises:
            NotFoundError: no such context.
        """
        return self._tree.get(context_id).owner

    def device_of(self, context_id: str) -> DeviceId:
        """The device it edits; errors as `owner`."""
        return self._tree.get(context_id).device_id

    def registered(self, context_id: str) -> frozenset[str]:
        """Parameters registered in it; errors as `owner`."""
        return frozenset(self._tree.get(context_id).registered)

    def __len__(self) -> int:
        return len(self._tree)

    def values_changed(self, updates: Iterable[PointUpdate]) -> None:
        """Values that the plant accepted; costs nothing while no context is open."""
        self._tree.values_changed(updates)

    def tick(self) -> None:
        """Tell of devices that fell silent; call it once a second."""
        self._tree.tick()

    def model_changed(self, change: ModelChange) -> None:
        """A device or its type came, went or changed."""
        self._tree.model_changed(change)

    # -- inside

    def _edit(self, context: Context, side: Side, name: str, value: Scalar) -> None:
        scratch = context.sides[side]
        typed = as_typed(scratch.rules.parameters[name], value)
        self._tree.tell(context, side, scratch.set(name, typed, self._clock.now()))
