"""Objects below devices that are made when somebody looks: `<device>/<part>` and all below it, one builder a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua

from server.core.values import DeviceId
from server.model.device import Device
from server.model.plant import Plant
from server.opcua.device_nodes import DeviceNodes
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import OBJECT
from server.opcua.nodes.on_demand import Announcement, OnDemand
from server.opcua.services.fault import ServiceFault
from server.opcua.space import HAS_COMPONENT, Space
from server.opcua.specs.budget import Budget

MAKING_S = 0.5
"""Of each second that making parts may take."""


def _always(_device: Device) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """One Object of every device that wants it."""

    name: str
    """Of the NodeId below the device: `Lock` of `<device>/Lock`."""
    browse_name: ua.QualifiedName
    type_of: Callable[[Device], ua.NodeId]
    build: Callable[[Device, ua.NodeId], None]
    """Makes what is below the Object, which is there already."""
    reference: ua.NodeId = HAS_COMPONENT
    wanted: Callable[[Device], bool] = _always
    display: Callable[[Device], str] | None = None
    """DisplayName where lists show the Object beside those of other devices; None: the BrowseName."""


class DeviceParts:
    """Announces the parts of each device and makes them. A maker; see `nodes.on_demand`."""

    def __init__(self, space: Space, plant: Plant, on_demand: OnDemand, devices: DeviceNodes, budget: Budget) -> None:
        self._space = space
        self._plant = plant
        self._budget = budget
        self._parts: dict[str, Part] = {}
        self._made: set[tuple[str, str]] = set()  # (device, part)
        on_demand.makers.append(self)
        devices.parts.append(self._announce)

    def add(self, part: Part) -> None:
        """From now on devices that are added have this part."""
        self._parts[part.name] = part

    def made(self, device_id: str, name: str) -> bool:
        """True when somebody has looked at a part of a device."""
        return (device_id, name) in self._made

    def forget(self, device_id: str) -> None:
        """A device's nodes went: its parts will be made anew if it returns."""
        self._made = {entry for entry in self._made if entry[0] != device_id}

    def _announce(self, device: Device, root: ua.NodeId) -> None:
        space = self._space
        for part in self._parts.values():
            if part.wanted(device):
                target = space.id(PLANT_URI, f"{device.device_id}/{part.name}")
                space.announce(root, part.reference, target, part.browse_name, part.type_of(device))

    def follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: it may want parts that it had not, or others no longer."""
        space, device = self._space, update.device
        root = space.id(PLANT_URI, device.device_id)
        for part in self._parts.values():
            target = space.id(PLANT_URI, f"{device.device_id}/{part.name}")
            link = key_of(root), key_of(part.reference), key_of(target)
            announced, wanted = space.store.linked(*link), part.wanted(device)
            if wanted and not announced:
                space.announce(root, part.reference, target, part.browse_name, part.type_of(device))
            elif announced and not wanted:
                if self.made(device.device_id, part.name):
                    update.removed(space.remove(space.subtree(target, f"{target.Identifier}/")))
                    self._made.discard((device.device_id, part.name))
                space.store.unlink(*link)

    def _find(self, key: Key) -> tuple[Device, Part, bool] | None:
        """(device, part, the key names the part itself) of a key; None when it is none of a part."""
        if isinstance(key, int) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return None
        pieces = key[1].split("/", 2)
        part = self._parts.get(pieces[1]) if len(pieces) > 1 else None
        device = self._plant.devices.get(DeviceId(pieces[0])) if part is not None else None
        if part is None or device is None or not part.wanted(device):
            return None
        return device, part, len(pieces) == 2

    def announced(self, key: Key) -> Announcement | None:
        """What Browse shows of a part that is not made."""
        found = self._find(key)
        if found is None or not found[2]:
            return None
        device, part, _ = found
        told = part.browse_name, OBJECT, key_of(part.type_of(device))
        return told if part.display is None else (*told, ua.LocalizedText(part.display(device)))

    def make(self, key: Key) -> bool:
        """Make the part that a key belongs to; False when it is there already or none.

        Raises:
            ServiceFault: BadTooManyOperations; too many were made just now. Asked again, what was made is there.
        """
        found = self._find(key)
        if found is None:
            return False
        device, part, _ = found
        entry = (str(device.device_id), part.name)
        space = self._space
        above = space.id(PLANT_URI, device.device_id)
        root = space.id(PLANT_URI, f"{device.device_id}/{part.name}")
        announced = key_of(above), key_of(part.reference), key_of(root)
        if entry in self._made or space.store.peek(announced[0]) is None or not space.store.linked(*announced):
            return False
        if self._budget.exhausted:
            raise ServiceFault(ua.StatusCodes.BadTooManyOperations)
        self._made.add(entry)
        with self._budget.charged():
            self._build(device, part, above)
        return space.store.peek(key) is not None

    def _build(self, device: Device, part: Part, above: ua.NodeId) -> None:
        space = self._space
        root = space.id(PLANT_URI, f"{device.device_id}/{part.name}")
        display = part.display(device) if part.display is not None else ""
        space.object(root, part.browse_name, part.type_of(device), display=display)
        space.back(above, part.reference, root)
        part.build(device, root)
