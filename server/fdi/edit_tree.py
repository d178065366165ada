"""All open edit contexts: who owns which, what lies inside what, and what ends or changes them from outside."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from server.core import status
from server.core.errors import NotFoundError
from server.core.values import DeviceId, ModelChange, PointUpdate, Scalar, UpdateKind
from server.fdi.edit_values import Scratch, Side
from server.fdi.rules import fits, rules_of
from server.model.lock import NETWORK, LockOwner
from server.model.plant import Plant
from server.settings import FdiSettings


@dataclass(slots=True, eq=False)
class Context:
    """One edit context."""

    context_id: str
    device_id: DeviceId
    owner: LockOwner
    window_mode: int
    parent: Context | None
    sides: dict[Side, Scratch]
    registered: set[str] = field(default_factory=set)
    children: list[Context] = field(default_factory=list)
    order: asyncio.Lock = field(default_factory=asyncio.Lock)  # one write or apply at a time

    def tree(self) -> Iterator[Context]:
        """This context and all inside it, innermost last."""
        yield self
        for child in self.children:
            yield from child.tree()


class ContextTree:
    """Open contexts by id and by device."""

    def __init__(self, plant: Plant, limits: FdiSettings) -> None:
        self._plant = plant
        self._limits = limits
        self._contexts: dict[str, Context] = {}
        self._roots: dict[str, list[Context]] = {}  # top-level contexts by device
        self._silent: dict[str, bool] = {}  # of these devices, as last told
        self.on_changed: list[Callable[[str, frozenset[tuple[Side, str]]], None]] = []
        self.on_discarded: list[Callable[[str], None]] = []

    def __len__(self) -> int:
        return len(self._contexts)

    def find(self, context_id: str) -> Context | None:
        """The context of this id."""
        return self._contexts.get(context_id)

    def get(self, context_id: str) -> Context:
        """The context of this id.

        Raises:
            NotFoundError: there is none (BadNodeIdUnknown).
        """
        context = self._contexts.get(context_id)
        if context is None:
            raise NotFoundError("no such edit context", status_code=status.BAD_NODE_ID_UNKNOWN)
        return context

    # -- opening and closing

    def is_full(self, device_id: str, owner: LockOwner, parent: Context | None) -> bool:
        """True when one more context would be beyond the limits."""
        limits = self._limits
        depth, around = 1, parent
        while around is not None:
            depth, around = depth + 1, around.parent
        of_device = sum(1 for root in self._roots.get(device_id, ()) for _ in root.tree())
        of_session = sum(1 for context in self._contexts.values() if context.owner.session == owner.session)
        return (
            depth > limits.edit_context_depth
            or of_device >= limits.edit_contexts_per_device
            or of_session >= limits.edit_contexts_per_session
        )

    def open(
        self,
        device_id: DeviceId,
        owner: LockOwner,
        window_mode: int,
        parent: Context | None,
        sides: dict[Side, Scratch],
    ) -> Context:
        """A new context; its id is part of NodeIds and nobody else can guess it."""
        context = Context(secrets.token_hex(16), device_id, owner, window_mode, parent, sides)
        self._contexts[context.context_id] = context
        (self._roots.setdefault(device_id, []) if parent is None else parent.children).append(context)
        self._silent.setdefault(device_id, self._plant.device(device_id).silent)
        return context

    def discard(self, context: Context) -> None:
        """Remove a context and all inside it, innermost first."""
        gone = list(context.tree())
        siblings = context.parent.children if context.parent is not None else self._roots[context.device_id]
        siblings.remove(context)
        if not self._roots.get(context.device_id, True):
            del self._roots[context.device_id]
            self._silent.pop(context.device_id, None)
        for inner in reversed(gone):
            del self._contexts[inner.context_id]
            for scratch in inner.sides.values():
                scratch.reset()  # an Apply that runs sends nothing more of it
            for told in self.on_discarded:
                told(inner.context_id)

    def tell(self, context: Context, side: Side, names: Iterable[str]) -> None:
        """Say which registered values of a context and of all inside it read differently."""
        names = frozenset(names)
        for inner in context.tree():
            shown = frozenset((side, name) for name in names & inner.registered)
            if shown and inner.context_id in self._contexts:
                for told in self.on_changed:
                    told(inner.context_id, shown)

    # -- what happens around the contexts

    def values_changed(self, updates: Iterable[PointUpdate]) -> None:
        """Values that the plant accepted: what is not edited shows them. Costs nothing while no context is open."""
        if not self._roots:
            return
        changed: dict[str, set[str]] = {}
        for update in updates:
            if update.device_id in self._roots and update.kind is not UpdateKind.LATE:
                changed.setdefault(update.device_id, set()).add(update.parameter)
        self.tick()
        for device_id, names in changed.items():
            # An offline value that nobody set shows what the device reports.
            self.below_changed(device_id, tuple(Side), names)

    def tick(self) -> None:
        """Devices that fell silent, or are back: all their online values show it."""
        for device_id, known in tuple(self._silent.items()):
            device = self._plant.devices.get(DeviceId(device_id))
            if device is None or device.silent == known:
                continue
            self._silent[device_id] = device.silent
            for root in self._roots[device_id]:
                self.tell(root, Side.ONLINE, device.points.keys())

    def offline_changed(self, device_id: str, names: frozenset[str]) -> None:
        """Values of the offline data set changed."""
        self.below_changed(device_id, (Side.OFFLINE,), names)

    def below_changed(self, device_id: str, sides: Iterable[Side], names: Iterable[str]) -> None:
        """What lies under the contexts of a device changed."""
        names = tuple(names)
        for root in tuple(self._roots.get(device_id, ())):
            for side in sides:
                self.tell(root, side, root.sides[side].below_changed(names))

    def model_changed(self, change: ModelChange) -> None:
        """Contexts of a device that is gone are discarded; under another version of its type they keep what fits."""
        if change.device_id is None or change.device_id not in self._roots:
            return
        device = self._plant.devices.get(change.device_id)
        if device is None:
            for root in tuple(self._roots[change.device_id]):
                self.discard(root)
            return
        rules = rules_of(device.device_type)

        def keep(name: str, value: Scalar) -> bool:
            return name in rules.parameters and fits(rules.parameters[name], value)

        for root in self._roots[change.device_id]:
            for context in root.tree():
                context.registered &= device.points.keys()
                for scratch in context.sides.values():
                    scratch.rebase(rules, keep)
            for side in Side:
                self.tell(root, side, rules.parameters.keys())

    def lock_released(self, scope: str, owner: LockOwner, _reason: str) -> None:
        """A lock has ended: the contexts that it carried end too."""
        for device_id in list(self._roots) if scope == NETWORK else [scope]:
            for root in tuple(self._roots.get(device_id, ())):
                if root.owner == owner:
                    self.discard(root)
