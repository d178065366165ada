"""Another version of a device type takes over, device by device: others get their turn in between. Pure."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from server.core.values import ChangeKind, DeviceId, ModelChange
from server.model.device import Device
from server.model.device_type import DeviceType


class TypeUpdate:
    """The change from one version to another; nothing has happened before `steps` is walked, and `undo` takes it back.

    A device is never without its values: it changes in one step, at the moment its ModelChange is handed out.
    """

    def __init__(
        self, types: MutableMapping[str, DeviceType], devices: MutableMapping[DeviceId, Device], device_type: DeviceType
    ) -> None:
        self._types = types
        self._devices = devices
        self._new = device_type
        self._old = types.get(device_type.type_id)
        self._replaced: dict[DeviceId, Device] = {}  # as they were before, in the order of their change

    def steps(self) -> Iterator[ModelChange]:
        """The type first, then each of its devices."""
        type_id, old = self._new.type_id, self._old
        self._types[type_id] = self._new
        if old is None:
            yield ModelChange(ChangeKind.TYPE_ADDED, type_id)
            return
        yield ModelChange(ChangeKind.TYPE_CHANGED, type_id)
        same = unchanged(old, self._new)
        removed = tuple(name for name in old.parameters if name not in self._new.parameters)
        for device in [device for device in self._devices.values() if device.device_type.type_id == type_id]:
            self._replaced[device.device_id] = device
            self._devices[device.device_id] = device.converted_to(self._new, same)
            yield ModelChange(ChangeKind.DEVICE_CHANGED, type_id, device.device_id, removed)

    def undo(self) -> Iterator[ModelChange]:
        """Everything back as it was, the values of parameters that had gone included."""
        type_id, old = self._new.type_id, self._old
        if self._types.get(type_id) is not self._new:
            return
        if old is None:
            del self._types[type_id]
            yield ModelChange(ChangeKind.TYPE_REMOVED, type_id)
            return
        self._types[type_id] = old
        yield ModelChange(ChangeKind.TYPE_CHANGED, type_id)
        removed = tuple(name for name in self._new.parameters if name not in old.parameters)
        for device_id, device in self._replaced.items():
            if device_id in self._devices:
                self._devices[device_id] = device
                yield ModelChange(ChangeKind.DEVICE_CHANGED, type_id, device_id, removed)


def unchanged(old: DeviceType, new: DeviceType) -> frozenset[str]:
    """Parameters that both versions describe alike."""
    return frozenset(name for name, spec in new.parameters.items() if old.parameters.get(name) == spec)
